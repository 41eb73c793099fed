"""Small parts that both models share: norms between ConvLSTM layers, and the output's activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from nextframe.config import Norm, OutputActivation
from nextframe.errors import ConfigError


def kernel_sizes(kernel_size: int | Sequence[int], layers: int) -> tuple[int, ...]:
    """Kernel size of each layer.

    Args:
        kernel_size: one for all of them, or one for each.
        layers: number of layers.

    Raises:
        ConfigError: a size that is not odd, or another number of them.

    >>> kernel_sizes(3, 2), kernel_sizes((5, 3, 1), 3)
    ((3, 3), (5, 3, 1))
    """
    sizes = (kernel_size,) * layers if isinstance(kernel_size, int) else tuple(kernel_size)
    if len(sizes) != layers:
        raise ConfigError("does not fit the layers", where="kernel_size", expected=f"{layers} numbers", received=sizes)
    if any(size < 1 or size % 2 == 0 for size in sizes):
        raise ConfigError("is not odd", where="kernel_size", received=kernel_size)
    return sizes


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel, for (N, C, H, W).

    It knows nothing of the grid's size, of other movies or of later frames: a model with it can be streamed and tiled.
    """

    def forward(self, x: Tensor) -> Tensor:
        normed = functional.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return normed.permute(0, 3, 1, 2)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm of (N, C, H, W) as Keras had it up to version 2, computed on the pixels as rows, (N H W, C).

    Its running statistics are averages of the batches seen, without the share of their initial values (mean 0,
    variance 1) that PyTorch's and Keras 3's keep: those start from a guess and move by `momentum` a step, so that
    after n steps (1 - momentum)^n of the guess is left. Where most of a frame is empty, hidden states vary by a
    hundredth, and what is left of a variance of 1 drowns them for a thousand steps. With the same batches,

        biased_n = (1 - (1 - momentum)^n) running_n + (1 - momentum)^n initial

    is what PyTorch and Keras 3 would hold. (This is the bias correction of D. Kingma and J. Ba 2015, arXiv 1412.6980,
    section 3; TensorFlow calls it `zero_debias`.)

    Rows of pixels give the same numbers as planes; but in channels-last memory, which is what ConvLSTM layers leave,
    PyTorch's backward pass takes many times longer on four dimensions than on two.
    """

    def __init__(self, channels: int, *, eps: float, momentum: float) -> None:
        super().__init__(channels, eps=eps, momentum=None)
        self.step = momentum

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.num_batches_tracked is not None:
            n = int(self.num_batches_tracked) + 1
            self.momentum = self.step / (1 - (1 - self.step) ** n)
        last = x.permute(0, 2, 3, 1)
        pixels = last.reshape(-1, self.num_features)
        return super().forward(pixels).view_as(last).permute(0, 3, 1, 2)

    def _check_input_dim(self, input: Tensor) -> None:
        """Rows of pixels are what the parent is to take here."""


def make_norm(kind: Norm, channels: int) -> nn.Module:
    """The norm that follows a ConvLSTM layer, for (N, C, H, W).

    "batch" has Keras' settings: epsilon 1e-3, running statistics that move by 0.01 a step (Keras' momentum 0.99; see
    `BatchNorm`); "layer" is over the channels of each pixel; "group" over the whole frame, one group; "none" does
    nothing.

    Raises:
        ConfigError: another name.
    """
    if kind == "batch":
        return BatchNorm(channels, eps=1e-3, momentum=0.01)
    if kind == "layer":
        return ChannelNorm(channels, eps=1e-3)
    if kind == "group":
        return nn.GroupNorm(1, channels, eps=1e-3)
    if kind == "none":
        return nn.Identity()
    raise ConfigError("unknown norm", where="norm", expected="batch, layer, group or none", received=kind)


def frame_by_frame(work: Callable[[Tensor], Tensor], frames: Tensor) -> Tensor:
    """Work on images (N, C, H, W), done on frames (T, B, C, H, W), all of them at once."""
    if len(frames) == 1:  # a tracer follows the sizes of what was not taken apart
        return work(frames[0])[None]
    done: Tensor = work(frames.flatten(0, 1)).unflatten(0, (len(frames), -1))
    return done


def activate(logits: Tensor, output: OutputActivation) -> Tensor:
    """The model's output from its logits: their sigmoid, or the logits themselves."""
    return torch.sigmoid(logits) if output == "sigmoid" else logits


def median(output: Tensor, quantiles: int) -> Tensor:
    """The middle one of the quantiles that a model's output holds, (..., Q C, H, W) to (..., C, H, W)."""
    if quantiles == 1:
        return output
    middle: Tensor = output.unflatten(-3, (quantiles, -1)).select(-4, quantiles // 2)
    return middle


def repeated(frames: Tensor, quantiles: int) -> Tensor:
    """Frames (..., C, H, W) as every one of a model's quantiles, (..., Q C, H, W)."""
    return frames if quantiles == 1 else torch.cat([frames] * quantiles, dim=-3)


def check_output(output: str, residual: bool, quantiles: int = 1) -> None:
    """Hold the output's options to what makes sense.

    Raises:
        ConfigError: an unknown activation, a residual forecast through a sigmoid, or quantiles without a middle one.
    """
    if quantiles < 1 or quantiles % 2 == 0:
        raise ConfigError(
            "has no middle one, which is fed back", where="quantiles", expected="an odd number", received=quantiles
        )
    if output not in ("sigmoid", "linear"):
        raise ConfigError("unknown activation", where="output", expected="sigmoid or linear", received=output)
    if residual and output != "linear":
        raise ConfigError("needs a linear output", where="residual", hint="pass output='linear'")
