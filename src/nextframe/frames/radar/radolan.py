"""RADOLAN, the composites of the German weather service (DWD) in its binary format, zipped or not, read by wradlib.

An amount stands at the end of the interval that its header states; a forecast product at its reference time and the
minutes ahead. Rows run from south to north.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError
from nextframe.frames.bounds import hold_frame
from nextframe.frames.grid import Grid
from nextframe.frames.radar.protocol import Header, choose, field_of, unreadable
from nextframe.frames.zipped import ERRORS, opened, unzipped
from nextframe.plugins import library, projections

NAME = re.compile(r"raa01-\w\w[\w.]*_10000-(latest|\d{10})-dwd---bin(\.gz|\.bz2)?", re.IGNORECASE)
"""Names of its files: product, composite (10000), time."""
INSTITUTION = "Deutscher Wetterdienst"

_AMOUNTS = ("RY", "RZ", "RW", "RH", "RB", "RL", "RU", "EH", "EB", "EW", "EY", "EZ", "YW", "RV", "RQ")
_SUMS = ("SQ", "SH", "SF")
_REFLECTIVITIES = ("RX", "EX", "WX", "WN")
_CLUTTER = 249
"""Count from which on a reflectivity is none: clutter, then no data."""
_LIBRARY = (*ERRORS, RuntimeError, LookupError, AttributeError, TypeError, MemoryError)
"""Errors that wradlib raises for files that are damaged."""
_LONGEST = 2**14
"""Bytes within which a header ends."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Tools:
    """Modules of wradlib that are used."""

    io: Any
    georef: Any


def headers(path: Path, quantity: str | None) -> list[Header]:
    """The one step of a file.

    Raises:
        DataError: no header, or one of a product that is neither rain nor reflectivity.
        ConfigError: another quantity than the product's; wradlib is not installed.
    """
    said = _said(path)
    product = str(said["producttype"])
    kind = "DBZH" if product in _REFLECTIVITIES else "ACRR" if product in (*_AMOUNTS, *_SUMS) else ""
    chosen = choose(path, quantity, [kind] if kind else [], [product])
    try:
        shape = (int(said["nrow"]), int(said["ncol"]))
        interval = np.timedelta64(int(said["intervalseconds"]), "s") if kind == "ACRR" else None
        time = np.datetime64(said["datetime"].replace(tzinfo=None), "ns")
        ahead = np.timedelta64(int(said.get("predictiontime", 0)), "m")
    except (LookupError, ValueError, AttributeError) as error:
        raise unreadable(path, error, "has a header that says too little") from error
    hold_frame(path, *shape)
    return [
        Header(
            path=path,
            quantity=chosen,
            time=time + ahead,
            shape=shape,
            accumulation=interval or None,
            inside=product,
            place=(*shape, _ellipsoid(said)),
        )
    ]


def read_field(header: Header) -> NDArray[np.float32]:
    """A file's amounts in mm or reflectivity in dBZ, (H, W), from south to north.

    Raises:
        DataError: it is damaged.
        ConfigError: wradlib is not installed.
    """
    whole = unzipped(header.path)
    what = f"{field_of(header)} cannot be read"
    values, said = _asked(
        header.path, lambda tools: tools.io.read_radolan_composite(io.BytesIO(whole), missing=-9999), what
    )
    field: NDArray[np.float32] = np.array(values, np.float32)
    missing = np.asarray(said.get("nodatamask", ()), int).ravel()
    if missing.size and (missing.min() < 0 or missing.max() >= field.size):
        raise DataError(what, where=header.path, received="a mask beyond its field", hint="fetch the file again")
    field.reshape(-1)[missing] = np.nan
    if header.inside in _REFLECTIVITIES:
        field[field >= _CLUTTER] = np.nan
        field = (field / 2 - 32.5).astype(np.float32)  # from the counts of the signal processor (RVP6)
    return field


def grid(header: Header) -> Grid:
    """The grid of the composite, as wradlib knows it of grids of its size; errors of `read_field`."""
    ellipsoid = header.place[2]

    def place(tools: _Tools) -> tuple[Any, Any, Any]:
        crs = tools.georef.create_crs(f"dwd-radolan-{ellipsoid}")
        x, y = tools.georef.get_radolan_coordinates(*header.shape, crs=crs, mode="center")
        return crs.to_cf(), x, y

    mapping, x, y = _asked(header.path, place, "has a grid that wradlib does not know")
    axes = {"units": "m"}
    return Grid(
        y=np.asarray(y, np.float64),
        x=np.asarray(x, np.float64),
        y_attributes={**axes, "standard_name": "projection_y_coordinate", "axis": "Y"},
        x_attributes={**axes, "standard_name": "projection_x_coordinate", "axis": "X"},
        mapping=dict(mapping),
    )


def institution(header: Header) -> str:
    """Maker of the file."""
    return INSTITUTION


def _ellipsoid(said: dict[str, Any]) -> str:
    """Figure of the earth: WGS 84 from version 5 of the format on."""
    return "wgs84" if int(said.get("formatversion", 3)) >= 5 else "sphere"


def _said(path: Path) -> dict[str, Any]:
    """Header of a file.

    Raises:
        DataError: it has none.
    """
    try:
        with opened(path) as file:
            start = file.read(_LONGEST)
    except ERRORS as error:
        raise unreadable(path, error) from error
    text, end, _ = start.partition(b"\x03")
    if not end:
        raise DataError("has no header of RADOLAN", where=path, hint="fetch the file again")
    said: dict[str, Any] = _asked(
        path,
        lambda tools: tools.io.parse_dwd_composite_header(text.decode("ascii")),
        "has a header of RADOLAN that cannot be read",
    )
    return said


def _asked(path: Path, ask: Callable[[_Tools], Result], what: str) -> Result:
    """An answer of wradlib.

    Raises:
        DataError: it raises an error.
        ConfigError: it is not installed.
    """
    projections(path)
    modules = (library(f"wradlib.{name}", extra="radolan", where=path) for name in ("io.radolan", "georef"))
    tools = _Tools(*modules)
    try:
        return ask(tools)
    except _LIBRARY as error:
        raise unreadable(path, error, what) from error
