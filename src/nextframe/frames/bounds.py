"""Bounds on what a file claims to hold, checked before memory is taken for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nextframe.errors import DataError
from nextframe.words import size

FRAME_PIXELS = 2**29
"""Pixels of one frame; a full disk of a weather satellite in its finest band has 470 million."""
PIXELS_PER_BYTE = 2**17
"""Pixels that one byte of a compressed image may stand for; blank pages of a fax reach 80,000."""
FREE = 2**20
"""Pixels that no file has to answer for: a small file may claim them."""


def hold_frame(where: object, height: int, width: int) -> None:
    """Refuse a frame that no camera takes.

    Raises:
        DataError: more than `FRAME_PIXELS` pixels, or none.

    >>> hold_frame("a.png", 480, 640)
    """
    if not 0 < height * width <= FRAME_PIXELS:
        raise DataError(
            f"claims frames of {height:,} x {width:,} pixels",
            where=where,
            expected=f"1 to {FRAME_PIXELS:,} pixels a frame",
            hint="the file is damaged, or is to be cut into tiles first",
        )


def hold_claim(path: Path, pixels: int, *, per_byte: int = PIXELS_PER_BYTE) -> None:
    """Refuse a file whose header claims more pixels than its bytes could stand for.

    Raises:
        DataError: it does.
    """
    holds = path.stat().st_size
    if pixels > max(FREE, per_byte * holds):
        raise DataError(
            f"claims {pixels:,} pixels, which its {size(holds)} cannot hold", where=path, hint="the file is damaged"
        )


def hold_memory(where: object, needed: int) -> None:
    """Refuse to decode into memory what does not fit there.

    Raises:
        DataError: more bytes than are free.
    """
    free = _free_memory()
    if free is not None and needed > free:
        raise DataError(
            f"takes {size(needed)} decoded, more than the {size(free)} of memory that are free",
            where=where,
            hint="the file is damaged, or is to be divided into several",
        )


def hold_disk(where: object, folder: Path, needed: int) -> None:
    """Refuse to decode into a temporary file what does not fit there.

    Raises:
        DataError: more bytes than are free.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"takes {size(needed)} decoded, more than the {size(free)} that are free in {folder}",
            where=where,
            hint="make room there, or name another folder in the environment variable TMPDIR",
        )


def _free_memory() -> int | None:
    """Bytes that can be taken without swapping, as Linux knows them; else all of the machine's."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
