"""Trainings on amounts: errors are those of the amounts, and windows of heavy and of light rain count alike."""

import numpy as np
import pytest
import torch

from nextframe.config import RunConfig
from nextframe.data.coordinates import motion_for
from nextframe.data.door import Door
from nextframe.data.motion import extrapolate
from nextframe.data.normalise import Normaliser
from nextframe.frames.sequence import FloatArray
from nextframe.models.build import build_model
from nextframe.training.module import ForecastTraining
from nextframe.training.skill import Shrunk


def test_share_of_windows_does_not_know_how_heavy_they_are() -> None:
    truth = torch.rand(2, 3, 1, 4, 4)
    forecast, simple = truth + 0.1, truth + 0.2
    scale = torch.tensor([1.0, 50.0]).view(2, 1, 1, 1, 1)
    valid = torch.ones_like(truth, dtype=torch.bool)
    found = Shrunk(3, shrinks=False, by_window=True)
    found.update(forecast * scale, simple * scale, truth * scale, valid, torch.tensor([1e-12]))
    torch.testing.assert_close(found.compute()["share"], torch.full((3,), 0.25, dtype=torch.float64), rtol=1e-3, atol=0)


def test_a_window_without_change_decides_nothing() -> None:
    truth = torch.zeros(1, 1, 1, 2, 2)
    found = Shrunk(1, shrinks=False, by_window=True)
    found.update(truth + 0.01, truth, truth, torch.ones_like(truth, dtype=torch.bool), torch.tensor([1.0]))
    found.update(truth + 1, truth + 2, truth, torch.ones_like(truth, dtype=torch.bool), torch.tensor([1.0]))
    assert found.compute()["share"].item() == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("by_window", [False, True])
def test_shrinkage_has_the_least_error_of_all_factors_and_is_at_no_lead_time_worse_than_none(by_window: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    truth, simple = torch.rand(2, 5, 4, 1, 8, 8, generator=draw)
    noise = torch.rand(truth.shape, generator=draw) - 0.5
    wanted = torch.tensor([0.0, 0.4, 1.0, 2.0]).view(1, 4, 1, 1, 1)  # the share of what is added that is right
    forecast = simple + wanted * (truth - simple) + (wanted < 1) * noise
    valid = torch.rand(truth.shape, generator=draw) > 0.2
    found = Shrunk(4, shrinks=True, by_window=by_window)
    found.update(forecast, simple, truth, valid, torch.tensor([1e-9]))
    best = found.compute()
    factors = best["factors"]
    assert factors[0] < 0.1 < factors[1] < 1
    torch.testing.assert_close(factors[2:], torch.tensor([1.0, 0.5], dtype=torch.float64))

    def errors(factor: torch.Tensor) -> torch.Tensor:
        mixed = simple + factor.view(1, 4, 1, 1, 1) * (forecast - simple)
        squared: torch.Tensor = (mixed - truth).square() * valid
        return squared.sum((0, 2, 3, 4)) / valid.sum((0, 2, 3, 4))

    torch.testing.assert_close(best["mse"], errors(factors).double(), rtol=1e-4, atol=1e-6)
    assert (best["mse"] <= best["simple"]).all()
    if not by_window:
        for other in (0.0, 0.2, 0.6, 1.0):
            assert (best["mse"] <= errors(torch.full((4,), other)) + 1e-6).all()


def test_relative_errors_of_logarithms_are_those_of_the_amounts() -> None:
    config = RunConfig().replace(
        {"model": "stacked", "filters": (2,), "output": "linear", "residual": True, "loss": "relative-mse"}
    )
    door = Door(Normaliser(method="log", offset=(0.2,), scale=(0.5,), bend=(0.3,)))
    training = ForecastTraining(build_model(config.model, 1), config, 1.0, door=door)
    before, truth, said = torch.rand(3, 1, 2, 1, 5, 5).mul(10).unbind(0)
    valid = torch.ones_like(truth, dtype=torch.bool)
    ranged = [door.normaliser.apply(x) for x in (said, truth, before)]
    loss = training._loss(ranged[0], ranged[1], valid, ranged[2], valid)
    change = (truth - before).square().mean((2, 3, 4), keepdim=True)
    torch.testing.assert_close(loss, (said - truth).square() / change, rtol=1e-4, atol=1e-5)


def test_motion_of_light_rain_is_found_beside_a_heavy_cell_that_stands() -> None:
    y, x = np.mgrid[:64, :96].astype(np.float32)
    random = np.random.default_rng(0)
    light = np.kron(random.random((16, 48)), np.ones((4, 4)))[:64, :].astype(np.float32)  # 64 x 192

    def frame(n: int) -> FloatArray:
        rain = light[:, 2 * n : 2 * n + 96]  # moves to the left by two pixels a frame
        return np.asarray(rain + 80 * np.exp(-((y - 32) ** 2 + (x - 70) ** 2) / 30), np.float32)

    past = np.stack([frame(n) for n in range(4)])[:, None]
    truth = frame(5)
    near = np.zeros((64, 96), bool)
    near[10:54, 35:60] = True

    def error(skewed: bool) -> float:
        said = extrapolate(past, motion_for("lagrangian", past, skewed=skewed), 2)[-1, 0]
        return float(((said - truth)[near] ** 2).mean())

    assert error(True) < 0.7 * error(False)


def test_usual_errors_are_of_any_number_of_lead_times() -> None:
    """A model of twelve lead times is tuned to windows of two, or of more."""
    config = RunConfig().replace(
        {"filters": (2,), "output": "linear", "loss": "relative-mse", "loss_scale": (1.0, 2.0, 3.0)}
    )
    training = ForecastTraining(build_model(config.model, 1), config, 1.0)
    assert training._usual(2).flatten().tolist() == [1.0, 2.0]
    assert training._usual(5).flatten().tolist() == [1.0, 2.0, 3.0, 3.0, 3.0]
