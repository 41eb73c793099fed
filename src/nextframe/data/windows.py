"""Windows: a few frames that are seen and the frames that follow them, cut lazily from sequences.

Axes: T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import overload

import numpy as np

from nextframe.data.split import Span
from nextframe.errors import ConfigError, DataError
from nextframe.frames.sequence import FloatArray, FrameSequence


@dataclass(frozen=True, eq=False)
class Window:
    """`past` frames of a sequence from frame `start` on, and the `future` frames that follow them."""

    sequence: FrameSequence
    """The sequence."""
    start: int
    """First frame of the past."""
    past: int
    """Frames seen."""
    future: int
    """Frames to forecast."""

    @property
    def stop(self) -> int:
        """One past the last frame of the future."""
        return self.start + self.past + self.future

    @property
    def init_time(self) -> np.datetime64 | None:
        """Time of the last frame seen; None where the source knows no times."""
        times = self.sequence.times
        return None if times is None else times[self.start + self.past - 1]

    @property
    def seen(self) -> FrameSequence:
        """The frames of the past as a sequence; nothing is read."""
        return self.sequence[self.start : self.start + self.past]

    def read(self) -> tuple[FloatArray, FloatArray]:
        """Past (T, C, H, W) and future (K, C, H, W) as float32 in source units, NaN where a value is missing.

        Raises:
            DataError: NaN or infinity where the source declares no missing values.
        """
        frames = self.sequence.read(self.start, self.stop)
        return frames[: self.past], frames[self.past :]


class Windows(Sequence[Window]):
    """Windows in order of span and time, made when asked for: memory grows with the spans, not with the windows.

    >>> from nextframe.data.split import whole_spans
    >>> from nextframe.frames.source import open_source
    >>> movies = open_source("squares:movies=2,frames=20,size=16")
    >>> windows = Windows(whole_spans(movies), past=7, future=8)
    >>> past, future = windows[11].read()
    >>> len(windows), past.shape, future.shape
    (12, (7, 1, 16, 16), (8, 1, 16, 16))
    """

    def __init__(self, spans: Iterable[Span], *, past: int, future: int, stride: int = 1) -> None:
        self.past, self.future, self.stride = past, future, stride
        self.longest = 0
        self._segments: list[tuple[FrameSequence, int]] = []
        counts: list[int] = []
        for span in spans:
            for start, stop in span.segments():
                self.longest = max(self.longest, stop - start)
                if stop - start >= past + future:
                    self._segments.append((span.sequence, start))
                    counts.append((stop - start - past - future) // stride + 1)
        self._ends = list(accumulate(counts))

    @property
    def sequences(self) -> tuple[FrameSequence, ...]:
        """The sequences that they are of; those in which no window fits left out."""
        return tuple({id(sequence): sequence for sequence, _ in self._segments}.values())

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Window: ...
    @overload
    def __getitem__(self, index: slice) -> list[Window]: ...
    def __getitem__(self, index: int | slice) -> Window | list[Window]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        segment = bisect_right(self._ends, position)
        sequence, start = self._segments[segment]
        before = self._ends[segment - 1] if segment else 0
        return Window(sequence, start + (position - before) * self.stride, self.past, self.future)


def cut_windows(spans: Iterable[Span], *, past: int, future: int, stride: int = 1, part: str = "") -> Windows:
    """Cut every window of `past` + `future` frames from spans, none of them across a gap in time. Nothing is read.

    Args:
        spans: where to cut.
        past: frames seen, at least 1.
        future: frames to forecast, at least 1.
        stride: frames between the starts of two windows of one stretch.
        part: what part of the frames these are, for messages: "validation".

    Raises:
        ConfigError: a length or stride below 1.
        DataError: no span has a stretch without a gap that is long enough for one window.
    """
    for name, value in (("past", past), ("future", future), ("stride", stride)):
        if value < 1:
            raise ConfigError("is too small", where=name, expected="at least 1", received=value)
    spans = tuple(spans)
    windows = Windows(spans, past=past, future=future, stride=stride)
    if not windows:
        names = list(dict.fromkeys(span.sequence.name for span in spans))
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise DataError(
            "holds no window: the longest stretch without a gap in time is too short",
            where=f"{names[0]}{others}{f', {part} part' if part else ''}" if names else f"{part or 'this'} part",
            expected=f"past + future = {past} + {future} = {past + future} frames",
            received=f"{windows.longest} frames",
            hint=f"take fewer past or future frames, or longer sequences{share_that_fits(spans, past + future)}",
        )
    return windows


def windows_with_past(windows: Sequence[Window]) -> Sequence[Window]:
    """Those windows whose past holds a value at all, since a forecast needs something to start from.

    About one frame of each window is read, and none where a source declares no missing values.
    """
    answers: dict[tuple[int, int], bool] = {}

    def has_value(sequence: FrameSequence, frame: int) -> bool:
        key = id(sequence), frame
        if key not in answers:
            answers[key] = bool(np.isfinite(sequence.read(frame, frame + 1)).any())
        return answers[key]

    if all(window.sequence.missing == "error" for window in windows):
        return windows
    return [
        window
        for window in windows
        if any(has_value(window.sequence, n) for n in reversed(range(window.start, window.start + window.past)))
    ]


def sequences_of(windows: Sequence[Window]) -> tuple[FrameSequence, ...]:
    """The sequences that windows are of, in the order in which they come."""
    if isinstance(windows, Windows):
        return windows.sequences
    return tuple({id(window.sequence): window.sequence for window in windows}.values())


def differ(windows: Sequence[Window]) -> bool:
    """True where the frames of windows differ in height or width."""
    return len({sequence.shape[2:] for sequence in sequences_of(windows)}) > 1


def runs_of_one_size(windows: Sequence[Window], size: int) -> list[tuple[int, int]]:
    """Stretches (start, stop) of at most so many windows whose frames are of one size."""
    shapes = [window.sequence.shape[1:] for window in windows]
    edges = [0, *(n + 1 for n, (one, other) in enumerate(pairwise(shapes)) if one != other), len(shapes)]
    return [(n, min(n + size, stop)) for start, stop in pairwise(edges) for n in range(start, stop, size)]


def share_that_fits(spans: Sequence[Span], frames: int) -> str:
    """Advice on the share to hold out, where a larger one of a single sequence would let a window fit; else nothing."""
    first = spans[0].sequence if spans else None
    if first is None or any(span.sequence is not first for span in spans) or len(first) < 3 * frames:
        return ""
    return f", or hold out a share of at least {math.ceil(1000 * frames / len(first)) / 1000:g}"
