"""Windows: as many as fit, none across a gap or out of its span, and read lazily."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextframe.data.split import Span
from nextframe.data.windows import cut_windows, windows_with_past
from nextframe.errors import ConfigError, DataError
from nextframe.frames.sequence import FrameSequence

HOUR = np.timedelta64(1, "h")


def counting(hours: np.ndarray, name: str = "hours.nc") -> FrameSequence:
    """Frames whose values tell their hour."""
    values = np.broadcast_to(hours[:, None, None, None], (len(hours), 1, 2, 3)).astype(np.float32)
    times = np.datetime64("2020-01-01T00", "ns") + hours * HOUR
    return FrameSequence(values=values, name=name, times=times, time_step=HOUR)


@st.composite
def sequences(draw: st.DrawFn) -> FrameSequence:
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 2, 5]), max_size=30))
    return counting(np.cumsum([0, *steps]))


@given(data=st.data(), past=st.integers(1, 5), future=st.integers(1, 5), stride=st.integers(1, 4))
@pytest.mark.slow
def test_all_windows_that_fit_and_no_other(data: st.DataObject, past: int, future: int, stride: int) -> None:
    spans = []
    for sequence in data.draw(st.lists(sequences(), min_size=1, max_size=3)):
        start = data.draw(st.integers(0, len(sequence) - 1))
        spans.append(Span(sequence, start, data.draw(st.integers(start + 1, len(sequence)))))

    expected = []  # by brute force: every start of every span, counted anew behind each gap
    for which, span in enumerate(spans):
        hours = span.sequence.values[:][:, 0, 0, 0]
        behind_gap = span.start
        for start in range(span.start, span.stop):
            if start > span.start and hours[start] - hours[start - 1] > 1:
                behind_gap = start
            stop = start + past + future
            whole = stop <= span.stop and hours[stop - 1] - hours[start] == past + future - 1
            if whole and (start - behind_gap) % stride == 0:
                expected.append((which, start))

    if not expected:
        with pytest.raises(DataError, match="holds no window"):
            cut_windows(spans, past=past, future=future, stride=stride)
        return
    windows = cut_windows(spans, past=past, future=future, stride=stride)
    assert len(windows) == len(expected)
    for window, (which, start) in zip(windows, expected, strict=True):
        assert window.sequence is spans[which].sequence
        assert (window.start, window.stop) == (start, start + past + future)
        before, after = window.read()
        assert before.shape == (past, 1, 2, 3)
        assert after.shape == (future, 1, 2, 3)
        hours = np.concatenate([before, after])[:, 0, 0, 0]
        assert (np.diff(hours) == 1).all()
        assert window.init_time == np.datetime64("2020-01-01T00") + int(before[-1, 0, 0, 0]) * HOUR


def test_windows_are_indexed_as_sequences_are() -> None:
    windows = cut_windows([Span(counting(np.arange(10)), 0, 10)], past=2, future=1)
    assert [w.start for w in windows[-2:]] == [6, 7]
    assert windows[-1].start == 7
    for outside in (8, -9):
        with pytest.raises(IndexError):
            windows[outside]


def test_a_million_windows_cost_next_to_nothing_and_read_nothing() -> None:
    class Untouchable:
        shape = (1_000_014, 1, 2000, 2000)
        dtype = np.dtype(np.float32)

        def __getitem__(self, frames: slice, /) -> np.ndarray:
            raise AssertionError("was read")

    sequence = FrameSequence(values=Untouchable(), name="huge.zarr")
    windows = cut_windows([Span(sequence, 0, len(sequence))], past=7, future=8)
    assert len(windows) == 1_000_000
    assert windows[999_999].start == 999_999
    assert windows[0].init_time is None


def test_windows_travel_to_other_processes() -> None:
    windows = cut_windows([Span(counting(np.arange(10)), 2, 10)], past=2, future=2)
    copy = pickle.loads(pickle.dumps(windows))
    np.testing.assert_array_equal(copy[3].read()[1], windows[3].read()[1])


def test_missing_values_stay_nan() -> None:
    values = np.arange(24, dtype=np.float32).reshape(6, 1, 2, 2)
    values[3, 0, 0, 0] = np.nan
    sequence = FrameSequence(values=values, name="holes.nc", missing="mask")
    past, future = cut_windows([Span(sequence, 0, 6)], past=2, future=2)[0].read()
    assert np.isfinite(past).all()
    assert np.isnan(future).sum() == 1


def test_too_short_says_how_long_it_would_have_to_be() -> None:
    spans = [Span(counting(np.array([0, 1, 2, 3, 9, 10])), 0, 6)]
    with pytest.raises(DataError, match=r"hours\.nc: holds no window.*3 \+ 2 = 5 frames, received 4 frames"):
        cut_windows(spans, past=3, future=2)
    with pytest.raises(DataError, match=r"hours\.nc and 1 more"):
        cut_windows([*spans, Span(counting(np.arange(3), "short.nc"), 0, 3)], past=3, future=2)
    with pytest.raises(DataError, match="this part: holds no window"):
        cut_windows([], past=3, future=2)
    video = counting(np.arange(120))
    with pytest.raises(DataError, match=r"a share of at least 0\.125$"):
        cut_windows([Span(video, 108, 120)], past=7, future=8)
    for wrong in ({"past": 0}, {"future": 0}, {"stride": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            cut_windows(spans, **{"past": 1, "future": 1, **wrong})  # type: ignore[arg-type]


def test_windows_whose_past_holds_no_value_are_told_apart() -> None:
    values = np.ones((12, 1, 2, 2), np.float32)
    values[4:7] = np.nan
    values[5, 0, 1, 1] = 3
    values[9:] = np.nan
    sequence = FrameSequence(values=values, name="radar", missing="mask")
    windows = cut_windows([Span(sequence, 0, 12)], past=1, future=1)
    assert [w.start for w in windows_with_past(windows)] == [0, 1, 2, 3, 5, 7, 8]
    windows = cut_windows([Span(sequence, 0, 12)], past=2, future=1)
    assert [w.start for w in windows_with_past(windows)] == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_without_missing_values_nothing_is_read_to_tell() -> None:
    windows = cut_windows([Span(counting(np.arange(10)), 0, 10)], past=2, future=1)
    assert windows_with_past(windows) is windows
