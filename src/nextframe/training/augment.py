"""Augmentation: windows that are turned, mirrored, and of other amounts, as other events might be.

Axes: B batch, T time, C channel, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from nextframe.data.door import Door

Batch = dict[str, Tensor]

_FRAMES = ("past", "future", "past_valid", "future_valid", "later")

SPREAD = 0.5
"""Standard deviation of the logarithm of the factor that a window's amounts are multiplied by."""
FACTORS = (0.25, 4.0)
"""Least and largest of these factors."""


@dataclass(frozen=True)
class Turn:
    """A turn by a multiple of 90 degrees, and a mirror after it.

    >>> frame = torch.arange(6).view(2, 3)
    >>> turn = Turn(quarters=1, mirrored=True)
    >>> turn(frame).tolist(), turn.back(turn(frame)).tolist()
    ([[5, 2], [4, 1], [3, 0]], [[0, 1, 2], [3, 4, 5]])
    """

    quarters: int = 0
    mirrored: bool = False

    @classmethod
    def drawn(cls, draw: np.random.Generator, height: int, width: int) -> Self:
        """One of the eight turns of a square; of frames that are not square, one of the four that keep their shape."""
        quarters = int(draw.integers(4)) if height == width else 2 * int(draw.integers(2))
        return cls(quarters, bool(draw.integers(2)))

    def __call__(self, frames: Tensor) -> Tensor:
        """Frames (..., H, W), turned."""
        frames = torch.rot90(frames, self.quarters, (-2, -1))
        return frames.flip(-1) if self.mirrored else frames

    def back(self, frames: Tensor) -> Tensor:
        """Turned frames (..., H, W) as they were."""
        frames = frames.flip(-1) if self.mirrored else frames
        return torch.rot90(frames, -self.quarters, (-2, -1))

    def of(self, batch: Batch) -> Batch:
        """A batch whose frames (B, T, C, H, W) are turned, all windows alike; what else it has stays."""
        return {name: self(part) if name in _FRAMES else part for name, part in batch.items()}


def with_other_amounts(batch: Batch, door: Door, channels: int, draw: np.random.Generator) -> Batch:
    """A batch in which the amounts of each window are multiplied by a factor of its own: exp(SPREAD n), n standard
    normal, within `FACTORS`.

    Args:
        batch: `past` and `future` (B, T, C, H, W) in the model's range, and `past_valid` and `future_valid`.
        door: knows the model's range.
        channels: channels that are amounts, the first ones; what follows them stays.
        draw: draws the factors.

    Returns:
        The batch, and its factors as `factor` (B, 1, 1, 1, 1).
    """
    factors = np.exp(SPREAD * draw.standard_normal(len(batch["past"]))).clip(*FACTORS)
    factor = torch.tensor(factors, dtype=batch["past"].dtype, device=batch["past"].device).view(-1, 1, 1, 1, 1)
    changed = {**batch, "factor": factor}
    if "truth" in batch:  # in source units
        changed["truth"] = batch["truth"] * factor
    for name in ("past", "future"):
        frames = batch[name]
        amounts = frames[:, :, :channels]
        other = door.normaliser.apply(door.normaliser.invert(amounts) * factor)
        if door.edges == "missing":  # gaps hold what stands for them
            other = torch.where(batch[f"{name}_valid"], other, amounts)
        changed[name] = torch.cat([other, frames[:, :, channels:]], dim=2)
    return changed
