"""Weights of the tutorial's stack in Keras, in a model of ours.

Keras holds channels last, and its gates in another order (`nextframe.exports.keras_gates`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from nextframe.exports.keras_gates import kernel_from_keras, rows_swapped
from nextframe.models.convlstm import ConvLSTM2d
from nextframe.models.stacked import StackedConvLSTM

BATCH_NORM_MOMENTUM = 0.99
"""Of Keras' running statistics."""


def from_keras(model: StackedConvLSTM, weights: Sequence[np.ndarray], steps: int) -> None:
    """Give a stack with batch norm the weights of Keras' one, in the order of its `get_weights`.

    Keras 3's running statistics still hold a share of their initial mean 0 and variance 1, which does its forecasts of
    the first epochs much harm; it is taken out, as Keras of the tutorial's time did.

    Args:
        model: of the same sizes.
        weights: of each layer kernel, recurrent kernel and bias, then of its norm scale, shift, mean and variance; of
            the 3-D convolution kernel and bias.
        steps: training steps that the running statistics have seen.
    """
    left = iter(torch.from_numpy(np.asarray(weight)) for weight in weights)
    share = BATCH_NORM_MOMENTUM**steps
    with torch.no_grad():
        for layer, norm in zip(model.layers, model.norms, strict=True):
            assert isinstance(layer, ConvLSTM2d)
            assert layer.bias is not None
            assert isinstance(norm, nn.BatchNorm2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            for kernel in (layer.weight_x, layer.weight_h):
                kernel.copy_(torch.from_numpy(kernel_from_keras(next(left).numpy())))
            layer.bias.copy_(torch.from_numpy(rows_swapped(next(left).numpy())))
            norm.weight.copy_(next(left))
            norm.bias.copy_(next(left))
            norm.running_mean.copy_(next(left) / (1 - share))
            norm.running_var.copy_((next(left) - share) / (1 - share))
        model.readout.weight.copy_(next(left).permute(4, 3, 0, 1, 2))
        model.readout.bias.copy_(next(left))
    assert next(left, None) is None
