"""Training losses against their definitions."""

import numpy as np
import pytest
import torch

from nextframe.config import RunConfig, TrainingConfig
from nextframe.data.normalise import Normaliser
from nextframe.errors import ConfigError
from nextframe.models.build import build_model
from nextframe.training.losses import balanced_weights, change, elementwise_loss, fourier_loss
from nextframe.training.module import ForecastTraining


@pytest.mark.parametrize("method", ["identity", "log"])
def test_balanced_losses_weigh_by_the_true_rain_rate(method: str) -> None:
    rain = np.array([0, 1.9, 2, 4, 5, 9, 10, 29, 30, 80], np.float32).reshape(1, 1, 1, 1, -1)
    expected = [1, 1, 2, 2, 5, 5, 10, 10, 30, 30]
    normaliser = Normaliser(method=method, offset=(0.0,), scale=(1.0,), bend=(0.5,))  # type: ignore[arg-type]
    training = TrainingConfig()
    thresholds = torch.tensor([normaliser.apply_scalar(value) for value in training.loss_thresholds])
    target = torch.from_numpy(normaliser.apply(rain))
    weights = balanced_weights(target, thresholds, torch.tensor(training.loss_weights))
    assert weights.ravel().tolist() == expected


def test_balanced_losses_are_the_plain_ones_before_their_weights() -> None:
    logits, target = torch.randn(2, 3), torch.rand(2, 3)
    for name in ("mse", "mae"):
        plain = elementwise_loss(logits, target, name, "linear")
        torch.testing.assert_close(elementwise_loss(logits, target, f"balanced-{name}", "linear"), plain)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("thresholds", "weights"), [((1.0,), (1.0,)), ((2.0, 1.0), (1.0, 2.0, 3.0)), ((1.0,), (1.0, -1.0))]
)
def test_weights_that_do_not_fit_their_thresholds(thresholds: tuple[float, ...], weights: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="do not fit each other"):
        TrainingConfig(loss_thresholds=thresholds, loss_weights=weights)


def test_a_relative_loss_of_persistence_is_one_in_every_frame_of_every_window() -> None:
    options = {"loss": "relative-mse", "output": "linear", "residual": True, "filters": (2,), "norm": "none", "past": 4}
    config = RunConfig().replace(options)
    training = ForecastTraining(build_model(config.model, 1), config, 0.5)
    frames = torch.randn(3, 7, 1, 6, 5) * torch.tensor([0.1, 1.0, 30.0]).view(3, 1, 1, 1, 1)  # quiet and lively
    valid = torch.rand(frames.shape) > 0.2
    frames = frames * valid
    batch = {"past": frames[:, :4], "future": frames[:, 4:], "past_valid": valid[:, :4], "future_valid": valid[:, 4:]}
    with torch.no_grad():  # before it is trained a residual forecast is persistence
        for losses, counted in (training.losses(batch, None), training.rollout_losses(batch)):
            before = valid[:, 3:4] if losses.shape[1] == 3 else valid[:, :6]
            known = counted & before
            mean = (losses * known).sum((2, 3, 4)) / known.sum((2, 3, 4))
            torch.testing.assert_close(mean, torch.ones_like(mean))


def test_a_window_without_a_change_has_a_relative_loss() -> None:
    still = torch.ones(1, 2, 1, 3, 3)
    scale = change(still, still, torch.ones_like(still, dtype=torch.bool))
    assert torch.isfinite(elementwise_loss(still + 1, still, "relative-mse", "linear", scale=scale)).all()


def test_a_sharp_frame_in_the_wrong_place_is_worth_more_late_and_a_blurred_one_early() -> None:
    draw = torch.Generator().manual_seed(0)
    truth = (torch.rand(2, 3, 1, 24, 24, generator=draw) > 0.9).float()
    valid = torch.ones_like(truth, dtype=torch.bool)
    blurred = torch.nn.functional.avg_pool2d(truth.flatten(0, 2), 5, stride=1, padding=2).view_as(truth)
    elsewhere = truth.roll(9, -1)
    for done, better, worse in ((0.0, blurred, elsewhere), (1.0, elsewhere, blurred)):
        good, bad = (fourier_loss(frames, truth, valid, done).mean() for frames in (better, worse))
        assert good < bad
    np.testing.assert_allclose(fourier_loss(truth, truth, valid, 0.5), 0, atol=1e-6)


def test_what_is_missing_takes_no_part_in_the_fourier_loss_and_dry_frames_have_gradients() -> None:
    truth, valid = torch.zeros(2, 1, 1, 8, 8), torch.ones(2, 1, 1, 8, 8, dtype=torch.bool)
    truth[0, ..., 2:5, 2:5], valid[..., 6:] = 1.0, False
    forecast = torch.rand(truth.shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = fourier_loss(forecast, truth, valid, 0.5)
    other = fourier_loss(torch.where(valid, forecast, 9.0), torch.where(valid, truth, 7.0), valid, 0.5)
    torch.testing.assert_close(loss, other)
    loss.mean().backward()
    assert forecast.grad is not None
    assert torch.isfinite(forecast.grad).all()
    assert not forecast.grad[~valid].any()
    assert forecast.grad[1].any()
