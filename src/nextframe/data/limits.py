"""Limits of a variable: the values that it can have, by which forecasts are held once they are made.

Rain is not negative, brightness ends at white, a fraction at 1. A network knows nothing of it: its outputs, the members
drawn about them and the means of members go beyond. What the limits are is told by the unit and, where that does not,
by the values of the training part that pile up at an extreme; it is kept in the manifest, and nowhere else.

Axes: C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from nextframe.data.normalise import Normaliser
from nextframe.data.statistics import FrameStatistics
from nextframe.frames.rain import kind_of_rain
from nextframe.frames.sequence import FloatArray

_PILE = 0.01
"""Share of the values that lie on a limit; what merely occurs as an extreme is none."""

_NOTHING = 0.001
"""Share of all that falls below which what falls is taken for none. A mean over pixels or forecasts is nowhere quite
dry, and the smallest of them would make drizzle of that everywhere."""

Bound = float | None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Smallest and largest value of each channel (C,), in source units, None where it has none.

    Raises:
        ValueError: limits that are not finite, or do not fit each other.

    >>> rain = Limits(low=(0.0,), high=(None,), least=(0.1,))
    >>> rain.hold(np.array([[[-0.3, 0.05, 0.1, np.nan]]], np.float32)).ravel().tolist()
    [0.0, 0.0, 0.10000000149011612, nan]
    """

    low: tuple[Bound, ...]
    """Smallest value: 0 for rain."""
    high: tuple[Bound, ...]
    """Largest value: 255 for brightness."""
    least: tuple[Bound, ...]
    """Smallest value above the lowest that is one, for what is mostly absent: less rain than was ever measured, or than
    adds up to anything, is none.
    """

    def __post_init__(self) -> None:
        if not len(self.low) == len(self.high) == len(self.least):
            raise ValueError("limits are of differing numbers of channels")
        for low, high, least in zip(self.low, self.high, self.least, strict=True):
            if not all(np.isfinite(bound) for bound in (low, high, least) if bound is not None):
                raise ValueError(f"limits {low}, {high}, {least} are not finite")
            if low is not None and high is not None and low > high:
                raise ValueError(f"limits {low} and {high} hold nothing")
            if least is not None and low is None:
                raise ValueError(f"limit {least} is above nothing")

    def hold(self, values: FloatArray) -> FloatArray:
        """Values (..., C, H, W) within the limits; NaN stays NaN. A copy, but where there is nothing to hold. Limits of
        one channel hold for every channel.
        """
        if all(bound is None for bound in (*self.low, *self.high, *self.least)):
            return values
        held = np.array(values, np.float32)
        limits = tuple(zip(self.low, self.high, self.least, strict=True))
        for c in range(held.shape[-3]):
            plane = held[..., c, :, :]
            low, high, least = limits[0 if len(limits) == 1 else c]
            if low is not None or high is not None:
                np.clip(plane, low, high, out=plane)
            if least is not None:
                plane[plane < np.float32(least)] = low
        return held

    def of(self, channel: int) -> Self:
        """Limits of one channel alone; those of one channel hold for every channel."""
        place = 0 if len(self.low) == 1 else channel
        return type(self)(low=(self.low[place],), high=(self.high[place],), least=(self.least[place],))

    @property
    def pooled(self) -> Self:
        """Limits of one channel that hold for all of them: the widest."""
        low = None if None in self.low else min(bound for bound in self.low if bound is not None)
        high = None if None in self.high else max(bound for bound in self.high if bound is not None)
        return type(self)(low=(low,), high=(high,), least=(self.least[0] if len(self.least) == 1 else None,))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {name: list(bounds) for name, bounds in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: a mapping that `to_dict` did not make.
        """
        names = ("low", "high", "least")
        return cls(**{name: tuple(None if v is None else float(v) for v in values[name]) for name in names})


def measured_limits(statistics: FrameStatistics, units: Sequence[str], *, eight_bit: bool = False) -> Limits:
    """Limits that the frames of a training part tell.

    Args:
        statistics: of the training part.
        units: of each channel.
        eight_bit: True for frames of bytes.
    """
    rows = [_measured(statistics, c, unit, eight_bit) for c, unit in enumerate(units)]
    low, high, least = zip(*rows, strict=True)
    return Limits(low=low, high=high, least=least)


def _measured(statistics: FrameStatistics, c: int, unit: str, eight_bit: bool) -> tuple[Bound, Bound, Bound]:
    lowest, highest = float(statistics.low[c]), float(statistics.high[c])
    values = statistics.sample[c][np.isfinite(statistics.sample[c])]
    kind = kind_of_rain(unit)
    if kind in ("rate", "amount"):
        return 0.0, None, _finite(max(float(statistics.least[c]), _least_amount(values)))
    floor = lowest if _piled(values, lowest) else None
    if kind == "reflectivity":  # its lowest value stands for no echo
        return floor, None, None if floor is None else _finite(values[values > floor].min(initial=np.inf))
    if unit == "1" and statistics.unit_range:  # of bytes, too: zeros and ones are a mask
        return 0.0, 1.0, None
    if unit == "1" and eight_bit:
        return 0.0, 255.0, None
    if unit == "%" and lowest >= 0 and highest <= 100:
        return 0.0, 100.0, None
    if statistics.rain_like and lowest >= 0:
        floor = 0.0
    return floor, highest if _piled(values, highest) else None, None


def _least_amount(values: FloatArray) -> float:
    """Value below which next to nothing of the amount of values (N,) falls; 0 where none is above 0.

    >>> _least_amount(np.array([0.0, 1e-4, 2e-3, 0.1, 0.5, 3.0, 7.0]))
    0.1
    """
    wet = np.sort(values[values > 0])
    total = wet.cumsum(dtype=np.float64)
    return float(wet[np.searchsorted(total, _NOTHING * total[-1], side="right")]) if wet.size else 0.0


def limits_by_kind(units: Sequence[str], *, eight_bit: bool) -> Limits:
    """Limits that hold whatever the values are: rain is not negative, and bytes end at 255.

    Args:
        units: of each channel.
        eight_bit: True for frames of bytes.

    >>> limits_by_kind(("mm/h",), eight_bit=False).low, limits_by_kind(("1",), eight_bit=True).high
    ((0.0,), (255.0,))
    """
    byte = [eight_bit and unit == "1" for unit in units]
    rain = [kind_of_rain(unit) in ("rate", "amount") for unit in units]
    return Limits(
        low=tuple(0.0 if wet or b else None for wet, b in zip(rain, byte, strict=True)),
        high=tuple(255.0 if b else None for b in byte),
        least=(None,) * len(units),
    )


def derived_limits(normaliser: Normaliser, units: Sequence[str], *, chosen: bool) -> Limits:
    """Limits of a model whose manifest does not tell them, as far as its normalisation and its units do.

    Args:
        normaliser: what was fitted on its training part.
        units: of each channel.
        chosen: True where the normalisation was chosen from the training part: values from 0 to 1 are then left as they
            are, and amounts that are never negative are brought to logarithms.
    """
    low: list[Bound] = []
    high: list[Bound] = []
    for c, unit in enumerate(units):
        kind = kind_of_rain(unit)
        known = 0 if normaliser.shared else c
        whole = normaliser.method == "range" and normaliser.offset[known] == 0 and normaliser.scale[known] == 255
        unit_range = normaliser.method == "identity" and chosen
        never_negative = kind in ("rate", "amount") or (normaliser.method == "log" and chosen and kind is None)
        low.append(0.0 if never_negative or (unit == "1" and (whole or unit_range)) else None)
        high.append(255.0 if unit == "1" and whole else 1.0 if unit == "1" and unit_range else None)
    return Limits(low=tuple(low), high=tuple(high), least=(None,) * len(low))


def _piled(values: FloatArray, bound: float) -> bool:
    return bool(values.size and (values == np.float32(bound)).mean() >= _PILE)


def _finite(bound: Any) -> Bound:
    return float(bound) if np.isfinite(bound) else None
