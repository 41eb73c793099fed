"""A sentence where opening a file takes long: a damaged one can make a library loop for ever."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PATIENCE = 30
"""Seconds after which it is said."""

_SCRIPT = 'sleep "$1" && printf "%s\\n" "$2" >&2'


@contextmanager
def watchdog(name: str, seconds: float = PATIENCE) -> Iterator[None]:
    """Say on the error stream that a file is still being opened, after some seconds and from a process of its own:
    while a library loops inside HDF5, no thread of this one gets to speak, nor is Ctrl-C heard.

    Args:
        name: the file.
        seconds: how long to wait.
    """
    shell = shutil.which("sh")
    if shell is None:
        yield
        return
    text = (
        f"nextframe: {name}: still being opened after {seconds:g} s; it may be damaged or very large; "
        "Ctrl-\\ ends the program where Ctrl-C does not"
    )
    speaker = subprocess.Popen([shell, "-c", _SCRIPT, shell, f"{seconds:g}", text], start_new_session=True)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(speaker.pid, signal.SIGTERM)
        speaker.wait()
