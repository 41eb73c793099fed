"""Footprint of frames: the pixels that a model was trained on, kept beside it and held against those of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from nextframe.frames.geography import Geography
from nextframe.frames.readers import coarsen, crop
from nextframe.frames.sequence import FrameSequence

_ALIKE = 0.3
"""Share by which pixels of several sources may differ and still be taken for of one size, as `resolution` does."""

_EARTH = 4e7
"""Metres around the Earth."""


def pixel_of(sequence: FrameSequence) -> float | None:
    """Side of a pixel in metres, the mean of both axes; None where nothing tells it."""
    sides = None if sequence.grid is None else Geography(sequence.grid).kilometres
    return None if sides is None else 1000 * float(np.sqrt(sides[0] * sides[1]))


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Pixels of some frames, as they were read: cut and averaged.

    Raises:
        ValueError: numbers that no frames can have.
    """

    pixel: float | None = None
    """Side of a pixel in metres; None where nothing tells it."""
    whole: tuple[int, int] | None = None
    """Height and width that the source's frames had before they were cut; None where they were not."""
    ends: tuple[float, float, float, float] | None = None
    """Coordinates of the first and the last row, and of the first and the last column; None where there are none."""

    def __post_init__(self) -> None:
        numbers = (self.pixel, *(self.whole or ()), *(self.ends or ()))
        if not all(np.isfinite(number) for number in numbers if number is not None):
            raise ValueError(f"footprint {numbers} is not finite")
        if (self.whole is not None and len(self.whole) != 2) or (self.ends is not None and len(self.ends) != 4):
            raise ValueError(f"footprint {numbers} is none")

    @classmethod
    def of(cls, *sequences: FrameSequence) -> Self:
        """The footprint of sequences' frames; of several sources what they have in common."""
        first, *others = sequences
        grid = first.grid
        if grid is None:
            return cls(whole=first.whole)
        ends = tuple(float(axis[n]) for axis in (grid.y, grid.x) for n in (0, -1))
        own = cls(pixel=pixel_of(first), whole=first.whole, ends=ends)  # type: ignore[arg-type]
        if not any(other.origin != first.origin for other in others):
            return own
        alike = own.pixel is not None and all(
            abs((pixel_of(other) or np.inf) / own.pixel - 1) < _ALIKE for other in others
        )
        return cls(pixel=own.pixel if alike else None)

    def holds(self, sequence: FrameSequence, box: tuple[int, ...], factor: int) -> bool:
        """True where a box of a sequence's frames, averaged over blocks, has this footprint, and something tells so.

        Args:
            sequence: whole frames.
            box: top, left, height and width that these frames were cut to.
            factor: pixels of a block along both axes.
        """
        if self.whole is None or sequence.shape[2:] != self.whole:
            return False
        own = Footprint.of(coarsen(crop(sequence, box), factor)).ends
        if own is None or self.ends is None:
            return own is self.ends
        reach = [abs(self.ends[n + 1] - self.ends[n]) / max(size - 1, 1) for n, size in ((0, box[2]), (2, box[3]))]
        tolerance = 0.1 * factor * np.repeat(reach, 2)
        return bool((np.abs(np.subtract(own, self.ends)) <= tolerance + 1e-9).all())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: a mapping that `to_dict` did not make.
        """
        pixel, whole, ends = values["pixel"], values["whole"], values["ends"]
        if pixel is not None and not 0 < float(pixel) < _EARTH:
            raise ValueError(f"pixels of {pixel} m are none of the Earth's")
        return cls(
            pixel=None if pixel is None else float(pixel),
            whole=None if whole is None else tuple(map(int, whole)),  # type: ignore[arg-type]
            ends=None if ends is None else tuple(map(float, ends)),  # type: ignore[arg-type]
        )
