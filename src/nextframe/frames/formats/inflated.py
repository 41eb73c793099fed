"""Arrays of NPZ files, read a stretch at a time: no more than that stretch is ever in memory.

A deflated member can only be decoded from its beginning on. On the way the decoder's state, some 40 KB, is kept every
few megabytes, so that a stretch is decoded from the nearest state before it.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from nextframe.errors import DataError, first_line
from nextframe.files import ARCHIVE_ERRORS

_CHUNK = 2**14  # bytes that are read at once
_MOST = 2**18  # bytes that are decoded at once: a chunk may stand for a thousand times as many
_LOCAL_HEADER = 30  # bytes of a member's header before its name


def unreadable(path: Path, error: BaseException) -> DataError:
    """The error of a file that they fail to read."""
    return DataError(
        "cannot be read as a NumPy file", where=path, received=first_line(error), hint="the file may be truncated"
    )


def members(path: Path) -> tuple[str, ...]:
    """Names of the arrays of an NPZ file; none where it is no such file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
    except ARCHIVE_ERRORS:
        return ()


@dataclass
class _State:
    """A decoder at a place of its input and of its output."""

    decoder: Any
    read: int
    """Bytes of the input before it."""
    made: int
    """Bytes of the output before it."""

    def copy(self) -> _State:
        return _State(self.decoder.copy(), self.read, self.made)


class Member:
    """The array of an NPZ file that has a name: its shape and type, and stretches of its first axis.

    Args:
        path: the file.
        name: of the array.
        every: bytes between two states that are kept.

    Raises:
        DataError: a damaged file, no such array, or one that is not stored row after row.
    """

    def __init__(self, path: Path, name: str, *, every: int = 2**23) -> None:
        self.path, self.name, self.every = path, name, every
        try:
            with zipfile.ZipFile(path) as archive:
                self._info = archive.getinfo(f"{name}.npy")
                with archive.open(self._info) as file:
                    version = npy.read_magic(file)
                    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                    self.shape, by_columns, self.dtype = read(file)
                    self._begin = file.tell()
            with path.open("rb") as file:
                file.seek(self._info.header_offset)
                local = file.read(_LOCAL_HEADER)
        except ARCHIVE_ERRORS as error:
            raise unreadable(path, error) from error
        where = f"{name} in {path}"
        if self._info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or by_columns:
            raise DataError("is stored in a way that is not read", where=where, hint="write it with numpy.savez")
        if self.dtype.hasobject or not self.shape:
            raise DataError("holds no numbers", where=where, received=f"{self.dtype} {self.shape}")
        if self._begin + math.prod(self.shape) * self.dtype.itemsize > self._info.file_size:
            raise DataError("holds less than it announces", where=where, hint="the file may be truncated; replace it")
        lengths = np.frombuffer(local[26:30], "<u2")
        self._offset = self._info.header_offset + _LOCAL_HEADER + int(lengths.sum())
        self._forget()

    def _forget(self) -> None:
        start = _State(zlib.decompressobj(-zlib.MAX_WBITS), 0, 0)
        self._states, self._now, self._last = [start], start.copy(), b""

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in ("_states", "_now", "_last")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def __getitem__(self, stretch: slice) -> NDArray[Any]:
        """Entries of the first axis, read.

        Raises:
            DataError: they cannot be.
        """
        start, stop, _ = stretch.indices(self.shape[0])
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        begin, end = (self._begin + n * row for n in (start, max(start, stop)))
        try:
            with self.path.open("rb") as file:
                content = self._stored(file, begin, end) if self._plain else self._decoded(file, begin, end)
        except ARCHIVE_ERRORS as error:
            raise unreadable(self.path, error) from error
        if len(content) != end - begin:
            raise DataError(
                f"ends before {self.name} does", where=self.path, hint="the file may be truncated; replace it"
            )
        return np.frombuffer(content, self.dtype).reshape(-1, *self.shape[1:])

    @property
    def _plain(self) -> bool:
        return self._info.compress_type == zipfile.ZIP_STORED

    def _stored(self, file: IO[bytes], begin: int, end: int) -> bytes:
        file.seek(self._offset + begin)
        return file.read(end - begin)

    def _decoded(self, file: IO[bytes], begin: int, end: int) -> bytes:
        """Bytes of the output; fewer where the input ends before."""
        if begin < self._now.made - len(self._last):
            self._now = max((s for s in self._states if s.made <= begin), key=lambda s: s.made).copy()
            self._last = b""
        else:
            nearest = max((s for s in self._states if s.made <= begin), key=lambda s: s.made)
            if nearest.made > self._now.made:
                self._now, self._last = nearest.copy(), b""
        parts = []
        while True:
            first = self._now.made - len(self._last)
            parts.append(self._last[max(begin - first, 0) : max(end - first, 0)])
            if self._now.made >= end or not self._advance(file):
                return b"".join(parts)

    def _advance(self, file: IO[bytes]) -> bool:
        """Decode a further chunk; False at the end of the input."""
        now = self._now
        if now.made - self._states[-1].made >= self.every:
            self._states.append(now.copy())
        waiting = now.decoder.unconsumed_tail
        if not waiting:
            file.seek(self._offset + now.read)
            waiting = file.read(min(_CHUNK, self._info.compress_size - now.read))
            now.read += len(waiting)
        self._last = now.decoder.decompress(waiting, _MOST)
        if not (waiting or self._last):
            return False
        now.made += len(self._last)
        return True
