"""Grids on the Earth: their coordinate system, the edges of their pixels, and the pixel of a place.

Axes: H height, W width. pyproj is imported when a projection is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nextframe.errors import ConfigError
from nextframe.frames.grid import Grid, monotonic
from nextframe.plugins import projections

METRES = {
    **dict.fromkeys(("m", "metre", "meter", "metres", "meters"), 1.0),
    **dict.fromkeys(("km", "kilometre", "kilometer", "kilometres", "kilometers"), 1000.0),
}
"""Units of coordinates -> metres."""
EARTH = 6371229.0
"""Radius of the Earth in metres, as weather models have it."""

_EVEN = 1e-3
"""Share of a pixel by which the distances of evenly spaced coordinates may differ."""
_GEOGRAPHIC = "OGC:CRS84"
"""Longitude and latitude in degrees, on WGS 84."""
_WHERE = "the grid's projection"


def in_degrees(attributes: Mapping[str, object]) -> bool:
    """True where attributes say that a coordinate is a latitude or a longitude.

    >>> in_degrees({"units": "degrees_north"}), in_degrees({"units": "km"})
    (True, False)
    """
    return str(attributes.get("standard_name", "")) in ("latitude", "longitude") or str(
        attributes.get("units", "")
    ).lower().startswith(("degrees_n", "degree_n", "degrees_e", "degree_e"))


def edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of pixels, half-way between their centres, (N + 1,).

    >>> edges(np.array([10.0, 20.0, 40.0])).tolist()
    [5.0, 15.0, 30.0, 50.0]
    """
    if len(centres) < 2:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    half = np.diff(centres) / 2
    return np.concatenate([[centres[0] - half[0]], centres[:-1] + half, [centres[-1] + half[-1]]])


def even_step(centres: NDArray[np.float64]) -> float | None:
    """Distance of evenly spaced coordinates, with its sign; None where they are not evenly spaced.

    >>> even_step(np.array([3.0, 2.0, 1.0])), even_step(np.array([1.0, 2.0, 4.0]))
    (-1.0, None)
    """
    if len(centres) < 2:
        return 1.0
    step = float(centres[-1] - centres[0]) / (len(centres) - 1)
    return step if step and np.abs(np.diff(centres) - step).max() <= _EVEN * abs(step) else None


def grid_mapping(crs: Any) -> dict[str, Any]:
    """CF's grid mapping of a coordinate system of pyproj, with the pole that CF asks for where pyproj leaves it out."""
    with warnings.catch_warnings():
        # The Swiss grid has a parameter that CF has no name for; it is whole in `crs_wkt`, which comes with it.
        warnings.simplefilter("ignore", UserWarning)
        return with_pole(crs.to_cf())


def with_pole(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """A grid mapping with the pole of a polar stereographic projection that is given by its standard parallel."""
    pole, parallel = "latitude_of_projection_origin", mapping.get("standard_parallel")
    if mapping.get("grid_mapping_name") == "polar_stereographic" and pole not in mapping and parallel is not None:
        return {**mapping, pole: float(np.copysign(90.0, float(parallel)))}
    return dict(mapping)


@dataclass(frozen=True)
class Geography:
    """A grid on the Earth."""

    grid: Grid

    @cached_property
    def degrees(self) -> bool:
        """True where the axes are latitude and longitude."""
        return in_degrees(self.grid.y_attributes) and in_degrees(self.grid.x_attributes)

    @cached_property
    def crs(self) -> Any:
        """The coordinate system as pyproj has it; None where the grid does not say.

        Raises:
            ConfigError: pyproj is not installed.
        """
        mapping = self.grid.mapping
        if mapping is None and not self.degrees:
            return None
        pyproj = projections(_WHERE)
        stated = _stated(mapping or {})
        if stated is not None and not (self.degrees and mapping is None):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    if isinstance(stated, str):
                        return pyproj.CRS.from_user_input(stated)
                    return pyproj.CRS.from_cf(stated)
            except (pyproj.exceptions.CRSError, KeyError, TypeError, ValueError):
                pass  # attributes that name no projection: degrees are degrees all the same
        return pyproj.CRS.from_user_input(_GEOGRAPHIC) if self.degrees else None

    @cached_property
    def x(self) -> NDArray[np.float64]:
        """Coordinates of the columns in the unit of the coordinate system, (W,); longitudes go on over 360."""
        return self.grid.columns * self._factor(self.grid.x_attributes)

    @cached_property
    def y(self) -> NDArray[np.float64]:
        """Coordinates of the rows in the unit of the coordinate system, (H,)."""
        return self.grid.y * self._factor(self.grid.y_attributes)

    def _factor(self, attributes: Mapping[str, object]) -> float:
        """Factor from the unit of an axis to that of the coordinate system; 1 where either does not say."""
        stated = METRES.get(str(attributes.get("units", "")).lower())
        if stated is None or self.crs is None or self.crs.is_geographic or not self.crs.axis_info:
            return 1.0
        return stated / float(self.crs.axis_info[0].unit_conversion_factor or 1.0)

    @cached_property
    def steps(self) -> tuple[float, float] | None:
        """Distance of the rows and of the columns, with their signs; None where these are not evenly spaced."""
        rows, columns = even_step(self.y), even_step(self.x)
        return None if rows is None or columns is None else (rows, columns)

    @cached_property
    def kilometres(self) -> tuple[float, float] | None:
        """Height and width of a pixel in kilometres, at the grid's centre; None where it does not say how large it is.

        >>> from nextframe.frames.radar.place import grid_within
        >>> Geography(grid_within((0, 4, 0, 4), (2, 2), "km", "")).kilometres
        (2.0, 2.0)
        """
        sides = [float(np.median(np.abs(np.diff(c)))) if len(c) > 1 else 0.0 for c in (self.grid.y, self.grid.x)]
        if self.degrees:
            arc = np.pi * EARTH / 180_000
            sides = [sides[0] * arc, sides[1] * arc * float(np.cos(np.deg2rad(np.mean(self.grid.y))))]
        else:
            both = (self.grid.y_attributes, self.grid.x_attributes)
            metres = [METRES.get(str(attributes.get("units", "")).lower()) for attributes in both]
            if None in metres:
                return None
            sides = [side * (unit or 0.0) / 1000 for side, unit in zip(sides, metres, strict=True)]
        return (sides[0], sides[1]) if min(sides) > 0 else None

    def lonlat(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitude and latitude of the centre of each pixel, (H, W) each.

        Raises:
            ConfigError: the grid does not say where it lies, or pyproj is not installed.
        """
        fields = self._fields()
        if fields is not None:
            return fields
        x, y = np.meshgrid(self.x, self.y)
        if self.degrees and (self.crs is None or self.crs.is_geographic):
            return x, y
        longitude, latitude = self._transformer(inverse=True).transform(x, y)
        return np.asarray(longitude), np.asarray(latitude)

    def pixel(self, latitude: float, longitude: float) -> tuple[int, int] | None:
        """Row and column of the pixel that a place lies in; None where it lies outside of the grid.

        Raises:
            ConfigError: the grid does not say where it lies, or pyproj is not installed.
        """
        if self.crs is None:
            return self._nearest(latitude, longitude)
        if self.crs.is_geographic:
            inside = [(latitude, longitude + turn) for turn in (0.0, 360.0, -360.0)]
        else:
            x, y = self._transformer().transform(longitude, latitude)
            inside = [(y, x)]
        for north, east in inside:
            row, column = _between(edges(self.y), north), _between(edges(self.x), east)
            if row is not None and column is not None:
                return row, column
        return None

    def _transformer(self, *, inverse: bool = False) -> Any:
        if self.crs is None:
            raise ConfigError(
                "knows no latitudes and longitudes of its pixels",
                where="the grid",
                hint="start from data with a projection or coordinates in degrees",
            )
        ends = (_GEOGRAPHIC, self.crs)
        return projections(_WHERE).Transformer.from_crs(*(reversed(ends) if inverse else ends), always_xy=True)

    def _fields(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Longitude and latitude of each pixel, where the source has them as fields."""
        found: dict[str, NDArray[np.float64]] = {}
        for name, part in self.grid.fields.items():
            unit = str(part.attributes.get("units", "")).lower()
            kind = "latitude" if "north" in unit or "lat" in name.lower() else "longitude"
            found[kind] = part.values
        return (found["longitude"], found["latitude"]) if len(found) == 2 else None

    def _nearest(self, latitude: float, longitude: float) -> tuple[int, int] | None:
        """The pixel whose centre is nearest, on grids that have but latitude and longitude of each pixel."""
        longitudes, latitudes = self.lonlat()
        points = _on_sphere(latitudes, longitudes)
        distance = np.square(points - _on_sphere(latitude, longitude)[:, None, None]).sum(0)
        distance = np.where(np.isfinite(distance), distance, np.inf)
        row, column = (int(n) for n in np.unravel_index(int(np.argmin(distance)), distance.shape))
        around = points[:, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        spacing = np.square(around - points[:, row, column][:, None, None]).sum(0)
        reach = float(np.nanmax(spacing)) / 4  # half of the diagonal, squared
        return (row, column) if distance[row, column] <= reach else None


def _stated(mapping: Mapping[str, object]) -> Any:
    """The projection that a grid mapping states: PROJ's text where it has nothing else, else CF's attributes."""
    for name in ("proj4", "proj4_params", "proj4text", "proj_params"):
        if mapping.get(name) and "grid_mapping_name" not in mapping and "crs_wkt" not in mapping:
            return str(mapping[name])
    if not {"grid_mapping_name", "crs_wkt", "spatial_ref"} & set(mapping):
        return None
    return {key: value[0] if _is_one(value) else value for key, value in mapping.items()}


def _is_one(value: object) -> TypeGuard[Sequence[object]]:
    """True of a list of one number, as which stores hold a standard parallel, and which pyproj does not take."""
    return isinstance(value, (list, tuple, np.ndarray)) and np.shape(value) == (1,)


def _on_sphere(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.float64]:
    lat, lon = np.deg2rad(latitude), np.deg2rad(longitude)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def _between(bounds: NDArray[np.float64], value: float) -> int | None:
    """Number of the interval that a value lies in; None for none."""
    if not np.isfinite(value) or not monotonic(bounds):
        return None
    rising = bounds if bounds[-1] > bounds[0] else bounds[::-1]
    place = int(np.searchsorted(rising, value, side="right")) - 1
    if value == rising[-1]:
        place -= 1
    if not 0 <= place < len(rising) - 1:
        return None
    return place if rising is bounds else len(rising) - 2 - place
