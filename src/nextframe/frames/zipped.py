"""Files that are zipped one by one (gzip, bzip2), as services hand them out: read without a copy beside them."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from nextframe.errors import DataError, first_line

_OPENERS: dict[str, Callable[[Path], object]] = {".gz": gzip.open, ".bz2": bz2.open}
LARGEST = 2**31
"""Bytes that a zipped file may unfold to; a few bytes can claim to be gigabytes."""
ERRORS = (OSError, EOFError, zlib.error, ValueError)
"""Errors of reading a zipped file that is damaged."""


def is_zipped(path: Path) -> bool:
    """True where a file is zipped, by its name.

    >>> is_zipped(Path("a.grib2.gz")), is_zipped(Path("a.grib2"))
    (True, False)
    """
    return path.suffix.lower() in _OPENERS


def opened(path: Path) -> IO[bytes]:
    """Open a file for reading, unzipped where its name says that it is zipped."""
    opener = _OPENERS.get(path.suffix.lower())
    return path.open("rb") if opener is None else cast("IO[bytes]", opener(path))


def unzipped(path: Path) -> bytes:
    """The whole of a file, unzipped where it is zipped.

    Raises:
        DataError: it is damaged, or unfolds to more than `LARGEST` bytes.
    """
    try:
        with opened(path) as file:
            whole = file.read(LARGEST + 1)
    except ERRORS as error:
        raise DataError(
            "cannot be unzipped", where=path, received=first_line(error), hint="the file may be truncated or damaged"
        ) from error
    if len(whole) > LARGEST:
        raise DataError("unfolds to more than 2 GiB", where=path, hint="unzip it first")
    return whole
