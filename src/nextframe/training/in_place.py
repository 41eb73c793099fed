"""Rollouts of moved frames brought back to where they belong, with gradients: what `move_on` does with forecasts.

Axes: B batch, M way, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

_KNOWN = 0.999  # share of what arrives at a pixel that has to be known
_MOST = 0.9  # share of the ways that have to bring something known


def moved_back(frames: Tensor, valid: Tensor, shares: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Frames (B, K, C, H, W) as they arrive, and where something known does, (B, K, 1, H, W).

    Args:
        frames: of the moved coordinates.
        valid: where the last frame seen has a value, in the same coordinates, (B, 1, H, W), booleans.
        shares: of each way (B, M, H, W).
        places: where what arrives at each pixel comes from, rows and columns in pixels, (B, M, K, 2, H, W).

    >>> frames = torch.arange(4.0).view(1, 1, 1, 1, 4)
    >>> one_to_the_right = torch.stack([torch.zeros(1, 4), torch.arange(4.0).view(1, 4) - 1])
    >>> places = one_to_the_right.view(1, 1, 1, 2, 1, 4)
    >>> said, sure = moved_back(frames, torch.ones(1, 1, 1, 4, dtype=torch.bool), torch.ones(1, 1, 1, 4), places)
    >>> said.flatten().tolist(), sure.flatten().tolist()
    ([0.0, 0.0, 1.0, 2.0], [False, True, True, True])
    """
    batch, leads, channels, height, width = frames.shape
    there = valid[:, None].expand(batch, leads, 1, height, width).to(frames.dtype)
    both = torch.cat([frames, there], dim=2).flatten(0, 1)
    size = frames.new_tensor([max(height - 1, 1), max(width - 1, 1)]).view(2, 1, 1)
    total = frames.new_zeros(frames.shape)
    weight = frames.new_zeros((batch, leads, 1, height, width))
    for way in range(shares.shape[1]):
        grid = (2 * places[:, way] / size - 1).flip(2).flatten(0, 1).permute(0, 2, 3, 1)
        arrived = grid_sample(both, grid, align_corners=True).view(batch, leads, channels + 1, height, width)
        sure = (arrived[:, :, -1:] > _KNOWN) * shares[:, way, None, None]
        total = total + arrived[:, :, :-1] * sure
        weight = weight + sure
    return total / weight.clamp(min=1e-6), weight > _MOST
