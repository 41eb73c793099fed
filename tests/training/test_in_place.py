"""Losses in the coordinates of the source: rollouts are moved back as forecasts are, with gradients."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nextframe
from nextframe.config import Coordinates, RunConfig
from nextframe.data.coordinates import motion_for
from nextframe.data.door import Door
from nextframe.data.loading import WindowDataset
from nextframe.data.motion import move_on, ways
from nextframe.data.normalise import Normaliser
from nextframe.data.split import whole_spans
from nextframe.data.windows import cut_windows
from nextframe.errors import ConfigError
from nextframe.frames.sequence import FloatArray
from nextframe.models.build import build_model
from nextframe.runs.manifest import read_manifest, write_manifest
from nextframe.training.in_place import moved_back
from nextframe.training.module import ForecastTraining

PLANES = {"lagrangian": 2, "translated": 2, "adaptive": 12}


def showers(frames: int = 9, height: int = 40, width: int = 48) -> FloatArray:
    """Rain (T, 1, H, W) that moves and grows, some of it missing."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    movie = [
        12 * np.exp(-((y - 15 - 0.7 * t) ** 2 + (x - 12 - 1.6 * t) ** 2) / 30) * (1 + 0.05 * t)
        + 3 * np.exp(-((y - 28) ** 2 + (x - 34 + 0.9 * t) ** 2) / 20)
        for t in range(frames)
    ]
    rain = np.stack(movie)[:, None].astype(np.float32)
    rain[:, :, :3, :5] = np.nan
    return rain


@pytest.mark.parametrize("coordinates", ["lagrangian", "translated", "adaptive"])
def test_rollouts_are_moved_back_as_forecasts_are(coordinates: Coordinates) -> None:
    rain = showers()
    past, forecast = rain[:4], np.nan_to_num(rain[4:])
    motion = motion_for(coordinates, past, skewed=True)
    assert motion is not None
    shares, places = ways(motion, PLANES[coordinates], len(forecast), (slice(0, 40), slice(0, 48)))
    known = torch.from_numpy(np.isfinite(past[-1]))[None]
    said, sure = moved_back(
        torch.from_numpy(forecast)[None], known, torch.from_numpy(shares)[None], torch.from_numpy(places)[None]
    )
    true = move_on(np.where(np.isfinite(past[-1]), forecast, np.nan).astype(np.float32), past[-1], motion)
    where = sure[0].numpy()
    assert where.mean() > 0.5
    inner = where & (shares.max(axis=0) > 0.98)[None, None]  # ways that hardly count are left out
    np.testing.assert_allclose(said[0].numpy()[inner], true[inner], rtol=0.02, atol=0.02)


def test_a_box_is_moved_as_the_whole_is() -> None:
    motion = motion_for("adaptive", showers()[:4], skewed=True)
    _, whole = ways(motion, 12, 3, (slice(0, 40), slice(0, 48)))
    shares, part = ways(motion, 12, 3, (slice(8, 24), slice(10, 34)))
    counted = shares.max(axis=(1, 2)) > 0
    moved = whole[..., 8:24, 10:34] - np.array([8, 10], np.float32)[:, None, None]
    np.testing.assert_allclose(part[counted], moved[counted], atol=1e-3)
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-6)


def test_nothing_that_moves_stays_where_it_is() -> None:
    shares, places = ways(None, 12, 2, (slice(0, 3), slice(0, 4)))
    frames = torch.rand(1, 2, 1, 3, 4)
    known = torch.ones(1, 1, 3, 4, dtype=torch.bool)
    said, sure = moved_back(frames, known, torch.from_numpy(shares)[None], torch.from_numpy(places)[None])
    torch.testing.assert_close(said, frames)
    assert sure.all()


@pytest.mark.parametrize("augment", ["none", "turns-and-amounts"])
def test_an_untrained_residual_has_the_loss_of_the_simple_forecast(augment: str) -> None:
    options = {"model": "stacked", "filters": (2,), "output": "linear", "residual": True, "coordinates": "adaptive"}
    asked = {"loss": "relative-mse", "loss_in": "source", "rollout_training": 1.0, "past": 4, "future": 5}
    config = RunConfig().replace({**options, **asked, "augment": augment})
    door = Door(Normaliser(method="log", offset=(0.2,), scale=(0.5,), bend=(0.3,)), coordinates="adaptive", mask=True)
    source = nextframe.open_source(showers(), missing="mask")
    windows = cut_windows(whole_spans(source), past=4, future=5)
    data = WindowDataset(windows, door.normaliser, coordinates="adaptive", mask=True, in_place=True, cut=24, seed=3)
    batch = torch.utils.data.default_collate([data[0, draw] for draw in range(3)])
    network = build_model(config.model, 1, static_channels=1, masked=True, past=4, future=5)
    training = ForecastTraining(network, config, 1.0, door=door)
    training.behind = 1.0
    training._trainer = type("Trainer", (), {"global_step": 5, "global_rank": 0})()
    losses, valid = training.rollout_losses(training._augmented(batch))
    assert valid.float().mean() > 0.2
    for lead in range(5):
        count = valid[:, lead].sum((1, 2, 3))
        mean = (losses * valid)[:, lead].sum((1, 2, 3)) / count
        torch.testing.assert_close(mean[count > 20], torch.ones(int((count > 20).sum())), rtol=2e-3, atol=0)
    losses.mul(valid).sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_losses_in_the_source_are_of_linear_outputs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="linear output"):
        RunConfig().replace({"loss_in": "source"})


def test_a_run_keeps_how_far_its_network_is_trusted_at_each_lead_time(tmp_path: Path) -> None:
    run, rain = tmp_path / "run", nextframe.open_source(showers(60), missing="mask")
    options: Any = {"filters": (4,), "coordinates": "adaptive", "residual": True, "output": "linear", "loss": "mse"}
    options |= {"past": 4, "future": 5, "epochs": 2, "seed": 1, "out": run}
    nextframe.fit(rain, **options)
    manifest = read_manifest(run / "model.json")
    model = nextframe.load_run(run)
    assert model.door.shrinkage == manifest.shrinkage
    assert len(manifest.shrinkage) == 5
    assert min(manifest.shrinkage) < 1
    (run / "model.json").unlink()
    nextframe.fit(rain, resume=True, **options)  # which writes it again
    assert read_manifest(run / "model.json").shrinkage == manifest.shrinkage
    forecasts = []
    past = np.asarray(rain.sequences[0].read(0, 4))[None]
    for factor in (0.0, 0.5, 1.0):
        write_manifest(run, replace(manifest, shrinkage=(1.0, factor)), parameters=1)
        forecasts.append(nextframe.load_run(run).predict(past, 3))
    none, half, whole = forecasts
    np.testing.assert_array_equal(none[:, 0], whole[:, 0])
    assert manifest.epoch > 0  # or else the network adds nothing
    assert np.nanmax(np.abs(none - whole)[:, 1:]) > 1e-3
    np.testing.assert_allclose(half[:, 1:], (none + whole)[:, 1:] / 2, atol=0.05)  # but where limits hold them
