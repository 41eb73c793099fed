"""A trained model in source units: normalisation in and out, missing values, wrong frames."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nextframe.config import RunConfig
from nextframe.data.limits import Limits
from nextframe.data.normalise import Normaliser
from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.models.build import build_model
from nextframe.models.rollout import rollout
from nextframe.runs.manifest import Manifest


def forecaster(channels: int = 1) -> ModelForecaster:
    torch.manual_seed(0)
    config = RunConfig().replace({"filters": (4,)})
    manifest = Manifest(
        config=config,
        normaliser=Normaliser(method="range", offset=(200.0,) * channels, scale=(50.0,) * channels),
        threshold=225.0,
        channels=channels,
        height=10,
        width=12,
        variables=tuple(f"v{n}" for n in range(channels)),
        units=("K",) * channels,
    )
    return ModelForecaster(build_model(config.model, channels), manifest)


def test_values_come_in_and_leave_in_source_units() -> None:
    model = forecaster()
    past = np.random.default_rng(0).uniform(200, 250, (2, 3, 1, 10, 12)).astype(np.float32)
    forecast = model.predict(past, 4)
    with torch.inference_mode():
        inner = rollout(model.model, torch.from_numpy((past - 200) / 50), 4).numpy()
    np.testing.assert_allclose(forecast, inner * 50 + 200, rtol=1e-5)
    assert forecast.min() > 200
    assert forecast.max() < 250


def test_missing_values_are_taken_and_the_rest_still_counts() -> None:
    model = forecaster()
    past = np.full((1, 3, 1, 10, 12), 220, np.float32)
    past[..., :5] = np.nan
    past[0, 1, 0, 0, 0] = 220  # seen once
    forecast = model.predict(past, 2)
    assert np.isfinite(forecast[..., 5:]).all()
    assert np.isfinite(forecast[..., 0, 0]).all()
    assert np.isnan(forecast[..., 1:, :5]).all()
    with pytest.raises(DataError, match="no valid value"):
        model.predict(np.full_like(past, np.nan), 2)


def test_other_frame_sizes_are_taken_and_other_channels_are_not() -> None:
    model = forecaster()
    assert model.predict(np.full((1, 2, 1, 37, 53), 220, np.float32), 1).shape == (1, 1, 1, 37, 53)
    with pytest.raises(ShapeError, match=r"another number of channels.*expected 1 \(v0\), received 3"):
        model.predict(np.full((1, 2, 3, 10, 12), 220, np.float32), 1)


def test_networks_move_to_a_device_and_unknown_ones_are_refused() -> None:
    model = forecaster()
    past = np.full((1, 2, 1, 10, 12), 220, np.float32)
    np.testing.assert_array_equal(model.to("cpu").predict(past, 1), forecaster().predict(past, 1))
    with pytest.raises(ConfigError, match="device: this machine cannot compute there"):
        model.to("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="cuda"):
            model.to("cuda")


def test_each_channel_is_held_to_its_own_range() -> None:
    model = forecaster(channels=3)
    limits = Limits(low=(0.0, None, 0.0), high=(255.0, None, 1.0), least=(None,) * 3)
    model.manifest = replace(model.manifest, limits=limits)
    assert model.manifest.tops == (255.0, None, 1.0)
    past = np.broadcast_to(np.array([250, -3000, 0.5], np.float32)[:, None, None], (1, 2, 3, 10, 12)).copy()
    past[0, 0, 2, 0, 0] = np.nan
    model.check_frames(past)
    past[0, 1, 2, 3, 3] = 100
    with pytest.raises(DataError, match=r"values from 0 to 1 \(received values from 0.5 to 100 of v2\)"):
        model.check_frames(past)
