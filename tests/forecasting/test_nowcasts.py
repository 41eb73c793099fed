"""Climatology, and pysteps' nowcasts as baselines."""

from importlib.util import find_spec

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nextframe.data.split import Span
from nextframe.errors import ConfigError
from nextframe.forecasting.baselines import make_baseline
from nextframe.forecasting.climatology import Climatology
from nextframe.frames.sequence import FrameSequence

pytestmark = pytest.mark.skipif(find_spec("pysteps") is None, reason="needs pysteps")


def moving_rain(frames: int = 8, size: int = 64) -> np.ndarray:
    """Showers that move by two pixels a frame along x, (1, T, 1, H, W)."""
    noise = np.random.default_rng(0).normal(size=(size, size + 2 * frames))
    showers = np.maximum(gaussian_filter(noise, 4) * 40 - 2, 0)
    movie = [showers[:, 2 * (frames - n) : 2 * (frames - n) + size] for n in range(frames)]
    return np.stack(movie)[None, :, None].astype(np.float32)


@pytest.mark.parametrize(("name", "members"), [("steps", 10), ("anvil", 1), ("linda", 1)])
@pytest.mark.slow
def test_a_nowcast_of_pysteps_moves_the_rain(name: str, members: int) -> None:
    movie = moving_rain()
    past, truth = movie[:, :5], movie[:, 5:]
    forecast, drawn = make_baseline(name).distribution(past, 3)
    assert forecast.shape == truth.shape
    assert drawn.shape == (1, members, *truth.shape[1:])
    assert np.isfinite(drawn).all()
    assert drawn.min() >= 0
    inner = np.s_[..., 12:-12, 12:-12]
    still = np.repeat(past[:, -1:], 3, axis=1)
    error, error_still = (np.abs(f - truth)[inner].mean() for f in (forecast, still))
    assert error < error_still
    np.testing.assert_array_equal(make_baseline(name).predict(past, 3), forecast)  # the same each time


@pytest.mark.parametrize("name", ["steps", "anvil", "linda"])
def test_a_nowcast_of_pysteps_says_what_it_cannot_take(name: str) -> None:
    movie = moving_rain()
    with pytest.raises(ConfigError, match=r"at least \d past frames"):
        make_baseline(name).predict(movie[:, :2], 2)
    with pytest.raises(ConfigError, match="never negative"):
        make_baseline(name).predict(movie - 10, 2)
    dry = np.zeros_like(movie)
    np.testing.assert_array_equal(make_baseline(name).predict(dry, 2), dry[:, :2])


def test_missing_values_keep_what_is_known() -> None:
    movie = moving_rain()
    movie[..., :10] = np.nan
    forecast = make_baseline("steps").predict(movie, 2)
    assert np.isnan(forecast[..., :10]).all()
    assert np.isfinite(forecast[..., 10:]).all()


def test_climatology_is_the_training_parts_mean_and_quantiles() -> None:
    values = np.random.default_rng(0).gamma(1, 2, (100, 1, 5, 6)).astype(np.float32)
    values[:, :, 0, 0] = np.nan
    sequence = FrameSequence(values=values, name="rain", missing="mask")
    climatology = make_baseline("climatology", [Span(sequence, 0, 60)])
    assert isinstance(climatology, Climatology)
    forecast, members = climatology.distribution(values[None, 60:64], 3)
    np.testing.assert_allclose(forecast[0, 2, 0, 1:], values[:60, 0, 1:].mean(0), rtol=1e-5)
    assert np.isnan(forecast[..., 0, 0]).all()
    assert members.shape == (1, 19, 3, 1, 5, 6)
    np.testing.assert_allclose(members[0, 9, 0, 0, 1:], np.median(values[:60, 0, 1:], axis=0), rtol=1e-5)
    with pytest.raises(ConfigError, match="needs a training part"):
        make_baseline("climatology")
    with pytest.raises(ConfigError, match=r"another grid.*leave it out"):
        climatology.predict(values[None, 60:64, :, 1:], 3)


@pytest.mark.parametrize("name", ["steps", "anvil", "linda"])
def test_what_pysteps_cannot_take_is_persistence(name: str) -> None:
    small = moving_rain(size=12)
    np.testing.assert_allclose(make_baseline(name).predict(small, 2), np.repeat(small[:, -1:], 2, axis=1), rtol=1e-6)
    sudden = np.zeros((1, 5, 1, 32, 32), np.float32)
    sudden[0, :4, 0, 10:14, 10:14] = 5
    sudden[0, 4, 0, 10:14, 11:15] = 5
    assert np.isfinite(make_baseline(name).predict(sudden, 2)).all()
