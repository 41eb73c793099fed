"""How much memory a process takes while it runs: its own, and that of mapped files."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.speed.process import gist
from nextframe.errors import ConfigError

PAUSE = 0.02
"""Seconds between two looks."""
_FIELDS = {"RssAnon": "anonymous", "RssFile": "mapped"}


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The most memory that a process had in use, in bytes."""

    anonymous: int
    """Its own: nothing but its end gives it back."""
    mapped: int
    """Pages of files that are mapped to it, libraries and archives; the system takes them back where it needs them."""


def measurable() -> bool:
    """Whether this system tells the two kinds apart: Linux does."""
    status = Path("/proc/self/status")
    return status.exists() and "RssAnon:" in status.read_text()


def peak_of(command: Sequence[str], *, what: str) -> Peak:
    """Run a command to its end and watch its memory, fifty times a second.

    Args:
        command: the program and its arguments; processes that it starts are not watched.
        what: what messages call it.

    Raises:
        ConfigError: it fails, with the line that says why.
    """
    most = dict.fromkeys(_FIELDS.values(), 0)
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(command, stdout=said, stderr=said) as process:
            status = Path(f"/proc/{process.pid}/status")
            while process.poll() is None:
                for line in status.read_text().splitlines():
                    name, _, value = line.partition(":")
                    if name in _FIELDS:
                        most[_FIELDS[name]] = max(most[_FIELDS[name]], int(value.split()[0]) * 1024)
                time.sleep(PAUSE)
        if process.returncode:
            said.seek(0)
            lines = [text.strip() for text in said if text.strip()]
            raise ConfigError("failed", where=what, received=gist(lines))
    return Peak(**most)
