"""Lagrangian coordinates: what only moves stands still there, and comes back where it belongs."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import nextframe
from nextframe.data.door import Door
from nextframe.data.loading import WindowDataset
from nextframe.data.motion import advect, from_lagrangian, motion_field
from nextframe.data.normalise import Normaliser
from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.forecasting.extrapolation import Extrapolation
from nextframe.frames.sequence import FrameSequence

pytest.importorskip("pysteps")

IDENTITY = Normaliser(method="identity", offset=(0.0,), scale=(1.0,))


def hill(frames: int = 9, size: int = 64) -> np.ndarray:
    """A soft hill that moves by (1, 2) pixels a frame, (T, 1, H, W)."""
    y, x = np.mgrid[:size, :size]
    t = np.arange(frames)[:, None, None]
    distance = (y - 24 - t) ** 2 + (x - 20 - 2 * t) ** 2
    found: np.ndarray = np.exp(-distance / 60).astype(np.float32)[:, None]
    return found


def to_lagrangian(movie: np.ndarray, past: int) -> np.ndarray:
    door = Door(IDENTITY, lagrangian=True)
    return door.align(movie, past, door.motion(movie[:past]))


def test_what_moves_stands_still() -> None:
    movie = hill()
    still = to_lagrangian(movie, 5)
    np.testing.assert_array_equal(still[4], movie[4])  # the last frame seen is its own
    inner = np.s_[..., 12:-12, 12:-12]
    spread = np.abs(still - still[4])[inner].max()
    assert spread < 0.2 * np.abs(movie - movie[4])[inner].max()


def test_the_future_does_not_enter_the_motion() -> None:
    movie = hill()
    other = movie.copy()
    other[5:] = np.random.default_rng(0).random(other[5:].shape)
    np.testing.assert_array_equal(to_lagrangian(movie, 5)[:5], to_lagrangian(other, 5)[:5])


def test_a_round_trip_comes_back() -> None:
    movie = hill()
    motion = motion_field(movie[3:5])
    back = from_lagrangian(to_lagrangian(movie, 5)[5:], motion)
    inner = np.s_[..., 16:-16, 16:-16]
    np.testing.assert_allclose(back[inner], movie[5:][inner], atol=0.06)


def test_without_motion_nothing_changes() -> None:
    constant = np.ones((6, 1, 10, 10), np.float32)
    np.testing.assert_array_equal(to_lagrangian(constant, 4), constant)
    np.testing.assert_array_equal(from_lagrangian(constant, None), constant)
    assert np.isnan(advect(np.full((5, 5), np.nan, np.float32), np.ones((2, 5, 5)), 3)).all()


def test_windows_are_moved_once_and_masked_at_the_border() -> None:
    wide = gaussian_filter(np.random.default_rng(0).random((48, 80)), 2).astype(np.float32)
    panning = np.stack([wide[:, 2 * n : 2 * n + 48] for n in range(9)])[:, None]
    sequence = FrameSequence(values=panning, name="panning")
    windows = cut_windows([Span(sequence, 0, 9)], past=5, future=3)
    data = WindowDataset(windows, IDENTITY, lagrangian=True)
    first, again = data[0], data[0]
    np.testing.assert_array_equal(first["future"], again["future"])
    assert not first["future_valid"].all()  # what came in over the border is not known
    assert first["past_valid"][-1].all()


@pytest.mark.slow
def test_an_untrained_residual_model_is_motion_extrapolation(tmp_path: Path) -> None:
    np.save(tmp_path / "hill.npy", hill(30)[:, 0])
    model = nextframe.fit(
        tmp_path / "hill.npy",
        out=tmp_path / "run",
        progress=False,
        coordinates="lagrangian",
        output="linear",
        residual=True,
        loss="mse",
        learning_rate=1e-30,
        past=4,
        future=3,
        validation=0.3,
        test=0.0,
        filters=(2,),
        epochs=1,
        batch_size=2,
    )
    past = hill()[None, :4]
    np.testing.assert_allclose(model.predict(past, 3), Extrapolation().predict(past, 3), atol=1e-4)
