"""Gridded fields: NetCDF files and Zarr stores, one or many, as one lazy sequence with times, units and coordinates.

Axes: T time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from nextframe.config import Missing, Reading
from nextframe.errors import DataError, ShapeError
from nextframe.frames.damage import Damage, describe_each
from nextframe.frames.formats.accumulation import accumulated, common
from nextframe.frames.formats.cf import same_projection
from nextframe.frames.formats.reader import Stores
from nextframe.frames.formats.stores import Store, describe
from nextframe.frames.formats.times import in_seconds
from nextframe.frames.names import time_in_name
from nextframe.frames.sequence import APART, FrameSequence, stands_beside
from nextframe.words import count


def open_stores(name: str, files: Sequence[Path], reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Open NetCDF files and Zarr stores as one sequence (`frames.format.Open`); errors of `open_gridded`."""
    return (open_gridded(name, files, reading.variable, time_format=reading.time_format, damage=damage),)


def open_gridded(
    name: str,
    files: Sequence[Path],
    variable: Sequence[str] = (),
    *,
    time_format: str = "",
    missing: Missing | None = None,
    damage: Damage | None = None,
) -> FrameSequence:
    """Open one or many NetCDF or Zarr stores as one sequence, in order of time.

    Args:
        name: what to call the sequence.
        files: the stores, each with a stretch of time or a single step.
        variable: variables to read as channels; by default the only one over both horizontal axes.
        time_format: pattern of times in the names of files that hold one step and know no time.
        missing: what NaN means; by default a gap where a variable declares a fill value, else a fault.
        damage: where to note stores that cannot be opened, to leave them out; by default these are errors.

    Raises:
        DataError: a store that cannot be read, or times that are missing, double or out of order.
        ConfigError: several variables of which none was named, or one that is not there.
        ShapeError: a variable with further axes, or grids that differ between files.
    """
    described: list[Store] = []

    def describe_beside(path: Path) -> Store:
        store = describe(path, variable)
        if time_format and store.times is None and store.shape[0] == 1:
            store = replace(store, times=np.array([time_in_name(path, time_format)]))
        if described:
            return store.beside(described[0])
        described.append(store)
        return store

    stores = describe_each(files, describe_beside, damage)
    first = stores[0]
    for other in stores[1:]:
        _hold_alike(first, other)
    if len(stores) > 1:
        stores = _in_order(stores)
    return sequence_of(name, stores, missing)


def sequence_of(name: str, stores: Sequence[Store], missing: Missing | None = None) -> FrameSequence:
    """The sequence of stores that follow each other in time; `missing` as of `open_gridded`."""
    first = stores[0]
    times = None if first.times is None else np.concatenate([s.times for s in stores if s.times is not None])
    values = Stores(tuple(stores), (0, 0, *first.shape[2:]))
    notes = [stands_beside(first.variables, first.aside)] if first.aside else []
    if first.first and times is not None:
        notes.append(
            f"{count(first.first, 'step')} before {in_seconds(times[0])}, the consistent_timestep_start, from which on "
            f"the time step is the same, {'is' if first.first == 1 else 'are'} left out"
        )
    if missing is None:
        missing = "mask" if first.declares_missing or _unwritten(values) else "error"
    sequence = FrameSequence(
        values=values,
        name=name,
        times=times,
        elapsed=first.elapsed if len(stores) == 1 else None,
        variables=first.variables,
        units=first.units,
        variable_attributes=first.variable_attributes,
        grid=first.grid,
        missing=missing,
        attributes=first.attributes,
        notes=tuple(notes),
    )
    step = sequence.time_step
    bounds = common(
        name,
        first.variables,
        [(store.path.name, store.accumulation) for store in stores],
        [store.times for store in stores],
    )
    over = zip(bounds, first.sampled, strict=True)
    return replace(sequence, accumulation=tuple(accumulated(stated, interval, step) for stated, interval in over))


def _hold_alike(first: Store, other: Store) -> None:
    """Hold a store of an archive to the first one: variables, units, projection, grid.

    Raises:
        DataError, ShapeError: it differs.
    """
    if other.shape[1:] != first.shape[1:] or other.variables != first.variables:
        raise ShapeError(
            f"differs in variables or grid from {first.path.name}",
            where=other.path,
            expected=(*first.variables, first.shape[1:]),
            received=(*other.variables, other.shape[1:]),
            hint=APART,
        )
    if other.units != first.units:
        raise DataError(
            f"differs in units from {first.path.name}",
            where=other.path,
            expected=first.units,
            received=other.units,
            hint=APART,
        )
    if not same_projection(first.grid.mapping, other.grid.mapping):
        raise DataError(f"has another projection than {first.path.name}", where=other.path, hint=APART)
    first.grid.hold_in_place(other.grid, where=other.path, than=first.path.name)


def _in_order(stores: Sequence[Store]) -> list[Store]:
    """Stores in order of time.

    Raises:
        DataError: one that knows no times, or begins before another ends.
    """
    for store in stores:
        if store.times is None:
            raise DataError(
                "has no time, so that its place among the other files is unknown",
                where=store.path,
                hint="name what times look like in the names of the files with {time_format}",
            )
    ordered = sorted(stores, key=lambda store: store.times[0] if store.times is not None else np.datetime64("NaT"))
    for before, after in pairwise(ordered):
        assert before.times is not None
        assert after.times is not None
        if after.times[0] <= before.times[-1]:
            raise DataError(
                f"begins at {in_seconds(after.times[0])}, when {before.path.name} has not ended",
                where=after.path,
                hint="remove the file that is double",
            )
    return ordered


def _unwritten(values: Stores) -> bool:
    """True where the first or the last frame holds values that nobody has written, where nothing declares a fill value.

    These are missing and no fault, and in most files that have such they are in every frame, or at the end.
    """
    try:
        return any(values.unwritten(step) for step in {0, values.shape[0] - 1})
    except DataError:  # said when the frame is read
        return False
