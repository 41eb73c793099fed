"""Incoming files: which of a folder's files are whole, and what times their frames are valid at.

A file is whole when it was renamed into its place, or has not changed between two looks. What is half written, hidden
or temporary is left alone until it is; what cannot be read is said once, and looked at again when it changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nextframe.config import DataConfig
from nextframe.errors import NextframeError
from nextframe.frames.names import natural_order
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_together

SETTLED = 2.0
"""Seconds after its last change from which a file is taken to be whole at the first look: one that was renamed in keeps
the time of its last change."""
_HALF = (".tmp", ".part", ".partial", ".crdownload", ".filepart")

Stat = tuple[int, int]
"""Size in bytes and time of the last change in ns."""


@dataclass(frozen=True)
class Arrived:
    """A whole file."""

    path: Path
    """Where it is."""
    stat: Stat
    """Size and time of its last change, when it was read."""
    times: tuple[np.datetime64, ...]
    """Valid time of each of its frames; empty where it cannot be read."""
    trouble: str = ""
    """Why it cannot be read."""


class Incoming:
    """The files that a pattern matches, now and from now on.

    Args:
        pattern: path with `*` or `?` in its last part, or a folder, all of whose files are taken.
        reading: how to read them.
        known: files that were looked at before, which are not opened again unless they have changed.
    """

    def __init__(self, pattern: str, reading: DataConfig, *, known: Iterable[Arrived] = ()) -> None:
        self.pattern = str(Path(pattern) / "*") if Path(pattern).is_dir() else pattern
        # To know when a frame is valid takes no more than to open its file as it is.
        self._plain = replace(reading, rain_unit="as-read", crop=(), coarsen=1, frames=(), grey=False)
        self.files: dict[Path, Arrived] = {file.path: file for file in known}
        self._seen: dict[Path, Stat] = {}

    @property
    def folder(self) -> Path:
        """Folder that the files come to."""
        return Path(self.pattern).parent

    def look(self, tell: Callable[[str], None], *, all_whole: bool = False) -> list[Arrived]:
        """Look at the folder once; return the files that are whole and new, or have changed, in order of their names.

        Args:
            tell: takes a sentence about each file that cannot be read.
            all_whole: take every file to be whole.
        """
        there: dict[Path, Stat] = {}
        fresh: list[Arrived] = []
        for name in sorted(self.folder.glob(Path(self.pattern).name), key=natural_order):
            if name.name.startswith(".") or name.suffix.lower() in _HALF:
                continue
            try:
                status = name.stat()
            except FileNotFoundError:
                continue  # gone again
            there[name] = stat = (status.st_size, status.st_mtime_ns)
            known = self.files.get(name)
            if known is not None and known.stat == stat:
                continue
            old = time.time() - status.st_mtime > SETTLED
            if not (all_whole or old or self._seen.get(name) == stat):
                continue
            file = self._opened(name, stat)
            if file.trouble:
                tell(f"{file.trouble}; it is left out until it changes")
            self.files[name] = file
            fresh.append(file)
        self._seen = there
        self.files = {path: file for path, file in self.files.items() if path in there}
        return fresh

    @property
    def waiting(self) -> bool:
        """True where a file was there at the last look of which it is not known whether it is whole."""
        return any(path not in self.files or self.files[path].stat != stat for path, stat in self._seen.items())

    def by_time(self) -> dict[np.datetime64, Path]:
        """File of each valid time, in order of time; of several files of one time the first by its name."""
        places: dict[np.datetime64, Path] = {}
        for file in self.files.values():
            for moment in file.times:
                if moment not in places or natural_order(file.path) < natural_order(places[moment]):
                    places[moment] = file.path
        return dict(sorted(places.items()))

    def _opened(self, path: Path, stat: Stat) -> Arrived:
        try:
            sequence = open_together([path], self._plain, name=str(path))
            _first(sequence)
        except NextframeError as error:
            return Arrived(path, stat, (), str(error))
        if sequence.times is None:
            return Arrived(path, stat, (), f"{path}: does not say when its frame is valid")
        return Arrived(path, stat, tuple(sequence.times.astype("datetime64[ns]")))


def _first(sequence: FrameSequence) -> None:
    """Read a frame: a file that is cut off has its header, too."""
    replace(sequence, missing="mask").read(len(sequence) - 1, len(sequence))
