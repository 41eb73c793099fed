"""Training losses, element by element, so that missing values and first frames can be left out before anything is
summed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nextframe.config import Loss, OutputActivation
from nextframe.models.layers import activate


def elementwise_loss(logits: Tensor, target: Tensor, loss: Loss, output: OutputActivation) -> Tensor:
    """The loss of every value.

    Args:
        logits: what the model returns before its activation, any shape.
        target: the true values, same shape, in the model's range.
        loss: "bce", binary cross-entropy, computed from logits (sigmoid output only, targets in 0..1);
            "mse", squared error; "mae", absolute error; the balanced ones are these before their weights.
        output: the model's activation.

    Returns:
        A tensor of the same shape.
    """
    if loss == "bce":
        # Values beyond the training part's range would make the loss unbounded below.
        return functional.binary_cross_entropy_with_logits(logits, target.clamp(0, 1), reduction="none")
    forecast = activate(logits, output)
    if loss in ("mse", "balanced-mse"):
        return functional.mse_loss(forecast, target, reduction="none")
    return functional.l1_loss(forecast, target, reduction="none")


def balanced_weights(target: Tensor, thresholds: Tensor, weights: Tensor) -> Tensor:
    """The weight of every value by how much it is, so that the rare and strong counts as much as the frequent and weak.

    With w(x) = 1, 2, 5, 10, 30 from 0, 2, 5, 10, 30 mm/h on: equation 4 of X. Shi et al. 2017, arXiv 1706.03458. Here
    missing values are masked elsewhere.

    Args:
        target: the true values, any shape.
        thresholds: (N,), increasing, in the same range of values.
        weights: (N + 1,).
    """
    return weights[torch.bucketize(target.contiguous(), thresholds, right=True)]


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid values; zero, with a zero gradient, where there is none."""
    return (values * valid).sum() / valid.sum().clamp(min=1)
