"""Hindcasts of the last frame say how far a forecast is trusted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, shift

from nextframe.data.door import Door
from nextframe.data.hindcast import Trust, held_to_hindcasts, middle, trust
from nextframe.forecasting.load import load_run
from nextframe.frames.sequence import FloatArray


@given(seed=st.integers(0, 1000), share=st.floats(0, 1), missing=st.floats(0, 0.5))
def test_shares_are_those_of_the_least_squared_error(seed: int, share: float, missing: float) -> None:
    draw = np.random.default_rng(seed)
    before, moving, forecast = draw.normal(size=(3, 1, 12, 9)).astype(np.float32)
    gone = draw.random(before.shape) < missing
    truth = np.where(gone, np.nan, moving + share * (forecast - moving)).astype(np.float32)
    assert trust(forecast, moving, before, truth).correction == pytest.approx(share, abs=1e-5)
    truth = np.where(gone, np.nan, before + share * (moving - before)).astype(np.float32)
    assert trust(moving, moving, before, truth).change == pytest.approx(share, abs=1e-5)


def test_a_change_the_other_way_is_none_and_one_beyond_what_was_said_is_all_of_it() -> None:
    before = np.zeros((1, 3, 3), np.float32)
    assert trust(before + 1, before + 1, before, before - 2).change == 0
    assert trust(before + 1, before + 1, before, before + 5).change == 1
    assert trust(before, before, before, before + 5) == Trust(1, 1)  # nothing was said


def test_where_the_last_frame_has_no_value_the_forecast_stays() -> None:
    last = np.array([[[np.nan, 1.0]]], np.float32)
    forecast = np.full((2, 1, 1, 2), 3, np.float32)
    held = Trust(change=0.5).apply(forecast, forecast, last)
    np.testing.assert_array_equal(held[:, 0, 0], [[3, 2], [3, 2.5]])


def test_later_lead_times_are_trusted_more_than_the_one_that_was_seen_to_fail() -> None:
    last, moving = np.zeros((1, 1, 1), np.float32), np.full((3, 1, 1, 1), 8, np.float32)
    held = Trust(change=0.5, correction=0.25).apply(moving + 16, moving, last)
    np.testing.assert_allclose(held.ravel(), [0.5 * (8 + 0.25 * 16), *[0.75 * (8 + 0.4375 * 16)] * 2])


def test_of_large_frames_the_middle_tells() -> None:
    draw = np.random.default_rng(0)
    past = draw.random((4, 1, 800, 900)).astype(np.float32)
    rows, columns = middle(past.shape)
    assert (rows.stop - rows.start) * (columns.stop - columns.start) == pytest.approx(400_000, rel=0.01)
    forecast = np.repeat(past[-1:] + 1, 2, axis=0)
    seen = past[-2, :, rows, columns] + 0.5 * (past[-1] - past[-2])[:, rows, columns]
    asked: list[tuple[int, ...]] = []

    def along_motion(frames: FloatArray, lead_times: int) -> tuple[FloatArray, list[None]]:
        asked.append(frames.shape)
        return (forecast if lead_times == 2 else seen[None])[None, None].copy(), [None]

    same = held_to_hindcasts(past[None], 2, along_motion)
    assert same.shape == (1, 1, *forecast.shape)
    assert asked == [(1, *past.shape), (1, 3, *seen.shape)]
    np.testing.assert_allclose(same[0, 0], forecast, rtol=1e-6)  # a hindcast of half the change is trusted whole


def scene() -> FloatArray:
    return np.asarray(gaussian_filter(np.random.default_rng(1).random((64, 80)), 2, mode="wrap"), np.float32)


def clip(offsets: list[tuple[float, float]]) -> FloatArray:
    """A scene seen from a camera at some places, (T, 1, H, W)."""
    picture = scene()
    picture = (picture - picture.min()) / np.ptp(picture) * 255
    return np.stack([shift(picture, offset, order=1, mode="wrap") for offset in offsets])[:, None].astype(np.float32)


def errors(forecast: FloatArray, truth: FloatArray) -> FloatArray:
    return np.asarray(np.square(forecast - truth).mean(axis=(1, 2, 3)))


def test_a_camera_that_shakes_is_forecast_nearer_to_the_last_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    model, draw = load_run("video"), np.random.default_rng(3)
    clips = [clip([tuple(place) for place in draw.normal(scale=2, size=(12, 2))]) for _ in range(4)]
    still = np.mean([errors(np.repeat(frames[6:7], 5, axis=0), frames[7:]) for frames in clips], axis=0)
    ours = np.mean([errors(model.predict(frames[None, :7], 5)[0], frames[7:]) for frames in clips], axis=0)
    monkeypatch.setattr(Door, "proves", False)
    untested = np.mean([errors(model.predict(frames[None, :7], 5)[0], frames[7:]) for frames in clips], axis=0)
    assert (ours <= 1.02 * still).all()
    assert ours.mean() < untested.mean()


def test_a_camera_that_pans_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = clip([(0.5 * n, 1.5 * n) for n in range(12)])
    past, truth = frames[:7], frames[7:]
    model = load_run("video")
    ours = errors(model.predict(past[None], 5)[0], truth)
    monkeypatch.setattr(Door, "proves", False)
    untested = errors(model.predict(past[None], 5)[0], truth)
    assert (ours < 0.5 * errors(np.repeat(past[-1:], 5, axis=0), truth)).all()
    assert (ours < 1.1 * untested).all()


def test_amounts_are_not_held_to_a_hindcast() -> None:
    assert load_run("video").door.proves
    assert load_run("radar-rain").door.coordinates == "adaptive"
    assert not load_run("radar-rain").door.proves
