"""Frames that a training has seen, told from others by their time and place, by their number in a file, or by what is
in them.

A record of them is kept in the run folder, so that a later verification can leave them out, also of a copy of the
file, of a longer archive that holds it, or of an array in memory. Of every 16 frames one is marked by a hash of its
values, of large archives fewer, since to read them whole would take longer than a training; frames without any
contrast, such as dry ones, are alike everywhere and mark nothing.

Axes: T time, C channel, H height, W width.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nextframe.data.split import Span
from nextframe.errors import DataError
from nextframe.frames.sequence import FloatArray, FrameSequence

EVERY = 16
"""One of so many frames is marked by its content."""
MOST = 2048
"""Frames that are marked at most, about: those of an archive of 32,768 frames."""
_PART = re.compile(r"(.*)(\[\d+\])")

Times = NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Stretch:
    """Frames of one sequence that were seen."""

    file: str
    """Hash of the absolute path that they are from; empty where they are from none, or from several files."""
    start: int
    """Number of the first in its source."""
    stop: int
    """One past the last."""
    times: Times
    """Times of the frames, (T,); empty where they have none."""
    box: tuple[float, ...] = ()
    """Smallest and largest y, smallest and largest x; empty where their place is not known."""
    frames: tuple[int, ...] = ()
    """Numbers of frames that are marked."""
    marks: tuple[int, ...] = ()
    """Hashes of these."""

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, eq=False)
class Seen:
    """All frames that a training has seen: those that weights were fitted to, and those that they were chosen by; none,
    where nobody knows which.
    """

    stretches: tuple[Stretch, ...] = field(default=())

    def among(self, sequence: FrameSequence) -> NDArray[np.bool_]:
        """True for each frame of a sequence that was seen, (T,).

        Frames with times on both sides are the same where times agree and places overlap, or contents agree where a
        place is not known. Of others, frames of one file are told by their number in it, and those of other files, or
        of none, by their content.
        """
        mask = np.zeros(len(sequence), bool)
        file, box = _file(sequence), _box(sequence)
        by_content: list[Stretch] = []
        for stretch in self.stretches:
            if len(stretch.times) and sequence.times is not None:
                same = np.isin(sequence.times.astype("datetime64[ns]"), stretch.times)
                if same.any() and _same_place(stretch, sequence, file, box):
                    mask |= same
            elif file and stretch.file == file:
                numbers = sequence.first + np.arange(len(sequence))
                mask |= (stretch.start <= numbers) & (numbers < stretch.stop)
            elif stretch.marks:
                by_content.append(stretch)
        if by_content:
            self._mark_contents(sequence, by_content, mask)
        return mask

    def _mark_contents(self, sequence: FrameSequence, stretches: Sequence[Stretch], mask: NDArray[np.bool_]) -> None:
        at: dict[int, list[int]] = {}
        for number, mark in _marked(sequence, range(len(sequence))):
            at.setdefault(mark, []).append(number)
        for stretch in stretches:
            offsets: dict[int, int] = {}
            for number, mark in zip(stretch.frames, stretch.marks, strict=True):
                for here in at.get(mark, ()):
                    mask[here] = True
                    offsets[here - number] = offsets.get(here - number, 0) + 1
            for offset, hits in offsets.items():
                first, last = stretch.start + offset, stretch.stop + offset
                inside = sum(0 <= number + offset < len(sequence) for number in stretch.frames)
                if 2 * hits > inside:  # a copy, and not one frame that is there twice
                    mask[max(first, 0) : max(last, 0)] = True


def seen_in(spans: Sequence[Span]) -> Seen:
    """The record of some spans; one of every 16 frames is read, of more than 32,768 frames some 2,048 evenly spread."""
    every = EVERY * max(1, math.ceil(sum(map(len, spans)) / (EVERY * MOST)))
    return Seen(tuple(_stretch(span, every) for span in spans))


def without(spans: Sequence[Span], seen: Seen) -> tuple[list[Span], int]:
    """Spans without the frames that were seen, cut where there are such, and how many these were.

    >>> import numpy as np
    >>> from nextframe.frames.sequence import FrameSequence
    >>> film = FrameSequence(values=np.random.default_rng(0).random((40, 1, 4, 4)), name="film")
    >>> known = seen_in([Span(film, 10, 30)])
    >>> left, number = without([Span(film, 0, 40)], known)
    >>> [(span.start, span.stop) for span in left], number
    ([(0, 10), (30, 40)], 20)
    """
    left: list[Span] = []
    masks: dict[int, NDArray[np.bool_]] = {}
    for span in spans:
        key = id(span.sequence)
        if key not in masks:
            masks[key] = seen.among(span.sequence)
        left += [Span(span.sequence, start, stop) for start, stop in _stretches(~masks[key], span.start, span.stop)]
    return left, sum(map(len, spans)) - sum(map(len, left))


def _stretches(wanted: NDArray[np.bool_], start: int, stop: int) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], wanted[start:stop], [False])).astype(np.int8)))
    for begin, end in edges.reshape(-1, 2).tolist():
        yield start + begin, start + end


def _stretch(span: Span, every: int) -> Stretch:
    sequence = span.sequence
    blocks = [range(first, min(first + EVERY, span.stop)) for first in range(span.start, span.stop, every)]
    marked = [mark for block in blocks for mark in [next(_marked(sequence, block), None)] if mark is not None]
    times = np.empty(0, "datetime64[ns]") if sequence.times is None else sequence.times[span.start : span.stop]
    return Stretch(
        file=_file(sequence),
        start=sequence.first + span.start,
        stop=sequence.first + span.stop,
        times=times.astype("datetime64[ns]"),
        box=_box(sequence),
        frames=tuple(sequence.first + number for number, _ in marked),
        marks=tuple(mark for _, mark in marked),
    )


def _marked(sequence: FrameSequence, numbers: range) -> Iterator[tuple[int, int]]:
    """Numbers and hashes of those frames that have a content to be known by."""
    for number in numbers:
        try:
            frame = sequence.read(number, number + 1)[0]
        except DataError:  # damaged: nothing is trained or verified on it
            continue
        mark = _mark(frame)
        if mark is not None:
            yield number, mark


def _mark(frame: FloatArray) -> int | None:
    known = frame[np.isfinite(frame)]
    if not known.size or known.min() == known.max():
        return None
    values = np.where(np.isfinite(frame), frame, np.float32("nan")) + np.float32(0)  # one NaN, and no zero below zero
    digest = blake2b(values.tobytes(), digest_size=8, key=str(frame.shape).encode())
    return int.from_bytes(digest.digest(), "little", signed=True)


def _file(sequence: FrameSequence) -> str:
    """Hash of the absolute path of what a sequence is read from, and of its number where the file holds several; ""
    where it is no file.
    """
    match = _PART.fullmatch(sequence.name)
    name, part = match.groups() if match else (sequence.name, "")
    try:
        path = Path(name)
        if not path.is_file():
            return ""
        return blake2b(f"{path.resolve()}{part}".encode(errors="surrogateescape"), digest_size=8).hexdigest()
    except (OSError, ValueError):
        return ""


def _box(sequence: FrameSequence) -> tuple[float, ...]:
    grid = sequence.grid
    if grid is None or grid.counted:
        return ()
    return tuple(float(end) for axis in (grid.y, grid.x) for end in (np.min(axis), np.max(axis)))


def _same_place(stretch: Stretch, sequence: FrameSequence, file: str, box: tuple[float, ...]) -> bool:
    if file and stretch.file == file:
        return True
    if box and stretch.box:
        (bottom, top, left, right), (low, high, west, east) = stretch.box, box
        return bottom <= high and low <= top and left <= east and west <= right
    assert sequence.times is not None
    number = {time: n for n, time in enumerate(sequence.times.astype("datetime64[ns]"))}
    for frame, mark in zip(stretch.frames, stretch.marks, strict=True):
        here = number.get(stretch.times[frame - stretch.start])
        if here is not None:
            return any(found == mark for _, found in _marked(sequence, range(here, here + 1)))
    return not stretch.marks  # nothing but the times is there to tell them by
