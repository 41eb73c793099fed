"""Readers around readers: crop, coarsen, grey. All lazy, on (T, C, H, W)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.damage import Damage
from nextframe.frames.sequence import FrameReader, FrameSequence

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in grey (ITU-R BT.601)."""


class Renderer(Protocol):
    """A source that draws its movies: squares, digits, clips."""

    @property
    def frames(self) -> int: ...

    @property
    def size(self) -> int: ...

    def render(self, start: int, stop: int, movies: slice) -> NDArray[np.uint8]:
        """Frames `start` to `stop` of some movies, (N, T, C, H, W)."""


@runtime_checkable
class CutsItself(Protocol):
    """A reader that reads no more than a box of every frame when it is asked for that."""

    def cropped(self, box: tuple[int, int, int, int]) -> FrameReader:
        """The same frames cut to top, left, height, width."""


@dataclass(frozen=True)
class Drawn:
    """One movie, drawn frame by frame as it is read."""

    movies: Renderer
    number: int
    channels: int = 1
    at_once: bool = True
    """False where drawing takes so long that frames are better kept than drawn again."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.movies.frames, self.channels, self.movies.size, self.movies.size

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        return np.dtype(np.uint8)

    def __getitem__(self, frames: slice, /) -> NDArray[np.uint8]:
        start, stop, _ = frames.indices(self.movies.frames)
        movie: NDArray[np.uint8] = self.movies.render(start, stop, slice(self.number, self.number + 1))[0]
        return movie


@dataclass(frozen=True)
class Cropped:
    """A box of every frame."""

    reader: FrameReader
    box: tuple[int, int, int, int]
    """Top, left, height, width."""

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.reader.shape[:2], *self.box[2:])

    @property
    def dtype(self) -> np.dtype:
        return self.reader.dtype

    def __getitem__(self, frames: slice, /) -> NDArray:  # type: ignore[type-arg]
        top, left, height, width = self.box
        return self.reader[frames][..., top : top + height, left : left + width]


@dataclass(frozen=True)
class Coarsened:
    """Means over blocks of pixels; a block that the frame's edge cuts is dropped."""

    reader: FrameReader
    factor: int
    skip_missing: bool = True
    """True where missing values are left out of the means; else they make them missing."""

    @property
    def shape(self) -> tuple[int, ...]:
        *lead, height, width = self.reader.shape
        return (*lead, height // self.factor, width // self.factor)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray:  # type: ignore[type-arg]
        values = self.reader[frames].astype(np.float32)
        height, width = self.shape[-2:]
        values = values[..., : height * self.factor, : width * self.factor]
        blocks = values.reshape(*values.shape[:2], height, self.factor, width, self.factor)
        known = np.isfinite(blocks)
        if known.all() or not self.skip_missing:
            means: NDArray[np.float32] = blocks.mean((3, 5))
            return means
        count = known.sum((3, 5))
        total = np.where(known, blocks, 0).sum((3, 5))
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


@dataclass(frozen=True)
class Grey:
    """Brightness of colour frames: ITU-R BT.601 luma, rounded for whole numbers."""

    reader: FrameReader

    @property
    def shape(self) -> tuple[int, ...]:
        time, _, height, width = self.reader.shape
        return time, 1, height, width

    @property
    def dtype(self) -> np.dtype:
        return self.reader.dtype

    def __getitem__(self, frames: slice, /) -> NDArray:  # type: ignore[type-arg]
        values = np.tensordot(self.reader[frames].astype(np.float32), LUMA, axes=([1], [0]))[:, None]
        return (np.round(values) if np.issubdtype(self.dtype, np.integer) else values).astype(self.dtype)


@dataclass(frozen=True)
class Channel:
    """One channel of another reader."""

    reader: FrameReader
    channel: int

    @property
    def shape(self) -> tuple[int, ...]:
        time, _, height, width = self.reader.shape
        return time, 1, height, width

    @property
    def dtype(self) -> np.dtype:
        return self.reader.dtype

    def __getitem__(self, frames: slice, /) -> NDArray:  # type: ignore[type-arg]
        return self.reader[frames][:, self.channel : self.channel + 1]


def crop(sequence: FrameSequence, box: tuple[int, ...]) -> FrameSequence:
    """Cut every frame to (top, left, height, width); the grid's coordinates follow.

    Raises:
        ConfigError: something that is not a box of at least one pixel.
        ShapeError: a box that reaches beyond the frame.
    """
    if len(box) != 4 or min(box[2:]) < 1:
        raise ConfigError("is not a box", where="crop", expected="top, left, height, width", received=box)
    top, left, height, width = box
    if min(top, left) < 0 or top + height > sequence.shape[2] or left + width > sequence.shape[3]:
        raise ShapeError(
            f"crop {box} reaches beyond the frame", where=sequence.name, expected=f"within {sequence.shape[2:]}"
        )
    grid = None if sequence.grid is None else sequence.grid.cut(top, left, height, width)
    values = cut(sequence.values, (top, left, height, width))
    whole = sequence.whole or (sequence.shape[2], sequence.shape[3])
    return replace(sequence, values=values, grid=grid, whole=whole)


def cut(reader: FrameReader, box: tuple[int, int, int, int]) -> FrameReader:
    """Frames cut to top, left, height, width, by the reader itself where it can."""
    return reader.cropped(box) if isinstance(reader, CutsItself) else Cropped(reader, box)


def coarsen(sequence: FrameSequence, factor: int) -> FrameSequence:
    """Average blocks of `factor` x `factor` pixels; the grid's coordinates are the blocks' means.

    Rows and columns that do not fill a block at the lower and right edge are cut off. Declared gaps are left out of the
    means; where NaN is a fault, it makes its block NaN, so that it is not averaged away unseen.

    Raises:
        ConfigError: a factor below one.
        ShapeError: a block larger than the frame.
    """
    if factor < 1:
        raise ConfigError("is too small", where="coarsen", expected="at least 1", received=factor)
    if factor == 1:  # numbers of a byte stay what they are, and what is told from it (the peak of PSNR) with them
        return sequence
    height, width = (size // factor for size in sequence.shape[2:])
    if min(height, width) < 1:
        raise ShapeError(
            f"blocks of {factor} pixels are larger than the frame", where=sequence.name, hint="coarsen less"
        )
    grid = None if sequence.grid is None else sequence.grid.coarsened(factor)
    return replace(sequence, values=Coarsened(sequence.values, factor, sequence.missing == "mask"), grid=grid)


def to_grey(sequence: FrameSequence) -> FrameSequence:
    """Colour frames as grey; grey frames as they are.

    Raises:
        ShapeError: frames of neither one nor three channels.
    """
    channels = sequence.shape[1]
    if channels == 1:
        return sequence
    if channels != 3:
        raise ShapeError("cannot be read as grey", where=sequence.name, expected="1 or 3 channels", received=channels)
    return replace(
        sequence,
        values=Grey(sequence.values),
        variables=("brightness",),
        units=sequence.units[:1],
        variable_attributes=(),
        accumulation=(),
    )


def tolerate(sequence: FrameSequence, damage: Damage) -> FrameSequence:
    """The same frames, but one that cannot be read is missing as a whole, and noted in `damage`."""
    return replace(sequence, values=_Tolerant(sequence, damage), missing="mask", damage=damage)


@dataclass(frozen=True)
class _Tolerant:
    """The frames of a sequence, NaN where one cannot be read."""

    sequence: FrameSequence
    damage: Damage

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sequence.shape

    @property
    def dtype(self) -> np.dtype:
        return self.sequence.values.dtype

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        start, stop, _ = frames.indices(len(self.sequence))
        if start >= stop:
            return np.empty((0, *self.shape[1:]), np.float32)
        try:
            return self.sequence.read(start, stop)
        except (DataError, ShapeError):
            return np.concatenate([self._one(n) for n in range(start, stop)])

    def _one(self, number: int) -> NDArray[np.float32]:
        try:
            return self.sequence.read(number, number + 1)
        except (DataError, ShapeError) as error:
            self.damage.frames[self.sequence.name, number] = str(error)
            return np.full((1, *self.shape[1:]), np.nan, np.float32)
