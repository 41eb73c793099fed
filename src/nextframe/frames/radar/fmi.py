"""Composites of the Finnish Meteorological Institute as PGM, zipped or not, by pysteps' importer `fmi_pgm`.

The time stands in a file's name: 201609281600_fmi.radar.composite.lowest_FIN_SUOMI1.pgm.gz.
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
from nextframe.frames.radar.pictures import first_bytes, grid_from, imported, importer, name_time, picture_size
from nextframe.frames.radar.protocol import Header, choose

NAME = re.compile(r"\d{12}_.*\.pgm(\.gz)?", re.IGNORECASE)
"""Names of its files."""
_HEADER = 2**14
"""Bytes of a file in which its header begins."""
INSTITUTION = "Finnish Meteorological Institute"


def headers(path: Path, quantity: str | None) -> list[Header]:
    """The one step of a file.

    Raises:
        DataError: no time in its name, no picture, or no header.
        ConfigError: another quantity than DBZH.
    """
    chosen = choose(path, quantity, ["DBZH"])
    time = name_time(path, path.name[:12], "%Y%m%d%H%M")
    if not re.search(rb"^#", first_bytes(path, _HEADER), re.MULTILINE):  # pysteps would look for it without end
        raise DataError("has no header of FMI", where=path, expected="lines that begin with #")
    return [Header(path=path, quantity=chosen, time=time, shape=picture_size(path))]


def _import(header: Header) -> tuple[NDArray[np.float32], Mapping[str, Any]]:
    read = importer(header.path, "fmi_pgm")
    zipped = header.path.suffix.lower() == ".gz"
    return imported(header, lambda: read(str(header.path), gzipped=zipped))


def read_field(header: Header) -> NDArray[np.float32]:
    """A file's reflectivity in dBZ, (H, W).

    Raises:
        DataError: it is damaged.
        ConfigError: pysteps is not installed.
    """
    return _import(header)[0]


def grid(header: Header) -> Grid | None:
    """The grid of its header, None where that has another projection than pysteps knows; errors of `read_field`."""
    metadata = _import(header)[1]
    return grid_from(metadata, header.shape) if "projection" in metadata else None


def institution(header: Header) -> str:
    """Maker of the file."""
    return INSTITUTION
