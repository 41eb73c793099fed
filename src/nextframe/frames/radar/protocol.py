"""`Protocol`: a row of the table of radar composites, and `Header`, one step as the header of its file describes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError, DataError, first_line
from nextframe.frames.grid import Grid


@dataclass(frozen=True)
class Quantity:
    """A quantity of radars as this package names it."""

    variable: str
    units: str
    attributes: Mapping[str, object] = field(default_factory=dict)
    """CF attributes beside the units."""


QUANTITIES = {
    "RATE": Quantity("rain_rate", "mm/h"),
    "ACRR": Quantity("rain_amount", "mm", {"cell_methods": "time: sum"}),
    "DBZH": Quantity("reflectivity", "dBZ"),
    "TH": Quantity("reflectivity", "dBZ", {"long_name": "reflectivity, uncorrected"}),
    "DBZV": Quantity("reflectivity", "dBZ", {"long_name": "reflectivity, vertically polarised"}),
    "TV": Quantity("reflectivity", "dBZ", {"long_name": "reflectivity, vertically polarised, uncorrected"}),
}
"""Quantities by the names that ODIM gives them; the first of these that a file holds is what is read of it."""


NO_ECHO = -30.0
"""dBZ of what was looked at and not seen; dry, and as pysteps has it."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """One step, without its field."""

    path: Path
    quantity: str
    """A key of `QUANTITIES`."""
    time: np.datetime64
    """Valid time; of an amount the end of its accumulation."""
    shape: tuple[int, int]
    """(H, W)."""
    accumulation: np.timedelta64 | None = None
    """Time over which an amount was summed up, as the file states it; None where it states none, and for all else."""
    inside: str = ""
    """Place of the field within its file, where that may hold several."""
    numbers: tuple[float | None, ...] = ()
    """Packing by which its protocol makes values of stored ones: factor, offset and sentinels."""
    place: tuple[object, ...] = ()
    """Projection and corners as the header states them; empty where a format has none."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A way in which a radar service writes composites."""

    name: str
    """Name in messages: "ODIM"."""
    files: re.Pattern[str]
    """Names of its files; the whole name is matched."""
    headers: Callable[[Path, str | None], Sequence[Header]]
    """The steps of a file that hold a quantity; by default the first of `QUANTITIES` that there is."""
    field: Callable[[Header], NDArray[np.float32]]
    """The field of one step, (H, W), NaN where it is missing."""
    grid: Callable[[Header], Grid | None]
    """Coordinates of the pixels; None where the file does not say where they lie."""
    knows: Callable[[Path], bool] | None = None
    """Test of whether a file is of this protocol, by what is in it, where names do not tell."""
    institution: Callable[[Header], str] = lambda header: ""
    """Maker of the file; empty where the file does not say."""

    def matches(self, path: Path) -> bool:
        """True where a file is of this protocol, by its name and then by what is in it."""
        return self.files.fullmatch(path.name) is not None and (self.knows is None or self.knows(path))


def choose(path: Path, quantity: str | None, readable: Sequence[str], held: Sequence[str] = ()) -> str:
    """The quantity to read of a file.

    Args:
        path: the file, for messages.
        quantity: the one that was asked for.
        readable: the ones that can be read of it, the default first.
        held: all that it holds, for messages.

    Raises:
        ConfigError: the file does not hold what was asked for.
        DataError: it holds none that can be read.

    >>> choose(Path("a.h5"), None, ["RATE", "DBZH"])
    'RATE'
    """
    if quantity is not None and quantity not in readable:
        listed = ", ".join(readable) or "none that can be read"
        raise ConfigError("holds no such quantity", where=path, expected=listed, received=quantity)
    if not readable:
        expected = " or ".join(QUANTITIES)
        raise DataError("holds no rain or reflectivity", where=path, expected=expected, received=", ".join(held))
    return quantity or readable[0]


def unreadable(path: Path, error: Exception, what: str = "cannot be read as a radar composite") -> DataError:
    """The error of a file that a library could not read."""
    return DataError(what, where=path, received=first_line(error), hint="the file may be truncated or damaged")


def field_of(header: Header) -> str:
    """A step in words, for messages.

    >>> field_of(Header(path=Path("a.h5"), quantity="RATE", time=np.datetime64("2020-01-31T12:05"), shape=(2, 2)))
    'rain_rate of 2020-01-31T12:05'
    """
    return f"{QUANTITIES[header.quantity].variable} of {np.datetime_as_string(header.time, unit='m')}"
