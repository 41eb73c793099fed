"""Scales of colours: one for all frames of a picture, one for their errors, one for probabilities; without matplotlib.

Each scale has its own bar, and ticks along it as shares of its length and their numbers.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nextframe.frames.sequence import FloatArray
from nextframe.report.colours import mapped
from nextframe.report.rain_colours import RainColours, rain_colours

RGB = NDArray[np.uint8]
"""A picture, (H, W, 3)."""
Ticks = list[tuple[float, str]]
"""Marks along a bar: shares of its length from the smallest value on, and their numbers."""
MISSING = (0.6, 0.55, 0.5)
"""Colour of missing values, that no map used here has."""
_STRETCH = 0.4  # the power that amounts of an unknown unit are drawn by
_SATURATED = 0.002  # share of errors that are beyond the scale of errors


class Bar(Protocol):
    """A scale with a bar to read it by."""

    def bar(self, length: int, thickness: int = 1) -> RGB:
        """The colours from the largest value, on top, to the smallest, (length, thickness, 3)."""

    def ticks(self) -> Ticks:
        """Marks along the bar."""


class Palette:
    """One scale of colours for all frames of a picture.

    Values in 0..1 and bytes are shown in grey (three channels: in colour), rain in the classes of a radar map, other
    fields in a perceptually uniform map from the smallest to the largest value of the frames given here. Where hardly
    any value comes near the largest one, as in amounts of an unknown unit, the scale is stretched at its lower end.

    Args:
        frames: what the scale is to fit, (T, C, H, W) each; usually past and truth.
        unit: unit of the first channel, by which rain is known.
    """

    def __init__(self, *frames: FloatArray, unit: str = "1") -> None:
        values = np.concatenate([part[np.isfinite(part)].ravel() for part in frames])
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
        coloured = all(part.shape[1] == 3 for part in frames)
        # A forecast of bytes is between them; the frames seen are not.
        whole = any(_are_whole(part) for part in frames if np.isfinite(part).any())
        self.rain: RainColours | None = rain_colours(unit, high)
        self.map, self.power = "gray", 1.0
        if self.rain is not None:
            self.map, low, high = "rain", self.rain.levels[0], self.rain.levels[-1]
        elif low >= 0 and high <= 1 and unit == "1":
            low, high = 0.0, 1.0
        elif low >= 0 and high <= 255 and (high > 100 or (high > 1 and coloured and whole)) and (coloured or whole):
            low, high = 0.0, 255.0
        elif not coloured:  # colours of their own are explained by no bar
            self.map = "viridis"
            if low > -0.02 * high and np.quantile(values, 0.98) < low + (high - low) / 3:
                self.power = _STRETCH
        self.low, self.high = low, high if high > low else low + 1.0
        self.range = self.high - self.low

    @property
    def needs_bar(self) -> bool:
        """True where a picture needs a colour bar to be read; grey and colour pictures do not."""
        return self.map != "gray"

    def frame(self, frame: FloatArray) -> RGB:
        """A frame (C, H, W) as (H, W, 3) bytes; of other than three channels, the first."""
        if self.rain is not None:
            return _bytes(self.rain.colour(frame[0]), np.isnan(frame[0]))
        shown = frame if len(frame) == 3 else frame[:1]
        share = (np.nan_to_num(shown.astype(np.float64)) - self.low) / self.range
        scaled = np.clip(share, 0, 1) ** self.power
        picture = np.moveaxis(scaled, 0, -1) * 255 if len(frame) == 3 else mapped(self.map, scaled[0])
        return _bytes(picture, np.isnan(frame).any(axis=0))

    def bar(self, length: int, thickness: int = 1) -> RGB:
        """The colours from the largest value, on top, to the smallest, (length, thickness, 3)."""
        shares = np.linspace(1, 0, length)
        shades = mapped(self.map, shares) if self.rain is None else self.rain.along(shares)
        return _bytes(shades[:, None].repeat(thickness, axis=1), np.False_)

    def ticks(self) -> Ticks:
        """Marks along the bar: round numbers, or the bounds of the classes of rain."""
        if self.rain is not None:
            return self.rain.ticks()
        if self.power == 1:
            return [((value - self.low) / self.range, text) for value, text in round_numbers(self.low, self.high)]
        return [(n / 4, f"{self.low + self.range * (n / 4) ** (1 / self.power):.2g}") for n in range(5)]


class ErrorScale:
    """The scale of errors, forecast minus truth: blue too low, white right, red too high, as far as the errors reach.

    Args:
        errors: what it is to fit, (..., C, H, W) each, NaN where missing.
    """

    def __init__(self, *errors: FloatArray) -> None:
        sizes = np.concatenate([np.abs(shown_error(part)).ravel() for part in errors])
        sizes = sizes[np.isfinite(sizes)]
        reach = float(np.quantile(sizes, 1 - _SATURATED)) if sizes.size else 0.0
        largest = float(sizes.max()) if sizes.size else 0.0
        self.reach = round_up(reach or largest or 1.0)
        self.beyond = largest > self.reach

    def frame(self, error: FloatArray) -> RGB:
        """An error (C, H, W), mean over channels, as (H, W, 3) bytes."""
        difference = shown_error(error)
        share = np.clip(np.nan_to_num(difference) / self.reach, -1, 1)
        return _bytes(mapped("RdBu_r", (share + 1) / 2), np.isnan(difference))

    def bar(self, length: int, thickness: int = 1) -> RGB:
        """The colours from too high, on top, to too low, (length, thickness, 3)."""
        return _bytes(mapped("RdBu_r", np.linspace(1, 0, length))[:, None].repeat(thickness, axis=1), np.False_)

    def ticks(self) -> Ticks:
        """Marks along the bar."""
        sign = "≥" if self.beyond else ""
        half = f"{self.reach / 2:.3g}"
        return [
            (0.0, f"{'≤' if self.beyond else ''}-{self.reach:.3g}"),
            (0.25, f"-{half}"),
            (0.5, "0"),
            (0.75, f"+{half}"),
            (1.0, f"{sign}+{self.reach:.3g}"),
        ]


class ProbabilityScale:
    """The scale of probabilities: dark for 0, bright for 1."""

    def frame(self, probability: FloatArray) -> RGB:
        """A probability (C, H, W), of the first channel, as (H, W, 3) bytes."""
        return _bytes(mapped("magma", np.nan_to_num(probability[0])), np.isnan(probability[0]))

    def bar(self, length: int, thickness: int = 1) -> RGB:
        """The colours from 1, on top, to 0, (length, thickness, 3)."""
        return _bytes(mapped("magma", np.linspace(1, 0, length))[:, None].repeat(thickness, axis=1), np.False_)

    def ticks(self) -> Ticks:
        """Marks along the bar."""
        return [(0.0, "0"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (1.0, "100 %")]


def shown_error(error: FloatArray) -> NDArray[np.float64]:
    """An error (..., C, H, W) as pictures show it: the mean over channels."""
    mean: NDArray[np.float64] = error.astype(np.float64).mean(axis=-3)
    return mean


def round_numbers(low: float, high: float, number: int = 5) -> list[tuple[float, str]]:
    """Round numbers between two values, at most so many or two more, and how they are written.

    >>> [text for _, text in round_numbers(270.0, 290.0)], [text for _, text in round_numbers(-0.3, 1.1, 3)]
    (['270', '275', '280', '285', '290'], ['0', '0.5', '1'])
    """
    step = round_up((high - low) / number, (1, 2, 2.5, 5, 10))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(n * step, f"{n * step:.6g}") for n in range(first, last + 1)]


def round_up(value: float, steps: tuple[float, ...] = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)) -> float:
    """The next round number.

    >>> round_up(0.0123), round_up(7.0)
    (0.015, 8.0)
    """
    power = 10.0 ** math.floor(math.log10(value))
    return float(f"{next(step for step in steps if step * power >= value * (1 - 1e-9)) * power:.6g}")


def enlarge(picture: RGB, smallest: int = 200, largest: int = 1000) -> RGB:
    """Repeat pixels until the shorter side has at least so many, so that small frames can be seen; but not beyond where
    the longer side would have more than `largest`.
    """
    wanted = -(-smallest // min(picture.shape[:2]))
    factor = max(1, min(wanted, largest // max(picture.shape[:2])))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _are_whole(frames: FloatArray) -> bool:
    """True where every value that is known is a whole number."""
    return bool((~np.isfinite(frames) | (frames == np.round(frames))).all())


def _bytes(picture: NDArray[np.float64], missing: NDArray[np.bool_] | np.bool_) -> RGB:
    picture = np.where(np.asarray(missing)[..., None], np.array(MISSING) * 255, picture)
    return np.round(picture).astype(np.uint8)
