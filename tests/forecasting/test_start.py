"""Starts of forecasts: how many frames are seen, and where the truth is known."""

import numpy as np
import pytest

from nextframe.errors import ConfigError
from nextframe.forecasting.start import on_the_step, start_at
from nextframe.frames.sequence import FrameSequence

MINUTES = np.arange(10) * np.timedelta64(5, "m")


def sequence(times: np.ndarray | None = None) -> FrameSequence:
    values = np.arange(10, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 2, 2), np.float32)
    return FrameSequence(values=values, name="frames", times=times)


def test_it_sees_the_frames_before_and_knows_those_after() -> None:
    start = start_at(sequence(), 4, past=3, lead_times=6)
    assert start.truth is not None
    assert start.past.read(0, 3)[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert start.truth.read(0, 6)[:, 0, 0, 0].tolist() == [4, 5, 6, 7, 8, 9]
    assert start_at(sequence(), 4, past=3, lead_times=7).truth is None


def test_beyond_the_end_there_is_no_truth() -> None:
    start = start_at(sequence(), 10, past=20, lead_times=1)
    assert len(start.past) == 10
    assert start.truth is None


def test_neither_past_nor_truth_reaches_across_a_gap() -> None:
    times = np.datetime64("2020-01-01T00:00", "ns") + MINUTES
    times[5:] += np.timedelta64(1, "h")
    gapped = sequence(times)
    assert start_at(gapped, 5, past=7, lead_times=2).truth is None
    assert start_at(gapped, 7, past=7, lead_times=2).past.first == 5


@pytest.mark.parametrize("first", [-1, 0, 11])
def test_a_frame_without_one_before_it_is_refused(first: int) -> None:
    with pytest.raises(ConfigError, match=rf"frame {first} cannot be forecast \(expected 1 to 10"):
        start_at(sequence(), first, past=3, lead_times=2)


def test_a_forecast_of_no_frame_is_refused() -> None:
    with pytest.raises(ConfigError, match="lead_times: asks for no frame"):
        start_at(sequence(), 3, past=3, lead_times=0)


def storm(minutes: list[float]) -> FrameSequence:
    """A hill that moves by two pixels a frame of five minutes, seen at these times."""
    y, x = np.mgrid[:32, :48]
    times = np.datetime64("2020-01-01", "ns") + np.array([round(m * 60) for m in minutes]) * np.timedelta64(1, "s")
    values = np.stack([np.exp(-((y - 16) ** 2 + (x - 12 - 2 * m / 5) ** 2) / 40) for m in minutes])
    return FrameSequence(values=values[:, None].astype(np.float32), name="storm", times=times)


@pytest.mark.parametrize("missing", [5, 10, 15])
def test_a_missing_frame_is_found_by_the_step_of_the_training_and_filled_along_the_motion(missing: int) -> None:
    whole = storm([0, 5, 10, 15, 20])
    gapped = storm([m for m in (0, 5, 10, 15, 20) if m != missing])
    start = start_at(gapped, 4, past=5, lead_times=1, step=300.0)
    assert start.places == tuple(place for place in range(-4, 1) if 20 + 5 * place != missing)
    filled, number = on_the_step(start.past, start.places)
    assert number == 1
    assert whole.times is not None
    np.testing.assert_array_equal(filled.times, whole.times)
    np.testing.assert_allclose(filled.read(0, 5), whole.read(0, 5), atol=0.12)
    still = (whole.read(0, 5)[missing // 5 - 1] + whole.read(0, 5)[missing // 5 + 1]) / 2
    error = np.abs(filled.read(0, 5) - whole.read(0, 5)).max()
    assert error < 0.7 * np.abs(still - whole.read(0, 5)[missing // 5]).max()


def test_of_three_frames_the_middle_of_four_is_missing_though_their_median_step_says_otherwise() -> None:
    start = start_at(storm([0, 10, 15]), 3, past=4, lead_times=1, step=300.0)
    assert start.places == (-3, -1, 0)
    assert start.past.time_step == np.timedelta64(5, "m")
    assert start_at(storm([0, 10, 15]), 3, past=2, lead_times=1, step=300.0).places == (-1, 0)


def test_a_gap_is_looked_across_only_where_frames_are_needed() -> None:
    start = start_at(storm([0, 10, 15, 20]), 4, past=3, lead_times=1, step=300.0)
    assert start.places == (-2, -1, 0)
    assert on_the_step(start.past, start.places) == (start.past, 0)


def test_a_frame_that_holds_nothing_is_filled_as_one_that_is_missing() -> None:
    whole = storm([0, 5, 10, 15])
    values = whole.read(0, 4).copy()
    values[1] = np.nan
    void = FrameSequence(values=values, name="void", times=whole.times, missing="mask")
    filled, number = on_the_step(void, (-3, -2, -1, 0))
    assert number == 1
    np.testing.assert_allclose(filled.read(0, 4), whole.read(0, 4), atol=0.12)


def test_frames_are_picked_where_several_steps_make_one_of_the_training() -> None:
    often = storm([2.5 * n for n in range(9)])
    start = start_at(often, 9, past=4, lead_times=1, step=300.0)
    assert start.places == (-3, -2, -1, 0)
    assert start.past.times is not None
    assert often.times is not None
    np.testing.assert_array_equal(start.past.times, often.times[[2, 4, 6, 8]])
    begun = start_at(often, 4, past=2, lead_times=2, step=300.0)
    assert begun.truth is not None
    np.testing.assert_array_equal(begun.truth.times, often.times[[5, 7]])


@pytest.mark.parametrize("step", [3.0, 2.0, 10.0])
def test_a_step_that_does_not_go_into_the_training_s_is_kept(step: float) -> None:
    start = start_at(storm([step * n for n in range(9)]), 9, past=4, lead_times=1, step=300.0)
    assert start.past.time_step == np.timedelta64(int(step), "m")
    assert start.places == (-3, -2, -1, 0)


@pytest.mark.parametrize(("past", "seen"), [(4, [10, 20, 25, 30]), (3, [20, 25, 30])])
def test_where_the_first_frame_to_see_is_missing_the_one_before_it_is_seen(past: int, seen: list[float]) -> None:
    frames = storm([0, 5, 10, 20, 25, 30])
    start = start_at(frames, 6, past=past, lead_times=2, step=300.0)
    minutes = (np.asarray(start.past.times) - np.datetime64("2020-01-01", "ns")) / np.timedelta64(1, "m")
    assert minutes.tolist() == seen
    filled, number = on_the_step(start.past, start.places)
    assert number == (past == 4)
    assert len(filled) == past + number  # the one before may be left out once the gap is filled
    np.testing.assert_allclose(filled.read(0, len(filled))[-3:], frames.read(3, 6))
