"""Forecasts in tiles, for grids whose hidden states do not fit into memory: each tile is forecast on its own, and where
tiles overlap, their forecasts are blended.

A tile knows nothing of what lies beyond its edges. By the time of the last frame this ignorance has spread as far
inward as the model's receptive field reaches, R pixels. Where tiles overlap by 2 R or more, the R pixels next to an
edge are left out, and the forecast is that of the whole grid. Where they overlap by less, a quarter of the overlap is
left out, and over the half in the middle the weight passes evenly from one tile to the next, so that no seam shows.
(The edge of the grid itself is no edge of a tile: there the whole grid's forecast knows no more.)

Axes: H height, W width; whatever is before them stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError
from nextframe.frames.sequence import FloatArray

Piecewise = Callable[[slice, slice], FloatArray]
"""Rows and columns of the grid to a forecast of them (..., h, w), which may be changed afterwards."""


class Stretch(NamedTuple):
    """Stretch of pixels that a row of tiles takes up along one axis."""

    start: int
    """First pixel."""
    stop: int
    """Pixel after the last one."""
    weights: NDArray[np.float32]
    """Weight of its forecast at each of its pixels; those of all stretches add up to one."""


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Tiling of a grid.

    Raises:
        ConfigError: tiles of no pixels, or an overlap that leaves nothing between the tiles.
    """

    tile: int
    """Height and width of a tile, in pixels."""
    overlap: int | None = None
    """Pixels that neighbours share; by default twice the reach of the model, but at most half a tile."""

    def __post_init__(self) -> None:
        if self.tile < 1:
            raise ConfigError("is too small", where="tile", expected="at least 1", received=self.tile)
        if self.overlap is not None and not 0 <= self.overlap < self.tile:
            raise ConfigError(
                "does not fit the tiles", where="overlap", expected=f"0 to {self.tile - 1}", received=self.overlap
            )

    def along(self, size: int, *, reach: int | None = None, stride: int = 1) -> list[Stretch]:
        """The tiles' stretches along an axis of so many pixels.

        Args:
            size: pixels of the grid.
            reach: radius R of the model's receptive field; None where it is not known.
            stride: tiles begin at multiples of it, and those within the grid end there; the overlap may grow by it.

        Raises:
            ConfigError: tiles smaller than `stride`, or an overlap that leaves less between them.
        """
        if self.tile >= size:
            return [Stretch(0, size, np.ones(size, np.float32))]
        tile = self.tile // stride * stride
        overlap = self.overlap
        if overlap is None:
            overlap = tile // 2 if reach is None else min(2 * reach, tile // 2)
        step = (tile - overlap) // stride * stride
        if step < 1:
            raise ConfigError(
                f"leave no room for a step of {stride} pixels, the model's patch",
                where="tile, overlap",
                received=f"tiles of {self.tile} pixels that overlap by {overlap}",
                hint="use larger tiles, or less overlap",
            )
        overlap = tile - step
        left_out = reach if reach is not None and overlap >= 2 * reach else overlap // 4
        inward = np.arange(tile)  # distance from the edge
        rising = np.clip((inward - left_out + 1) / (overlap - 2 * left_out + 1), 0, 1)
        last = -((tile - size) // stride) * stride
        stretches = []
        for start in [*range(0, size - tile, step), last]:
            stop = min(start + tile, size)
            weights = np.ones(stop - start)
            if start > 0:
                weights = np.minimum(weights, rising[: len(weights)])
            if stop < size:
                weights = np.minimum(weights, rising[::-1])
            stretches.append((start, stop, weights))
        total = np.zeros(size)
        for start, stop, weights in stretches:
            total[start:stop] += weights
        return [Stretch(a, b, (weights / total[a:b]).astype(np.float32)) for a, b, weights in stretches]


def forecast_in_tiles(
    forecast: Piecewise, size: tuple[int, int], tiling: Tiling, *, reach: int | None = None, stride: int = 1
) -> FloatArray:
    """The forecast of a grid, put together from those of its tiles, in the memory of one tile and of the result.

    Args:
        forecast: what is called for each tile.
        size: height and width of the grid.
        tiling: how it is cut.
        reach: radius of the model's receptive field in pixels; None where it is not known.
        stride: of the model; see `Network`.

    Returns:
        (..., H, W).
    """
    whole: FloatArray | None = None
    down, across = (tiling.along(length, reach=reach, stride=stride) for length in size)
    for row in down:
        for column in across:
            piece = forecast(slice(row.start, row.stop), slice(column.start, column.stop))
            piece *= row.weights[:, None] * column.weights
            if whole is None:
                whole = np.zeros((*piece.shape[:-2], *size), piece.dtype)
            whole[..., row.start : row.stop, column.start : column.stop] += piece
    assert whole is not None
    return whole
