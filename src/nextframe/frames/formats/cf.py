"""What CF conventions say of a dataset: its axes, times, coordinates and projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nextframe.errors import DataError
from nextframe.frames.grid import CoordinateField, Grid

_Y = ("y", "lat", "latitude", "rlat", "northing", "row")
_X = ("x", "lon", "longitude", "rlon", "easting", "column", "col")
_TIME = ("time", "valid_time", "t")
_CARRIED = ("long_name", "standard_name", "cell_methods", "comment")


def grid_of(dataset: xr.Dataset, variable: xr.DataArray, y: str, x: str) -> Grid:
    """Where the pixels of a variable over these two axes lie."""
    mapping = _mapping_name(variable)
    return Grid(
        y=_coordinate(dataset, y),
        x=_coordinate(dataset, x),
        y_name=y,
        x_name=x,
        y_attributes=_without_bounds(dataset[y].attrs) if y in dataset.variables else {},
        x_attributes=_without_bounds(dataset[x].attrs) if x in dataset.variables else {},
        mapping=dict(dataset[mapping].attrs) if mapping in dataset.variables else None,
        fields=_coordinate_fields(dataset, y, x),
    )


def spatial_axes(data: xr.Dataset | xr.DataArray) -> tuple[str | None, str | None]:
    """The y and the x axis, as far as attributes or names tell."""
    return find_axis(data, "Y", _Y, "latitude"), find_axis(data, "X", _X, "longitude")


def time_axis(data: xr.Dataset | xr.DataArray) -> str | None:
    """The axis of time, if attributes or names tell."""
    return find_axis(data, "T", _TIME, "time")


def carried_attributes(variable: xr.DataArray) -> dict[str, object]:
    """What is said of a variable beside its unit, for the output."""
    return {key: str(variable.attrs[key]) for key in _CARRIED if key in variable.attrs}


def global_attributes(dataset: xr.Dataset) -> dict[str, object]:
    """What is said of the whole dataset, texts and numbers."""
    return {str(key): plain_value(value) for key, value in dataset.attrs.items() if np.ndim(value) == 0}


def find_axis(data: xr.Dataset | xr.DataArray, letter: str, names: Sequence[str], standard: str) -> str | None:
    """The dimension that CF attributes, else its name, tell to be this axis."""
    standards = (standard, f"projection_{letter.lower()}_coordinate", f"grid_{standard}")
    for axis in data.dims:
        attributes = data[axis].attrs if axis in data.coords else {}
        if attributes.get("axis") == letter or attributes.get("standard_name") in standards:
            return str(axis)
    return next((str(axis) for axis in data.dims if str(axis).lower() in names), None)


def read_times(path: Path, dataset: xr.Dataset, time: str | None) -> NDArray[np.datetime64] | None:
    """Times of the steps; for a store of a single step also from a scalar variable that is a time."""
    if time is not None and time in dataset.variables:
        values = dataset[time].values
        if values.dtype == object:
            raise unreadable_calendar(path)
        dated = np.issubdtype(values.dtype, np.datetime64)
        if not dated and values.dtype.kind not in "iuf":
            return None
        if dated and np.isnat(values).any():
            raise DataError(f"frame {np.isnat(values).argmax()} has no time", where=path, hint="leave that step out")
        wrong = np.flatnonzero(values[1:] <= values[:-1])
        if wrong.size:
            before, after = (in_seconds(values[wrong[0] + n]) for n in (0, 1))
            raise DataError(
                f"times do not increase: frame {wrong[0] + 1} ({after}) follows {before}",
                where=path,
                hint="sort the frames by time and drop duplicates",
            )
        return values.astype("datetime64[ns]") if dated else None
    if time is None:
        scalars = [v for v in dataset.variables.values() if v.ndim == 0 and np.issubdtype(v.dtype, np.datetime64)]
        named = [v for v in scalars if v.attrs.get("standard_name") == "time"]
        names = [dataset.variables[n] for n in _TIME if n in dataset.variables and dataset.variables[n].ndim == 0]
        # A period's end comes before its start among what a file may call a time.
        for candidate in (*(v for v in names if v in scalars), *named, *scalars):
            return np.atleast_1d(candidate.values).astype("datetime64[ns]")
    return None


def in_seconds(time: Any) -> str:
    """A time for people, without digits that no archive has; a plain number as it is."""
    if not np.issubdtype(np.asarray(time).dtype, np.datetime64):
        return f"{time:g}"
    return str(np.datetime_as_string(np.asarray(time), unit="s"))


def same_projection(one: Mapping[str, object] | None, other: Mapping[str, object] | None) -> bool:
    """Whether two CF grid mappings say the same, as far as both say anything; names and remarks aside."""
    if one is None or other is None:
        return True
    named = {
        key for key in {*one} & {*other} if not key.endswith(("wkt", "name", "proj4")) or key == "grid_mapping_name"
    }
    return all(_equal(one[key], other[key]) for key in named)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    here, there = (np.asarray(value) for value in (one, other))
    return here.shape == there.shape and bool(np.all(here == there) or np.allclose(here, there, rtol=1e-6, atol=0))


def _mapping_name(variable: xr.DataArray) -> str:
    """The variable that holds the projection; CF also has "crs: x y" for its name and the coordinates in it."""
    stated = variable.attrs.get("grid_mapping") or variable.encoding.get("grid_mapping") or ""
    return str(stated).split(maxsplit=1)[0].removesuffix(":") if stated else ""


def _without_bounds(attributes: Mapping[Any, Any]) -> dict[str, object]:
    """Attributes of a coordinate but for the name of its bounds, which are not carried along."""
    return {str(key): value for key, value in attributes.items() if key != "bounds"}


def plain_value(value: Any) -> object:
    """A number of NumPy as one of Python, which any format can hold."""
    return value.item() if isinstance(value, (np.generic, np.ndarray)) else value


def _coordinate_fields(dataset: xr.Dataset, y: str, x: str) -> dict[str, CoordinateField]:
    """Latitude and longitude, where they are fields over both axes."""
    found = {}
    for name, variable in dataset.variables.items():
        standard = variable.attrs.get("standard_name", str(name).lower())
        if set(variable.dims) == {y, x} and standard in ("latitude", "longitude", "lat", "lon"):
            values = np.asarray(variable.transpose(y, x).values, dtype=np.float64)
            found[str(name)] = CoordinateField(values=values, attributes=_without_bounds(variable.attrs))
    return found


def _coordinate(dataset: xr.Dataset, axis: str) -> NDArray[np.float64]:
    if axis in dataset.variables and dataset[axis].dtype.kind in "iuf":
        return np.asarray(dataset[axis].values, dtype=np.float64)
    return np.arange(dataset.sizes[axis], dtype=np.float64)


def unreadable_calendar(path: Path) -> DataError:
    """The error of times that are in another calendar, or in no unit that is known."""
    return DataError(
        "has times that cannot be decoded",
        where=path,
        expected="units such as 'hours since 2020-01-01' in the standard calendar",
        hint="convert another calendar with xarray's convert_calendar('standard')",
    )
