"""Damaged files in a long archive: an error as a rule, or left out, counted and named where that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError, ShapeError
from nextframe.frames.sequence import FrameSequence

Damaged = Literal["error", "skip"]
Description = TypeVar("Description")
SHOWN = 3
"""Faults named in one sentence."""


@dataclass(frozen=True)
class Damage:
    """What could not be read of a source and was left out; filled in as it is met."""

    files: dict[Path, str] = field(default_factory=dict)
    """Files that could not be opened -> what is wrong with them."""
    frames: dict[tuple[str, int], str] = field(default_factory=dict)
    """Name of the sequence and number of the frame in it -> what is wrong with it."""

    @property
    def sentence(self) -> str:
        """How much was left out and what the first faults were, for people; empty where nothing was."""
        counts = [
            f"{len(found)} damaged {noun if len(found) == 1 else f'{noun}s'}"
            for noun, found in (("file", self.files), ("frame", self.frames))
            if found
        ]
        if not counts:
            return ""
        faults = list(dict.fromkeys([*self.files.values(), *self.frames.values()]))
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        return f"left out {' and '.join(counts)}: {'; '.join(faults[:SHOWN])}{more}"

    def touches(self, name: str, start: int, stop: int) -> bool:
        """Whether a frame of this stretch of a sequence is known to be damaged."""
        return any((name, n) in self.frames for n in range(start, stop)) if self.frames else False


def describe_each(
    files: Sequence[Path], describe: Callable[[Path], Description], damage: Damage | None
) -> list[Description]:
    """What the headers of some files say; one that cannot be read is left out where `damage` keeps count of such.

    Raises:
        DataError: a file that cannot be read where no count is kept, or not one that can.
    """
    found = []
    fault: DataError | None = None
    for path in files:
        try:
            found.append(describe(path))
        except DataError as error:
            if damage is None:
                raise
            damage.files[path] = str(error)
            fault = fault or error
    if fault is not None and not found:
        raise fault
    return found


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
