"""`Grid`: where the pixels of a frame lie.

Axes: H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nextframe.errors import DataError


@dataclass(frozen=True, kw_only=True)
class CoordinateField:
    """A field of coordinates, such as the latitude of each pixel of a curvilinear grid."""

    values: NDArray[np.float64]
    """(H, W)."""
    attributes: Mapping[str, object] = field(default_factory=dict)
    """CF attributes (units, standard_name)."""


def counted(axis: ArrayLike) -> bool:
    """True where an axis has no coordinates, but the numbers of its rows or columns."""
    numbers = np.asarray(axis)
    return np.array_equal(numbers, np.arange(len(numbers)))


def monotonic(axis: NDArray[np.float64]) -> bool:
    """True for coordinates that rise, or fall, from each to the next.

    >>> monotonic(np.array([3.0, 2.0, 0.5])), monotonic(np.array([1.0, 1.0])), monotonic(np.array([1.0, np.nan]))
    (True, False, False)
    """
    steps = np.diff(axis)
    return bool((steps > 0).all() or (steps < 0).all())


def _is_longitude(name: str, part: CoordinateField) -> bool:
    return "east" in str(part.attributes.get("units", "")) or "lon" in name.lower()


def _turned_back(longitudes: NDArray[np.float64], like: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitudes that went on over a full turn, from 0 or from -180 as a source counts them; others as they are."""
    if not np.isfinite(like).any():
        return longitudes
    low, high = float(np.nanmin(like)), float(np.nanmax(like))
    first = 0.0 if low >= 0 else -180.0
    within = (longitudes >= low - 1e-9) & (longitudes <= high + 1e-9)
    return np.where(within | ~np.isfinite(longitudes), longitudes, (longitudes - first) % 360 + first)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Places of the pixels: one-dimensional coordinates along both axes, as CF conventions name them."""

    y: NDArray[np.float64]
    """Coordinate of each row, (H,)."""
    x: NDArray[np.float64]
    """Coordinate of each column, (W,)."""
    y_name: str = "y"
    """Name of the row dimension in the source: "y", "latitude", ..."""
    x_name: str = "x"
    """Name of the column dimension in the source: "x", "longitude", ..."""
    y_attributes: Mapping[str, object] = field(default_factory=dict)
    """CF attributes of the row coordinate (units, standard_name, axis)."""
    x_attributes: Mapping[str, object] = field(default_factory=dict)
    """CF attributes of the column coordinate."""
    mapping: Mapping[str, object] | None = None
    """Attributes of the CF grid-mapping variable (projection), where the source has one."""
    fields: Mapping[str, CoordinateField] = field(default_factory=dict)
    """Latitude and longitude of each pixel by the names they have in the source, where it has them as fields."""

    @property
    def counted(self) -> bool:
        """True where it has no coordinates, but the numbers of its rows and columns."""
        return counted(self.y) and counted(self.x)

    @property
    def columns(self) -> NDArray[np.float64]:
        """Coordinate of each column, (W,), where longitudes go on over 360 and over the date line: 359, 360, 361."""
        return np.unwrap(self.x, period=360) if self._x_in_degrees else self.x

    @property
    def _x_in_degrees(self) -> bool:
        said = {key: str(self.x_attributes.get(key, "")).lower() for key in ("units", "standard_name")}
        return said["units"].startswith(("degrees_e", "degree_e")) or said["standard_name"] == "longitude"

    @property
    def rows_run_north(self) -> bool:
        """True where the first row is the southernmost, so that a picture has to be turned to have north at its top.

        Told by latitudes of pixels, else by a coordinate of which it is said that it is one to the north; rows that are
        but numbered, as those of a picture, run down.
        """
        for name, part in self.fields.items():
            if "north" in str(part.attributes.get("units", "")) or "lat" in name.lower():
                means = np.nanmean(part.values, axis=1) if np.isfinite(part.values).any() else np.zeros(1)
                return bool(means[-1] > means[0])
        if len(self.y) < 2 or not self.y[-1] > self.y[0] or (counted(self.y) and not self.y_attributes):
            return False
        said = {key: str(self.y_attributes.get(key, "")).lower() for key in ("units", "standard_name", "axis")}
        return (
            said["units"].startswith(("degrees_n", "degree_n"))
            or "latitude" in said["standard_name"]
            or said["standard_name"] == "projection_y_coordinate"
            or said["axis"] == "y"
            or self.y_name.lower().startswith(("lat", "rlat", "northing"))
        )

    @property
    def columns_run_west(self) -> bool:
        """True where the first column is the easternmost, so that a picture has to be mirrored to have east at its
        right; told by longitudes of pixels, else by a coordinate of which it is said that it is one to the east.
        """
        for name, part in self.fields.items():
            if _is_longitude(name, part):
                steps = np.diff(np.unwrap(part.values, period=360, axis=1), axis=1)
                return bool(steps.size and (steps < 0).all())  # about a pole they go both ways
        said = {key: str(self.x_attributes.get(key, "")).lower() for key in ("standard_name", "axis")}
        steps = np.diff(self.columns)  # the date line is no way back
        if not steps.size or not (steps < 0).all():
            return False
        return (
            self._x_in_degrees
            or said["standard_name"] in ("projection_x_coordinate", "grid_longitude")
            or said["axis"] == "x"
            or self.x_name.lower().startswith(("lon", "rlon", "easting"))
        )

    def north_up(self, frames: NDArray[Any]) -> NDArray[Any]:
        """Frames (..., H, W) as a picture has them, with north at the top and east at the right."""
        frames = frames[..., ::-1, :] if self.rows_run_north else frames
        return frames[..., ::-1] if self.columns_run_west else frames

    def cut(self, top: int, left: int, height: int, width: int) -> Grid:
        """The grid of a box of pixels."""
        rows, columns = slice(top, top + height), slice(left, left + width)
        fields = {name: replace(part, values=part.values[rows, columns]) for name, part in self.fields.items()}
        return replace(self, y=self.y[rows], x=self.x[columns], fields=fields)

    def coarsened(self, factor: int) -> Grid:
        """The grid of blocks of `factor` x `factor` pixels, each at their mean; what fills no block is cut off."""
        height, width = len(self.y) // factor, len(self.x) // factor
        y, x = (c[: n * factor].reshape(n, factor).mean(1) for c, n in ((self.y, height), (self.columns, width)))
        fields = {}
        for name, part in self.fields.items():
            whole = part.values[: height * factor, : width * factor]
            of_east = _is_longitude(name, part)
            if of_east:
                whole = np.unwrap(np.unwrap(whole, period=360, axis=1), period=360, axis=0)
            means = whole.reshape(height, factor, width, factor).mean((1, 3))
            fields[name] = replace(part, values=_turned_back(means, part.values) if of_east else means)
        return replace(self, y=y, x=_turned_back(x, self.x) if self._x_in_degrees else x, fields=fields)

    def hold_in_place(self, other: Grid, *, where: object, than: str) -> None:
        """Hold another grid of as many pixels to this one.

        Args:
            other: the grid of `where`.
            where: what the message is about.
            than: what the message calls the owner of this grid.

        Raises:
            DataError: they are further apart than a tenth of a pixel.
        """
        for axis, here, there in (("y", self.y, other.y), ("x", self.x, other.x)):
            pixel = np.abs(np.diff(here)).mean() if len(here) > 1 else 0.0
            if not np.allclose(there, here, rtol=1e-6, atol=0.1 * pixel):  # float32 keeps seven digits
                raise DataError(
                    f"lies elsewhere along {axis} than {than}",
                    where=where,
                    expected=f"{here[0]:g} to {here[-1]:g}",
                    received=f"{there[0]:g} to {there[-1]:g}",
                )
