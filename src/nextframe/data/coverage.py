"""Coverage of frames by windows: gaps in time, stretches too short, frames without a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nextframe.data.split import Span
from nextframe.data.windows import Windows
from nextframe.frames.steps import other_steps
from nextframe.words import count, duration, listing, minute

Time = np.datetime64 | np.timedelta64


@dataclass(frozen=True)
class OtherStep:
    """A stretch of frames that has another time step than the rest, so that no window is cut there."""

    first: Time
    last: Time
    frames: int
    step: np.timedelta64
    usual: np.timedelta64
    """Step of the rest."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Coverage of some spans by windows, and the losses."""

    frames: int
    """Frames there are."""
    windows: int
    """Windows that can be cut."""
    gaps: tuple[tuple[Time, Time], ...]
    """Last time before and first time after each gap in time."""
    others: tuple[OtherStep, ...] = ()
    """Stretches of another time step; their distances are no gaps, and their frames in no stretch too short."""
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
        taken = f"took {self.windows_lost:,} of {self.windows + self.windows_lost:,} windows"
        if self.others:
            stretches = (
                f"{minute(other.first)} to {minute(other.last)}, where {other.frames:,} are {duration(other.step)} "
                f"apart and not {duration(other.usual)}"
                for other in self.others
            )
            which = "" if self.gaps else f", which {taken}"
            parts.append(f"frames of another time step are in no window ({listing(stretches, separator='; ')}){which}")
        if self.gaps:
            named = listing(f"{minute(before)} to {minute(after)}" for before, after in self.gaps)
            both = " and that" if self.others else ""
            parts.append(f"{count(len(self.gaps), 'gap')} in time ({named}){both} {taken}")
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
    gaps: list[tuple[Time, Time]] = []
    others: list[OtherStep] = []
    short: list[int] = []
    whole = 0
    for span in spans:
        segments = span.segments()
        whole += max(0, (len(span) - size) // stride + 1)
        times, usual = span.sequence.instants, span.sequence.time_step
        runs = [] if times is None or usual is None else other_steps(times, usual)
        short += [
            stop - start for start, stop in segments if stop - start < size and not _within(start, stop - 1, runs)
        ]
        if times is None or usual is None:
            continue
        gaps += [(times[stop - 1], times[stop]) for _, stop in segments[:-1] if not _within(stop - 1, stop, runs)]
        for first, last, step in runs:
            lost = [(a, b) for a, b in segments if b - a < size and first <= a and b - 1 <= last]
            if lost:
                ends = times[lost[0][0]], times[lost[-1][1] - 1]
                others.append(OtherStep(*ends, sum(b - a for a, b in lost), step, usual))
    windows = len(Windows(spans, past=past, future=future, stride=stride))
    return Coverage(
        frames=sum(map(len, spans)),
        windows=windows,
        gaps=tuple(gaps),
        others=tuple(others),
        windows_lost=max(0, whole - windows),
        short_stretches=len(short),
        short_frames=sum(short),
        empty_frames=empty_frames,
    )


def _within(first: int, last: int, runs: Sequence[tuple[int, int, np.timedelta64]]) -> bool:
    return any(start <= first and last <= stop for start, stop, _ in runs)
