"""Radar composites, one step or a few a file, as a sequence; a table of the protocols by which services write them.

Times, quantity and accumulation come from a file's header, or from its name where the format keeps them there. What is
missing there becomes NaN, a declared gap.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nextframe.config import Reading
from nextframe.errors import ConfigError, DataError, NextframeError, ShapeError
from nextframe.frames.damage import Damage, describe_each
from nextframe.frames.grid import Grid
from nextframe.frames.radar import fmi, mch, radolan
from nextframe.frames.radar.protocol import QUANTITIES, Header, Protocol
from nextframe.frames.sequence import APART, FrameSequence
from nextframe.plugins import Late
from nextframe.words import duration

_HERE = "nextframe.frames.radar"
_HDF5 = re.compile(r".*\.(h5|hd5|hdf5|hdf)", re.IGNORECASE | re.DOTALL)


def _in_hdf5(name: str, module: str) -> Protocol:
    """The row of a protocol in HDF5, whose module is imported when a file is there to be read."""
    home = f"{_HERE}.{module}"
    return Protocol(
        name=name,
        files=_HDF5,
        knows=Late(f"{home}:knows"),
        headers=Late(f"{home}:headers"),
        field=Late(f"{home}:read_field"),
        grid=Late(f"{home}:grid"),
        institution=Late(f"{home}:institution"),
    )


PROTOCOLS = (
    _in_hdf5("ODIM", "odim"),
    _in_hdf5("KNMI", "knmi"),
    Protocol(
        name="MeteoSwiss",
        files=mch.NAME,
        headers=mch.headers,
        field=mch.read_field,
        grid=mch.grid,
        institution=mch.institution,
    ),
    Protocol(
        name="FMI",
        files=fmi.NAME,
        headers=fmi.headers,
        field=fmi.read_field,
        grid=fmi.grid,
        institution=fmi.institution,
    ),
    Protocol(
        name="RADOLAN",
        files=radolan.NAME,
        headers=radolan.headers,
        field=radolan.read_field,
        grid=radolan.grid,
        institution=radolan.institution,
    ),
)
"""Every protocol that is read."""


def is_composite(path: Path) -> bool:
    """True where a file is a radar composite, by its name alone.

    >>> is_composite(Path("AQC161932325V_00005.801.gif")), is_composite(Path("holiday.gif"))
    (True, False)
    """
    return any(row.files.fullmatch(path.name) for row in PROTOCOLS)


def holds_composite(path: Path) -> bool:
    """True where a file of such a name is a composite by what is in it, too, or cannot be read at all; names of HDF5
    files tell nothing, and polar volumes have them as well.
    """
    try:
        row = next((row for row in PROTOCOLS if row.matches(path)), None)
    except DataError:  # whoever opens it says what is wrong
        return True
    if row is None:
        return False
    try:
        return row.knows is None or bool(row.headers(path, None))
    except NextframeError:
        return False


def is_radolan(path: Path) -> bool:
    """True where a file is a composite of RADOLAN, by its name.

    >>> is_radolan(Path("raa01-ry_10000-2001011500-dwd---bin.gz"))
    True
    """
    return radolan.NAME.fullmatch(path.name) is not None


def open_composites(
    name: str, files: Sequence[Path], reading: Reading, damage: Damage | None
) -> tuple[FrameSequence, ...]:
    """Open radar composites as one sequence (`frames.format.Open`); errors of `open_radar`."""
    return (open_radar(name, files, reading.variable, damage=damage),)


def open_radar(
    name: str, files: Sequence[Path], variable: Sequence[str] = (), *, damage: Damage | None = None
) -> FrameSequence:
    """Open radar composites as one sequence in order of time.

    Args:
        name: what to call the sequence.
        files: files of one protocol.
        variable: the quantity to read, "RATE", "ACRR" or "DBZH"; by default the first of these that a file holds. Where
            an ODIM file has one several times, with its place: "dataset2/DBZH".
        damage: where to note files that cannot be opened, to leave them out; by default these are errors.

    Raises:
        DataError: a file that is no composite, is damaged, or has the time of another.
        ConfigError: a library is not installed; several quantities, or one that the file does not hold.
        ShapeError: files of differing grid or quantity; the first that differs is named.
    """
    if len(variable) > 1:
        raise ConfigError("takes one quantity", where=f"variable, for {name}", received=", ".join(variable))
    last = PROTOCOLS[0]

    def describe(path: Path) -> list[_Step]:
        nonlocal last
        last = _protocol(path, last)
        return [_Step(last, header) for header in last.headers(path, *(variable or (None,)))]

    described = describe_each(files, describe, damage)
    steps = sorted((step for each in described for step in each), key=lambda step: step.header.time)
    _hold_together(steps)
    first, quantity = steps[0], QUANTITIES[steps[0].header.quantity]
    institution = first.protocol.institution(first.header)
    return FrameSequence(
        values=_Steps(tuple(steps)),
        name=name,
        times=np.array([step.header.time for step in steps], "datetime64[ns]"),
        variables=(quantity.variable,),
        units=(quantity.units,),
        variable_attributes=(quantity.attributes,),
        accumulation=(first.header.accumulation,),
        grid=_grid(steps, tolerant=damage is not None),
        missing="mask",
        attributes={"institution": institution} if institution else {},
    )


def _protocol(path: Path, first: Protocol) -> Protocol:
    """The row that a file is of, looked for in that of the file before it and then in the others."""
    for row in dict.fromkeys((first, *PROTOCOLS)):
        if row.matches(path):
            return row
    raise DataError(
        "is HDF5 of a layout that is not known",
        where=path,
        expected=f"a radar composite by {' or '.join(row.name for row in PROTOCOLS if row.files is _HDF5)}",
        hint="read it with its own importer (pysteps has several) and save it as NPY or NetCDF",
    )


@dataclass(frozen=True)
class _Step:
    """A step and the row that reads it."""

    protocol: Protocol
    header: Header


def _hold_together(steps: Sequence[_Step]) -> None:
    """Refuse steps that are no sequence."""
    first = steps[0].header
    kinds = [(step.protocol.name, step.header.quantity, step.header.shape) for step in steps]
    for (before, step), kind in zip(pairwise(step.header for step in steps), kinds[1:], strict=True):
        if kind != kinds[0]:
            raise ShapeError(
                f"differs in kind, quantity or grid from {first.path.name}",
                where=step.path,
                expected=kinds[0],
                received=kind,
                hint=APART,
            )
        if step.place != first.place:
            raise DataError(
                f"lies elsewhere, or has another projection, than {first.path.name}",
                where=step.path,
                expected=first.place,
                received=step.place,
                hint=APART,
            )
        if not _alike(step.accumulation, first.accumulation):
            raise DataError(
                f"is summed up over another time than {first.path.name}",
                where=step.path,
                expected=_in_words(first.accumulation),
                received=_in_words(step.accumulation),
                hint="put amounts of one duration into a folder of their own",
            )
        if step.time == before.time:
            raise DataError(
                f"has the time of {before.path.name}",
                where=step.path,
                received=step.time,
                hint="remove the file that is double",
            )


def _alike(one: np.timedelta64 | None, other: np.timedelta64 | None) -> bool:
    """True where two accumulations are one, but for scans that began a little early or late."""
    if one is None or other is None:
        return one is other
    return bool(abs(one / other - 1) < 0.02)


def _in_words(accumulation: np.timedelta64 | None) -> str:
    return "a time that is not stated" if accumulation is None else duration(accumulation)


@dataclass(frozen=True)
class _Steps:
    """Steps of one field each as (T, 1, H, W)."""

    steps: tuple[_Step, ...]
    box: tuple[int, int, int, int] | None = None
    """What is kept of every field: top, left, height, width; by default all."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.steps), 1, *(self.steps[0].header.shape if self.box is None else self.box[2:])

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        start, stop, _ = frames.indices(len(self.steps))
        top, left, height, width = self.box or (0, 0, *self.shape[2:])
        fields = np.empty((0, *self.shape[1:]), np.float32)
        for n, step in enumerate(self.steps[start:stop]):
            field = _read(step)
            if not n:  # a header that claims more than there can be was told before any memory is taken for it
                fields = np.empty((stop - start, *self.shape[1:]), np.float32)
            fields[n, 0] = field[top : top + height, left : left + width]
        return fields

    def cropped(self, box: tuple[int, int, int, int]) -> _Steps:
        """The same, of which no more than a box of every field is kept."""
        top, left = (0, 0) if self.box is None else self.box[:2]
        return replace(self, box=(top + box[0], left + box[1], *box[2:]))


def _read(step: _Step) -> NDArray[np.float32]:
    field = step.protocol.field(step.header)
    if field.shape != step.header.shape:
        raise ShapeError(
            "has another shape than its header says",
            where=step.header.path,
            expected=step.header.shape,
            received=field.shape,
        )
    return field


def _grid(steps: Iterable[_Step], *, tolerant: bool) -> Grid | None:
    """The grid of the first step; with tolerance, of the first that can be read."""
    *others, last = steps if tolerant else [next(iter(steps))]
    for step in others:
        with contextlib.suppress(DataError):
            return step.protocol.grid(step.header)
    return last.protocol.grid(last.header)
