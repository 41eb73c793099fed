"""Axes, coordinates and projection of a file, by CF conventions and as files have them that do not keep to these.

Axes: H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nextframe.frames.formats.attributes import array_of, described, text
from nextframe.frames.formats.stored import Stored, Variable
from nextframe.frames.formats.times import NAMES as _TIME
from nextframe.frames.formats.times import is_time
from nextframe.frames.grid import CoordinateField, Grid

if TYPE_CHECKING:
    import xarray as xr

_LATITUDE = ("lat", "latitude", "xlat", "xlat_m", "nav_lat", "lats", "tlat", "latitudes")
_LONGITUDE = ("lon", "longitude", "xlong", "xlong_m", "nav_lon", "lons", "tlong", "longitudes", "long")
_Y = ("y", "rlat", "northing", "row", "rows", "nlat", "ny", "nj", "j", "south_north", "yc", "line", "lines")
_X = ("x", "rlon", "easting", "column", "columns", "col", "cols", "nlon", "nx", "ni", "i", "west_east", "xc")
_DEGREES = {
    "latitude": ("degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"),
    "longitude": ("degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"),
}
_CARRIED = ("long_name", "standard_name", "cell_methods", "comment")


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Names of the axes of a file's fields."""

    y: str | None
    x: str | None
    time: str | None


def geographic(name: str, attributes: Mapping[str, Any]) -> str:
    """Latitude or longitude, whichever a variable is; empty for neither.

    >>> geographic("XLAT", {}), geographic("a", {"units": "degrees_east"}), geographic("rain", {"units": "mm"})
    ('latitude', 'longitude', '')
    """
    standard, units = text(attributes, "standard_name"), text(attributes, "units").lower()
    for kind, names in (("latitude", _LATITUDE), ("longitude", _LONGITUDE)):
        if standard == kind or units in _DEGREES[kind] or (not standard and name.lower() in names):
            return kind
    return ""


def axes_of(stored: Stored, variable: Variable | None = None) -> Axes:
    """The axes of a file, or of one of its variables, as far as attributes, names and coordinates tell."""
    dims = tuple(stored.sizes) if variable is None else variable.dims
    said = [_axis(stored, dims, letter) for letter in ("Y", "X", "T")]
    y, x, time = said
    if y is None or x is None:
        pair = _axes_of_fields(stored, dims)
        y, x = pair if pair is not None else (y, x)
    return Axes(y=y, x=x, time=time)


def spatial_axes(data: xr.Dataset | xr.DataArray) -> tuple[str | None, str | None]:
    """The y and the x axis of what xarray has opened, as far as attributes or names tell."""
    dims = {str(dim): data[dim].attrs if dim in data.coords else {} for dim in data.dims}
    y, x = (next((dim for dim in dims if _says(dim, dims[dim], letter)), None) for letter in ("Y", "X"))
    y = y or next((dim for dim in dims if dim.lower() in (*_Y, *_LATITUDE)), None)
    return y, x or next((dim for dim in dims if dim.lower() in (*_X, *_LONGITUDE) and dim != y), None)


def _says(name: str, attributes: Mapping[Any, Any], letter: str) -> bool:
    """True where the attributes of an axis's coordinate say that it is y, x or time."""
    standard = {"Y": "latitude", "X": "longitude", "T": "time"}[letter]
    standards = (standard, f"projection_{letter.lower()}_coordinate", f"grid_{standard}")
    if text(attributes, "axis").upper() == letter or text(attributes, "standard_name") in standards:
        return True
    return text(attributes, "units").lower() in _DEGREES.get(standard, ())


def _axis(stored: Stored, dims: Sequence[str], letter: str) -> str | None:
    """The axis that attributes of its coordinate, its name, or a coordinate of another name tell to be this one."""
    along = {dim: [v for v in stored.variables.values() if v.dims == (dim,)] for dim in dims}
    for dim in dims:
        if any(v.name == dim and _says(dim, v.attributes, letter) for v in along[dim]):
            return dim
    names = {"Y": (*_Y, *_LATITUDE), "X": (*_X, *_LONGITUDE), "T": _TIME}[letter]
    named = next((dim for dim in dims if dim.lower() in names), None)
    if named is not None:
        return named
    for dim in dims:
        for variable in along[dim]:
            standard = text(variable.attributes, "standard_name")
            if _says(variable.name, variable.attributes, letter) and standard != "forecast_reference_time":
                return dim
            if letter == "T" and is_time(variable) and standard != "forecast_reference_time":
                return dim
    return None


def _axes_of_fields(stored: Stored, dims: Sequence[str]) -> tuple[str, str] | None:
    """The two axes that latitude and longitude have where they are fields."""
    for variable in stored.variables.values():
        if geographic(variable.name, variable.attributes) and len(variable.dims) >= 2:
            y, x = variable.dims[-2:]
            if y in dims and x in dims and y != x:
                return y, x
    return None


def carried_attributes(variable: Variable) -> dict[str, object]:
    """Attributes of a variable beside its unit, for the output."""
    return {key: said for key in _CARRIED if (said := text(variable.attributes, key))}


def global_attributes(stored: Stored) -> dict[str, object]:
    """Attributes of the whole file, texts and numbers."""
    return {str(key): plain_value(value) for key, value in stored.attributes.items() if array_of(value).ndim == 0}


def plain_value(value: Any) -> object:
    """A number of NumPy as one of Python, which any format can hold."""
    return value.item() if isinstance(value, (np.generic, np.ndarray)) else value


def grid_of(stored: Stored, variable: Variable, y: str, x: str, time: str | None = None) -> Grid:
    """Grid of a variable over these two axes.

    Coordinates of an axis are those of its own name, else latitude and longitude along it by another name; latitude
    and longitude of each pixel are carried along as fields, but where they differ along one axis only, as coordinates.

    Raises:
        DataError: coordinates that cannot be read.
    """
    mapping = stored.variables.get(_mapping_name(variable))
    fields = _fields(stored, y, x, time)
    rows, columns = _along(stored, y), _along(stored, x)
    if rows is None and columns is None and len(fields) == 2:
        rows, columns, fields = _separated(fields)
    # A field cannot bear the name of an axis.
    names = [y if rows is None else rows[0], x if columns is None else columns[0]]
    names = [plain if name in fields else name for name, plain in zip(names, ("y", "x"), strict=True)]
    numbers = [np.arange(stored.sizes[axis], dtype=np.float64) for axis in (y, x)]
    return Grid(
        y=numbers[0] if rows is None else rows[1],
        x=numbers[1] if columns is None else columns[1],
        y_name=names[0],
        x_name=names[1],
        y_attributes={} if rows is None else rows[2],
        x_attributes={} if columns is None else columns[2],
        mapping=None if mapping is None else described(mapping.attributes),
        fields=fields,
    )


_Coordinate = tuple[str, NDArray[np.float64], dict[str, object]]
"""Name, values and attributes."""


def _along(stored: Stored, axis: str) -> _Coordinate | None:
    """The coordinate of an axis."""
    along = [v for v in stored.variables.values() if v.dims == (axis,) and v.numeric]
    own = [v for v in along if v.name == axis]
    geographical = [v for v in along if geographic(v.name, v.attributes)]
    projected = [v for v in along if text(v.attributes, "standard_name").startswith(("projection_", "grid_"))]
    for variable in (*own, *projected, *geographical):
        return variable.name, variable.values(), described(variable.attributes)
    return None


def _fields(stored: Stored, y: str, x: str, time: str | None) -> dict[str, CoordinateField]:
    """Latitude and longitude, where they are fields over both axes that do not change with time."""
    fields = {}
    for name, variable in stored.variables.items():
        if not variable.numeric or not geographic(name, variable.attributes):
            continue
        if not {y, x} <= set(variable.dims) or not set(variable.dims) <= {y, x, time}:
            continue
        if time in variable.dims:
            where = variable.dims.index(time)
            first, last = (variable.values(*_at(where, step)) for step in (0, variable.shape[where] - 1))
            if not np.array_equal(first, last, equal_nan=True):
                continue  # a nest that moves
        else:
            first = variable.values()
        left = [dim for dim in variable.dims if dim != time]
        fields[name] = CoordinateField(
            values=first.transpose([left.index(y), left.index(x)]), attributes=described(variable.attributes)
        )
    return fields


def _at(axis: int, step: int) -> tuple[Any, ...]:
    return (*(slice(None) for _ in range(axis)), step)


def _separated(
    fields: dict[str, CoordinateField],
) -> tuple[_Coordinate | None, _Coordinate | None, dict[str, CoordinateField]]:
    """Latitude of the rows and longitude of the columns, where each differs along its axis only."""
    kinds = {geographic(name, part.attributes): name for name, part in fields.items()}
    if set(kinds) != {"latitude", "longitude"}:
        return None, None, fields
    latitude, longitude = fields[kinds["latitude"]], fields[kinds["longitude"]]
    rows, columns = latitude.values[:, :1], longitude.values[:1]
    if not (np.array_equal(latitude.values - rows, np.zeros(latitude.values.shape))):
        return None, None, fields
    if not (np.array_equal(longitude.values - columns, np.zeros(longitude.values.shape))):
        return None, None, fields
    about = [{**dict(part.attributes)} for part in (latitude, longitude)]
    return (
        (kinds["latitude"], rows[:, 0].copy(), about[0]),
        (kinds["longitude"], columns[0].copy(), about[1]),
        {},
    )


def same_projection(one: Mapping[str, object] | None, other: Mapping[str, object] | None) -> bool:
    """True where two CF grid mappings say the same, as far as both say anything; names and remarks aside."""
    if one is None or other is None:
        return True
    named = {
        key for key in {*one} & {*other} if not key.endswith(("wkt", "name", "proj4")) or key == "grid_mapping_name"
    }
    return all(_equal(one[key], other[key]) for key in named)


def _equal(one: object, other: object) -> bool:
    here, there = array_of(one), array_of(other)
    if here.dtype.kind not in "iuf" or there.dtype.kind not in "iuf":
        return bool(np.array_equal(here, there))
    return here.shape == there.shape and bool(np.all(here == there) or np.allclose(here, there, rtol=1e-6, atol=0))


def _mapping_name(variable: Variable) -> str:
    """The variable that holds the projection; CF also has "crs: x y" for its name and the coordinates in it."""
    stated = text(variable.attributes, "grid_mapping")
    return stated.split(maxsplit=1)[0].removesuffix(":") if stated else ""
