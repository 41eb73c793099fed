"""Bilinear sampling of planes at positions between their pixels.

Axes: N planes, H height, W width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sample(planes: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    """Values of planes (N, H, W) at positions (...), bilinear, (N, ...); beyond the edge those of the edge.

    Where one of the four pixels around a position is NaN, so is the value there.

    >>> sample(np.array([[[0.0, 1.0], [2.0, 3.0]]]), np.array([0.5, 5.0]), np.array([0.5, 0.25])).tolist()
    [[1.5, 2.25]]
    """
    height, width = planes.shape[-2:]
    shape = np.broadcast_shapes(rows.shape, columns.shape)
    top, down = _cells(rows, height, planes.dtype)
    left, right = _cells(columns, width, planes.dtype)
    start = np.broadcast_to(top * width + left, shape).ravel()
    below, beside = width if height > 1 else 0, 1 if width > 1 else 0
    down, right = (np.broadcast_to(share, shape).ravel() for share in (down, right))
    flat = planes.reshape(len(planes), -1)
    values = np.empty((len(planes), start.size), planes.dtype)
    for plane, value in zip(flat, values, strict=True):
        first = plane[start]
        first += right * (plane[start + beside] - first)
        second = plane[start + below]
        second += right * (plane[start + (below + beside)] - second)
        second -= first
        second *= down
        np.add(first, second, out=value)
    return values.reshape(len(planes), *shape)


def inside(rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which positions lie on a plane (H, W)."""
    height, width = shape
    within: NDArray[np.bool_] = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
    return within


def _cells(positions: NDArray[Any], size: int, dtype: np.dtype[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """The pixel before each position, such that another one follows it, and the share of that other one, 0..1."""
    positions = np.clip(positions, 0, size - 1)
    before = np.minimum(positions.astype(np.intp), max(size - 2, 0))
    return before, (positions - before).astype(dtype)
