"""Freed memory: a training keeps it in the process, what runs for days gives it back."""

from __future__ import annotations

import ctypes
import sys

# Names and numbers of glibc's <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_NEVER, _NONE = -1, 0
_LARGE = 2**20


def keep_freed_memory() -> bool:
    """Tell glibc to keep large freed blocks instead of returning them to the system.

    By default it maps every block over 32 MB afresh and unmaps it when freed. A training step of a ConvLSTM takes
    dozens of such blocks, and the page faults of mapping them again at each step cost up to a third of its time. Peak
    memory stays the same; memory in use between peaks is higher. (A larger threshold would not do: glibc takes none
    over 32 MB.)

    Returns:
        Whether the setting was taken: False where the C library is another one (macOS, Windows, musl).
    """
    return _set((_M_MMAP_MAX, _NONE), (_M_TRIM_THRESHOLD, _NEVER))


def return_freed_memory() -> bool:
    """Tell glibc to return every block of 1 MiB and more to the system when it is freed.

    By default it raises that threshold, up to 32 MB, with the blocks that are freed; frames and forecasts then lie
    between small blocks that stay, and a process that makes a forecast every five minutes grows for days.

    Returns:
        Whether the setting was taken, as of `keep_freed_memory`.
    """
    return _set((_M_MMAP_THRESHOLD, _LARGE))


def _set(*settings: tuple[int, int]) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(name, value) for name, value in settings)
