"""Split of a source into training, validation and test part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import get_args

import numpy as np

from nextframe.config import DataConfig, Part, SplitBy
from nextframe.errors import ConfigError, DataError
from nextframe.frames.sequence import FrameSequence, FrameSource


@dataclass(frozen=True, eq=False)
class Span:
    """Frames `start` to `stop` (exclusive) of a sequence.

    Raises:
        IndexError: frames that the sequence does not have.
    """

    sequence: FrameSequence
    """The sequence."""
    start: int
    """First frame."""
    stop: int
    """One past the last frame."""

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop <= len(self.sequence):
            raise IndexError(f"frames {self.start}:{self.stop} of a sequence of {len(self.sequence)}")

    def __len__(self) -> int:
        return self.stop - self.start

    def segments(self) -> list[tuple[int, int]]:
        """Stretches (start, stop) of the sequence's frames inside this span, none of them across a gap in time."""
        inside = ((max(start, self.start), min(stop, self.stop)) for start, stop in self.sequence.segments())
        return [(start, stop) for start, stop in inside if start < stop]


def whole_spans(source: FrameSource) -> tuple[Span, ...]:
    """A span for each sequence of a source, all of its frames.

    >>> from nextframe.frames.source import open_source
    >>> [len(span) for span in whole_spans(open_source("squares:movies=2,frames=5"))]
    [5, 5]
    """
    return tuple(Span(sequence, 0, len(sequence)) for sequence in source.sequences)


@dataclass(frozen=True, eq=False)
class Split:
    """The three parts of a source; no frame is in two of them."""

    train: tuple[Span, ...]
    """Training part: weights and normalisation are fitted on it."""
    validation: tuple[Span, ...]
    """Validation part, which watches the training; empty where none was asked for."""
    test: tuple[Span, ...]
    """Test part, kept for verification; empty where none was asked for."""

    def __post_init__(self) -> None:
        ranges: dict[int, list[tuple[int, int]]] = {}
        for span in (*self.train, *self.validation, *self.test):
            ranges.setdefault(id(span.sequence), []).append((span.start, span.stop))
        for spans in ranges.values():
            for (_, stop), (start, _) in pairwise(sorted(spans)):
                assert stop <= start, f"frames {start}:{stop} are in two parts"


def split(
    source: FrameSource,
    *,
    validation: float = 0.1,
    test: float = 0.1,
    gap: int = 0,
    minimum: int = 2,
    by: SplitBy = "auto",
    test_from: datetime | None = None,
    test_source: Sequence[str] = (),
) -> Split:
    """Divide a source into training, validation and test part, in this order of time.

    - "time": each sequence is cut in time, with `gap` frames dropped before each part, because neighbouring frames are
      so alike that a model is otherwise graded on what it has all but seen.
    - "sequence": sequences are divided whole, in their order, and a part that is asked for gets at least one.
    - "event": events are divided whole, in order of time where times are known. An event is a stretch of frames of one
      sequence without a gap in time. A part gets as many events as bring it nearest to its share of the frames of all
      events of at least `minimum` frames, and at least one of these.
    - "source": whole sources are divided, in their order, where there are several; a part that is asked for gets at
      least one.
    - "published": as the data set was published; where that was without a validation part, a share of the training
      part's sequences, the last ones, is for validation.
    - "auto": as "published" where it was, and neither `test_from` nor `test_source` says otherwise; else by "sequence"
      where there are three or more, else by "time".

    Args:
        source: the frames; nothing is read.
        validation: share for validation, of the sequences, or of the frames of each sequence or of all events; 0 for
            none.
        test: the same for the test.
        gap: frames dropped between two parts of one sequence.
        minimum: frames that the longest span of each part must have.
        by: what is divided.
        test_from: all frames from this time on are the test part, and `test` is not heeded; `validation` is then a
            share of the frames before. Of events, one that reaches that time belongs to the test part as a whole.
        test_source: sources with one of these in their names are the test part, and `test` is not heeded.

    Raises:
        ConfigError: shares, a gap or a time that make no sense, or no time that sequences could be told by.
        DataError: a part that was asked for, or the training part, would be empty or too short.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise ConfigError(
            "are not shares that leave something to train on",
            where="validation, test",
            expected="both at least 0, a sum below 1",
            received=(validation, test),
        )
    if gap < 0:
        raise ConfigError("is negative", where="gap", expected="0 or more frames", received=gap)
    if by not in get_args(SplitBy):
        raise ConfigError("unknown choice", where="split", expected=", ".join(get_args(SplitBy)), received=by)
    spans = list(whole_spans(source))
    chosen = test_from is not None or bool(test_source)
    if by == "published" or (by == "auto" and not chosen and len({s.part for s in source.sequences}) > 1):
        if chosen:
            raise ConfigError("names the test part twice", where="split, test_from", hint="leave {split=published} out")
        return _published(source, spans, validation)
    named: tuple[Span, ...] = ()
    if test_source:
        spans, named = _of_sources(source, spans, test_source)
        test = 0
    if by == "event":
        spans = _events(spans)
    later: tuple[Span, ...] = ()
    if test_from is not None:
        spans, later = _from(source, spans, np.datetime64(test_from, "ns"), 0 if by == "event" else gap, by == "event")
        test = 0
    if by == "auto":
        by = "sequence" if len(spans) >= 3 else "time"
    if by == "time":
        parts = _by_time(spans, validation, test, gap, minimum)
    elif by == "source":
        parts = _by_source(source, spans, validation, test)
    else:
        parts = _whole(source, spans, validation, test, minimum, by)
    later = later or named
    return replace(parts, test=later) if later else parts


def _published(source: FrameSource, spans: Sequence[Span], validation: float) -> Split:
    """Parts as the data set has them; see `split`."""
    for sequence in source.sequences:
        if sequence.part is None:
            raise DataError(
                "is of no data set that is published with a split",
                where=sequence.origin or sequence.name,
                hint="divide it otherwise: {split=sequence}",
            )
    parts = {part: [s for s in spans if s.sequence.part == part] for part in get_args(Part)}
    train, held_out = parts["train"], parts["validation"]
    if validation and not held_out and len(train) > 1:
        number = min(_held_out(len(train), validation, 0)[0], len(train) - 1)
        train, held_out = train[:-number], train[-number:]
    if not train:
        raise DataError("has no training part", where=source.name, hint="read all of it: leave {part} out")
    return Split(train=tuple(train), validation=tuple(held_out), test=tuple(parts["test"]))


def split_as(source: FrameSource, config: DataConfig) -> Split:
    """Divide a source as a configuration says; see `split`."""
    return split(
        source,
        validation=config.validation,
        test=config.test,
        gap=config.gap,
        by=config.split,
        test_from=config.held_out_from,
        test_source=config.test_source,
        minimum=config.past + config.future if config.split == "event" else 2,
    )


def _of_sources(
    source: FrameSource, spans: Sequence[Span], names: Sequence[str]
) -> tuple[list[Span], tuple[Span, ...]]:
    """Spans of the other sources, and of those that are named."""
    for name in names:
        if not any(name in origin for origin in source.origins):
            raise ConfigError(
                "is no part of the name of a source",
                where="test_source",
                expected=f"one of {', '.join(source.origins)}" if source.origins else "several sources",
                received=name,
            )
    held = [span for span in spans if any(name in span.sequence.origin for name in names)]
    others = [span for span in spans if span not in held]
    if not others:
        raise DataError("leaves no source to train on", where="test_source", received=", ".join(names))
    return others, tuple(held)


def _by_source(source: FrameSource, spans: Sequence[Span], validation: float, test: float) -> Split:
    """Sources, none of them in two parts."""
    origins = list(dict.fromkeys(span.sequence.origin for span in spans))
    asked = 1 + (validation > 0) + (test > 0)
    if len(origins) < asked:
        raise DataError(
            "has too few sources to divide",
            where=source.name,
            expected=f"at least {asked}, one for each part",
            received=len(origins),
            hint="name more of them in {data}, or divide it in time: {split=time}",
        )
    held_out = _held_out(len(origins), validation, test)
    while sum(held_out) > len(origins) - 1:
        held_out[held_out.index(max(held_out))] -= 1
    cuts = [0, len(origins) - sum(held_out), len(origins) - held_out[1], len(origins)]
    return Split(*(tuple(s for s in spans if s.sequence.origin in origins[a:b]) for a, b in pairwise(cuts)))


def _events(spans: Sequence[Span]) -> list[Span]:
    """Stretches without a gap in time, in order of time where all times are known."""
    events = [Span(span.sequence, start, stop) for span in spans for start, stop in span.segments()]
    starts = [event.sequence.times[event.start] for event in events if event.sequence.times is not None]
    if len(starts) < len(events):
        return events
    return [events[n] for n in np.argsort(np.array(starts), kind="stable")]


def _from(
    source: FrameSource, spans: Sequence[Span], time: np.datetime64, gap: int, whole: bool
) -> tuple[list[Span], tuple[Span, ...]]:
    """Divide spans at a time, with `gap` frames dropped before it: what lies before, and what lies at it or later."""
    before: list[Span] = []
    later: list[Span] = []
    for span in spans:
        times = span.sequence.times
        if times is None:
            raise ConfigError(
                "needs frames whose times are known",
                where="test_from",
                received=span.sequence.name,
                hint="hold out a share instead: {test}",
            )
        cut = span.start + int(np.searchsorted(times[span.start : span.stop], time))
        if whole and cut < span.stop:
            cut = span.start
        stop = cut if cut == span.stop else cut - gap
        if span.start < stop:
            before.append(Span(span.sequence, span.start, stop))
        if cut < span.stop:
            later.append(Span(span.sequence, cut, span.stop))
    ends = [span.sequence.times[span.stop - 1] for span in spans if span.sequence.times is not None]
    last = np.datetime_as_string(max(ends), unit="m")
    for what, part in (("before", before), ("at or after", later)):
        if not part:
            raise DataError(
                f"holds no frame {what} test_from {np.datetime_as_string(time, unit='m')}",
                where=source.name,
                received="later ones alone" if what == "before" else f"frames up to {last}",
                hint="choose another time: {test_from}",
            )
    return before, tuple(later)


def _whole(
    source: FrameSource, spans: Sequence[Span], validation: float, test: float, minimum: int, by: SplitBy
) -> Split:
    """Sequences or events, none of them in two parts."""
    count, asked = len(spans), 1 + (validation > 0) + (test > 0)
    long = count if by == "sequence" else sum(len(span) >= minimum for span in spans)
    if long < asked:
        of = "sequences" if by == "sequence" else f"events (stretches without a gap in time) of {minimum} frames"
        raise DataError(
            f"has too few {of} to divide",
            where=source.name,
            expected=f"at least {asked}, one for each part",
            received=long,
            hint="divide it in time: {split=time}",
        )
    held_out = _nearest(spans, validation, test, minimum) if by == "event" else _held_out(count, validation, test)
    while sum(held_out) > count - 1:  # at least one is left to train on
        held_out[held_out.index(max(held_out))] -= 1
    cuts = [0, count - sum(held_out), count - held_out[1], count]
    parts = [tuple(spans[a:b]) for a, b in pairwise(cuts)]
    for name, part in zip(("training", "validation", "test"), parts, strict=True):
        longest = max((len(span) for span in part), default=minimum)
        if longest < minimum:
            raise DataError(
                f"the longest {by} of its {name} part is too short",
                where=source.name,
                expected=f"at least {minimum} frames",
                received=longest,
                hint="use longer sequences",
            )
    return Split(*parts)


def _nearest(spans: Sequence[Span], validation: float, test: float, minimum: int) -> list[int]:
    """Numbers of the last events that go to validation and test, so that each comes nearest to its share of the frames
    of all events that are long enough, and holds such an event.
    """
    lengths = np.array([len(span) if len(span) >= minimum else 0 for span in spans])
    counts = [0, 0]
    for part, share, others in ((1, test, 1 + (validation > 0)), (0, validation, 1)):
        if share:
            latest_first = lengths[: len(lengths) - sum(counts)][::-1]
            frames, long = np.cumsum(latest_first), np.cumsum(latest_first > 0)
            sound = (long >= 1) & (long <= long[-1] - others)  # the other parts need a long one each, too
            counts[part] = int(np.argmin(np.where(sound, np.abs(frames - share * lengths.sum()), np.inf))) + 1
    return counts


def _by_time(spans: Sequence[Span], validation: float, test: float, gap: int, minimum: int) -> Split:
    parts: tuple[list[Span], list[Span], list[Span]] = ([], [], [])
    for span in spans:
        frames = len(span)
        held_out = _held_out(frames, validation, test)
        lengths = [frames - sum(n + gap for n in held_out if n), *held_out]
        for name, length in zip(("training", "validation", "test"), lengths, strict=True):
            if (length or name == "training") and length < minimum:
                raise DataError(
                    f"{frames} frames are too few to split: the {name} part would have {max(length, 0)}",
                    where=span.sequence.name,
                    expected=f"at least {minimum} frames in each part",
                    hint="use a longer sequence, or change the shares validation and test or the gap",
                )
        start = span.start
        for part, length in zip(parts, lengths, strict=True):
            if length:
                part.append(Span(span.sequence, start, start + length))
                start += length + gap
    return Split(*map(tuple, parts))


def _held_out(count: int, validation: float, test: float) -> list[int]:
    """Numbers of `count` that go to validation and test: the nearest whole number, one where a share is not zero."""
    return [max(1, round(count * share)) if share else 0 for share in (validation, test)]
