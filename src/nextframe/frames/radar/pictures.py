"""Composites that are pictures, MeteoSwiss GIF and FMI PGM, read by the importers of pysteps."""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError, DataError
from nextframe.frames.bounds import hold_frame
from nextframe.frames.grid import Grid
from nextframe.frames.radar.place import grid_within
from nextframe.frames.radar.protocol import Header, field_of, unreadable

_FILE = (OSError, ValueError, RuntimeError, LookupError, EOFError, MemoryError, zlib.error)
"""Errors of gzip and Pillow for files that are damaged."""
_LIBRARIES = (*_FILE, AttributeError, TypeError)
"""Errors of pysteps' importers for such files."""

Imported = tuple[Any, Any, dict[str, Any]]
"""Field, quality and metadata, as pysteps' importers return them."""


def picture_size(path: Path) -> tuple[int, int]:
    """Height and width of a picture, which may be zipped; its header alone is read.

    Raises:
        DataError: it is no picture, or of an absurd size.
    """
    from PIL import Image

    try:
        with _opened(path) as file, Image.open(file) as image:
            height, width = image.height, image.width
    except (*_FILE, SyntaxError, Image.DecompressionBombError) as error:  # Pillow's, of a broken header
        raise unreadable(path, error) from error
    hold_frame(path, height, width)
    return height, width


def first_bytes(path: Path, number: int) -> bytes:
    """The first bytes of a file, which may be zipped.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with _opened(path) as file:
            return file.read(number)
    except _FILE as error:
        raise unreadable(path, error) from error


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def name_time(path: Path, digits: str, form: str) -> np.datetime64:
    """A time that stands in the name of a file, by the codes of `datetime.strptime`.

    Raises:
        DataError: it is none.

    >>> name_time(Path("AQC161930005F_00005.801.gif"), "161930005", "%y%j%H%M")
    np.datetime64('2016-07-11T00:05:00.000000000')
    """
    from datetime import datetime

    try:
        return np.datetime64(datetime.strptime(digits, form), "ns")
    except ValueError as error:
        raise DataError("has no time in its name", where=path, expected=form, received=digits) from error


def importer(path: Path, name: str) -> Callable[..., Imported]:
    """One of pysteps' importers.

    Raises:
        ConfigError: pysteps is not installed.
    """
    try:
        # pysteps announces its configuration file on standard output when it is imported.
        with contextlib.redirect_stdout(io.StringIO()):
            from pysteps.io import importers
    except ImportError as error:
        raise ConfigError("needs pysteps", where=path, hint="pip install 'nextframe[radar]'") from error
    function: Callable[..., Imported] = getattr(importers, f"import_{name}")
    return function


def imported(header: Header, call: Callable[[], Imported]) -> tuple[NDArray[np.float32], Mapping[str, Any]]:
    """The field (H, W), NaN where it is missing, and the metadata that an importer makes of a file.

    Raises:
        DataError: the importer could not read it.
    """
    from PIL import Image

    try:
        field, _, metadata = call()
    except (*_LIBRARIES, Image.DecompressionBombError) as error:
        raise unreadable(header.path, error, f"{field_of(header)} cannot be read") from error
    return np.asarray(np.ma.filled(field, np.nan), dtype=np.float32), metadata


def grid_from(metadata: Mapping[str, Any], shape: tuple[int, int]) -> Grid:
    """The grid that pysteps' metadata describe."""
    left, right, lower, upper = (float(metadata[key]) for key in ("x1", "x2", "y1", "y2"))
    unit = str(metadata.get("cartesian_unit", "m"))
    north_up = metadata.get("yorigin", "upper") == "upper"
    return grid_within((left, right, lower, upper), shape, unit, str(metadata["projection"]), north_up=north_up)
