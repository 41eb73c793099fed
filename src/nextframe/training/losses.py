"""Training losses, element by element, so that missing values and first frames can be left out before anything is
summed.
"""

from __future__ import annotations

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
            "mse", squared error; "mae", absolute error.
        output: the model's activation.

    Returns:
        A tensor of the same shape.
    """
    if loss == "bce":
        # Values beyond the training part's range would make the loss unbounded below.
        return functional.binary_cross_entropy_with_logits(logits, target.clamp(0, 1), reduction="none")
    forecast = activate(logits, output)
    if loss == "mse":
        return functional.mse_loss(forecast, target, reduction="none")
    return functional.l1_loss(forecast, target, reduction="none")


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid values; zero, with a zero gradient, where there is none."""
    return (values * valid).sum() / valid.sum().clamp(min=1)
