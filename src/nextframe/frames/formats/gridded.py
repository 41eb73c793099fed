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

from nextframe.config import Missing, Reading
from nextframe.errors import ConfigError, DataError, ShapeError, first_line
from nextframe.frames.damage import Damage, describe_each
from nextframe.frames.formats import is_zarr
from nextframe.frames.formats.cf import (
    carried_attributes,
    global_attributes,
    grid_of,
    in_seconds,
    read_times,
    same_projection,
    spatial_axes,
    time_axis,
    unreadable_calendar,
)
from nextframe.frames.formats.hdf5 import PlainVariable
from nextframe.frames.formats.valid import Limits, valid_limits, without_invalid
from nextframe.frames.grid import Grid
from nextframe.frames.mapped import WholeFile
from nextframe.frames.sequence import FrameSequence

_OPEN_FILES = 64

_UNREADABLE = (OSError, ValueError, RuntimeError, LookupError, AttributeError, TypeError, EOFError)


def open_stores(name: str, files: Sequence[Path], reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Open NetCDF files and Zarr stores as one sequence (`frames.format.Open`); errors of `open_gridded`."""
    return (open_gridded(name, files, reading.variable, damage=damage),)


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
        if not same_projection(first.grid.mapping, other.grid.mapping):
            raise DataError(f"has another projection than {first.path.name}", where=other.path)
        first.grid.hold_in_place(other.grid, where=other.path, than=first.path.name)
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
                    f"begins at {in_seconds(after.times[0])}, when {before.path.name} has not ended",
                    where=after.path,
                    hint="remove the file that is double",
                )
    times = None if first.times is None else np.concatenate([s.times for s in stores if s.times is not None])
    if missing is None:
        missing = "mask" if first.declares_missing else "error"
    return FrameSequence(
        values=_Stores(tuple(stores), (0, 0, *first.shape[2:])),
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
        alike = (
            np.array_equal(self.grid.y, first.grid.y)
            and np.array_equal(self.grid.x, first.grid.x)
            and same_projection(self.grid.mapping, first.grid.mapping)
        )
        return replace(self, **shared, attributes=first.attributes, grid=first.grid if alike else self.grid)

    def open(self) -> xr.Dataset | h5py.File:
        """Open it for reading."""
        return open_dataset(self.path) if self.plain is None else h5py.File(self.path, "r")

    def read(
        self, dataset: xr.Dataset | h5py.File, start: int, stop: int, rows: slice, columns: slice
    ) -> NDArray[np.float32]:
        """Steps `start` to `stop` of what `open` opened, cut to rows and columns: (T, C, H, W), NaN where missing."""
        if self.plain is not None:
            part = slice(start, stop), rows, columns
            frames = np.stack([variable.read(dataset, self.axes, *part) for variable in self.plain], axis=1)
            return without_invalid(frames, self.limits)
        time, y, x = self.axes
        cut = {y: rows, x: columns} if time is None else {time: slice(start, stop), y: rows, x: columns}
        channels = []
        for name in self.variables:
            some = dataset[name].isel(cut)
            some = some.squeeze([d for d in some.dims if d not in self.axes], drop=True)
            values = np.asarray(some.transpose(*(axis for axis in self.axes if axis is not None)), dtype=np.float32)
            channels.append(values[None] if time is None else values)
        return without_invalid(np.stack(channels, axis=1), self.limits)


@dataclass(frozen=True)
class _Stores:
    """Stores one after another as (T, C, H, W); the files read last stay open."""

    stores: tuple[_Store, ...]
    box: tuple[int, int, int, int]
    """What is read of every frame: top, left, height, width."""
    _open: OrderedDict[Path, xr.Dataset | h5py.File] = field(default_factory=OrderedDict)
    _ends: list[int] = field(init=False)
    """One past the last step of each store."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self._ends[-1], self.stores[0].shape[1], *self.box[2:]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def cropped(self, box: tuple[int, int, int, int]) -> _Stores:
        """The same, of which no more than a box of every frame is read."""
        return _Stores(self.stores, (self.box[0] + box[0], self.box[1] + box[1], *box[2:]))

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        start, stop, _ = frames.indices(self.shape[0])
        parts = []
        for n in range(bisect_right(self._ends, start), bisect_left(self._ends, stop) + 1 if start < stop else 0):
            store, offset = self.stores[n], self._ends[n] - self.stores[n].shape[0]
            begin, end = max(start - offset, 0), min(stop - offset, store.shape[0])
            try:
                parts.append(self._read(store, begin, end))
            except _UNREADABLE as error:
                raise _unreadable(store.path, error, self._fault(store, begin, end)) from error
        return np.concatenate(parts) if parts else np.empty((0, *self.shape[1:]), np.float32)

    def _fault(self, store: _Store, begin: int, end: int) -> str:
        """What cannot be read of a store, with the time of the first such step."""
        for step in range(begin, end):
            try:
                self._read(store, step, step + 1)
            except _UNREADABLE:
                begin = step
                break
        when = "" if store.times is None else f" at {in_seconds(store.times[begin])}"
        return f"{', '.join(store.variables)} cannot be read{when}"

    def _read(self, store: _Store, start: int, stop: int) -> NDArray[np.float32]:
        if store.mapped is not None:
            store.mapped.check()
        top, left, height, width = self.box
        return store.read(self._opened(store), start, stop, slice(top, top + height), slice(left, left + width))

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
        return {"stores": self.stores, "box": self.box, "_open": OrderedDict()}  # workers open files of their own

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
        self.__post_init__()


def _close(datasets: OrderedDict[Path, xr.Dataset | h5py.File]) -> None:
    while datasets:
        datasets.popitem()[1].close()


def open_dataset(path: Path) -> xr.Dataset:
    """Open a NetCDF file (classic or HDF5) or a Zarr store, lazily.

    Raises:
        DataError: something else, or a damaged file.
    """
    if not path.exists():
        raise DataError("is not there", where=path)
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
            raise unreadable_calendar(path) from error
        raise _unreadable(path, error) from error


def _classic(path: Path) -> bool:
    """Whether a file is a NetCDF of the kind before HDF5, which is mapped to memory."""
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return file.read(3) == b"CDF"


def _unreadable(path: Path, error: Exception, what: str = "cannot be read as NetCDF or Zarr") -> DataError:
    return DataError(what, where=path, received=first_line(error), hint="the file may be truncated or damaged")


def _describe(path: Path, variable: Sequence[str]) -> _Store:
    with open_dataset(path) as dataset:
        y, x = spatial_axes(dataset)
        fields = [str(n) for n, v in dataset.data_vars.items() if v.dtype.kind in "biuf"]
        if y is None or x is None:
            guess = next((dataset[n].dims[-2:] for n in fields if dataset[n].ndim >= 2), None)
            if guess is None:
                listed = ", ".join(fields) or "none"
                raise DataError("holds no variable over two axes", where=path, received=f"variables {listed}")
            y, x = (str(axis) for axis in guess)
        fields = [n for n in fields if {y, x} <= set(dataset[n].dims)]
        chosen = _choose(path, fields, variable)
        time = time_axis(dataset[chosen[0]])
        if time is None:
            time = next((str(d) for d in dataset[chosen[0]].dims if d not in (y, x) and dataset.sizes[d] > 1), None)
        for name in chosen:
            if time is not None and time not in dataset[name].dims:
                raise ShapeError(f"variable {name} has no axis {time}", where=path, hint="name variables that have it")
            other = [str(d) for d in dataset[name].dims if d not in (time, y, x) and dataset.sizes[d] > 1]
            if other:
                sizes = ", ".join(f"{axis} of {dataset.sizes[axis]}" for axis in other)
                raise ShapeError(
                    f"variable {name} has a further axis",
                    where=path,
                    received=sizes,
                    hint="select one level, and write it by itself",
                )
        first = dataset[chosen[0]]
        steps = dataset.sizes[time] if time is not None else 1
        return _Store(
            path=path,
            variables=tuple(chosen),
            axes=(time, y, x),
            shape=(steps, len(chosen), dataset.sizes[y], dataset.sizes[x]),
            times=read_times(path, dataset, time),
            units=tuple(str(dataset[n].attrs.get("units", "1")) for n in chosen),
            variable_attributes=tuple(carried_attributes(dataset[n]) for n in chosen),
            grid=grid_of(dataset, first, y, x),
            declares_missing=any(
                key in dataset[n].encoding or key in dataset[n].attrs
                for n in chosen
                for key in ("_FillValue", "missing_value", "valid_range", "valid_min", "valid_max")
            ),
            attributes=global_attributes(dataset),
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
        raise ConfigError("holds several variables", where=path, received=listed, hint="name some with {variable}")
    return list(variable or fields)
