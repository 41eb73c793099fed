"""Files that plugins of pysteps import (entry points `pysteps.plugins.importer`), where no format of ours reads them.

An importer takes a file's name and returns its field, a quality, which is not looked at, and metadata as pysteps
describes them: `unit`, `accutime` in minutes, `transform`, and `projection` with corners. The time of a file stands in
its name, as in pysteps' archives, or in its metadata (`timestamp`).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.config import Reading
from nextframe.errors import DataError, first_line
from nextframe.frames.damage import Damage, describe_each
from nextframe.frames.grid import Grid
from nextframe.frames.radar.pictures import grid_from
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.steps import instant

GROUPS = ("pysteps.plugins.importer", "pysteps.plugins.importers")
"""Groups of entry points in which pysteps looks for importers; the second is its older name."""
_TIME = re.compile(r"(?<!\d)((?:19|20)\d{2})[-_]?(\d{2})[-_]?(\d{2})[-_T]?(\d{2}):?(\d{2})(?::?(\d{2}))?(?!\d)")
"""A time in a file's name: 202006011205, 2020-06-01T12:05."""
_UNITS = {"mm/h": "rain_rate", "mm": "rain_amount", "dBZ": "reflectivity"}
"""Unit of pysteps -> name of the variable."""

Importer = Callable[..., tuple[Any, Any, Mapping[str, Any]]]


@cache
def plugins() -> tuple[EntryPoint, ...]:
    """Importers of installed plugins."""
    found = {point.name: point for group in reversed(GROUPS) for point in entry_points(group=group)}
    return tuple(found.values())


def open_imported(
    name: str, files: Sequence[Path], reading: Reading, damage: Damage | None
) -> tuple[FrameSequence, ...]:
    """Open files that a plugin of pysteps imports as one sequence (`frames.format.Open`); the first importer that takes
    the first file takes them all.

    Raises:
        DataError: files that no importer takes, or that have the same time.
    """
    described = describe_each(files, _describe, damage)
    first = described[0]
    kinds = {(step.field.shape, step.unit) for step in described}
    if len(kinds) > 1:
        raise DataError("holds files of differing grid or unit", where=name, received=sorted(map(str, kinds)))
    times = [step.time for step in described]
    have_times = all(time is not None for time in times)
    if have_times:
        described.sort(key=lambda step: str(step.time))
    elif len(described) > 1:
        lacking = next(step.path for step in described if step.time is None)
        raise DataError("has no time in its name", where=lacking, expected="for example 202006011205")
    summed = first.accumulation if first.unit == "mm" else None
    return (
        FrameSequence(
            values=_Imported(tuple(step.path for step in described), first.field.shape),
            name=name,
            times=np.array([step.time for step in described], "datetime64[ns]") if have_times else None,
            variables=(_UNITS.get(first.unit, "frame"),),
            units=(first.unit,),
            accumulation=(summed,),
            grid=first.grid,
            missing="mask",
            attributes={"institution": first.institution} if first.institution else {},
        ),
    )


@dataclass(frozen=True)
class _Step:
    """A file, read once."""

    path: Path
    field: NDArray[np.float32]
    unit: str
    time: np.datetime64 | None
    accumulation: np.timedelta64 | None
    grid: Grid | None
    institution: str


def _describe(path: Path) -> _Step:
    field, metadata = read_file(path)
    minutes = metadata.get("accutime")
    stated = metadata.get("timestamp")
    placed = {"projection", "x1", "x2", "y1", "y2"} <= set(metadata) and metadata["projection"]
    return _Step(
        path=path,
        field=field,
        unit=str(metadata.get("unit") or "1"),
        time=time_in(path.name) if stated is None else instant(stated, path),
        accumulation=None if not minutes else np.timedelta64(round(float(minutes) * 60), "s"),
        grid=grid_from(metadata, (field.shape[0], field.shape[1])) if placed else None,
        institution=str(metadata.get("institution") or ""),
    )


def time_in(name: str) -> np.datetime64 | None:
    """The time that stands in a file's name; None where none does.

    >>> time_in("rain_202006011205.dat"), time_in("rain.dat")
    (np.datetime64('2020-06-01T12:05:00.000000000'), None)
    """
    for year, month, day, hour, minute, second in _TIME.findall(name):
        try:
            return np.datetime64(f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}", "ns")
        except ValueError:  # digits that are no time
            continue
    return None


def read_file(path: Path) -> tuple[NDArray[np.float32], Mapping[str, Any]]:
    """The field (H, W) of a file, NaN where it is missing, and its metadata, by the first importer that takes it.

    Raises:
        DataError: none does.
    """
    said: list[str] = []
    for point in plugins():
        try:
            importer: Importer = point.load()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                field, _, metadata = importer(str(path))
            values = np.asarray(np.ma.filled(np.ma.asarray(field, np.float64), np.nan), np.float32)
        except Exception as error:  # noqa: BLE001 - another package's code: whatever it raises
            said.append(f"{point.name}: {first_line(error)}")
            continue
        if values.ndim != 2 or min(values.shape) == 0:
            said.append(f"{point.name}: a field of shape {values.shape}")
            continue
        return _linear(values, metadata), metadata
    raise DataError(
        "cannot be read by any importer of pysteps that is installed", where=path, received="; ".join(said) or "none"
    )


def _linear(values: NDArray[np.float32], metadata: Mapping[str, Any]) -> NDArray[np.float32]:
    """Values that a plugin gives as decibels of another unit, in that unit."""
    if metadata.get("transform") != "dB" or metadata.get("unit") == "dBZ":
        return values
    low = metadata.get("threshold")
    amounts = np.asarray(10 ** (values / 10), np.float32)
    if low is not None:
        amounts[values < low] = 0
    return amounts


@dataclass(frozen=True)
class _Imported:
    """Files of one step each as (T, 1, H, W)."""

    paths: tuple[Path, ...]
    size: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.paths), 1, *self.size

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        fields = [read_file(path)[0][None] for path in self.paths[frames]]
        return np.stack(fields) if fields else np.empty((0, *self.shape[1:]), np.float32)
