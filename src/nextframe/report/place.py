"""Place of a picture's pixels: coordinates along its edges, and a graticule of latitudes and longitudes over it.

Axes: H height, W width of the picture, whose first row is the northernmost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextframe.frames.grid import Grid, monotonic
from nextframe.plugins import pyproj_first
from nextframe.report.palette import RGB, round_numbers

_MESH = 48  # points along a side at which latitudes and longitudes are computed
_STEPS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)  # degrees between two lines
_LINES = 5  # at most, of each kind
_METRES = {"km": 1000.0, "kilometre": 1000.0, "kilometer": 1000.0, "kilometers": 1000.0, "kilometres": 1000.0}
_INK, _SHARE = np.array([70.0, 70.0, 70.0]), 0.45  # colour of lines, and how much of it is seen

Ticks = list[tuple[float, str]]
"""Marks along an edge: shares of its length from the left or from the top, and their texts."""


@dataclass(frozen=True)
class Edges:
    """Marks along the edges of a picture."""

    left: Ticks
    """Coordinates of rows."""
    below: Ticks
    """Coordinates of columns."""
    unit: str
    """Unit of both; empty for degrees, which the texts have."""


@dataclass(frozen=True)
class Graticule:
    """Latitudes and longitudes of some points of a picture, evenly spread from edge to edge."""

    latitude: NDArray[np.float64]
    """(M, N)."""
    longitude: NDArray[np.float64]
    """(M, N)."""

    @property
    def steps(self) -> tuple[float, float]:
        """Degrees from line to line, of latitudes and of longitudes."""
        return _step(self.latitude), _step(self.longitude)

    def draw(self, picture: RGB) -> RGB:
        """A picture (H, W, 3) with the lines over it."""
        lines = self.lines(*picture.shape[:2])
        blended = (1 - _SHARE) * picture + _SHARE * _INK
        return np.where(lines[..., None], np.round(blended), picture).astype(np.uint8)

    def lines(self, height: int, width: int) -> NDArray[np.bool_]:
        """Pixels (H, W) that a line passes through."""
        found = np.zeros((height, width), bool)
        for field in (self.latitude, self.longitude):
            classes = np.floor(_enlarged(field, height, width) / _step(field))
            found[:, 1:] |= classes[:, 1:] != classes[:, :-1]
            found[1:] |= classes[1:] != classes[:-1]
        return found

    def levels(self) -> list[tuple[NDArray[np.float64], list[float]]]:
        """Latitudes and longitudes with those of them that have a line; the ones without are left out."""
        crossings = []
        for field in (self.latitude, self.longitude):
            step = _step(field)
            levels = np.arange(np.ceil(field.min() / step), np.floor(field.max() / step) + 1) * step
            inside = [float(level) for level in levels if field.min() < level < field.max()]
            if inside:
                crossings.append((field, inside))
        return crossings

    def labels(self, height: int, width: int) -> list[tuple[int, int, str]]:
        """Row, column and text of the lines' names, where latitudes meet the right edge and longitudes the top one."""
        texts = []
        for field, (north, south), edge in (
            (self.latitude, ("°N", "°S"), (slice(None), -1)),
            (self.longitude, ("°E", "°W"), (0, slice(None))),
        ):
            step = _step(field)
            along = _enlarged(field, height, width)[edge]
            classes = np.floor(along / step)
            for n in np.flatnonzero(np.diff(classes)).tolist():
                value = max(classes[n], classes[n + 1]) * step
                text = _named(value, (north, south))
                texts.append((n, width - 1, text) if field is self.latitude else (0, n, text))
        return texts


def edges_of(grid: Grid | None) -> Edges | None:
    """Marks along the edges of a picture of a grid; None where its coordinates are not known, or have no order."""
    if grid is None or grid.counted or min(len(grid.y), len(grid.x)) < 2:
        return None
    y, x = _upright(grid)
    if not (monotonic(y) and monotonic(x)):
        return None
    units = [str(about.get("units", "")) for about in (grid.y_attributes, grid.x_attributes)]
    degrees = all(unit.startswith("degree") for unit in units) and not grid.y_name.startswith("r")
    factor, unit = 1.0, units[0]
    if unit in ("m", "metre", "meter", "metres", "meters") and max(np.abs(y).max(), np.abs(x).max()) >= 10_000:
        factor, unit = 1000.0, "km"
    signs = (("°N", "°S"), ("°E", "°W")) if degrees else (("", ""), ("", ""))
    left, below = (_along(axis / factor, sign) for axis, sign in zip((y, x), signs, strict=True))
    return Edges(left, below, "" if degrees else unit)


def _upright(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of the rows from the top of a picture, and of the columns from its left."""
    x = grid.columns
    return grid.y[::-1] if grid.rows_run_north else grid.y, x[::-1] if grid.columns_run_west else x


def graticule_of(grid: Grid | None) -> Graticule | None:
    """Latitudes and longitudes of a grid's picture: those that the source has, those of its axes, or those of its
    projection where pyproj is installed (extra `radar`); None where nothing tells them.
    """
    if grid is None or grid.counted or min(len(grid.y), len(grid.x)) < 2:
        return None
    fields = _fields(grid)
    if fields is not None:
        latitude, longitude = map(grid.north_up, fields)
        return _whole(_thinned(latitude), _thinned(longitude))
    rows, columns = map(_spread, _upright(grid))
    x, y = np.meshgrid(columns, rows)
    if _in_degrees(grid) and not _is_projected(grid.mapping):
        return _whole(y, x)
    return None if grid.mapping is None else _unprojected(grid.mapping, y, x, str(grid.y_attributes.get("units", "m")))


def _fields(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Latitude and longitude of each pixel, where the source has them."""
    fields: dict[str, NDArray[np.float64]] = {}
    for name, field in grid.fields.items():
        unit = str(field.attributes.get("units", "")).lower()
        for kind, start in (("latitude", "lat"), ("longitude", "lon")):
            if name.lower().startswith(start) or (
                (kind == "latitude") == ("north" in unit) and unit.startswith("degree")
            ):
                fields.setdefault(kind, field.values)
    return (fields["latitude"], fields["longitude"]) if len(fields) == 2 else None


def _in_degrees(grid: Grid) -> bool:
    return all(str(about.get("units", "")).startswith("degree") for about in (grid.y_attributes, grid.x_attributes))


def _is_projected(mapping: Mapping[str, object] | None) -> bool:
    return mapping is not None and str(mapping.get("grid_mapping_name", "")).startswith("rotated")


def _unprojected(
    mapping: Mapping[str, object], y: NDArray[np.float64], x: NDArray[np.float64], unit: str
) -> Graticule | None:
    pyproj_first()
    try:
        import pyproj
    except ImportError:
        return None
    from pyproj.exceptions import ProjError

    try:
        crs = pyproj.CRS.from_cf(dict(mapping)) if "grid_mapping_name" in mapping or "crs_wkt" in mapping else None
        crs = crs or pyproj.CRS.from_user_input(str(mapping.get("proj4") or mapping.get("spatial_ref") or ""))
        # Some headers count the earth's radius in kilometres, and coordinates as well.
        of_metres = crs.ellipsoid is not None and crs.ellipsoid.semi_major_metre > 1e5
        factor = _METRES.get(unit, 1.0) if of_metres else 1.0
        sphere = crs.geodetic_crs or pyproj.CRS("EPSG:4326")
        transformer = pyproj.Transformer.from_crs(crs, sphere, always_xy=True)
        longitude, latitude = transformer.transform(x * factor, y * factor)
    except (ProjError, KeyError, TypeError, ValueError):  # a projection that it does not know
        return None
    return _whole(np.asarray(latitude), np.asarray(longitude))


def _whole(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> Graticule | None:
    """A graticule, where every point has a place and no line goes round the earth."""
    if not (np.isfinite(latitude).all() and np.isfinite(longitude).all()):
        return None
    if np.ptp(latitude) == 0 or np.ptp(longitude) == 0 or max(np.abs(np.diff(longitude)).max(initial=0), 0) > 90:
        return None
    return Graticule(latitude, longitude)


def _step(field: NDArray[np.float64]) -> float:
    reach = float(np.ptp(field))
    return next((step for step in _STEPS if reach / step <= _LINES), _STEPS[-1])


def _spread(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coordinates from the outer edge of the first pixel to that of the last, evenly spread."""
    return _along_axis(axis, _MESH)


def _thinned(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """A field (H, W) from outer edge to outer edge, at no more points than it has, evenly spread."""
    rows = _along_axis(field.astype(np.float64), min(len(field), _MESH))
    return _along_axis(rows.T, min(field.shape[1], _MESH)).T


def _along_axis(values: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """Values of the middles of pixels (N, ...) at so many points from the first outer edge to the last one."""
    places = np.linspace(-0.5, len(values) - 0.5, number)
    below = np.clip(np.floor(places).astype(int), 0, len(values) - 2)
    share = (places - below).reshape(-1, *[1] * (values.ndim - 1))  # beyond 0..1 at the edges: the line goes on
    between: NDArray[np.float64] = values[below] * (1 - share) + values[below + 1] * share
    return between


def _enlarged(field: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """A field (M, N) between its points, (H, W)."""
    rows, columns = np.linspace(0, field.shape[0] - 1, height), np.linspace(0, field.shape[1] - 1, width)
    top, left = (np.minimum(at.astype(int), size - 2) for at, size in zip((rows, columns), field.shape, strict=True))
    down, right = (rows - top)[:, None], columns - left
    upper = field[top][:, left] * (1 - right) + field[top][:, left + 1] * right
    lower = field[top + 1][:, left] * (1 - right) + field[top + 1][:, left + 1] * right
    between: NDArray[np.float64] = upper * (1 - down) + lower * down
    return between


def _named(degrees: float, signs: tuple[str, str]) -> str:
    """A latitude or a longitude in words, of less than a full turn.

    >>> _named(-5.0, ("°E", "°W")), _named(360.0, ("°E", "°W")), _named(362.5, ("°E", "°W"))
    ('5°W', '0°', '2.5°E')
    """
    degrees = degrees % 360 if degrees >= 360 else degrees
    return f"{abs(degrees):.4g}{signs[0] if degrees >= 0 else signs[1]}" if degrees else "0°"


def _along(axis: NDArray[np.float64], signs: tuple[str, str]) -> Ticks:
    """Round coordinates as shares of the way from the first edge to the last."""
    pixel = (axis[-1] - axis[0]) / (len(axis) - 1)
    first, last = float(axis[0] - pixel / 2), float(axis[-1] + pixel / 2)
    ticks = []
    for value, text in round_numbers(min(first, last), max(first, last)):
        named = _named(value, signs) if signs[0] else text
        ticks.append(((value - first) / (last - first), named))
    return sorted(ticks)
