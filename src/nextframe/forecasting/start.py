"""Start of a forecast: the frames of a sequence that it is made from, and the true ones that follow them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.config import frames_asked_for
from nextframe.data.motion import between
from nextframe.errors import ConfigError
from nextframe.frames.convert import picked, scaled
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.steps import after, steps_between
from nextframe.words import seconds

FILLED = 2
"""Frames missing in a row that are filled; a longer gap is the end of what is seen."""


@dataclass(frozen=True, eq=False)
class Start:
    """A place in a sequence to forecast from."""

    past: FrameSequence
    """Frames seen, none of them from before a long gap in time."""
    truth: FrameSequence | None
    """True frames of all lead times; None where the sequence does not hold them all, or not without a gap."""
    places: tuple[int, ...]
    """Steps from the last frame seen to each of them: -3, -2, 0 where the frame before the last one is missing."""

    def in_range(self, factor: float) -> Start:
        """The same with values that are multiplied by a factor."""
        if factor == 1:
            return self
        truth = None if self.truth is None else scaled(self.truth, factor)
        return replace(self, past=scaled(self.past, factor), truth=truth)


def start_at(sequence: FrameSequence, first: int, *, past: int, lead_times: int, step: float | None = None) -> Start:
    """Start of the forecast whose first frame is frame `first` of a sequence.

    Args:
        sequence: the frames; nothing is read.
        first: number of the first frame to forecast, which the sequence need not hold.
        past: frames to see, at most; fewer where the sequence, or a stretch of it without a gap, begins later. Gaps of
            one or two frames are looked across; where the first frame to see is missing, the one before it is among
            them, to fill it from.
        lead_times: frames to forecast.
        step: seconds between the frames that are to be seen, where the sequence's own step is one of these, or several
            make one; by default that of the sequence.

    Raises:
        ConfigError: no frame before it, or fewer than one lead time.

    >>> frames = FrameSequence(values=np.zeros((20, 1, 8, 8), np.float32), name="frames")
    >>> start = start_at(frames, 12, past=7, lead_times=8)
    >>> len(start.past), start.past.first, len(start.truth)
    (7, 5, 8)
    """
    lead_times = frames_asked_for(lead_times)
    if not 1 <= first <= len(sequence):
        raise ConfigError(
            f"frame {first} cannot be forecast",
            where="start",
            expected=f"1 to {len(sequence)}",
            hint=f"see {sequence.name}",
        )
    nominal = step_for(sequence, step)
    if sequence.instants is None or nominal is None:
        seen, coming = list(range(max(0, first - past), first)), list(range(first, first + lead_times))
        places = list(range(1 - len(seen), 1))
        complete = first + lead_times <= len(sequence)
    else:
        distances = np.r_[0.0, np.cumsum(steps_between(sequence.instants, nominal))]
        back = _walk(distances[first - 1] - distances[first - 1 :: -1], past - 1, FILLED, beyond=True)[::-1]
        seen, places = [first - 1 - n for _, n in back], [-place for place, _ in back]
        ahead = _walk(distances[first - 1 :] - distances[first - 1], lead_times, 0)
        coming, complete = [first - 1 + n for _, n in ahead[1:]], len(ahead) > lead_times
    return Start(
        past=_cut(sequence, seen, nominal),
        truth=_cut(sequence, coming, nominal) if complete else None,
        places=tuple(places),
    )


def step_for(sequence: FrameSequence, step: float | None) -> np.timedelta64 | None:
    """The time step to see a sequence's frames at: so many seconds, where frames of it are so far apart; else its own.

    The median of a few frames with one missing among them is no step; that of a training is, and else the shortest
    time between two of them, where all others are multiples of it.
    """
    own, instants = sequence.time_step, sequence.instants
    if own is None or instants is None or len(sequence) < 2:
        return own
    if step is None:
        between = np.diff(instants)
        shortest = between.min()
        if (between == own).any() or shortest <= np.timedelta64(0):
            return own
        times = between / shortest
        return np.timedelta64(shortest, "ns") if (abs(times - times.round()) < 0.02 * times).all() else own
    wanted = np.timedelta64(round(step * 1e9), "ns")
    shortest = float(steps_between(instants, wanted).min())
    whole = round(1 / shortest) if shortest > 0 else 0
    return wanted if whole >= 1 and abs(shortest * whole - 1) < 0.02 * whole else own


def _walk(distances: NDArray[np.float64], steps: int, gap: int, *, beyond: bool = False) -> list[tuple[int, int]]:
    """Frames one step after the other away from the first, across gaps of at most so many frames: place and number.

    Args:
        distances: of the frames from the first, in steps, increasing from 0.
        steps: how far to go.
        gap: frames that may be missing in a row.
        beyond: go on to the next frame where the one that is so far away is missing.
    """
    way = [(0, 0)]
    while True:
        place, at = way[-1]
        apart = distances[at + 1 :] - distances[at]
        if not len(apart):
            return way
        to_one = int(np.argmin(np.abs(apart - 1)))  # frames that are nearer belong to a higher rate
        jump = max(1, round(float(apart[to_one])))
        too_far = place >= steps if beyond else place + jump > steps
        if too_far or jump > gap + 1 or apart[to_one] < 0.5:
            return way
        way.append((place + jump, at + 1 + to_one))


def _cut(sequence: FrameSequence, numbers: list[int], step: np.timedelta64 | None) -> FrameSequence:
    """Frames of a sequence by their numbers, and so far apart."""
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        cut = sequence[numbers[0] : numbers[-1] + 1]
    else:
        cut = picked(sequence, numbers)
    return replace(cut, time_step=step)


def on_the_step(past: FrameSequence, places: tuple[int, ...]) -> tuple[FrameSequence, int]:
    """Frames seen, and between them those that are missing, or hold nothing, filled in along the motion between their
    neighbours; and the number of those that were filled.

    Args:
        past: the frames; they are read.
        places: of each of them, in steps from the last one.
    """
    frames = past.read(0, len(past))
    known = [n for n in range(len(past)) if np.isfinite(frames[n]).any()]
    if len(known) < 2:
        return past, 0
    there = {places[n]: frames[n] for n in known}
    wanted = range(places[known[0]], places[known[-1]] + 1)
    missing = [place for place in wanted if place not in there]
    if not missing:
        return past, 0
    filled = dict(there)
    for place in missing:
        before, after_ = max(p for p in there if p < place), min(p for p in there if p > place)
        filled[place] = between(there[before], there[after_], (place - before) / (after_ - before))
    # Frames at either end that hold nothing are left as they are.
    filled |= {places[n]: frames[n] for n in range(len(past)) if places[n] not in filled}
    order = sorted(filled)
    changes: dict[str, Any] = {"values": np.stack([filled[place] for place in order]), "missing": "mask"}
    if past.instants is not None and past.time_step is not None:
        counts = np.array(order)
        if past.times is not None:
            changes["times"] = after(past.times[-1], past.time_step, counts)
        else:
            changes["elapsed"] = past.instants[-1] + counts * np.timedelta64(round(seconds(past.time_step) * 1e9), "ns")
    return replace(past, **changes), len(missing)
