"""Findings of a survey of frames: faults, each in one sentence that ends in what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np

from nextframe.data.split import Span
from nextframe.data.statistics import FrameStatistics
from nextframe.data.windows import share_that_fits
from nextframe.frames.formats.fills import usual_fill
from nextframe.frames.rain import kind_of_rain
from nextframe.frames.sequence import FrameSequence, FrameSource
from nextframe.frames.steps import other_steps
from nextframe.inspection.survey import EVERYTHING, FrameFacts, Survey
from nextframe.words import duration, listing, moment, seconds

SHOWN = 3
"""Places named in one sentence."""
RISING = 5
"""Frames with more rain than the one before, and none with less anywhere, from which on it is a sum since a start."""
FEW_WINDOWS = 50
"""Windows to train on below which a model hardly learns."""


def findings(source: FrameSource, seen: Survey) -> list[str]:
    """Faults of the frames themselves."""
    statistics = seen.statistics[EVERYTHING]
    return [
        *(
            f"{reason}: repair or remove these frames, a training would stop there."
            for reason in seen.unreadable[:SHOWN]
        ),
        *_missing(source, seen.frames, statistics),
        *_still(source, seen.frames),
        *_gaps(source.sequences),
        *_changes_of_step(source.sequences),
        *_overlaps(seen.frames),
        *_fill_values(source, statistics),
        *_sums(source, seen.frames),
    ]


def overlap(frames: Sequence[FrameFacts]) -> dict[str, float]:
    """Share of the frames of each later part whose content is also in an earlier part.

    Constant frames and frames without a value are left out: an empty radar image says nothing about another one.
    """
    seen: set[bytes] = set()
    shares: dict[str, float] = {}
    for part, group in groupby((f for f in frames if not f.constant and f.missing < 1), key=lambda f: f.part):
        contents = [frame.content for frame in group]
        if part != "training":
            shares[part] = sum(content in seen for content in contents) / len(contents)
        seen.update(contents)
    return shares


def shortage(parts: Mapping[str, Sequence[Span]], past: int, future: int) -> Iterator[str]:
    """Parts that no window fits into, in one sentence."""
    size = past + future
    short = []
    for name, spans in parts.items():
        longest = max((stop - start for span in spans for start, stop in span.segments()), default=size)
        if longest < size:
            short.append(f"the {name} part (at most {longest} frames in a row)")
    if short:
        spans = [span for part in parts.values() for span in part]
        hint = f"take fewer past or future frames, or longer sequences{share_that_fits(spans, size)}"
        yield f"No window of {past} + {future} = {size} frames fits into {' and '.join(short)}: {hint}."


def prospects(
    windows: Mapping[str, int],
    events: Mapping[str, float | None],
    threshold: float | None,
    mse: Sequence[float | None],
) -> Iterator[str]:
    """Prospects of a training: what makes it or its scores worth little although the frames are sound.

    Args:
        windows: number of windows by part.
        events: share of values at or above the threshold, by part.
        threshold: the threshold, in source units.
        mse: persistence's mean squared error by lead time; empty where there is none.
    """
    if 0 < windows.get("training", 0) < FEW_WINDOWS:
        yield (
            f"Only {windows['training']} windows to train on: take fewer past and future frames, or add sequences, "
            "else the model will learn these by heart."
        )
    here, there = events.get("training"), events.get("test")
    if threshold is not None and here and there is not None and there < here / 10:
        yield (
            f"The test part holds hardly an event: {there:.2%} of its values reach {threshold:g}, in the training part "
            f"{here:.2%} do; hold out another stretch (a larger test share), else its scores say little."
        )
    if mse and all(value == 0 for value in mse):
        yield "Nothing changes in the test part: persistence is perfect there, so hold out frames that move."


def _missing(source: FrameSource, frames: Sequence[FrameFacts], statistics: FrameStatistics) -> Iterator[str]:
    undeclared = {sequence.name for sequence in source.sequences if sequence.missing == "error"}
    faults = [frame for frame in frames if frame.missing and frame.sequence in undeclared]
    if faults:
        share = sum(frame.missing for frame in faults) / len(faults)
        yield (
            f"{_places(faults, 'holds', 'hold')} NaN or infinity ({share:.1%} of the values there) that the source "
            "does not declare: repair this, or use {missing=mask} to treat it as missing."
        )
    empty = [frame for frame in frames if frame.missing == 1]
    if empty:
        yield f"{_places(empty, 'has', 'have')} no value at all: cut off what teaches nothing."
    elif not faults and statistics.missing > 0.5:
        yield f"{statistics.missing:.0%} of all values are missing: cut out the covered area with {{crop}}."


def _still(source: FrameSource, frames: Sequence[FrameFacts]) -> Iterator[str]:
    """Constant and repeated frames; among many sequences a few are nothing unusual (an empty movie, one at rest)."""
    least = 0.01 if len(source.sequences) >= 3 else 0.0
    constant = [frame for frame in frames if frame.constant]
    share = len(constant) / max(len(frames), 1)
    if constant and share >= least:
        hint = "cut off what is a fault" if share < 0.5 else "choose a livelier stretch, this one shows nothing"
        yield f"{_places(constant, 'is', 'are')} constant ({share:.1%} of the frames): {hint}."
    repeats = [frame for frame in frames if frame.repeats and not frame.constant and frame.missing < 1]
    share = len(repeats) / max(len(frames), 1)
    if repeats and share >= least:
        yield (
            f"{_places(repeats, 'equals', 'equal')} the frame before ({share:.1%} of the frames): drop such copies, or "
            "read the source at its true frame rate, else persistence looks better than it is."
        )


def _gaps(sequences: Sequence[FrameSequence]) -> Iterator[str]:
    missing: list[str] = []
    hasty: list[str] = []
    for sequence in sequences:
        others = _other_steps(sequence)
        for _, stop in sequence.segments()[:-1]:
            assert sequence.instants is not None
            assert sequence.time_step is not None
            if any(first < stop <= last for first, last, _ in others):
                continue
            before, after = sequence.instants[stop - 1], sequence.instants[stop]
            place = f"{moment(before)} to {moment(after)} ({duration(after - before)})"
            (missing if after - before > sequence.time_step else hasty).append(place)
    step = next((s.time_step for s in sequences if s.time_step is not None), None)
    if missing and step is not None:
        yield (
            f"Frames are missing in time, where the step is {duration(step)}: {listing(missing)}; "
            "no window is cut across such a gap, so add the frames if you have them."
        )
    if hasty and step is not None:
        yield (
            f"Frames follow each other in less than half the step of {duration(step)}: {listing(hasty)}; "
            "no window is cut across them, so bring all frames to one rate."
        )


def _other_steps(sequence: FrameSequence) -> list[tuple[int, int, np.timedelta64]]:
    instants, step = sequence.instants, sequence.time_step
    return [] if instants is None or step is None else other_steps(instants, step)


def _changes_of_step(sequences: Sequence[FrameSequence]) -> Iterator[str]:
    stretches: list[str] = []
    steps: set[float] = set()
    for sequence in sequences:
        for first, last, own in _other_steps(sequence):
            assert sequence.instants is not None
            assert sequence.time_step is not None
            steps |= {seconds(own), seconds(sequence.time_step)}
            ends = f"{moment(sequence.instants[first])} to {moment(sequence.instants[last])}"
            stretches.append(f"{ends} ({duration(own)}, else {duration(sequence.time_step)})")
    if stretches:
        longest = max(steps)
        one = longest % 60 == 0 and all(longest % step == 0 for step in steps)
        hint = f"{{time_step={longest / 60:g}min}}" if one else "giving the stretches apart"
        yield (
            f"The time step is another one from {listing(stretches)}; windows are cut at the commonest step alone, so "
            f"bring all frames to one by {hint}."
        )


def _overlaps(frames: Sequence[FrameFacts]) -> Iterator[str]:
    for part, share in overlap(frames).items():
        if share >= 0.01:
            yield (
                f"{share:.0%} of the frames of the {part} part are in an earlier part as well (a loop, or "
                "copies): remove the copies, else the scores measure memory, not forecasting."
            )


def _fill_values(source: FrameSource, statistics: FrameStatistics) -> Iterator[str]:
    """An extreme that is a usual fill value, and far from all that most values are."""
    for channel, name in enumerate(source.sequences[0].variables):
        values = statistics.sample[channel]
        for extreme in (statistics.low[channel], statistics.high[channel]):
            rest = values[np.isfinite(values) & (values != extreme)]
            if usual_fill(extreme) and rest.size and abs(extreme) > 2 * np.abs(rest).max():
                yield (
                    f"The variable {name} holds the value {extreme:g}, far from all others, which looks like a fill "
                    "value that is not declared: replace it by NaN and use {missing=mask}."
                )


def _sums(source: FrameSource, frames: Sequence[FrameFacts]) -> Iterator[str]:
    """Rain that never falls from frame to frame, but rises: a sum since some start."""
    first = source.sequences[0]
    for channel, (name, unit) in enumerate(zip(first.variables, first.units, strict=True)):
        followed = [frame for frame in frames if frame.falls]
        rising = sum(frame.rises[channel] for frame in followed)
        if rising < RISING or any(frame.falls[channel] for frame in followed):
            continue
        if kind_of_rain(unit) in ("amount", "rate"):
            yield (
                f"The variable {name} never falls from one frame to the next, like a sum since some start: save the "
                "differences of neighbouring frames, else each is taken for the rain of one step."
            )


def _places(frames: Sequence[FrameFacts], one: str, several: str) -> str:
    """Places of some frames, neighbours drawn together, with a verb: "Frames 3, 12-15 of film.gif are"."""
    stretches: list[tuple[str, int, int]] = []
    for frame in frames:
        if stretches and stretches[-1][0] == frame.sequence and stretches[-1][2] == frame.index - 1:
            stretches[-1] = (*stretches[-1][:2], frame.index)
        else:
            stretches.append((frame.sequence, frame.index, frame.index))
    named = []
    for sequence, group in groupby(stretches[:SHOWN], key=lambda stretch: stretch[0]):
        indices = [f"{a}" if a == b else f"{a}-{b}" for _, a, b in group]
        named.append(f"{', '.join(indices)} of {sequence}")
    more = sum(stop - start + 1 for _, start, stop in stretches[SHOWN:])
    names = "; ".join(named) + (f" and {more} more" if more else "")
    return f"Frame {names} {one}" if len(frames) == 1 else f"Frames {names} {several}"
