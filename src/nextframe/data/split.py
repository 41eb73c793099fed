"""Which frames train, which watch the training, and which are kept for verification."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

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


@dataclass(frozen=True, eq=False)
class Split:
    """The three parts of a source; no frame is in two of them."""

    train: tuple[Span, ...]
    """What the weights and the normalisation are fitted on."""
    validation: tuple[Span, ...]
    """What watches the training; empty where none was asked for."""
    test: tuple[Span, ...]
    """What is kept for verification; empty where none was asked for."""

    def __post_init__(self) -> None:
        ranges: dict[int, list[tuple[int, int]]] = {}
        for span in (*self.train, *self.validation, *self.test):
            ranges.setdefault(id(span.sequence), []).append((span.start, span.stop))
        for spans in ranges.values():
            for (_, stop), (start, _) in pairwise(sorted(spans)):
                assert stop <= start, f"frames {start}:{stop} are in two parts"


def split(source: FrameSource, *, validation: float = 0.1, test: float = 0.1, gap: int = 0, minimum: int = 2) -> Split:
    """Divide a source into training, validation and test part, in this order of time.

    Three or more sequences are divided whole, in their order, and a part that is asked for gets at least one. One or
    two sequences are each cut in time, with `gap` frames dropped before each part, because neighbouring frames are so
    alike that a model is otherwise graded on what it has all but seen.

    Args:
        source: the frames; nothing is read.
        validation: share of the sequences, or of a sequence's frames, for validation; 0 for none.
        test: the same for the test.
        gap: frames dropped between two parts of one sequence.
        minimum: frames that the longest span of each part must have.

    Raises:
        ConfigError: shares or a gap that make no sense.
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
    if len(source.sequences) >= 3:
        return _by_sequence(source, validation, test, minimum)
    return _by_time(source, validation, test, gap, minimum)


def _by_sequence(source: FrameSource, validation: float, test: float, minimum: int) -> Split:
    count = len(source.sequences)
    held_out = _held_out(count, validation, test)
    while sum(held_out) > count - 1:  # at least one is left to train on
        held_out[held_out.index(max(held_out))] -= 1
    cuts = [0, count - sum(held_out), count - held_out[1], count]
    spans = [Span(sequence, 0, len(sequence)) for sequence in source.sequences]
    parts = [tuple(spans[a:b]) for a, b in pairwise(cuts)]
    for name, part in zip(("training", "validation", "test"), parts, strict=True):
        longest = max((len(span) for span in part), default=minimum)
        if longest < minimum:
            raise DataError(
                f"the longest sequence of its {name} part is too short",
                where=source.name,
                expected=f"at least {minimum} frames",
                received=longest,
                hint="use longer sequences",
            )
    return Split(*parts)


def _by_time(source: FrameSource, validation: float, test: float, gap: int, minimum: int) -> Split:
    parts: tuple[list[Span], list[Span], list[Span]] = ([], [], [])
    for sequence in source.sequences:
        frames = len(sequence)
        held_out = _held_out(frames, validation, test)
        lengths = [frames - sum(n + gap for n in held_out if n), *held_out]
        for name, length in zip(("training", "validation", "test"), lengths, strict=True):
            if (length or name == "training") and length < minimum:
                raise DataError(
                    f"{frames} frames are too few to split: the {name} part would have {max(length, 0)}",
                    where=sequence.name,
                    expected=f"at least {minimum} frames in each part",
                    hint="use a longer sequence, or change the shares validation and test or the gap",
                )
        start = 0
        for part, length in zip(parts, lengths, strict=True):
            if length:
                part.append(Span(sequence, start, start + length))
                start += length + gap
    return Split(*map(tuple, parts))


def _held_out(count: int, validation: float, test: float) -> list[int]:
    """How many of `count` go to validation and test: the nearest whole number, but one where a share is not zero."""
    return [max(1, round(count * share)) if share else 0 for share in (validation, test)]
