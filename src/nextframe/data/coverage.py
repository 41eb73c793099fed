"""Coverage of frames by windows: gaps in time, stretches too short, frames without a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nextframe.data.split import Span
from nextframe.data.windows import Windows
from nextframe.words import count, listing, minute


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Coverage of some spans by windows, and the losses."""

    frames: int
    """Frames there are."""
    windows: int
    """Windows that can be cut."""
    gaps: tuple[tuple[np.datetime64 | np.timedelta64, np.datetime64 | np.timedelta64], ...]
    """Last time before and first time after each gap in time."""
    windows_lost: int
    """Windows of consecutive frames that are not cut, since they would reach across a gap."""
    short_stretches: int
    """Stretches between gaps that are too short for one window."""
    short_frames: int
    """Frames in these stretches."""
    empty_frames: int = 0
    """Frames without a single value, of those that were read."""

    @property
    def sentence(self) -> str:
        """Losses and their places in a sentence; empty where there are none."""
        parts = []
        if self.gaps:
            named = listing(f"{minute(before)} to {minute(after)}" for before, after in self.gaps)
            there = self.windows + self.windows_lost
            parts.append(
                f"{count(len(self.gaps), 'gap')} in time ({named}) took {self.windows_lost:,} of {there:,} windows"
            )
        if self.short_frames:
            noun = "a stretch" if self.short_stretches == 1 else f"{self.short_stretches} stretches"
            frames = count(self.short_frames, "frame lies", "frames lie")
            parts.append(f"{frames} in {noun} too short for a window")
        if self.empty_frames:
            parts.append(f"{count(self.empty_frames, 'frame has', 'frames have')} no value")
        return "; ".join(parts)


def coverage(spans: Sequence[Span], *, past: int, future: int, stride: int = 1, empty_frames: int = 0) -> Coverage:
    """Count what windows of `past` + `future` frames cover of some spans. Nothing is read.

    Args:
        spans: where windows are cut.
        past: frames seen.
        future: frames to forecast.
        stride: frames between the starts of two windows of one stretch.
        empty_frames: frames without a value, as whoever has read them counted.
    """
    size = past + future
    gaps: list[tuple[np.datetime64 | np.timedelta64, np.datetime64 | np.timedelta64]] = []
    short: list[int] = []
    whole = 0
    for span in spans:
        segments = span.segments()
        whole += max(0, (len(span) - size) // stride + 1)
        short += [stop - start for start, stop in segments if stop - start < size]
        times = span.sequence.instants
        if times is not None:
            gaps += [(times[stop - 1], times[stop]) for _, stop in segments[:-1]]
    windows = len(Windows(spans, past=past, future=future, stride=stride))
    return Coverage(
        frames=sum(map(len, spans)),
        windows=windows,
        gaps=tuple(gaps),
        windows_lost=max(0, whole - windows),
        short_stretches=len(short),
        short_frames=sum(short),
        empty_frames=empty_frames,
    )
