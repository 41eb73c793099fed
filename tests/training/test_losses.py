"""Training losses against their definitions."""

import numpy as np
import pytest
import torch

from nextframe.config import TrainingConfig
from nextframe.data.normalise import Normaliser
from nextframe.errors import ConfigError
from nextframe.training.losses import balanced_weights, elementwise_loss


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
