"""Motion that has been put to the test: taken where it goes on, left where it does not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nextframe.data.coordinates import motion_for
from nextframe.data.motion import extrapolate, mean_motion, motion_field
from nextframe.data.trusted import PLANES, trusted_motion


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    field = gaussian_filter(np.random.default_rng(seed).standard_normal((height, width)), 2.0)
    return np.asarray(128 + 40 * field / field.std(), np.float32)


def panning(steps: list[int], size: int = 64) -> np.ndarray:
    """Frames (T, 1, H, W) of a camera that has moved to the right by so many pixels at each of them."""
    wide = texture(size, size + 2 * max(map(abs, steps)) + 8)
    middle = max(map(abs, steps)) + 4
    return np.stack([wide[None, :, middle + step : middle + step + size] for step in steps])


def error(past: np.ndarray, truth: np.ndarray, motion: np.ndarray | None) -> float:
    inner = (..., slice(8, -8), slice(16, -16))
    return float(((extrapolate(past, motion, len(truth)) - truth)[inner] ** 2).mean())


def test_what_goes_on_is_followed() -> None:
    frames = panning([2 * n for n in range(10)])
    mixture = trusted_motion(frames[:7])
    assert mixture is not None
    motion = mean_motion(mixture)
    np.testing.assert_allclose(motion[:, 20:44, 20:44].mean(axis=(1, 2)), (-2, 0), atol=0.1)
    assert error(frames[:7], frames[7:], mixture) < 0.1 * error(frames[:7], frames[7:], None)


def test_what_shakes_is_left_where_it_is() -> None:
    frames = panning([0, 2, 0, 2, 0, 2, 0, 2, 0, 2])
    shaken = error(frames[:7], frames[7:], motion_field(frames[5:7]))
    assert error(frames[:7], frames[7:], trusted_motion(frames[:7])) < 0.5 * shaken


def test_each_place_has_its_own_motion() -> None:
    steady, moving = texture(64, 64, 1), panning([3 * n for n in range(10)])
    frames = moving.copy()
    frames[:, :, :32] = steady[:32]
    mixture = trusted_motion(frames[:7])
    assert mixture is not None
    motion = mean_motion(mixture)
    assert np.abs(motion[:, 4:20]).max() < 0.3
    assert motion[0, 48:60, 16:48].mean() < -2.5


def test_a_change_of_light_is_no_motion() -> None:
    hills = 128 + 0.5 * (gaussian_filter(texture(96, 96), 6)[16:80, 16:80] - 128) * 10
    lit = np.stack([(1 + 0.05 * n) * hills for n in range(7)])[:, None]
    plain, mixture = motion_field(lit[5:7]), trusted_motion(lit)
    assert plain is not None
    assert np.abs(plain).mean() > 0.3
    assert mixture is None or np.abs(mean_motion(mixture)).mean() < 0.1 * np.abs(plain).mean()


def test_frames_from_before_a_cut_tell_nothing() -> None:
    frames = panning([2 * n for n in range(10)])
    cut = frames.copy()
    cut[:5] = texture(64, 64, 7)
    mixture = trusted_motion(cut[:7])
    assert mixture is not None
    motion = mean_motion(mixture)
    np.testing.assert_allclose(motion[:, 20:44, 20:44].mean(axis=(1, 2)), (-2, 0), atol=0.2)
    cut[:6] = texture(64, 64, 7)
    assert trusted_motion(cut[:7]) is None


@pytest.mark.slow
def test_large_frames_are_tested_on_coarser_ones() -> None:
    frames = panning([4 * n for n in range(8)], size=400)
    mixture = trusted_motion(frames[:5])
    assert mixture is not None
    motion = mean_motion(mixture)
    assert motion.shape == (2, 400, 400)
    np.testing.assert_allclose(np.median(motion, axis=(1, 2)), (-4, 0), atol=0.1)


def test_where_nothing_moves_or_is_there_no_motion_is_told() -> None:
    assert motion_for("adaptive", panning([0])[:1]) is None
    assert motion_for("adaptive", np.ones((5, 1, 16, 16), np.float32)) is None
    assert motion_for("adaptive", np.full((5, 1, 16, 16), np.nan, np.float32)) is None
    assert motion_for("adaptive", np.ones((5, 2, 1, 9), np.float32)) is None
    gaps = panning([2 * n for n in range(7)])
    gaps[:, :, 10:14, 10:14] = np.nan
    found = motion_for("adaptive", gaps)
    assert found is not None
    assert np.isfinite(found).all()
    assert found.shape == (PLANES, 64, 64)
    np.testing.assert_allclose(found[::3].sum(axis=0), 1)
