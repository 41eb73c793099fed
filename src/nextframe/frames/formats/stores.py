"""A store, one NetCDF file or Zarr store: what it holds, found out without reading its fields; and how they are read.

Axes: T time, C channel, H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.bounds import hold_memory
from nextframe.frames.formats.accumulation import accumulation_of, sampled
from nextframe.frames.formats.attributes import tell_odd, text
from nextframe.frames.formats.cf import (
    Axes,
    axes_of,
    carried_attributes,
    geographic,
    global_attributes,
    grid_of,
    same_projection,
)
from nextframe.frames.formats.opening import groups, is_classic, is_hdf5, open_stored
from nextframe.frames.formats.packing import Packing
from nextframe.frames.formats.stored import LIBRARY, Stored, Variable, failures, unreadable
from nextframe.frames.formats.times import is_time, times_of
from nextframe.frames.grid import Grid
from nextframe.frames.mapped import WholeFile
from nextframe.frames.remote import Remote
from nextframe.frames.steps import instant

_AT_ONCE = 3
"""Copies of what is read that lie in memory at once while it is unpacked."""
_LARGE = 2**28
"""Bytes from which memory is asked whether it holds them."""
_TO_A_GRID = "values along one axis, of cells or stations, are to be brought to rows and columns first"
_SHARED = (
    "group",
    "variables",
    "dims",
    "axes",
    "shape",
    "units",
    "variable_attributes",
    "packing",
    "accumulation",
    "sampled",
    "aside",
)
"""What the stores of an archive mostly have in common."""


@dataclass(frozen=True)
class Opened:
    """A store that is open for reading."""

    arrays: tuple[Any, ...]
    """What hands out stored numbers of each variable, by slices."""
    close: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Store:
    """Description of a store, made without reading its fields."""

    path: Path
    group: str
    """The group within it that holds the variables; empty for the root."""
    variables: tuple[str, ...]
    dims: tuple[tuple[str, ...], ...]
    """Axes of each variable, as they are stored."""
    axes: tuple[str | None, str, str]
    """Names of the time, y and x axes."""
    shape: tuple[int, int, int, int]
    first: int
    """Number of the step that is read first: those before are of another time step, as the store says."""
    times: NDArray[np.datetime64] | None
    elapsed: NDArray[np.timedelta64] | None
    """Times since the first step, where the file knows these alone."""
    units: tuple[str, ...]
    variable_attributes: tuple[Mapping[str, object], ...]
    packing: tuple[Packing, ...]
    """How the values of each variable are stored."""
    accumulation: tuple[np.timedelta64 | None, ...]
    """What each variable is summed over, by the bounds of its times."""
    sampled: tuple[np.timedelta64 | None, ...]
    """Interval that the cell methods of each name, where there are no bounds."""
    aside: tuple[str, ...]
    """Fields that describe these (`ancillary_variables`), where none was asked for: they are not read."""
    grid: Grid
    attributes: Mapping[str, object]
    hdf5: bool
    """True where its numbers can be read straight from HDF5."""
    mapped: WholeFile | None
    """The file, where it is mapped to memory: a classic NetCDF."""
    source: Stored | None = None
    """What it is of, where that is no file."""

    @property
    def declares_missing(self) -> bool:
        """True where it says that values may be missing."""
        return any(packing.declares_missing for packing in self.packing)

    def beside(self, first: Store) -> Store:
        """The same with all that it has in common with the first file held once, since an archive of one file a step
        has a hundred thousand files a year; the first file's attributes stand for all.
        """
        shared = {name: getattr(first, name) for name in _SHARED if getattr(self, name) == getattr(first, name)}
        alike = (
            np.array_equal(self.grid.y, first.grid.y)
            and np.array_equal(self.grid.x, first.grid.x)
            and same_projection(self.grid.mapping, first.grid.mapping)
        )
        return replace(self, **shared, attributes=first.attributes, grid=first.grid if alike else self.grid)

    def open(self) -> Opened:
        """Open it for reading.

        Raises:
            DataError: it cannot be opened any more.
        """
        names = [f"{self.group}/{name}" if self.group else name for name in self.variables]
        if self.hdf5:
            try:
                file = h5py.File(self.path, "r")
                return Opened(tuple(file[name] for name in names), file.close)
            except LIBRARY as error:
                raise unreadable(self.path, error) from error
        stored = self.source or open_stored(self.path, self.group)
        try:
            return Opened(tuple(stored.variables[name].array for name in self.variables), stored.close)
        except LookupError as error:
            raise unreadable(self.path, error) from error

    def read(self, opened: Opened, start: int, stop: int, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Steps `start` to `stop` cut to rows and columns: (T, C, H, W), NaN where missing.

        Raises:
            DataError: numbers that cannot be read.
        """
        time, y, x = self.axes
        part: dict[str | None, slice] = {time: slice(self.first + start, self.first + stop), y: rows, x: columns}
        channels = []
        for n, (dims, packing) in enumerate(zip(self.dims, self.packing, strict=True)):
            left = [dim for dim in dims if dim in self.axes]
            values = packing.unpack(self._stored(opened, n, part), np.float32, where=self.path)
            values = self._filled(values, left, part)
            values = values.transpose([left.index(axis) for axis in self.axes if axis is not None])
            channels.append(values[None] if time is None else values)
        return np.stack(channels, axis=1)

    def is_plain(self, opened: Opened) -> bool:
        """True where its numbers stand in a file of this computer, or in memory, as they are: not compressed."""
        return not isinstance(self.path, Remote) and all(map(_is_plain, opened.arrays))

    def unwritten(self, opened: Opened, step: int) -> bool:
        """True where a step holds NetCDF's fill value in a variable that declares none.

        Raises:
            DataError: numbers that cannot be read.
        """
        time, y, x = self.axes
        step += self.first
        part: dict[str | None, slice] = {time: slice(step, step + 1), y: slice(None), x: slice(None)}
        if time is not None and self.hdf5:
            lengths = zip(opened.arrays, self.dims, strict=True)
            if any(array.shape[dims.index(time)] <= step for array, dims in lengths):
                return True
        return any(
            packing.holds_undeclared(self._stored(opened, n, part))
            for n, packing in enumerate(self.packing)
            if packing.undeclared is not None
        )

    def _filled(
        self, values: NDArray[np.float32], dims: Sequence[str], part: Mapping[str | None, slice]
    ) -> NDArray[np.float32]:
        """Values, NaN where NetCDF-4 has none: a variable may end before the unlimited axes that it lies along."""
        sizes = dict(zip(self.axes, self._sizes, strict=True))
        lacking = [
            len(range(*part[dim].indices(sizes[dim]))) - size for dim, size in zip(dims, values.shape, strict=True)
        ]
        if not self.hdf5 or not any(n > 0 for n in lacking):
            return values
        return np.pad(values, [(0, max(n, 0)) for n in lacking], constant_values=np.nan)

    @property
    def _sizes(self) -> tuple[int, int, int]:
        """Lengths of the axes."""
        return self.first + self.shape[0], *self.shape[2:]

    def _stored(self, opened: Opened, n: int, part: Mapping[str | None, slice]) -> NDArray[Any]:
        """Stored numbers of a variable."""
        index: tuple[Any, ...] = tuple(part.get(dim, 0) for dim in self.dims[n])
        sizes = [len(range(*part[axis].indices(size))) for axis, size in zip(self.axes, self._sizes, strict=True)]
        needed = _AT_ONCE * self.packing[n].dtype.itemsize * math.prod(sizes)
        if needed > _LARGE:
            hold_memory(self.path, needed)
        try:
            return np.asarray(opened.arrays[n][index])
        except failures() as error:
            raise unreadable(self.path, error, f"{self.variables[n]} cannot be read") from error


def _is_plain(array: Any) -> bool:
    """True where an array, or a file's variable, is stored without compression or filters."""
    if isinstance(array, np.ndarray):
        return True
    if isinstance(array, h5py.Dataset):
        return bool(array.id.get_create_plist().get_nfilters() == 0)
    if not hasattr(array, "compressors"):  # of Zarr
        return False
    return not (array.compressors or array.filters or array.shards)


def describe(path: Path, variable: Sequence[str] = ()) -> Store:
    """Description of what a NetCDF file or Zarr store holds; no field is read.

    Args:
        path: the store.
        variable: variables to read as channels, with their group where that is not the root ("Grid/precipitation"); by
            default the only one over both horizontal axes.

    Raises:
        DataError: a store that cannot be read, or times that are missing, double or out of order.
        ConfigError: several variables of which none was named, or one that is not there.
        ShapeError: a variable with further axes.
    """
    if not any("/" in name for name in variable):
        with open_stored(path) as root:
            held = _fields(root)
            chosen = list(variable) or _principal(root, held)
            if held and set(variable) <= set(held) and (variable or len(chosen) == 1):
                return _described(root, chosen, () if variable else held)
    group, names = _located(path, variable)
    with open_stored(path, group) as stored:
        return _described(stored, names, () if variable else _fields(stored))


def describe_stored(stored: Stored, variable: Sequence[str] = ()) -> Store:
    """Description of variables that lie in memory; arguments and errors of `describe`."""
    held = _fields(stored)
    listed = ", ".join(held) or "none"
    absent = next((name for name in variable if name not in held), None)
    if absent is not None:
        raise ConfigError("holds no such variable", where=stored.path, expected=f"one of {listed}", received=absent)
    if not held:
        there = ", ".join(v.name for v in stored.variables.values() if v.numeric) or "none"
        raise DataError(
            "holds no variable over two axes", where=stored.path, received=f"variables {there}", hint=_TO_A_GRID
        )
    chosen = list(variable) or _principal(stored, held)
    if not variable and len(chosen) > 1:
        raise ConfigError(
            "holds several variables", where=stored.path, received=listed, hint="name some with {variable}"
        )
    return _described(stored, chosen, () if variable else held)


def _described(stored: Stored, names: Sequence[str], held: Sequence[str]) -> Store:
    """Description of some of the variables that a group holds."""
    path = stored.path
    chosen = [stored.variables[name] for name in names]
    first = chosen[0]
    axes = _axes(stored, first)
    y, x, time = axes.y, axes.x, axes.time
    assert y is not None
    assert x is not None
    if time is None or time not in first.dims:
        time = next((d for d in first.dims if d not in (y, x) and stored.sizes[d] > 1), None)
    _hold_lengths(chosen, stored)
    for each in chosen:
        _hold_axes(each, stored, time, y, x)
        tell_odd(path, each.name, each.attributes)
    for coordinate in stored.variables.values():
        if coordinate.dims in ((y,), (x,), (time,)):
            tell_odd(path, coordinate.name, coordinate.attributes)
    times, elapsed = times_of(stored, first, time)
    begin, steps = 0, 1 if time is None else stored.sizes[time]
    if times is not None and time is not None:
        begin, steps = _consistent(stored, times), _written(stored, times)
        if begin >= steps:
            raise DataError(
                "holds no step between its consistent_timestep_start and its last_valid_timestep", where=path
            )
        times = times[begin:steps]
    return Store(
        path=path,
        group=stored.group,
        variables=tuple(each.name for each in chosen),
        dims=tuple(each.dims for each in chosen),
        axes=(time, y, x),
        shape=(steps - begin, len(chosen), stored.sizes[y], stored.sizes[x]),
        first=begin,
        times=times,
        elapsed=elapsed,
        units=tuple(text(each.attributes, "units") or "1" for each in chosen),
        variable_attributes=tuple(carried_attributes(each) for each in chosen),
        packing=tuple(each.packing for each in chosen),
        accumulation=tuple(accumulation_of(stored, each, time) for each in chosen),
        sampled=tuple(sampled(stored, each, time) for each in chosen),
        aside=tuple(name for name in held if name not in names),
        grid=grid_of(stored, first, y, x, time),
        attributes=global_attributes(stored),
        hdf5=not stored.in_memory and is_hdf5(path),
        mapped=WholeFile(path) if not stored.in_memory and is_classic(path) else None,
        source=stored if stored.in_memory else None,
    )


def _written(stored: Stored, times: NDArray[np.datetime64]) -> int:
    """Number of steps until the last one that is filled, where an archive is laid out into the future (the attribute
    `last_valid_timestep` of MLCast's specification).

    Raises:
        DataError: that is no time, or one before all steps.
    """
    last = _stated(stored, "last_valid_timestep")
    if last is None:
        return len(times)
    steps = int(np.searchsorted(times, last, side="right"))
    if not steps:
        raise DataError("holds no step until its last_valid_timestep", where=stored.path, received=last)
    return steps


def _consistent(stored: Stored, times: NDArray[np.datetime64]) -> int:
    """Number of the first step from which on their distance is the same, where an archive says that it was another
    before (the attribute `consistent_timestep_start` of MLCast's specification).

    Raises:
        DataError: that is no time, or one after all steps.
    """
    start = _stated(stored, "consistent_timestep_start")
    step = 0 if start is None else int(np.searchsorted(times, start))
    if step == len(times):
        raise DataError("holds no step from its consistent_timestep_start on", where=stored.path, received=start)
    return step


def _stated(stored: Stored, name: str) -> np.datetime64 | None:
    """Time that an attribute of a file states.

    Raises:
        DataError: it is none.
    """
    said = text(stored.attributes, name)
    try:
        return instant(said.removesuffix("Z"), stored.path) if said else None
    except ValueError as error:
        raise DataError(f"has a {name} that is no time", where=stored.path, received=said) from error


def _located(path: Path, variable: Sequence[str]) -> tuple[str, list[str]]:
    """The group of a file that holds the variables that are asked for, and their names in it."""
    prefixes = {name.strip("/").rpartition("/")[0] for name in variable}
    if len(prefixes) > 1:
        raise ConfigError(
            "holds these variables in several groups", where=path, received=", ".join(variable), hint="read one group"
        )
    prefix = next(iter(prefixes), "")
    names = [name.strip("/").rpartition("/")[2] for name in variable]
    all_groups = [prefix] if prefix else [""]
    held = {group: _fields_of(path, group) for group in all_groups} if not prefix or prefix in groups(path) else {}
    if not prefix and (not held[""] or not set(names) <= set(held[""])):
        held |= {group: _fields_of(path, group) for group in groups(path) if group}
    able = [group for group, there in held.items() if there and set(names) <= set(there)]
    listed = ", ".join(f"{group}/{name}" if group else name for group, there in held.items() for name in there)
    if names and not able:
        if not listed:  # a group that is not there, or holds no field
            fields = ((group, name) for group in groups(path) for name in _fields_of(path, group))
            listed = ", ".join(f"{group}/{name}" if group else name for group, name in fields)
        absent = next((n for n in variable if not any(n.strip("/").rpartition("/")[2] in f for f in held.values())), "")
        raise ConfigError(
            "holds no such variable", where=path, expected=f"one of {listed or 'none'}", received=absent or variable[0]
        )
    if not able:
        with open_stored(path) as stored:
            there = ", ".join(v.name for v in stored.variables.values() if v.numeric) or "none"
        raise DataError("holds no variable over two axes", where=path, received=f"variables {there}", hint=_TO_A_GRID)
    if names and len(able) > 1:
        raise ConfigError(
            "holds such a variable in several groups",
            where=path,
            received=", ".join(f"{group}/{names[0]}" for group in able),
            hint="name the group, too, with {variable}",
        )
    if not names and len(able) == 1:
        with open_stored(path, able[0]) as stored:
            names = _principal(stored, held[able[0]])
    if not variable and len(names) != 1:
        raise ConfigError("holds several variables", where=path, received=listed, hint="name some with {variable}")
    return able[0], names


def _fields(stored: Stored) -> list[str]:
    """Names of a group's variables over both horizontal axes, those that describe others left out."""
    about = {
        name
        for variable in stored.variables.values()
        for key in ("coordinates", "bounds", "grid_mapping", "climatology")
        for name in text(variable.attributes, key).replace(":", " ").split()
    }
    sizes = stored.sizes
    aside = {*about, *sizes, *stored.inherited}
    able = [v for v in stored.variables.values() if v.numeric and v.name not in aside]
    return [v.name for v in able if _is_field(stored, v)]


def _principal(stored: Stored, names: Sequence[str]) -> list[str]:
    """Those of some variables that describe no other one of them."""
    said = (text(stored.variables[name].attributes, "ancillary_variables") for name in names)
    ancillary = {other for names_of in said for other in names_of.split()}
    return [name for name in names if name not in ancillary] or list(names)


def _fields_of(path: Path, group: str) -> list[str]:
    with open_stored(path, group) as stored:
        return _fields(stored)


def _is_field(stored: Stored, variable: Variable) -> bool:
    if len(variable.dims) < 2 or is_time(variable) or geographic(variable.name, variable.attributes):
        return False
    whole = axes_of(stored)
    if whole.y is not None and whole.x is not None:
        # Where both are one, it counts cells or stations, which have no rows and columns.
        return whole.y != whole.x and {whole.y, whole.x} <= set(variable.dims)
    return len(set(variable.dims)) == len(variable.dims) and len(_not_time(stored, variable)) >= 2


def _not_time(stored: Stored, variable: Variable) -> list[str]:
    """Axes of a variable but that of time."""
    time = axes_of(stored, variable).time
    return [dim for dim in variable.dims if dim != time]


def _axes(stored: Stored, variable: Variable) -> Axes:
    """The axes of a variable; the last two beside time where nothing tells which are the horizontal ones."""
    whole, own = axes_of(stored), axes_of(stored, variable)
    y, x = (own.y, own.x) if own.y is not None and own.x is not None else (whole.y, whole.x)
    if y is None or x is None or not {y, x} <= set(variable.dims):
        y, x = _not_time(stored, variable)[-2:]
    return Axes(y=y, x=x, time=own.time)


def _hold_lengths(chosen: Sequence[Variable], stored: Stored) -> None:
    """Refuse axes of two lengths, as a Zarr store has them whose writing was stopped half way.

    Raises:
        DataError: there is such.
    """
    first = chosen[0]
    lengths = dict(zip(first.dims, first.shape, strict=True))
    for other in (*chosen, *(v for v in stored.variables.values() if len(v.dims) == 1)):
        for dim, size in zip(other.dims, other.shape, strict=True):
            if lengths.get(dim, size) != size:
                raise DataError(
                    f"its variables are of differing lengths along {dim}",
                    where=first.where,
                    expected=f"{lengths[dim]}, as {first.name} has it",
                    received=f"{size} of {other.name}",
                    hint="write it again; it may have been left half way",
                )


def _hold_axes(variable: Variable, stored: Stored, time: str | None, y: str, x: str) -> None:
    if time is not None and time not in variable.dims:
        raise ShapeError(
            f"variable {variable.name} has no axis {time}", where=variable.where, hint="name variables that have it"
        )
    if not {y, x} <= set(variable.dims):
        raise ShapeError(
            f"variable {variable.name} has other axes",
            where=variable.where,
            expected=f"{y}, {x}",
            received=", ".join(variable.dims),
        )
    other = [dim for dim in variable.dims if dim not in (time, y, x) and stored.sizes[dim] > 1]
    if other:
        raise ShapeError(
            f"variable {variable.name} has a further axis",
            where=variable.where,
            received=", ".join(f"{dim} of {stored.sizes[dim]}" for dim in other),
            hint="select one level, and write it by itself",
        )
