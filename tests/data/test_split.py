"""Splitting: what goes where, that nothing is in two parts, and what cannot be split."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextframe.data.split import Span, Split, split
from nextframe.errors import ConfigError, DataError
from nextframe.frames.sequence import FrameSequence, FrameSource


def source(*lengths: int, times: np.ndarray | None = None) -> FrameSource:
    return FrameSource(
        name="source",
        sequences=tuple(
            FrameSequence(values=np.zeros((n, 1, 2, 2), np.uint8), name=f"movie[{i}]", times=times)
            for i, n in enumerate(lengths)
        ),
    )


def frames(part: tuple[Span, ...]) -> set[tuple[str, int]]:
    return {(span.sequence.name, i) for span in part for i in range(span.start, span.stop)}


def test_the_tutorials_thousand_movies() -> None:
    parts = split(source(*[15] * 1000), validation=0.05, test=0)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (950, 50, 0)
    assert parts.train[0].sequence.name == "movie[0]"
    assert parts.validation[0].sequence.name == "movie[950]"


def test_one_sequence_is_cut_in_time_with_a_gap_before_each_part() -> None:
    parts = split(source(100), validation=0.1, test=0.2, gap=3)
    spans = [(s.start, s.stop) for part in (parts.train, parts.validation, parts.test) for s in part]
    assert spans == [(0, 64), (67, 77), (80, 100)]


def test_two_sequences_are_each_cut_in_time() -> None:
    parts = split(source(20, 40), validation=0.1, test=0.1)
    assert [(s.sequence.name, s.start, s.stop) for s in parts.test] == [("movie[0]", 18, 20), ("movie[1]", 36, 40)]


def test_three_sequences_serve_three_parts() -> None:
    parts = split(source(9, 9, 9))
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [1, 1, 1]


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    validation=st.floats(0, 0.6),
    test=st.floats(0, 0.39),
    gap=st.integers(0, 4),
)
def test_parts_are_disjoint_in_order_and_there_when_asked_for(
    lengths: list[int], validation: float, test: float, gap: int
) -> None:
    there = source(*lengths)
    try:
        parts = split(there, validation=validation, test=test, gap=gap)
    except DataError:
        assert len(lengths) < 3 or min(lengths) < 2
        return
    sets = [frames(part) for part in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, sets)) == len(set.union(*sets))
    assert [bool(s) for s in sets] == [True, validation > 0, test > 0]
    order = {sequence.name: i for i, sequence in enumerate(there.sequences)}
    if len(lengths) >= 3:  # whole sequences, in order
        positions = [
            [order[span.sequence.name] for span in part] for part in (parts.train, parts.validation, parts.test)
        ]
        assert list(itertools.chain.from_iterable(positions)) == list(range(len(lengths)))
        assert len(set.union(*sets)) == sum(lengths)
    else:
        asked = (validation > 0) + (test > 0)
        assert len(set.union(*sets)) == sum(lengths) - len(lengths) * asked * gap


@pytest.mark.parametrize("shares", [{"validation": 0.6, "test": 0.4}, {"validation": -0.1}, {"test": 1.0}, {"gap": -1}])
def test_shares_that_make_no_sense_are_named(shares: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"validation, test|gap"):
        split(source(100), **shares)  # type: ignore[arg-type]


def test_too_few_frames_are_named_by_part() -> None:
    with pytest.raises(
        DataError, match=r"movie\[0\]: 10 frames are too few to split: the validation part would have 1"
    ):
        split(source(10))
    with pytest.raises(DataError, match="training part would have 0"):
        split(source(10), validation=0.2, test=0.2, gap=10)
    with pytest.raises(DataError, match=r"longest sequence of its test part .*received 1\)"):
        split(source(9, 9, 1))
    with pytest.raises(DataError, match="at least 12 frames in each part"):
        split(source(100), minimum=12)


def test_a_split_with_a_frame_in_two_parts_cannot_be_made() -> None:
    sequence = source(10).sequences[0]
    with pytest.raises(AssertionError, match="two parts"):
        Split((Span(sequence, 0, 6),), (Span(sequence, 5, 8),), ())
    with pytest.raises(IndexError):
        Span(sequence, 5, 11)


def test_the_segments_of_a_span_stop_at_its_ends_and_at_gaps() -> None:
    hours = np.array([0, 1, 2, 5, 6, 7, 8, 12, 13])
    times = np.datetime64("2020-01-01T00", "ns") + hours * np.timedelta64(1, "h")
    sequence = source(9, times=times).sequences[0]
    assert Span(sequence, 1, 8).segments() == [(1, 3), (3, 7), (7, 8)]
    assert Span(sequence, 4, 6).segments() == [(4, 6)]
