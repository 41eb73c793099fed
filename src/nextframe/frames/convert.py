"""Frames brought to the unit, the time step and the pixels that someone else's have. All lazy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from nextframe.config import RainUnit
from nextframe.errors import NextframeError
from nextframe.frames.rain import convert_rain
from nextframe.frames.readers import coarsen
from nextframe.frames.sequence import FrameReader, FrameSequence
from nextframe.frames.units import UnknownUnitError, conversion, same_unit


def convert_units(sequence: FrameSequence, units: Sequence[str]) -> FrameSequence | None:
    """Channels in other units; None where one cannot be brought to its own. A channel without a unit, or that is to
    have none, stays as it is.

    Rain is brought to a rate or a reflectivity as `convert_rain` does it, everything else by a factor and an offset.

    >>> warm = FrameSequence(values=np.full((1, 1, 1, 1), 20.0), name="warm", units=("degC",))
    >>> convert_units(warm, ["K"]).read(0, 1).item()
    293.1499938964844
    """
    if len(units) != len(sequence.units):
        return sequence
    pairs = list(zip(sequence.units, units, strict=True))
    if all("1" in pair or same_unit(*pair) for pair in pairs):
        return sequence
    (unit, *others) = set(units)
    if not others and unit in get_args(RainUnit):
        try:
            converted: FrameSequence = convert_rain(sequence, unit)  # type: ignore[arg-type]
        except NextframeError:  # no rain, or an amount over a time that nothing tells
            return None
        return replace(converted, variables=sequence.variables) if len(sequence.variables) > 1 else converted
    maps = []
    for given, wanted in pairs:
        try:
            between = (1.0, 0.0) if "1" in (given, wanted) else conversion(given, wanted)
        except UnknownUnitError:
            return None
        if between is None:
            return None
        maps.append(between)
    return replace(sequence, values=_Mapped(sequence.values, tuple(maps)), units=tuple(units))


@dataclass(frozen=True)
class _Mapped:
    """Frames of which each channel is multiplied by a factor and then has an offset added."""

    reader: FrameReader
    maps: tuple[tuple[float, float], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.reader.shape

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        values = np.array(self.reader[frames], np.float64)
        for channel, (factor, offset) in enumerate(self.maps):
            values[:, channel] = values[:, channel] * factor + offset
        return values.astype(np.float32)


BYTES = 255.0
BRIGHTEST = (1.0, BYTES, 65535.0)
"""Full scales of brightness: shares, bytes, and two bytes."""


def full_scale(sequence: FrameSequence) -> float | None:
    """Largest brightness that frames without a unit can have, of `BRIGHTEST`, by their type or, where that does not
    tell, by the values of the first, the middle and the last frame; None where these are no brightness.

    >>> full_scale(FrameSequence(values=np.full((1, 1, 1, 1), 0.5), name="shares"))
    1.0
    >>> full_scale(FrameSequence(values=np.full((1, 1, 1, 1), 300, np.uint16), name="two bytes"))
    65535.0
    """
    if set(sequence.units) != {"1"}:
        return None
    number = len(sequence)
    values = np.stack([sequence.read(at, at + 1) for at in sorted({0, number // 2, number - 1})])
    known = values[np.isfinite(values)]
    if not known.size or known.min() < 0:
        return None
    whole = np.issubdtype(sequence.values.dtype, np.integer)
    return next((scale for scale in BRIGHTEST[: 3 if whole else 2] if known.max() <= scale), None)


def scaled(sequence: FrameSequence, factor: float) -> FrameSequence:
    """Frames whose values are multiplied by a factor.

    >>> scaled(FrameSequence(values=np.full((1, 1, 1, 1), 51, np.uint8), name="bytes"), 1 / 255).read(0, 1).item()
    0.20000000298023224
    """
    maps = ((factor, 0.0),) * len(sequence.variables)
    return replace(sequence, values=_Mapped(sequence.values, maps))


def picked(sequence: FrameSequence, frames: Sequence[int]) -> FrameSequence:
    """Some frames of a sequence, in their order, by their numbers; their time step is told by their times."""
    numbers = np.asarray(frames)
    times = None if sequence.times is None else sequence.times[numbers]
    elapsed = None if sequence.elapsed is None else sequence.elapsed[numbers]
    values = _Picked(sequence.values, tuple(map(int, frames)))
    return replace(sequence, values=values, times=times, elapsed=elapsed, time_step=None)


@dataclass(frozen=True)
class _Picked:
    """Frames of a reader by their numbers."""

    reader: FrameReader
    numbers: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.numbers), *self.reader.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        return self.reader.dtype

    def __getitem__(self, frames: slice, /) -> NDArray:  # type: ignore[type-arg]
        numbers = self.numbers[frames]
        if not numbers:
            return np.empty((0, *self.shape[1:]), self.dtype)
        return np.concatenate([self.reader[n : n + 1] for n in numbers])


def coarsen_whole(sequence: FrameSequence, factor: int) -> FrameSequence:
    """Means over blocks of `factor` x `factor` pixels that cover the whole frame: those at the lower and right edge are
    of the pixels that are there.
    """
    if factor == 1:
        return sequence
    below, right = (-size % factor for size in sequence.shape[2:])
    # The grid is left out, since it does not reach so far; a block without a value is missing, whatever NaN meant.
    padded = replace(sequence, values=_Padded(sequence.values, below, right), grid=None, missing="mask")
    return coarsen(padded, factor)


@dataclass(frozen=True)
class _Padded:
    """Frames with rows and columns of missing values below and on the right."""

    reader: FrameReader
    below: int
    right: int

    @property
    def shape(self) -> tuple[int, ...]:
        *lead, height, width = self.reader.shape
        return (*lead, height + self.below, width + self.right)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        margins = ((0, 0), (0, 0), (0, self.below), (0, self.right))
        return np.pad(np.asarray(self.reader[frames], np.float32), margins, constant_values=np.nan)


def refine(values: NDArray[np.float32], factor: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Blocks (..., h, w) back on the pixels (..., H, W) that they are means of, interpolated between their centres.

    Beyond a gap, and beyond the outermost centres, the value is that of the nearest centres that have one; NaN where
    none of them has.

    >>> refine(np.float32([[0, 4], [0, 4]]), 2, (3, 4)).tolist()
    [[0.0, 1.0, 3.0, 4.0], [0.0, 1.0, 3.0, 4.0], [0.0, 1.0, 3.0, 4.0]]
    """
    if factor == 1:
        return values
    known = np.isfinite(values)
    amounts = _stretched(np.where(known, values, 0), factor, size)
    if known.all():
        return amounts
    weights = _stretched(known.astype(np.float32), factor, size)
    there = weights > 1e-6
    return np.where(there, amounts / np.where(there, weights, 1), np.nan).astype(np.float32)


def _stretched(values: NDArray[np.float32], factor: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Linear interpolation along both axes, constant beyond the outermost centres."""
    for axis, length in zip((-2, -1), size, strict=True):
        blocks = values.shape[axis]
        place = np.clip((np.arange(length) + 0.5) / factor - 0.5, 0, blocks - 1)
        below = np.minimum(place.astype(int), max(blocks - 2, 0))
        share = (place - below).astype(np.float32)
        share = share[:, None] if axis == -2 else share
        first, second = values.take(below, axis), values.take(np.minimum(below + 1, blocks - 1), axis)
        values = first + share * (second - first)
    return values.astype(np.float32)
