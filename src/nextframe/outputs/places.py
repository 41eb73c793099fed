"""Places that a forecast is wanted for: points of a CSV table, areas of a GeoJSON file.

Axes: H height, W width.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError, first_line
from nextframe.frames.geography import Geography
from nextframe.frames.grid import Grid

_COLUMNS = {
    "name": ("name", "id", "station"),
    "lat": ("lat", "latitude"),
    "lon": ("lon", "longitude", "lng", "long"),
}
"""Columns of a table of points -> names that they may have, in lower case."""
_NAMES = ("name", "NAME", "Name", "title", "id", "ID")


@dataclass(frozen=True)
class Point:
    """A place on the Earth."""

    name: str
    """Name."""
    latitude: float
    """Degrees north."""
    longitude: float
    """Degrees east."""


@dataclass(frozen=True, eq=False)
class Area:
    """Polygons on the Earth, with holes where rings lie within rings."""

    name: str
    """Name."""
    rings: tuple[NDArray[np.float64], ...]
    """Rings of longitude and latitude in degrees, (N, 2) each."""


def read_points(path: str | Path) -> tuple[Point, ...]:
    """Points of a CSV table with a header: name, lat, lon; further columns are not read.

    Raises:
        DataError: a table that cannot be read, lacks a column, or has a line that is no place.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("cannot be read as a table of points", where=path, received=first_line(error)) from error
    first = text.partition("\n")[0]
    rows = csv.reader(text.splitlines(), delimiter=";" if first.count(";") > first.count(",") else ",")
    head = [cell.strip().lower() for cell in next(_whole(rows, path), [])]
    columns: dict[str, int] = {}
    for column, names in _COLUMNS.items():
        place = next((head.index(name) for name in names if name in head), None)
        if place is None:
            raise DataError(
                f"has no column {column}",
                where=path,
                expected="a header with name, lat, lon",
                received=", ".join(head) or "nothing",
            )
        columns[column] = place
    points = []
    for number, row in enumerate(_whole(rows, path), start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            name, lat, lon = (row[columns[column]].strip() for column in _COLUMNS)
            point = Point(name, float(lat), float(lon))
        except (IndexError, ValueError) as error:
            raise DataError(
                f"line {number} is no place", where=path, expected="a name, and degrees north and east", received=row
            ) from error
        if not (abs(point.latitude) <= 90 and abs(point.longitude) <= 360):
            raise DataError(
                f"line {number} lies nowhere on the Earth",
                where=path,
                expected="latitude within 90 degrees, longitude within 360",
                received=f"{point.latitude:g}, {point.longitude:g}",
            )
        points.append(point)
    if not points:
        raise DataError("holds no point", where=path)
    return tuple(points)


def _whole(rows: Iterator[list[str]], path: str | Path) -> Iterator[list[str]]:
    """Rows of a table, whose faults of writing are told."""
    try:
        yield from rows
    except csv.Error as error:
        raise DataError("cannot be read as a table of points", where=path, received=first_line(error)) from error


def read_areas(path: str | Path) -> tuple[Area, ...]:
    """Polygons of a GeoJSON file (RFC 7946), by the name in their properties.

    Raises:
        DataError: a file that cannot be read, or that holds no polygon.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError("cannot be read as GeoJSON", where=path, received=first_line(error)) from error
    areas = []
    for number, (properties, geometry) in enumerate(_geometries(content), start=1):
        kind, coordinates = geometry.get("type"), geometry.get("coordinates")
        if kind not in ("Polygon", "MultiPolygon"):
            continue
        polygons: Any = [coordinates] if kind == "Polygon" else coordinates
        name = next((str(properties[key]) for key in _NAMES if properties.get(key) not in (None, "")), f"area {number}")
        try:
            rings = tuple(np.array([spot[:2] for spot in ring], np.float64) for polygon in polygons for ring in polygon)
            sound = bool(rings) and all(
                ring.ndim == 2 and len(ring) >= 3 and ring.shape[1] == 2 and np.isfinite(ring).all() for ring in rings
            )
        except (TypeError, ValueError, IndexError):
            sound = False
        if not sound:
            raise DataError(f"{name} is no polygon", where=path, expected="rings of longitude and latitude")
        areas.append(Area(name, rings))
    if not areas:
        raise DataError("holds no polygon", where=path, expected="features of Polygon or MultiPolygon")
    return tuple(areas)


def _geometries(content: Any) -> Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Properties and geometry of each feature."""
    if not isinstance(content, dict):
        return
    if content.get("type") == "FeatureCollection":
        features = content.get("features")
        for feature in features if isinstance(features, list) else ():
            yield from _geometries(feature)
    elif content.get("type") == "Feature":
        about, geometry = content.get("properties") or {}, content.get("geometry") or {}
        if isinstance(about, dict) and isinstance(geometry, dict):
            yield ({"id": content["id"], **about} if "id" in content else about), geometry
    elif "coordinates" in content:
        yield {}, content


def pixels_of(points: Sequence[Point], grid: Grid | None, *, where: object) -> list[tuple[int, int]]:
    """Row and column of the pixel that each point lies in.

    Raises:
        DataError: points outside of the grid; all of them are named.
        DataError: a grid that does not say where it lies.
    """
    geography = _geography(grid, where)
    pixels = [geography.pixel(point.latitude, point.longitude) for point in points]
    outside = [point for point, pixel in zip(points, pixels, strict=True) if pixel is None]
    if outside:
        named = ", ".join(f"{p.name} ({p.latitude:g}, {p.longitude:g})" for p in outside[:5])
        more = f" and {len(outside) - 5} more" if len(outside) > 5 else ""
        longitudes, latitudes = geography.lonlat()
        raise DataError(
            f"{'lies' if len(outside) == 1 else 'lie'} outside of the grid of {where}",
            where=f"{named}{more}",
            expected=f"latitude {np.nanmin(latitudes):.4g} to {np.nanmax(latitudes):.4g}, "
            f"longitude {np.nanmin(longitudes):.4g} to {np.nanmax(longitudes):.4g}",
            hint="leave them out of {points}",
        )
    return [pixel for pixel in pixels if pixel is not None]


def weights_of(areas: Sequence[Area], grid: Grid | None, *, where: object) -> list[NDArray[np.float64]]:
    """Share of each pixel in each area, (H, W), a sum of 1: pixels whose centre lies within it, by their size; the one
    pixel that holds its middle where none does.

    Raises:
        DataError: areas outside of the grid, as a whole; or a grid that does not say where it lies.
    """
    from matplotlib.path import Path as Outline

    geography = _geography(grid, where)
    longitudes, latitudes = geography.lonlat()
    size = np.cos(np.deg2rad(latitudes)) if geography.crs is None or geography.crs.is_geographic else 1.0
    spots = np.stack([longitudes, latitudes], axis=-1).reshape(-1, 2)
    by_area = []
    for area in areas:
        turn = next((t for t in (0.0, 360.0, -360.0) if _overlaps(area, spots, t)), 0.0)
        inside = np.zeros(len(spots), bool)
        for ring in area.rings:
            inside ^= Outline(ring + np.array([turn, 0.0])).contains_points(spots)
        weights = inside.reshape(longitudes.shape) * size
        if not inside.any():
            west, south = area.rings[0].min(0)
            east, north = area.rings[0].max(0)
            pixel = geography.pixel(float(south + north) / 2, float(west + east) / 2)
            if pixel is None:
                raise DataError(f"lies outside of the grid of {where}", where=area.name, hint="leave it out of {areas}")
            weights = np.zeros(longitudes.shape)
            weights[pixel] = 1.0
        by_area.append(weights / weights.sum())
    return by_area


def _overlaps(area: Area, spots: NDArray[np.float64], turn: float) -> bool:
    longitudes = np.concatenate([ring[:, 0] for ring in area.rings]) + turn
    return bool(longitudes.max() >= np.nanmin(spots[:, 0]) and longitudes.min() <= np.nanmax(spots[:, 0]))


def _geography(grid: Grid | None, where: object) -> Geography:
    geography = None if grid is None else Geography(grid)
    if geography is None or (geography.crs is None and not geography.grid.fields):
        raise DataError(
            "does not say where its pixels lie on the Earth",
            where=where,
            expected="a projection, or latitudes and longitudes",
            hint="leave out {points} and {areas}, or start from data that has them",
        )
    return geography
