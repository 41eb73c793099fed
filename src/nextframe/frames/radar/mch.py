"""MeteoSwiss composites of rain amounts (product AQC) as GIF, by pysteps' importer `mch_gif`.

Time and accumulation stand in a file's name: AQC161932325V_00005.801.gif has year, day of the year, hour and minute,
and the minutes that were summed up. Where the pixels lie, pysteps knows of the Swiss network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError
from nextframe.frames.grid import Grid
from nextframe.frames.radar.pictures import Imported, grid_from, imported, importer, name_time, picture_size
from nextframe.frames.radar.protocol import Header, choose

NAME = re.compile(r"AQC(\d{9})\w?_(\d{5})\.\d+\.gif", re.IGNORECASE)
"""Names of its files: time, and minutes of accumulation."""
INSTITUTION = "MeteoSwiss"


def headers(path: Path, quantity: str | None) -> list[Header]:
    """The one step of a file.

    Raises:
        DataError: no time in its name, or no picture.
        ConfigError: another quantity than ACRR.
    """
    chosen = choose(path, quantity, ["ACRR"])
    name = NAME.fullmatch(path.name)
    if name is None:
        raise DataError("has no time in its name", where=path, expected="AQC161932325V_00005.801.gif")
    minutes = int(name[2])
    return [
        Header(
            path=path,
            quantity=chosen,
            time=name_time(path, name[1], "%y%j%H%M"),
            shape=picture_size(path),
            accumulation=np.timedelta64(minutes, "m") if minutes else None,
        )
    ]


def _import(header: Header) -> tuple[NDArray[np.float32], Mapping[str, Any]]:
    minutes = 5 if header.accumulation is None else int(header.accumulation / np.timedelta64(1, "m"))
    read = importer(header.path, "mch_gif")

    def call() -> Imported:
        with header.path.open("rb") as file:  # pysteps would leave the file open
            return read(file, product="AQC", unit="mm", accutime=minutes)

    return imported(header, call)


def read_field(header: Header) -> NDArray[np.float32]:
    """A file's amounts in mm, (H, W).

    Raises:
        DataError: it is damaged.
        ConfigError: pysteps is not installed.
    """
    return _import(header)[0]


def grid(header: Header) -> Grid:
    """The Swiss grid; errors of `read_field`."""
    return grid_from(_import(header)[1], header.shape)


def institution(header: Header) -> str:
    """Maker of the file."""
    return INSTITUTION
