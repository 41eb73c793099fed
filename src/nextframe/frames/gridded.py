"""Gridded fields through xarray: NetCDF and Zarr, in one file or many, lazily, with times, units and coordinates."""

from __future__ import annotations

import weakref
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.damage import Damage, describe_each
from nextframe.frames.hdf5 import PlainVariable
from nextframe.frames.mapped import WholeFile
from nextframe.frames.sequence import FrameSequence, Grid, Missing
from nextframe.frames.valid import Limits, valid_limits, without_invalid

NETCDF_SUFFIXES = (".nc", ".nc4", ".cdf", ".netcdf")
_OPEN_FILES = 64

_Y = ("y", "lat", "latitude", "rlat", "northing", "row")
_X = ("x", "lon", "longitude", "rlon", "easting", "column", "col")
_TIME = ("time", "valid_time", "t")
_CARRIED = ("long_name", "standard_name", "cell_methods", "comment")
_UNREADABLE = (OSError, ValueError, RuntimeError, LookupError, AttributeError, TypeError, EOFError)


def open_gridded(
    name: str,
    files: Sequence[Path],
    variable: Sequence[str] = (),
    *,
    missing: Missing | None = None,
    damage: Damage | None = None,
) -> FrameSequence:
    """Open one or many NetCDF or Zarr stores as one sequence, in order of time.

    Args:
        name: what to call the sequence.
        files: the stores, each with a stretch of time or a single step.
        variable: variables to read as channels; by default the only one over both horizontal axes.
        missing: what NaN means; by default a gap where a variable declares a fill value, else a fault.
        damage: where to note stores that cannot be opened, to leave them out; by default these are errors.

    Raises:
        DataError: a store that cannot be read, or times that are missing, double or out of order.
        ConfigError: several variables of which none was named, or one that is not there.
        ShapeError: a variable with further axes, or grids that differ between files.
    """
    known: list[_Store] = []

    def describe(path: Path) -> _Store:
        store = _describe(path, variable)
        if known:
            return store.beside(known[0])
        known.append(store)
        return store

    stores = describe_each(files, describe, damage)
    first = stores[0]
    for other in stores[1:]:
        if other.shape[1:] != first.shape[1:] or other.variables != first.variables:
            raise ShapeError(
                f"differs in variables or grid from {first.path.name}",
                where=other.path,
                expected=(*first.variables, first.shape[1:]),
                received=(*other.variables, other.shape[1:]),
            )
        if other.units != first.units:
            raise DataError(
                f"differs in units from {first.path.name}", where=other.path, expected=first.units, received=other.units
            )
        for axis, here, there in (("y", first.grid.y, other.grid.y), ("x", first.grid.x, other.grid.x)):
            if not np.allclose(here, there, atol=1e-4 * np.ptp(here)):
                raise DataError(
                    f"lies elsewhere along {axis} than {first.path.name}",
                    where=other.path,
                    expected=f"{here[0]:g} to {here[-1]:g}",
                    received=f"{there[0]:g} to {there[-1]:g}",
                )
    if len(stores) > 1:
        if any(store.times is None for store in stores):
            path = next(store.path for store in stores if store.times is None)
            raise DataError("has no time, so that its place among the other files is unknown", where=path)
        stores.sort(key=lambda store: store.times[0] if store.times is not None else np.datetime64("NaT"))
        for before, after in pairwise(stores):
            assert before.times is not None
            assert after.times is not None
            if after.times[0] <= before.times[-1]:
                raise DataError(
                    f"begins at {after.times[0]}, when {before.path.name} has not ended",
                    where=after.path,
                    hint="remove the file that is double",
                )
    times = None if first.times is None else np.concatenate([s.times for s in stores if s.times is not None])
    if missing is None:
        missing = "mask" if first.declares_missing else "error"
    return FrameSequence(
        values=_Stores(tuple(stores)),
        name=name,
        times=times,
        variables=first.variables,
        units=first.units,
        variable_attributes=first.variable_attributes,
        grid=first.grid,
        missing=missing,
        attributes=first.attributes,
    )


@dataclass(frozen=True, kw_only=True)
class _Store:
    """What is known of a store without reading its fields."""

    path: Path
    variables: tuple[str, ...]
    axes: tuple[str | None, str, str]
    """Names of the time, y and x axes."""
    shape: tuple[int, int, int, int]
    times: NDArray[np.datetime64] | None
    units: tuple[str, ...]
    variable_attributes: tuple[Mapping[str, object], ...]
    grid: Grid
    declares_missing: bool
    attributes: Mapping[str, object]
    plain: tuple[PlainVariable, ...] | None
    """How to read the variables straight from HDF5; None where only xarray can."""
    mapped: WholeFile | None
    """The file, where it is mapped to memory: a classic NetCDF."""
    limits: tuple[Limits, ...]
    """What the values of each variable may be."""

    def beside(self, first: _Store) -> _Store:
        """The same with all that it has in common with the first file held once, since an archive of one file a step
        has a hundred thousand files a year; the first file's attributes stand for all.
        """
        same = ("variables", "axes", "shape", "units", "variable_attributes", "plain", "limits")
        shared = {name: getattr(first, name) for name in same if getattr(self, name) == getattr(first, name)}
        alike = np.array_equal(self.grid.y, first.grid.y) and np.array_equal(self.grid.x, first.grid.x)
        return replace(self, **shared, attributes=first.attributes, grid=first.grid if alike else self.grid)

    def open(self) -> xr.Dataset | h5py.File:
        """Open it for reading."""
        if self.mapped is not None:
            self.mapped.check()
        return open_dataset(self.path) if self.plain is None else h5py.File(self.path, "r")

    def read(self, dataset: xr.Dataset | h5py.File, start: int, stop: int) -> NDArray[np.float32]:
        """Steps `start` to `stop` of what `open` opened, as (T, C, H, W), NaN where missing."""
        if self.mapped is not None:
            self.mapped.check()
        if self.plain is not None:
            frames = np.stack([variable.read(dataset, self.axes, start, stop) for variable in self.plain], axis=1)
            return without_invalid(frames, self.limits)
        time = self.axes[0]
        channels = []
        for name in self.variables:
            part = dataset[name] if time is None else dataset[name].isel({time: slice(start, stop)})
            part = part.squeeze([d for d in part.dims if d not in self.axes], drop=True)
            values = np.asarray(part.transpose(*(axis for axis in self.axes if axis is not None)), dtype=np.float32)
            channels.append(values[None] if time is None else values)
        return without_invalid(np.stack(channels, axis=1), self.limits)


@dataclass(frozen=True)
class _Stores:
    """Stores one after another as (T, C, H, W); the files read last stay open."""

    stores: tuple[_Store, ...]
    _open: OrderedDict[Path, xr.Dataset | h5py.File] = field(default_factory=OrderedDict)
    _ends: list[int] = field(init=False)
    """One past the last step of each store."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self._ends[-1], *self.stores[0].shape[1:]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        start, stop, _ = frames.indices(self.shape[0])
        parts = []
        for n in range(bisect_right(self._ends, start), bisect_left(self._ends, stop) + 1 if start < stop else 0):
            store, offset = self.stores[n], self._ends[n] - self.stores[n].shape[0]
            begin, end = max(start - offset, 0), min(stop - offset, store.shape[0])
            try:
                parts.append(store.read(self._opened(store), begin, end))
            except _UNREADABLE as error:
                raise _unreadable(store.path, error, self._fault(store, begin, end)) from error
        return np.concatenate(parts) if parts else np.empty((0, *self.shape[1:]), np.float32)

    def _fault(self, store: _Store, begin: int, end: int) -> str:
        """What cannot be read of a store, with the time of the first such step."""
        for step in range(begin, end):
            try:
                store.read(self._opened(store), step, step + 1)
            except _UNREADABLE:
                begin = step
                break
        when = "" if store.times is None else f" at {np.datetime_as_string(store.times[begin], unit='s')}"
        return f"{', '.join(store.variables)} cannot be read{when}"

    def _opened(self, store: _Store) -> xr.Dataset | h5py.File:
        if store.path not in self._open:
            self._open[store.path] = store.open()
            if len(self._open) > _OPEN_FILES:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(store.path)
        return self._open[store.path]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ends", list(accumulate(store.shape[0] for store in self.stores)))
        # Also called before the interpreter ends, when closing a dataset would find its modules gone already.
        weakref.finalize(self, _close, self._open)

    def __getstate__(self) -> dict[str, Any]:
        return {"stores": self.stores, "_open": OrderedDict()}  # worker processes open files of their own

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
        self.__post_init__()


def _close(datasets: OrderedDict[Path, xr.Dataset | h5py.File]) -> None:
    while datasets:
        datasets.popitem()[1].close()


def is_zarr(path: Path) -> bool:
    """Whether a path is a Zarr store, by its name or by what lies in it."""
    return path.suffix == ".zarr" or any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata"))


def open_dataset(path: Path) -> xr.Dataset:
    """Open a NetCDF file (classic or HDF5) or a Zarr store, lazily.

    Raises:
        DataError: something else, or a damaged file.
    """
    try:
        if is_zarr(path):
            # Asked for by name, since xarray warns where it finds out by itself that metadata are not consolidated.
            index = path / "zarr.json"
            joined = (path / ".zmetadata").exists() or (index.exists() and "consolidated_metadata" in index.read_text())
            store: xr.Dataset = xr.open_zarr(path, chunks=None, consolidated=joined, decode_timedelta=False)
            return store
        engine = "scipy" if _classic(path) else "h5netcdf"
        dataset: xr.Dataset = xr.open_dataset(path, engine=engine, decode_timedelta=False)
        return dataset
    except _UNREADABLE as error:
        if "unable to decode time" in str(error):
            raise _calendar(path) from error
        raise _unreadable(path, error) from error


def _classic(path: Path) -> bool:
    """Whether a file is a NetCDF of the kind before HDF5, which is mapped to memory."""
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return file.read(3) == b"CDF"


def _unreadable(path: Path, error: Exception, what: str = "cannot be read as NetCDF or Zarr") -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(what, where=path, received=reason, hint="the file may be truncated or damaged")


def _calendar(path: Path) -> DataError:
    return DataError(
        "has times that cannot be decoded",
        where=path,
        expected="units such as 'hours since 2020-01-01' in the standard calendar",
        hint="convert another calendar with xarray's convert_calendar('standard')",
    )


def _describe(path: Path, variable: Sequence[str]) -> _Store:
    with open_dataset(path) as dataset:
        y, x = (_axis(dataset, *what) for what in (("Y", _Y, "latitude"), ("X", _X, "longitude")))
        fields = [str(n) for n, v in dataset.data_vars.items() if v.dtype.kind in "biuf"]
        if y is None or x is None:
            guess = next((dataset[n].dims[-2:] for n in fields if dataset[n].ndim >= 2), None)
            if guess is None:
                listed = ", ".join(fields) or "none"
                raise DataError("holds no variable over two axes", where=path, received=f"variables {listed}")
            y, x = (str(axis) for axis in guess)
        fields = [n for n in fields if {y, x} <= set(dataset[n].dims)]
        chosen = _choose(path, fields, variable)
        time = _axis(dataset[chosen[0]], "T", _TIME, "time")
        if time is None:
            time = next((str(d) for d in dataset[chosen[0]].dims if d not in (y, x) and dataset.sizes[d] > 1), None)
        for name in chosen:
            if time is not None and time not in dataset[name].dims:
                raise ShapeError(f"variable {name} has no axis {time}", where=path, hint="name variables that have it")
            other = [str(d) for d in dataset[name].dims if d not in (time, y, x) and dataset.sizes[d] > 1]
            if other:
                sizes = ", ".join(f"{axis} of {dataset.sizes[axis]}" for axis in other)
                raise ShapeError(
                    f"variable {name} has a further axis", where=path, received=sizes, hint="select one level"
                )
        first = dataset[chosen[0]]
        steps = dataset.sizes[time] if time is not None else 1
        mapping = first.attrs.get("grid_mapping") or first.encoding.get("grid_mapping")
        return _Store(
            path=path,
            variables=tuple(chosen),
            axes=(time, y, x),
            shape=(steps, len(chosen), dataset.sizes[y], dataset.sizes[x]),
            times=_times(path, dataset, time),
            units=tuple(str(dataset[n].attrs.get("units", "1")) for n in chosen),
            variable_attributes=tuple(
                {key: str(dataset[n].attrs[key]) for key in _CARRIED if key in dataset[n].attrs} for n in chosen
            ),
            grid=Grid(
                y=_coordinate(dataset, y),
                x=_coordinate(dataset, x),
                y_name=y,
                x_name=x,
                y_attributes=dict(dataset[y].attrs) if y in dataset.variables else {},
                x_attributes=dict(dataset[x].attrs) if x in dataset.variables else {},
                mapping=dict(dataset[mapping].attrs) if mapping in dataset.variables else None,
            ),
            declares_missing=any(
                key in dataset[n].encoding or key in dataset[n].attrs
                for n in chosen
                for key in ("_FillValue", "missing_value", "valid_range", "valid_min", "valid_max")
            ),
            attributes={str(k): v for k, v in dataset.attrs.items() if isinstance(v, (str, int, float, np.number))},
            plain=_plain(path, [dataset[name] for name in chosen]),
            mapped=WholeFile(path) if _classic(path) else None,
            limits=tuple(valid_limits(dataset[name], path) for name in chosen),
        )


def _plain(path: Path, variables: Sequence[xr.DataArray]) -> tuple[PlainVariable, ...] | None:
    """How to read variables straight from HDF5, where the file is HDF5 and they are plain enough."""
    if is_zarr(path) or not h5py.is_hdf5(path):
        return None
    found = [PlainVariable.of(variable) for variable in variables]
    return None if None in found else tuple(variable for variable in found if variable is not None)


def _choose(path: Path, fields: Sequence[str], variable: Sequence[str]) -> list[str]:
    absent = [name for name in variable if name not in fields]
    if absent:
        listed = ", ".join(fields) or "none"
        raise ConfigError("holds no such variable", where=path, expected=f"one of {listed}", received=absent[0])
    if not variable and len(fields) != 1:
        if not fields:
            raise DataError("holds no field over both horizontal axes", where=path)
        listed = ", ".join(fields)
        raise ConfigError("holds several variables", where=path, received=listed, hint="name some with --variable")
    return list(variable or fields)


def _axis(data: xr.Dataset | xr.DataArray, letter: str, names: Sequence[str], standard: str) -> str | None:
    """The dimension that CF attributes, else its name, tell to be this axis."""
    standards = (standard, f"projection_{letter.lower()}_coordinate", f"grid_{standard}")
    for axis in data.dims:
        attributes = data[axis].attrs if axis in data.coords else {}
        if attributes.get("axis") == letter or attributes.get("standard_name") in standards:
            return str(axis)
    return next((str(axis) for axis in data.dims if str(axis).lower() in names), None)


def _times(path: Path, dataset: xr.Dataset, time: str | None) -> NDArray[np.datetime64] | None:
    """Times of the steps; for a store of a single step also from a scalar variable that is a time."""
    if time is not None and time in dataset.variables:
        values = dataset[time].values
        if values.dtype == object:
            raise _calendar(path)
        if not np.issubdtype(values.dtype, np.datetime64):
            return None
        if np.isnat(values).any():
            raise DataError(f"frame {np.isnat(values).argmax()} has no time", where=path, hint="leave that step out")
        wrong = np.flatnonzero(np.diff(values) <= np.timedelta64(0))
        if wrong.size:
            before, after = values[wrong[0]], values[wrong[0] + 1]
            raise DataError(
                f"times do not increase: frame {wrong[0] + 1} ({after}) follows {before}",
                where=path,
                hint="sort the frames by time and drop duplicates",
            )
        return values.astype("datetime64[ns]")
    if time is None:
        scalars = [v for v in dataset.variables.values() if v.ndim == 0 and np.issubdtype(v.dtype, np.datetime64)]
        named = [v for v in scalars if v.attrs.get("standard_name") == "time"]
        names = [dataset.variables[n] for n in _TIME if n in dataset.variables and dataset.variables[n].ndim == 0]
        # A period's end comes before its start among what a file may call a time.
        for candidate in (*(v for v in names if v in scalars), *named, *scalars):
            return np.atleast_1d(candidate.values).astype("datetime64[ns]")
    return None


def _coordinate(dataset: xr.Dataset, axis: str) -> NDArray[np.float64]:
    if axis in dataset.variables and dataset[axis].dtype.kind in "iuf":
        return np.asarray(dataset[axis].values, dtype=np.float64)
    return np.arange(dataset.sizes[axis], dtype=np.float64)
