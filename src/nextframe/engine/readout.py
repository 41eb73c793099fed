"""The stack's readout, a 3-D convolution with kernel 3x3x3 and few outputs, as PyTorch operators with autograd.

Inside, memory is channels-last: T time, B batch, H height, W width, F features; C outputs. Output t sees the features
at t-2, t-1 and t, or, with `shift` 1, at t-1, t and t+1; before the first there are two recent frames, or nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, library
from torch.nn.functional import pad

from nextframe.engine.buffers import take
from nextframe.engine.status import native

_TAPS = 27
_PANEL = 32  # the kernels take so many columns at once


def readout(features: Tensor, recent: Tensor | None, weight: Tensor, bias: Tensor, *, sees_next: bool) -> Tensor:
    """Convolve features over time, height and width; zeros stand for what is outside.

    Args:
        features: (T, B, F, H, W).
        recent: the two frames of features before (2, B, F, H, W), or None for zeros.
        weight: (C, F, 3, 3, 3), its axes time, height, width.
        bias: (C,).
        sees_next: whether output t sees the features at t+1 and none at t-2.

    Returns:
        Outputs (T, B, C, H, W).
    """
    before = features.new_empty(0, *features.shape[1:]) if recent is None else recent
    inputs = (features.movedim(2, -1), before.movedim(2, -1), weight, bias)
    differentiated = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
    if differentiated or torch.compiler.is_compiling() or type(features) is not Tensor:
        outputs: Tensor = readout_forward(*inputs, int(sees_next))
        return outputs
    # The operator's own work; its first call would import PyTorch's compiler, which costs more than a whole forecast.
    return _run(*inputs, int(sees_next))


def _shape(features: Tensor, recent: Tensor, weight: Tensor, shift: int) -> list[int]:
    return [*features.shape, len(weight), shift, len(recent)]


def _taps_last(weight: Tensor) -> Tensor:
    """(F, 27 C), with zeros up to whole panels."""
    columns = weight.flatten(2).transpose(0, 1).flatten(1)
    return pad(columns, (0, -columns.shape[1] % _PANEL)).contiguous()


def _features_last(weight: Tensor) -> Tensor:
    """(27 C, F), with zeros up to whole panels."""
    rows = weight.flatten(2).transpose(1, 2).flatten(0, 1)
    return pad(rows, (0, -rows.shape[1] % _PANEL)).contiguous()


@library.custom_op("nextframe::readout_forward", mutates_args=())
def readout_forward(features: Tensor, recent: Tensor, weight: Tensor, bias: Tensor, shift: int) -> Tensor:
    """Features (T, B, H, W, F) and none or two before them to outputs (T, B, C, H, W)."""
    return _run(features, recent, weight, bias, shift)


@readout_forward.register_fake
def _(features: Tensor, recent: Tensor, weight: Tensor, bias: Tensor, shift: int) -> Tensor:
    steps, batch, height, width, _ = features.shape
    return features.new_empty(steps, batch, weight.shape[0], height, width)


def _run(features: Tensor, recent: Tensor, weight: Tensor, bias: Tensor, shift: int) -> Tensor:
    assert native is not None
    steps, batch, height, width, _ = features.shape
    features, recent, bias, packed = features.contiguous(), recent.contiguous(), bias.contiguous(), _taps_last(weight)
    outputs = features.new_empty(steps, batch, len(weight), height, width)
    native.readout_forward(
        shape=_shape(features, recent, weight, shift),
        features=features.data_ptr(),
        recent=recent.data_ptr(),
        weight=packed.data_ptr(),
        bias=bias.data_ptr(),
        outputs=outputs.data_ptr(),
        threads=torch.get_num_threads(),
    )
    return outputs


@library.custom_op("nextframe::readout_backward", mutates_args=())
def readout_backward(
    grad_outputs: Tensor, features: Tensor, recent: Tensor, weight: Tensor, shift: int, wants_features: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by features and recent features, which are empty where they are not wanted, and by the weight."""
    assert native is not None
    grad_outputs, features, recent = grad_outputs.contiguous(), features.contiguous(), recent.contiguous()
    packed = _features_last(weight)
    grad_features = take(features.shape if wants_features else (0,))
    grad_recent = torch.empty_like(recent if wants_features else recent[:0])
    sums = torch.zeros_like(packed)
    native.readout_backward(
        shape=_shape(features, recent, weight, shift),
        features=features.data_ptr(),
        recent=recent.data_ptr(),
        weight=packed.data_ptr(),
        grad_outputs=grad_outputs.data_ptr(),
        grad_features=grad_features.data_ptr(),
        grad_recent=grad_recent.data_ptr(),
        grad_weight=sums.data_ptr(),
        weight_floats=sums.numel(),
        threads=torch.get_num_threads(),
    )
    outputs, filters = weight.shape[:2]
    grad_weight = sums[:, :filters].view(outputs, _TAPS, filters).transpose(1, 2).reshape(weight.shape)
    return grad_features, grad_recent, grad_weight


@readout_backward.register_fake
def _(
    grad_outputs: Tensor, features: Tensor, recent: Tensor, weight: Tensor, shift: int, wants_features: bool
) -> tuple[Tensor, Tensor, Tensor]:
    return (
        features.new_empty(features.shape if wants_features else (0, *features.shape[1:])),
        features.new_empty(recent.shape if wants_features else (0, *recent.shape[1:])),
        weight.new_empty(weight.shape),
    )


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    features, recent, weight, _, shift = inputs
    ctx.save_for_backward(features, recent, weight)
    ctx.shift = shift


def _differentiate(ctx: Any, grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
    needs = ctx.needs_input_grad
    by_features, by_recent, by_weight = None, None, None
    if any(needs[:3]):
        by_features, by_recent, by_weight = readout_backward(
            grad_outputs, *ctx.saved_tensors, ctx.shift, needs[0] or needs[1]
        )
    by_bias = grad_outputs.sum((0, 1, 3, 4)) if needs[3] else None
    gradients = (by_features, by_recent, by_weight, by_bias)
    return (*(result if need else None for result, need in zip(gradients, needs, strict=False)), None)


readout_forward.register_autograd(_differentiate, setup_context=_remember)
