"""Masked arrays: what is masked is missing, wherever an array goes."""

from typing import Any

import numpy as np
import pytest

import nextframe
from nextframe.errors import ConfigError, ShapeError
from nextframe.forecasting.called import Called
from nextframe.frames.masked import unmasked
from nextframe.frames.source import open_source

FRAMES = np.random.default_rng(0).random((6, 8, 9)).astype(np.float32)
HIGH = FRAMES > 0.8


def filled(frames: np.ndarray = FRAMES) -> np.ma.MaskedArray:
    """Frames with a fill value in what is masked, as netCDF4 hands them out."""
    return np.ma.masked_array(np.where(frames > 0.8, np.float32(1e20), frames), frames > 0.8)


def test_masked_frames_of_a_list_are_missing() -> None:
    (sequence,) = open_source([np.ma.masked_array(frame) for frame in filled()]).sequences
    assert sequence.missing == "mask"
    np.testing.assert_array_equal(sequence.read(0, 6)[:, 0], np.where(HIGH, np.nan, FRAMES))
    (mixed,) = open_source([FRAMES[0], filled()[1]]).sequences
    np.testing.assert_array_equal(np.isnan(mixed.read(0, 2)[:, 0]), [np.zeros_like(HIGH[0]), HIGH[1]])


def test_whole_numbers_that_are_masked_are_nan() -> None:
    numbers = np.ma.masked_equal(np.array([[1, 255], [3, 4]], np.uint8), 255)
    np.testing.assert_array_equal(unmasked(numbers), [[1, np.nan], [3, 4]])
    assert unmasked(np.ma.masked_array(np.array([1, 2], np.float32))).dtype == np.float32


@pytest.mark.parametrize("score", ["mae", "bias", "rmse"])
def test_scores_leave_out_what_is_masked(score: str) -> None:
    function = getattr(nextframe.verification, score)
    forecast = FRAMES[::-1].copy()
    plain = function(forecast, np.where(HIGH, np.nan, FRAMES))
    assert function(forecast, filled()) == plain
    assert np.isfinite(plain)


def test_forecasts_that_a_function_masks_are_missing() -> None:
    def last(past: np.ndarray) -> Any:
        return np.ma.masked_array(np.repeat(past[-1:], 2, axis=0), np.repeat(past[-1:] > 0.5, 2, axis=0))

    def holes(past: np.ndarray) -> np.ndarray:
        return np.asarray(last(past).filled(np.nan))

    movies = np.random.default_rng(1).random((3, 4, 1, 8, 8)).astype(np.float32)
    masked, plain = (Called(by, name="last").predict(movies, 2) for by in (last, holes))
    np.testing.assert_array_equal(masked, plain)
    assert np.isnan(masked).any()


def test_lists_of_numbers_are_the_array_that_they_stand_for() -> None:
    (sequence,) = open_source(FRAMES.tolist()).sequences
    np.testing.assert_array_equal(sequence.read(0, 6)[:, 0], FRAMES)
    with pytest.raises(ShapeError, match="lists of differing lengths"):
        open_source([[[1.0, 2.0], [3.0]]])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match=r"names no path \(received keys a\)"):
        open_source({"a": FRAMES})
