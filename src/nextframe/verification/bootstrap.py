"""Confidence intervals by a block bootstrap over initial times.

Forecasts that start a few frames apart share most of their frames, and their errors are alike: drawing them one by one
would make any difference look certain. So whole blocks of neighbouring forecasts are drawn (Kuensch 1989,
doi 10.1214/aos/1176347265), circularly within each sequence (Politis and Romano 1992).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nextframe.data.windows import Window

RESAMPLES = 1000
CONFIDENCE = 0.95
FEWEST_BLOCKS = 4
"""With fewer blocks than this there is nothing to draw from, and no interval is given."""


def block_length(window: Window, stride: int) -> int:
    """Forecasts in a block: as many in a row as share frames to be forecast."""
    return max(1, -(-window.future // max(stride, 1)))


def independent_blocks(windows: Sequence[Window]) -> float:
    """Number of blocks that the windows are worth: what the intervals stand on."""
    return float(sum(len(run) / min(len(run), length) for run, length in _runs(windows)))


def count_events(windows: Sequence[Window]) -> int:
    """Number of events that the windows are of: stretches of frames of one sequence without a gap in time."""
    stops: dict[int, list[int]] = {}
    events: set[tuple[int, int]] = set()
    for window in windows:
        key = id(window.sequence)
        if key not in stops:
            stops[key] = [stop for _, stop in window.sequence.segments()]
        events.add((key, bisect_right(stops[key], window.start)))
    return len(events)


def draw_weights(windows: Sequence[Window], *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """Counts of each window's draws in each resample, (R, N).

    A block starts at any window and runs on within its sequence, from the end on to the beginning; blocks are drawn
    until there are as many windows as there were.
    """
    number = len(windows)
    members: list[NDArray[np.int64]] = []
    for run, length in _runs(windows):
        size = min(length, len(run))
        members += [np.take(run, np.arange(start, start + size), mode="wrap") for start in range(len(run))]
    sizes = np.array([len(block) for block in members], np.float64)
    chance = (1 / sizes) / (1 / sizes).sum()  # so that every window is drawn as often as any other
    draws = max(1, round(number / float((sizes * chance).sum())))
    random = np.random.default_rng(seed)
    weights = np.zeros((resamples, number))
    for row in weights:
        for block in random.choice(len(members), draws, p=chance):
            row[members[block]] += 1
    return weights


def interval(samples: NDArray[np.float64], confidence: float = CONFIDENCE) -> tuple[NDArray[np.float64], ...]:
    """Lower and upper bound of resampled values (R, ...), leaving out those that are not defined."""
    tail = (1 - confidence) / 2
    finite = np.where(np.isfinite(samples), samples, np.nan)
    known = np.isfinite(finite).any(0)
    bounds = np.full((2, *samples.shape[1:]), np.nan)
    if known.any():
        bounds[:, known] = np.nanquantile(finite[:, known], (tail, 1 - tail), axis=0)
    return bounds[0], bounds[1]


def _runs(windows: Sequence[Window]) -> list[tuple[NDArray[np.int64], int]]:
    """Windows that follow one another in one sequence, as their numbers, and the length of their blocks."""
    runs: list[list[int]] = []
    previous: Window | None = None
    for n in range(len(windows)):
        window = windows[n]
        if previous is not None and window.sequence is previous.sequence and window.start > previous.start:
            runs[-1].append(n)
        else:
            runs.append([n])
        previous = window
    lengths = []
    for run in runs:
        starts = np.array([windows[n].start for n in run])
        # The smallest step: a gap in time, or windows left out, make some steps longer.
        stride = int(np.diff(starts).min()) if len(starts) > 1 else 1
        lengths.append((np.array(run), block_length(windows[run[0]], stride)))
    return lengths
