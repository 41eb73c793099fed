"""Sizes that a training works with, from the size of the frames: coarsening, patches, cuts."""

from __future__ import annotations

import math
from typing import Any

LARGEST = 1_000_000
"""Pixels of a frame beyond which frames are averaged to coarser ones."""
GRID = 17_000
"""Pixels of the grid that the network works on, about which its patches are chosen."""
PATCHES = (1, 2, 4, 8)
CUT = 24
"""Side of a cut in patches, of a residual."""


def coarsening(shape: tuple[int, ...]) -> int:
    """Pixels along each side of the blocks that frames (C, H, W) are averaged over.

    >>> coarsening((3, 720, 1280)), coarsening((3, 1080, 1920)), coarsening((3, 2160, 3840))
    (1, 2, 3)
    """
    return max(1, math.ceil(math.sqrt(math.prod(shape[-2:]) / LARGEST)))


def sizes(shape: tuple[int, ...], *, residual: bool) -> dict[str, Any]:
    """Options of patches and cuts for frames (C, H, W).

    >>> sizes((3, 240, 320), residual=True)
    {'patch': 4, 'train_crop': 96}
    >>> sizes((1, 40, 40), residual=False)
    {}
    """
    pixels = math.prod(shape[-2:])
    patch = next((p for p in PATCHES if pixels / p**2 <= GRID), PATCHES[-1])
    if not residual and patch == 1:
        return {}
    cut = CUT * patch
    return {"patch": patch, "train_crop": cut if cut < max(shape[-2:]) else None}
