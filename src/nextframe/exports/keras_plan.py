"""Plan of a network of Keras that has a counterpart here: its layers in order, with their weights as Keras has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nextframe.exports.keras_gates import (
    KERAS_3_SLOPE,
    OUR_SLOPE,
    Weights,
    kernel_from_keras,
    rows_swapped,
    sigmoid_gates_scaled,
)
from nextframe.models.convlstm import ConvLSTM2d
from nextframe.models.encoder_decoder import EncoderDecoder
from nextframe.models.stacked import StackedConvLSTM

EPSILON = 1e-3
"""Of our batch norm."""


@dataclass(frozen=True, kw_only=True)
class KerasNorm:
    """Batch normalisation in use: (x - mean) / sqrt(variance + epsilon) gamma + beta; or layer normalisation."""

    gamma: Weights
    beta: Weights
    mean: Weights | None = None
    """None of a layer normalisation."""
    variance: Weights | None = None
    epsilon: float = EPSILON


@dataclass(frozen=True, kw_only=True)
class KerasPlan:
    """A stack, or an encoder-decoder."""

    model: str
    """"stacked" or "encoder-decoder"."""
    recurrent: Sequence[Sequence[Weights]]
    """Kernel, recurrent kernel and bias of each ConvLSTM; of an encoder-decoder the encoder's before the decoder's."""
    norms: Sequence[KerasNorm | None]
    """Norm after each of them; None for none."""
    readout: Weights
    """Kernel of the last convolution (time, h, w, in, out)."""
    bias: Weights
    sees_next: bool
    """True where the last convolution sees the frame after."""
    gates: str
    """"sigmoid", "hard_sigmoid" (the old one), or "hard_sigmoid_3"."""
    cell: str
    """"tanh" or "relu"."""
    output: str
    """"sigmoid" or "linear"."""
    size: tuple[int | None, int | None] = (None, None)
    """Height and width of its input, where it has such."""
    scale: Sequence[float] = field(default=())
    """What the input is multiplied by first, for each channel; empty where it is taken as it is."""
    shift: Sequence[float] = field(default=())
    """What is added after that."""

    @property
    def channels(self) -> int:
        """Channels of a frame."""
        return int(self.recurrent[0][0].shape[2])

    @property
    def options(self) -> dict[str, Any]:
        """Options of our network."""
        layers = self.recurrent if self.model == "stacked" else self.recurrent[: len(self.recurrent) // 2]
        some = [norm for norm in self.norms if norm is not None]
        norm = "none" if not some else "layer" if some[0].mean is None else "batch"
        options: dict[str, Any] = {
            "model": self.model,
            "filters": tuple(weights[1].shape[2] for weights in layers),
            "kernel_size": tuple(weights[0].shape[0] for weights in layers),
            "norm": norm,
            "gate_activation": "sigmoid" if self.gates == "sigmoid" else "hard_sigmoid",
            "cell_activation": self.cell,
            "output": self.output,
        }
        if self.model == "stacked":
            options["temporal_padding"] = "same" if self.sees_next else "causal"
            options["norm_last"] = self.norms[-1] is not None or norm != "layer"
        return options


def misfits(plan: KerasPlan) -> list[str]:
    """Obstacles to a plan's being a network here, a clause each: shapes that do not follow from each other, and norms
    where ours have none.
    """
    faults: list[str] = []
    channels, count = plan.channels, len(plan.recurrent)
    half = count if plan.model == "stacked" else count // 2
    filters = 0
    for n, (kernel, recurrent, bias) in enumerate(plan.recurrent):
        inputs = channels if n % half == 0 else filters
        side, filters = kernel.shape[0], recurrent.shape[2]
        shapes = ((side, side, inputs, 4 * filters), (side, side, filters, 4 * filters), (4 * filters,))
        if side % 2 == 0 or (kernel.shape, recurrent.shape, bias.shape) != shapes:
            faults.append(f"ConvLSTM2D number {n + 1} with kernels {kernel.shape} and {recurrent.shape}")
        if n >= half and plan.recurrent[n - half][1].shape != recurrent.shape:
            faults.append(f"ConvLSTM2D number {n + 1}, unlike the encoder's")
    if any(side not in (1, 3) for side in plan.readout.shape[:3]) or plan.readout.shape[3:] != (filters, channels):
        faults.append(f"a last convolution of {plan.readout.shape} for {channels} channels")
    last = [n for n in range(count) if n % half == half - 1]
    if plan.model != "stacked" and any(plan.norms[n] is not None for n in last):
        faults.append("a norm after the last ConvLSTM2D of an encoder or decoder")
    kinds = {norm.mean is None for norm in plan.norms if norm is not None}
    if len(kinds) > 1:
        faults.append("batch and layer normalisation in one network")
    if kinds == {True} and any(norm is None for n, norm in enumerate(plan.norms) if n not in last):
        faults.append("layer normalisation after some ConvLSTM2D and not after others")
    return faults


@torch.no_grad()
def fill(network: nn.Module, plan: KerasPlan) -> None:
    """Give a network of the plan's options its weights."""
    if isinstance(network, StackedConvLSTM):
        layers, norms = list(network.layers), list(network.norms)
        _put(network.readout.weight, _in_time(plan.readout, network.readout.sees_next).transpose(4, 3, 0, 1, 2))
        _put(network.readout.bias, plan.bias)
        planned = list(plan.norms)
    else:
        assert isinstance(network, EncoderDecoder)
        half = len(network.encoder)
        layers = [*network.encoder, *network.decoder]
        norms = [*network.encoder_norms, *network.decoder_norms]
        planned = [*plan.norms[: half - 1], *plan.norms[half : 2 * half - 1]]
        _put(network.readout.weight, plan.readout[0].transpose(3, 2, 0, 1))
        assert network.readout.bias is not None
        _put(network.readout.bias, plan.bias)
    factor = KERAS_3_SLOPE / OUR_SLOPE if plan.gates == "hard_sigmoid_3" else 1.0
    for layer, (kernel, recurrent, bias) in zip(layers, plan.recurrent, strict=True):
        assert isinstance(layer, ConvLSTM2d)
        assert layer.bias is not None
        for place, rows in (
            (layer.weight_x, kernel_from_keras(kernel)),
            (layer.weight_h, kernel_from_keras(recurrent)),
            (layer.bias, rows_swapped(bias)),
        ):
            _put(place, sigmoid_gates_scaled(rows, factor))
    for norm, given in zip(norms, planned, strict=True):
        if isinstance(norm, nn.BatchNorm2d):
            _fill_batch_norm(norm, given)
        elif isinstance(norm, nn.LayerNorm) and given is not None:
            _put(norm.weight, given.gamma)
            _put(norm.bias, given.beta)


def _fill_batch_norm(norm: nn.BatchNorm2d, given: KerasNorm | None) -> None:
    """Statistics and weights of a batch norm whose epsilon is ours; one that does nothing where there is none."""
    width = norm.num_features
    if given is None:
        zeros, ones = np.zeros(width, np.float32), np.ones(width, np.float32)
        given = KerasNorm(gamma=ones, beta=zeros, mean=zeros, variance=ones, epsilon=0.0)
    assert given.mean is not None
    assert given.variance is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    true = given.variance.astype(np.float64) + given.epsilon
    variance = np.maximum(true - EPSILON, 0.0)
    _put(norm.running_mean, given.mean)
    _put(norm.running_var, variance)
    _put(norm.weight, given.gamma * np.sqrt((variance + EPSILON) / true))
    _put(norm.bias, given.beta)


def _in_time(kernel: Weights, sees_next: bool) -> Weights:
    """A kernel (time, h, w, in, out) of 1 or 3 in each axis as one of 3 x 3 x 3."""
    whole = np.zeros((3, 3, 3, *kernel.shape[3:]), np.float32)
    times = slice(0, 3) if kernel.shape[0] == 3 else slice(1, 2) if sees_next else slice(2, 3)
    rows, columns = (slice(0, 3) if kernel.shape[n] == 3 else slice(1, 2) for n in (1, 2))
    whole[times, rows, columns] = kernel
    return whole


def _put(place: Tensor, values: Any) -> None:
    place.copy_(torch.from_numpy(np.ascontiguousarray(values, np.float32)))
