"""Grids of GRIB fields: coordinates of rows and columns, and the projection as CF conventions describe it.

Axes: H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError, ShapeError
from nextframe.frames.grib.fields import arranged, opened
from nextframe.frames.grib.messages import Message
from nextframe.frames.grid import CoordinateField, Grid
from nextframe.plugins import projections

_REDUCED = ("reduced_gg", "reduced_ll", "sh", "unstructured_grid", "healpix", "reduced_rotated_gg")
"""Grids that have no rows and columns of equal lengths."""
_LATITUDE = {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"}
_LONGITUDE = {"standard_name": "longitude", "units": "degrees_east", "axis": "X"}
_ROTATED_Y = {"standard_name": "grid_latitude", "units": "degrees", "axis": "Y"}
_ROTATED_X = {"standard_name": "grid_longitude", "units": "degrees", "axis": "X"}
_AXES = ("latitude", "longitude")


def hold_rows(message: Message, grid_type: str) -> None:
    """Refuse a grid that is none of rows and columns.

    Raises:
        ShapeError: it is one.
    """
    if grid_type in _REDUCED:
        raise ShapeError(
            f"message {message.number} is on a grid without rows and columns",
            where=message.path,
            received=grid_type,
            hint="bring it to a regular grid first, for example with cdo (cdo -R -f grb2 copy) or eccodes",
        )


def shape_of(message: Message, whole: bytes) -> tuple[int, int]:
    """(H, W) of a field.

    Raises:
        DataError: its header says none.
    """
    with opened(message, whole) as (codes, handle):
        return codes.codes_get_long(handle, "Nj"), codes.codes_get_long(handle, "Ni")


def grid_of(message: Message, whole: bytes, grid_type: str) -> Grid:
    """Grid on which the pixels of a field lie.

    Args:
        message: where the field is from.
        whole: the message with its data.
        grid_type: type of the grid, as ecCodes names it.

    Raises:
        DataError: its header cannot be read.
    """
    with opened(message, whole) as (codes, handle):
        keys = _Keys(codes, handle)
        scan = keys.whole("Nj", "Ni", "iScansNegatively", "jPointsAreConsecutive", "alternativeRowScanning")
        shape, scanning = (scan[0], scan[1]), scan[2:]
        mapping = _MAPPINGS[grid_type](keys) if grid_type in _MAPPINGS else None
        if grid_type == "regular_ll":
            return _degrees(*keys.corners(shape, scanning[0]), _AXES, (_LATITUDE, _LONGITUDE), mapping)
        if grid_type == "polar_stereographic" and keys.is_oblate:  # whose places ecCodes does not tell
            return _oblate(keys, _MAPPINGS[grid_type](keys), shape, scanning[0], message)
        latitudes, longitudes = (
            arranged(codes.codes_get_array(handle, key), shape, *scanning) for key in ("latitudes", "longitudes")
        )
        longitudes = _from_west(longitudes)
        if grid_type == "rotated_ll":
            turned = _degrees(*keys.corners(shape, scanning[0]), ("rlat", "rlon"), (_ROTATED_Y, _ROTATED_X), mapping)
            return replace(turned, fields=_as_fields(latitudes, longitudes))
    if (latitudes == latitudes[:, :1]).all() and (longitudes == longitudes[:1]).all():
        return _degrees(latitudes[:, 0].copy(), longitudes[0].copy(), _AXES, (_LATITUDE, _LONGITUDE), mapping)
    plane = _in_plane(mapping, latitudes, longitudes)
    fields = _as_fields(latitudes, longitudes)
    if plane is None:
        numbers = [np.arange(size, dtype=np.float64) for size in shape]
        return Grid(y=numbers[0], x=numbers[1], mapping=mapping, fields=fields)
    return _on_plane(*plane, mapping, fields)


def _on_plane(
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    mapping: dict[str, object] | None,
    fields: dict[str, CoordinateField],
) -> Grid:
    return Grid(
        y=y,
        x=x,
        y_attributes={"standard_name": "projection_y_coordinate", "units": "m", "axis": "Y"},
        x_attributes={"standard_name": "projection_x_coordinate", "units": "m", "axis": "X"},
        mapping=mapping,
        fields=fields,
    )


def _oblate(keys: _Keys, mapping: dict[str, object], shape: tuple[int, int], backwards: int, message: Message) -> Grid:
    """A grid in metres of a projection, laid out from its first point.

    Raises:
        ConfigError: pyproj is not installed.
    """
    pyproj = projections(message.path)
    place = pyproj.Proj(pyproj.CRS.from_cf(mapping))
    latitude, longitude, dy, dx = keys.numbers(
        "latitudeOfFirstGridPointInDegrees", "longitudeOfFirstGridPointInDegrees", "DyInMetres", "DxInMetres"
    )
    x0, y0 = place(longitude, latitude)
    upwards = keys.whole("jScansPositively")[0]
    y = y0 + (dy if upwards else -dy) * np.arange(shape[0])
    x = x0 + (-dx if backwards else dx) * np.arange(shape[1])
    x = x[::-1].copy() if backwards else x
    longitudes, latitudes = place(*np.meshgrid(x, y), inverse=True)
    return _on_plane(y, x, mapping, _as_fields(latitudes, _from_west(longitudes)))


def _degrees(
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    names: tuple[str, str],
    said: tuple[dict[str, str], dict[str, str]],
    mapping: dict[str, object] | None,
) -> Grid:
    return Grid(y=y, x=x, y_name=names[0], x_name=names[1], y_attributes=said[0], x_attributes=said[1], mapping=mapping)


@dataclass(frozen=True)
class _Keys:
    """Numbers of a header."""

    codes: Any
    handle: Any

    def numbers(self, *names: str) -> list[float]:
        return [float(self.codes.codes_get_double(self.handle, name)) for name in names]

    def whole(self, *names: str) -> list[int]:
        return [int(self.codes.codes_get_long(self.handle, name)) for name in names]

    def is_there(self, name: str) -> bool:
        return bool(self.codes.codes_is_defined(self.handle, name))

    def corners(self, shape: tuple[int, int], backwards: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Degrees of rows and columns between the first and the last point."""
        names = [f"{axis}Of{end}GridPointInDegrees" for axis in _AXES for end in ("First", "Last")]
        first, last, left, right = self.numbers(*names)
        if backwards:
            left, right = right, left
        right = left + (right - left) % 360
        middle = (left + 180) % 360 - 180
        return np.linspace(first, last, shape[0]), np.linspace(middle, middle + right - left, shape[1])

    @property
    def is_oblate(self) -> bool:
        """True of an earth that is no sphere."""
        return self.is_there("earthIsOblate") and bool(self.whole("earthIsOblate")[0])

    @property
    def earth(self) -> dict[str, float]:
        """Figure of the earth."""
        if self.is_oblate:
            major, minor = self.numbers("earthMajorAxisInMetres", "earthMinorAxisInMetres")
            return {"semi_major_axis": major, "semi_minor_axis": minor}
        return {"earth_radius": self.numbers("radius")[0]}


def _from_west(longitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Longitudes that grow along a row, within 180 degrees of zero where they do not cross the date line."""
    first = (longitudes[:, :1] + 180) % 360 - 180
    steps = (np.diff(longitudes, axis=1) + 180) % 360 - 180
    along = np.concatenate([first, steps], axis=1).cumsum(axis=1)
    return np.round(along, 9)


def _as_fields(latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]) -> dict[str, CoordinateField]:
    plain = ({k: v for k, v in said.items() if k != "axis"} for said in (_LATITUDE, _LONGITUDE))
    return {
        name: CoordinateField(values=values, attributes=said)
        for name, values, said in zip(_AXES, (latitudes, longitudes), plain, strict=True)
    }


def _in_plane(
    mapping: dict[str, object] | None, latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Coordinates of rows and columns in a projection; None without pyproj, or where they are no straight lines."""
    if mapping is None:
        return None
    try:
        pyproj = projections("the grid's projection")
    except ConfigError:
        return None
    place = pyproj.Proj(pyproj.CRS.from_cf(mapping))
    x, _ = place(longitudes[0], latitudes[0])
    _, y = place(longitudes[:, 0], latitudes[:, 0])
    far, low = place(longitudes[-1, -1], latitudes[-1, -1])
    sound = np.isfinite([*x, *y, far, low]).all()
    pixel = abs(x[1] - x[0]) if len(x) > 1 else 1.0
    if not sound or abs(far - x[-1]) > 0.1 * pixel or abs(low - y[-1]) > 0.1 * pixel:
        return None
    return np.asarray(y), np.asarray(x)


def _latitude_longitude(keys: _Keys) -> dict[str, object]:
    return {"grid_mapping_name": "latitude_longitude", **keys.earth}


def _rotated(keys: _Keys) -> dict[str, object]:
    latitude, longitude, angle = keys.numbers(
        "latitudeOfSouthernPoleInDegrees", "longitudeOfSouthernPoleInDegrees", "angleOfRotationInDegrees"
    )
    return {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": -latitude,
        "grid_north_pole_longitude": (longitude + 360) % 360 - 180,
        "north_pole_grid_longitude": angle,
        **keys.earth,
    }


def _lambert(keys: _Keys) -> dict[str, object]:
    first, second, middle, origin = keys.numbers("Latin1InDegrees", "Latin2InDegrees", "LoVInDegrees", "LaDInDegrees")
    return {
        "grid_mapping_name": "lambert_conformal_conic",
        "standard_parallel": first if first == second else [first, second],
        "longitude_of_central_meridian": (middle + 180) % 360 - 180,
        "latitude_of_projection_origin": origin,
        **keys.earth,
    }


def _azimuthal(keys: _Keys) -> dict[str, object]:
    latitude, longitude = keys.numbers("standardParallelInDegrees", "centralLongitudeInDegrees")
    return {
        "grid_mapping_name": "lambert_azimuthal_equal_area",
        "latitude_of_projection_origin": latitude,
        "longitude_of_projection_origin": (longitude + 180) % 360 - 180,
        **keys.earth,
    }


def _polar(keys: _Keys) -> dict[str, object]:
    middle, true = keys.numbers("orientationOfTheGridInDegrees", "LaDInDegrees")
    south = keys.whole("projectionCentreFlag")[0] & 0x80
    return {
        "grid_mapping_name": "polar_stereographic",
        "straight_vertical_longitude_from_pole": (middle + 180) % 360 - 180,
        "latitude_of_projection_origin": -90.0 if south else 90.0,
        "standard_parallel": -abs(true) if south else true,
        **keys.earth,
    }


def _mercator(keys: _Keys) -> dict[str, object]:
    (true,) = keys.numbers("LaDInDegrees")
    return {
        "grid_mapping_name": "mercator",
        "standard_parallel": true,
        "longitude_of_projection_origin": 0.0,
        **keys.earth,
    }


_MAPPINGS: dict[str, Callable[[_Keys], dict[str, object]]] = {
    "regular_ll": _latitude_longitude,
    "regular_gg": _latitude_longitude,
    "rotated_ll": _rotated,
    "lambert": _lambert,
    "lambert_azimuthal_equal_area": _azimuthal,
    "polar_stereographic": _polar,
    "mercator": _mercator,
}
"""Types of grids, as ecCodes names them -> their CF grid mappings."""
