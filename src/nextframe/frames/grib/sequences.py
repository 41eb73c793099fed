"""GRIB files as sequences: one for each member, in order of valid time, whatever the files that its fields lie in.

Axes: T time, C channel, H height, W width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nextframe.config import Reading
from nextframe.errors import ConfigError, DataError
from nextframe.frames.bounds import hold_frame
from nextframe.frames.damage import Damage, describe_each
from nextframe.frames.formats.accumulation import UNEVEN
from nextframe.frames.formats.attributes import tell_once
from nextframe.frames.formats.times import in_seconds
from nextframe.frames.grib.fields import Field, Kind, describe, eccodes, values
from nextframe.frames.grib.grids import grid_of, hold_rows, shape_of
from nextframe.frames.grib.messages import open_file, read, scan
from nextframe.frames.sequence import FrameSequence, stands_beside
from nextframe.frames.zipped import is_zipped
from nextframe.words import duration, joined

_SAME = 0.01
"""Share by which the times of amounts may differ and still be one."""


def open_grib(name: str, files: Sequence[Path], reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Open GRIB files (`frames.format.Open`): every variable that is asked for is a channel, every member a sequence.

    Raises:
        DataError: a file that is cut off or damaged, two messages of one time, or a time that a variable lacks.
        ConfigError: several variables of which none was named, or one that is not there; ecCodes is not installed.
        ShapeError: fields on differing grids, or on one without rows and columns.
    """
    eccodes(name)
    kinds: dict[bytes, Kind] = {}

    def described(path: Path) -> list[Field]:
        with open_file(path) as file:
            fields = [describe(header, kinds) for header in scan(path, file)]
        if not fields:
            raise DataError("holds no GRIB message", where=path, hint="fetch the file again")
        return fields

    fields = [field for each in describe_each(files, described, damage) for field in each]
    channels, aside = _chosen(name, fields, reading.variable)
    notes = (stands_beside(list(channels), aside),) if aside else ()
    members = sorted({field.kind.member for field in fields}, key=lambda member: -1 if member is None else member)
    return tuple(
        _sequence(
            name if len(members) == 1 or member is None else f"{name} (member {member})",
            {called: [f for f in of if f.kind.member == member] for called, of in channels.items()},
            notes,
        )
        for member in members
    )


def _chosen(
    name: str, fields: Sequence[Field], variable: Sequence[str]
) -> tuple[dict[str, list[Field]], tuple[str, ...]]:
    """Fields by the names of their channels, as far as these are asked for; and names of statistics that are left out
    where the one variable that they are of was not named.
    """
    held: dict[tuple[str, str], list[Field]] = {}
    for each in fields:
        held.setdefault((each.kind.name, each.kind.level), []).append(each)
    counts = Counter(short for short, _ in held)
    called = {(short, level): short if counts[short] == 1 else f"{short}@{level}" for short, level in held}
    listed = ", ".join(sorted(called.values()))
    if not variable:
        plain = [key for key, of in held.items() if not of[0].kind.statistic]
        one = plain if len(plain) == 1 else list(held)
        if len(one) > 1:
            raise ConfigError("holds several variables", where=name, received=listed, hint="name some with {variable}")
        return {called[key]: held[key] for key in one}, tuple(called[key] for key in held if key not in one)
    chosen = {}
    for asked in variable:
        able = [key for key in held if asked in (key[0], called[key], "@".join(key))]
        if not able:
            raise ConfigError("holds no such variable", where=name, expected=f"one of {listed}", received=asked)
        if len(able) > 1:
            raise ConfigError(
                f"holds {asked} on several levels",
                where=name,
                received=joined([called[key] for key in able]),
                hint="name the level, too, with {variable}",
            )
        chosen[called[able[0]]] = held[able[0]]
    return chosen, ()


def _sequence(name: str, channels: dict[str, list[Field]], notes: tuple[str, ...]) -> FrameSequence:
    """The sequence of one member."""
    by_time = {called: _by_time(called, of) for called, of in channels.items()}
    times = sorted({time for of in by_time.values() for time in of})
    for called, of in by_time.items():
        lacking = next((time for time in times if time not in of), None)
        if lacking is not None:
            raise DataError(f"holds no {called} at {in_seconds(lacking)}", where=name, hint="name other variables")
    frames = tuple(tuple(of[time] for of in by_time.values()) for time in times)
    first = frames[0][0]
    for each in (each for frame in frames for each in frame):
        if each.message.grid != first.message.grid:
            raise DataError(
                f"message {each.message.number} lies on another grid than the first of {first.message.path.name}",
                where=each.message.path,
                hint="bring all fields to one grid, or name other variables",
            )
    hold_rows(first.message, first.kind.grid_type)
    with open_file(first.message.path) as file:
        whole = read(first.message, file)
    shape = shape_of(first.message, whole)
    hold_frame(first.message.path, *shape)
    heads = [each.kind for each in frames[0]]
    return FrameSequence(
        values=_Fields(frames, shape, (0, 0, *shape)),
        name=name,
        times=np.array(times, "datetime64[ns]"),
        variables=tuple(by_time),
        units=tuple(kind.units for kind in heads),
        variable_attributes=tuple(dict(kind.attributes) for kind in heads),
        accumulation=tuple(_accumulation(called, tuple(of.values())) for called, of in by_time.items()),
        grid=grid_of(first.message, whole, first.kind.grid_type),
        missing="mask",
        notes=notes,
    )


def _by_time(called: str, fields: Sequence[Field]) -> dict[np.datetime64, Field]:
    """Fields of a variable by their valid times.

    Raises:
        DataError: two of one time.
    """
    by_time: dict[np.datetime64, Field] = {}
    for each in fields:
        other = by_time.setdefault(each.time, each)
        if other is not each:
            message = other.message
            beside = f"message {message.number}" + (
                f" of {message.path.name}" if message.path != each.message.path else ""
            )
            raise DataError(
                f"message {each.message.number} holds {called} at {in_seconds(each.time)}, as {beside} does",
                where=each.message.path,
                hint="remove the double one; of forecasts, give those of one reference time, or of one lead time",
            )
    return by_time


def _accumulation(called: str, fields: Sequence[Field]) -> np.timedelta64 | None:
    """The time that all fields of a variable are summed up over; None where they are no sums, NaT where of differing
    times.

    Warns:
        NextframeWarning: they are sums over differing times, as those since the start of a forecast.
    """
    lengths = [each.kind.accumulation for each in fields]
    stated = [length for length in lengths if length is not None]
    if not stated:
        return None
    shortest, longest = min(stated), max(stated)
    if len(stated) == len(lengths) and shortest > np.timedelta64(0) and longest - shortest <= _SAME * longest:
        return shortest
    tell_once(
        fields[0].message.path,
        f"{called} is summed over differing times ({duration(shortest)} to {duration(longest)}), so that it has no one "
        "accumulation",
    )
    return UNEVEN


@dataclass(frozen=True)
class _Fields:
    """Fields in order of time as (T, C, H, W); the file read last stays open."""

    frames: tuple[tuple[Field, ...], ...]
    """By time and channel."""
    size: tuple[int, int]
    """Height and width of the fields."""
    box: tuple[int, int, int, int]
    """What is kept of every field: top, left, height, width."""
    _open: dict[Path, IO[bytes]] = field(default_factory=dict)
    """The zipped file read last, unzipped in memory."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.frames), len(self.frames[0]), *self.box[2:]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        chosen = self.frames[frames]
        fields = np.empty((len(chosen), *self.shape[1:]), np.float32)
        top, left, height, width = self.box
        for n, frame in enumerate(chosen):
            for channel, each in enumerate(frame):
                fields[n, channel] = self._read(each)[top : top + height, left : left + width]
        return fields

    def cropped(self, box: tuple[int, int, int, int]) -> _Fields:
        """The same, of which no more than a box of every field is kept."""
        return _Fields(self.frames, self.size, (self.box[0] + box[0], self.box[1] + box[1], *box[2:]))

    def _read(self, each: Field) -> NDArray[np.float32]:
        """A whole field.

        Raises:
            DataError: it is damaged, or has another shape than it had when it was opened.
        """
        whole = self._values(each)
        if whole.shape != self.size:
            raise DataError(
                "has another shape than it had when it was opened",
                where=each.message.path,
                expected=self.size,
                received=whole.shape,
            )
        return whole

    def _values(self, each: Field) -> NDArray[np.float32]:
        path = each.message.path
        if not is_zipped(path):
            with open_file(path) as file:
                return values(each.message, read(each.message, file), each.kind)
        if path not in self._open:
            self._open.clear()
            self._open[path] = open_file(path)
        return values(each.message, read(each.message, self._open[path]), each.kind)

    def __getstate__(self) -> dict[str, Any]:
        return {"frames": self.frames, "size": self.size, "box": self.box, "_open": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
