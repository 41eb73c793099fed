"""TaxiBJ: flow of taxis into and out of the cells of a grid over Beijing, as OpenSTL lays it out.

Layout (Zhang et al. 2017, arXiv 1610.00081; github.com/chengtan9907/OpenSTL, openstl/datasets/dataloader_taxibj.py):

    taxibj/dataset.npz    "X_train", "Y_train", "X_test", "Y_test", each (movie, time, 2, 32, 32) in -1..1

A movie is its past (X) and the frames that follow (Y); values are brought to 0..1 as there. The test part is the one
that the file names; OpenSTL validates on it, too, which is not done here. The file is never decoded as a whole.

Axes: T time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nextframe.config import Part, Reading
from nextframe.errors import ShapeError
from nextframe.frames.damage import Damage
from nextframe.frames.formats.inflated import Member
from nextframe.frames.sequence import FrameSequence

_PARTS: tuple[Part, ...] = ("train", "test")
_EVERY = 2**20  # bytes between decoder states: movies are small, and a training draws them in any order


def open_taxibj(name: str, files: Sequence[Path], reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Open the file (`frames.format.Open`): a sequence for each movie.

    Raises:
        DataError: a damaged file.
        ShapeError: arrays that do not fit each other.
    """
    path, sequences = files[0], []
    for part in _PARTS:
        past, future = (Member(path, f"{letter}_{part}", every=_EVERY) for letter in "XY")
        if len(past.shape) != 5 or past.shape[0] != future.shape[0] or past.shape[2:] != future.shape[2:]:
            raise ShapeError(
                f"holds no movies of X_{part} and Y_{part}",
                where=path,
                expected="(movie, time, channel, y, x), of as many movies",
                received=f"{past.shape} and {future.shape}",
            )
        sequences += [
            FrameSequence(
                values=_Movie(past, future, n),
                name=f"{name}[{part} {n}]",
                variables=("inflow", "outflow") if past.shape[2] == 2 else (),
                part=part,
            )
            for n in range(past.shape[0])
        ]
    return tuple(sequences)


@dataclass(frozen=True)
class _Movie:
    """One movie as (T, C, H, W) in 0..1."""

    past: Member
    future: Member
    number: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        frames = self.past.shape[1] + self.future.shape[1]
        channels, height, width = self.past.shape[2:]
        return frames, channels, height, width

    @property
    def dtype(self) -> np.dtype[np.float32]:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        whole = np.concatenate([part[self.number : self.number + 1][0] for part in (self.past, self.future)])
        return ((whole[frames].astype(np.float32) + 1) / 2).astype(np.float32, copy=False)
