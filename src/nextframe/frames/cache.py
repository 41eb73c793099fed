"""Cache of decoded frames: those of a source that were used last, within a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import NextframeError
from nextframe.frames.mapped import Mapped
from nextframe.frames.readers import Drawn
from nextframe.frames.sequence import FrameReader, FrameSequence

CACHE_BYTES = 2**30
"""Bytes of a source's decoded frames that are kept in memory; sources larger than that are read again and again."""
AHEAD = 32
"""Frames that are read beyond those asked for, where these are asked for in order."""
AHEAD_BYTES = 2**26
"""Bytes that are read ahead at most."""


@runtime_checkable
class SaysItsCost(Protocol):
    """A reader that can tell whether any of its frames costs no more than to fetch its numbers."""

    @property
    def at_random(self) -> bool: ...


@dataclass
class Kept:
    """Frames of the sequences of a source, in the order in which they were used last."""

    limit: int = CACHE_BYTES
    """Bytes to keep; nothing is kept where they do not suffice for a frame."""
    size: int = 0
    """Bytes that are kept."""
    frames: OrderedDict[tuple[int, int], NDArray[Any]] = field(default_factory=OrderedDict)
    """By number of the sequence and of the frame in it."""

    def keep(self, key: tuple[int, int], frame: NDArray[Any]) -> None:
        """Keep a frame, in place of those that nobody has used for longest."""
        before = self.frames.pop(key, None)
        self.size -= 0 if before is None else before.nbytes
        if frame.nbytes > self.limit:
            return
        # A view would hold on to all that was read with it: the other frames, and what a crop has cut off.
        self.frames[key] = frame if frame.base is None else frame.copy()
        self.size += frame.nbytes
        while self.size > self.limit:
            self.size -= self.frames.popitem(last=False)[1].nbytes

    def touch(self, key: tuple[int, int]) -> bool:
        """True for a frame that is kept, which then counts as used last."""
        if key not in self.frames:
            return False
        self.frames.move_to_end(key)
        return True

    def __getstate__(self) -> dict[str, object]:
        return {"limit": self.limit, "size": 0, "frames": OrderedDict()}  # a worker process keeps its own


@dataclass
class _InOrder:
    """Place where the last read from below the cache ended, and how many reads before it ended where the next began."""

    stop: int = -1
    reads: int = 0


@dataclass(frozen=True)
class Cached:
    """Keeps the frames read last, so that windows that overlap are decoded once.

    Where frames are asked for in order of time, as a validation does, a stretch beyond them is read along: a video has
    to be decoded from its last key frame on, and NetCDF and Zarr by the chunk, even where each window lacks one frame.
    """

    reader: FrameReader
    kept: Kept = field(default_factory=Kept)
    """What is kept, of all sequences of a source together."""
    number: int = 0
    """Number of this sequence among them."""
    ahead: bool = True
    """True to read ahead; not where damaged frames are counted as they are met."""
    _in_order: _InOrder = field(default_factory=_InOrder)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.reader.shape

    @property
    def dtype(self) -> np.dtype:
        return self.reader.dtype

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        size = _frame_bytes(self.reader)
        if not self.ahead:  # where damage is counted, frames of whatever type are read as float32
            size = max(size, 4 * size // self.dtype.itemsize)
        return max(size, 1)

    def __getitem__(self, frames: slice, /) -> NDArray[Any]:
        start, stop, _ = frames.indices(self.shape[0])
        kept = self.kept.frames
        wanted = {n: kept[self.number, n] for n in range(start, stop) if (self.number, n) in kept}
        missing = [n for n in range(start, stop) if n not in wanted]
        if missing:
            first, last = missing[0], missing[-1] + 1  # one stretch: a reader is quickest in order
            for n, frame in enumerate(self._read(first, last), first):
                wanted[n] = frame
        for n in sorted(wanted, reverse=True):  # of what was read ahead, the next frame is dropped last
            self.kept.keep((self.number, n), wanted[n])
        return np.stack([wanted[n] for n in range(start, stop) if n in wanted])

    def bring(self, start: int, stop: int) -> None:
        """Read what is not kept of a stretch that will be asked for in pieces, since in order it costs least; all of it
        counts as used last. What cannot be read is passed over, since nobody has asked for it yet.
        """
        missing = [n for n in range(start, stop) if not self.kept.touch((self.number, n))]
        if not missing or not self.ahead:
            return
        last = missing[-1] + 1
        at_once = max(AHEAD, AHEAD_BYTES // max(map(_frame_bytes, _within(self))))
        for first in range(missing[0], last, at_once):
            try:
                read = self.reader[first : min(first + at_once, last)]
            except NextframeError:
                return
            for n, frame in enumerate(read, first):
                self.kept.keep((self.number, n), frame)

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_in_order": _InOrder()}

    def __setstate__(self, state: dict[str, object]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def _read(self, first: int, last: int) -> NDArray[Any]:
        """Frames `first` to `last`, and those after them where the two reads before were in order, too."""
        at = self._in_order
        at.reads = at.reads + 1 if first == at.stop else 0
        further = last
        if self.ahead and at.reads > 1:
            size = self.frame_bytes
            room = min(AHEAD, AHEAD_BYTES // size, self.kept.limit // size - (last - first))
            further = min(last + max(room, 0), self.shape[0])
        try:
            read = self.reader[first:further]
        except NextframeError:
            if further == last:
                raise
            further = last  # nobody has asked for what is damaged there
            read = self.reader[first:last]
        at.stop = further
        return read


def cached(sequences: Sequence[FrameSequence], limit: int = CACHE_BYTES) -> tuple[FrameSequence, ...]:
    """Keep decoded frames of those of these sequences that would be read anew, all together within `limit` bytes."""
    kept = Kept(limit)
    return tuple(
        s if costs_nothing(s.values) else replace(s, values=Cached(s.values, kept, n, ahead=s.damage is None))
        for n, s in enumerate(sequences)
    )


def costs_nothing(reader: FrameReader) -> bool:
    """Tell frames in memory, mapped to it, drawn at once or kept already: keeping them would only cost memory."""
    if isinstance(reader, Drawn):
        return reader.at_once
    return isinstance(reader, (np.ndarray, Mapped, Cached))


def at_random(reader: FrameReader) -> bool:
    """True where the frames cost the same in whatever order they are read: in memory, mapped to it, drawn at once, or
    stored in one file as they are; False where they have to be decoded, or fetched from a server.
    """
    *_, last = _within(reader)
    return last.at_random if isinstance(last, SaysItsCost) else costs_nothing(last)


def _within(reader: FrameReader) -> Iterator[FrameReader]:
    """A reader, and the readers that it reads from, the innermost last."""
    inner: Any = reader
    while inner is not None:
        yield inner
        inner = getattr(inner, "reader", getattr(getattr(inner, "sequence", None), "values", None))


def _frame_bytes(reader: FrameReader) -> int:
    return int(np.prod(reader.shape[1:])) * reader.dtype.itemsize
