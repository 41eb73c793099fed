"""Starts of forecasts: how many frames are seen, and where the truth is known."""

import numpy as np
import pytest

from nextframe.errors import ConfigError
from nextframe.forecasting.start import start_at
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
