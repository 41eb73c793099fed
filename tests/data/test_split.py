"""Splitting: what goes where, that nothing is in two parts, and what cannot be split."""

import itertools
from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextframe.config import DataConfig, Part, RunConfig
from nextframe.data.split import Span, Split, split, split_as
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


HOUR = np.timedelta64(1, "h")


def hourly(*hours: range | list[int]) -> FrameSource:
    """Sequences with a frame at each of these hours of 2020."""
    return FrameSource(
        name="archive",
        sequences=tuple(
            FrameSequence(
                values=np.zeros((len(h), 1, 2, 2), np.uint8),
                name=f"radar[{i}]",
                times=np.datetime64("2020-01-01T00", "ns") + np.array(h) * HOUR,
                time_step=HOUR,
            )
            for i, h in enumerate(hours)
        ),
    )


def named(part: tuple[Span, ...]) -> list[tuple[str, int, int]]:
    return [(span.sequence.name, span.start, span.stop) for span in part]


def test_events_are_divided_whole_in_order_of_time() -> None:
    there = hourly([*range(100, 110), *range(120, 130)], [*range(0, 10), *range(50, 60), *range(200, 210)])
    parts = split(there, by="event", validation=0.2, test=0.2)
    assert named(parts.train) == [("radar[1]", 0, 10), ("radar[1]", 10, 20), ("radar[0]", 0, 10)]
    assert named(parts.validation) == [("radar[0]", 10, 20)]
    assert named(parts.test) == [("radar[1]", 20, 30)]


def test_an_event_too_short_for_a_window_is_no_test_part() -> None:
    there = hourly([*range(0, 50), *range(60, 110), *range(120, 170), 200, 201])
    parts = split(there, by="event", validation=0.1, test=0.1, minimum=15)
    assert named(parts.test) == [("radar[0]", 100, 150), ("radar[0]", 150, 152)]
    assert named(parts.validation) == [("radar[0]", 50, 100)]
    with pytest.raises(DataError, match=r"archive: has too few events .* of 50 frames .*at least 3.*received 2"):
        split(hourly([*range(0, 50), *range(60, 110), 120]), by="event", minimum=50)


@pytest.mark.slow
@given(
    lengths=st.lists(st.integers(1, 40), min_size=3, max_size=12),
    validation=st.floats(0, 0.5),
    test=st.floats(0, 0.49),
    minimum=st.integers(1, 20),
)
def test_no_event_is_in_two_parts_and_every_part_has_a_long_one(
    lengths: list[int], validation: float, test: float, minimum: int
) -> None:
    starts = np.cumsum([0, *(n + 5 for n in lengths)])
    there = hourly([hour for start, n in zip(starts, lengths, strict=False) for hour in range(start, start + n)])
    asked = 1 + (validation > 0) + (test > 0)
    if sum(n >= minimum for n in lengths) < asked:
        with pytest.raises(DataError, match="too few events"):
            split(there, by="event", validation=validation, test=test, minimum=minimum)
        return
    parts = split(there, by="event", validation=validation, test=test, minimum=minimum)
    chosen = [parts.train, parts.validation, parts.test]
    assert [len(span) for part in chosen for span in part] == lengths
    for part, share in zip(chosen, (1, validation, test), strict=True):
        assert max((len(span) for span in part), default=minimum if not share else 0) >= minimum


def test_three_sequences_can_be_cut_in_time_and_two_divided_whole() -> None:
    parts = split(source(20, 20, 20), by="time")
    assert [(s.start, s.stop) for s in parts.test] == [(18, 20)] * 3
    parts = split(source(20, 30), by="sequence", validation=0.5, test=0)
    assert named(parts.train) + named(parts.validation) == [("movie[0]", 0, 20), ("movie[1]", 0, 30)]
    with pytest.raises(
        DataError, match=r"source: has too few sequences to divide .*at least 3.*received 2.*split='time'"
    ):
        split(source(20, 30), by="sequence")
    with pytest.raises(ConfigError, match="split: unknown choice"):
        split(source(20, 30), by="month")  # type: ignore[arg-type]


def test_everything_from_a_date_on_is_the_test_part() -> None:
    there = hourly(range(0, 48), range(44, 60), range(60, 70))
    parts = split(there, test_from=datetime(2020, 1, 2, 20), by="time", validation=0.5, gap=2)
    assert named(parts.test) == [("radar[0]", 44, 48), ("radar[1]", 0, 16), ("radar[2]", 0, 10)]
    assert named(parts.train) == [("radar[0]", 0, 19)]
    assert named(parts.validation) == [("radar[0]", 21, 42)]


def test_an_event_that_reaches_the_date_is_held_out_whole() -> None:
    there = hourly([*range(0, 10), *range(20, 30), *range(40, 50), *range(60, 70)])
    parts = split(there, test_from=datetime(2020, 1, 2, 21), by="event", validation=0.5, test=0)
    assert named(parts.test) == [("radar[0]", 20, 30), ("radar[0]", 30, 40)]
    assert (named(parts.train), named(parts.validation)) == ([("radar[0]", 0, 10)], [("radar[0]", 10, 20)])


@pytest.mark.parametrize(
    ("year", "what"),
    [(2019, "holds no frame before test_from 2019-01-01"), (2021, "holds no frame at or after .*2020-01-01T09")],
)
def test_a_date_beyond_the_frames_is_named(year: int, what: str) -> None:
    with pytest.raises(DataError, match=f"archive: {what}"):
        split(hourly(range(10)), test_from=datetime(year, 1, 1))


def test_a_date_needs_times() -> None:
    with pytest.raises(ConfigError, match=r"test_from: needs frames whose times are known .*movie\[0\]"):
        split(source(20), test_from=datetime(2020, 1, 1))


def test_a_configuration_says_how_to_divide() -> None:
    there = hourly([*range(0, 20), *range(30, 50), *range(60, 80), *range(90, 92)])
    parts = split_as(there, DataConfig(past=5, future=5, split="event", validation=0.3, test=0.3))
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [1, 1, 2]
    parts = split_as(there, DataConfig(past=5, future=5, test_from="2020-01-03T12:00", validation=0.2))
    assert named(parts.test) == [("radar[0]", 40, 62)]
    assert split_as(there, DataConfig()).test[0].start == 56  # a tenth of one sequence, in time


@pytest.mark.parametrize("time", ["July", "2016-13-01", "2016-07-01T00:00+02:00"])
def test_what_is_no_time_is_refused(time: str) -> None:
    with pytest.raises(ConfigError, match=f"test_from: is no time .*2016-07-01T12:00.*received {time[:4]}"):
        DataConfig(test_from=time)


def test_a_date_may_stand_in_a_configuration_file_as_yaml_reads_it() -> None:
    config = RunConfig().replace({"test_from": date(2016, 7, 1)})
    assert config.data.test_from == "2016-07-01"
    assert RunConfig.from_dict(config.to_dict()) == config


def published(*parts: Part | None) -> FrameSource:
    values = np.zeros((4, 1, 2, 2), np.float32)
    sequences = (FrameSequence(values=values, name=f"{n}", part=part) for n, part in enumerate(parts))
    return FrameSource(name="benchmark", sequences=tuple(sequences))


def names(parts: Split) -> list[str]:
    return ["".join(span.sequence.name for span in part) for part in (parts.train, parts.validation, parts.test)]


def test_a_published_split_is_taken() -> None:
    source = published("test", "train", "validation", "train", "test")
    assert names(split(source)) == ["13", "2", "04"]
    assert names(split(source, by="sequence", validation=0.2, test=0.2)) == ["012", "3", "4"]


def test_a_published_split_without_validation_leaves_a_share_of_its_training_part_for_that() -> None:
    source = published("train", "test", "train", "train", "train")
    assert names(split(source, validation=0.3)) == ["023", "4", "1"]
    assert names(split(source, validation=0)) == ["0234", "", "1"]


def test_one_part_alone_is_divided_as_any_source() -> None:
    assert names(split(published("train", "train", "train"), validation=0.3, test=0.3)) == ["0", "1", "2"]


def test_a_published_split_is_refused_where_there_is_none() -> None:
    with pytest.raises(DataError, match="no data set that is published"):
        split(published("train", None, "test"))
    with pytest.raises(DataError, match="no data set that is published"):
        split(published(None, None, None), by="published")
    with pytest.raises(ConfigError, match="twice"):
        split(published("train", "test"), by="published", test_from=datetime(2019, 6, 1))
