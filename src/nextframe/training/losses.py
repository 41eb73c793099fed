"""Training losses, element by element, so that missing values and first frames can be left out before anything is
summed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nextframe.config import Loss, OutputActivation
from nextframe.models.layers import activate

_USUAL = 3.0  # usual errors beyond which the Huber loss is linear
_SIMILARITY = 0.84  # the share of structure, as in Zhao et al.
_LEAST_CHANGE = 0.01  # of a window: where nothing changes, errors are no multiples of nothing
LEAST_SHARE = 0.1
"""Share of the usual change that a window is taken to change by at least: else dry ones would count most."""


def elementwise_loss(
    logits: Tensor,
    target: Tensor,
    loss: Loss,
    output: OutputActivation,
    valid: Tensor | None = None,
    scale: Tensor | None = None,
) -> Tensor:
    """The loss of every value.

    Args:
        logits: what the model returns before its activation, any shape.
        target: the true values, same shape, in the model's range.
        loss: "bce", binary cross-entropy, computed from logits (sigmoid output only, targets in 0..1);
            "mse", squared error; "mae", absolute error; the balanced ones are these before their weights.
            "ssim-mae" is `similarity_loss`, "quantile" `quantile_loss`; "huber" is quadratic up to three usual errors;
            "relative-mse" is the square of the error divided by the scale.
        output: the model's activation.
        valid: which values are real, same shape as the target; needed where a loss looks at neighbours.
        scale: usual errors, of "huber" and "relative-mse" alone, of a shape that goes with the target's; by default 1.

    Returns:
        A tensor of the same shape.
    """
    if loss == "bce":
        # Values beyond the training part's range would make the loss unbounded below.
        return functional.binary_cross_entropy_with_logits(logits, target.clamp(0, 1), reduction="none")
    forecast = activate(logits, output)
    if loss == "quantile":
        return quantile_loss(forecast, target)
    if loss == "ssim-mae":
        return similarity_loss(forecast, target, torch.ones_like(target, dtype=torch.bool) if valid is None else valid)
    if loss == "huber":
        error = (forecast - target) if scale is None else (forecast - target) / scale
        return functional.huber_loss(error, torch.zeros_like(error), reduction="none", delta=_USUAL)
    if loss == "relative-mse":
        return (forecast - target).square() if scale is None else ((forecast - target) / scale).square()
    if loss in ("mse", "balanced-mse"):
        return functional.mse_loss(forecast, target, reduction="none")
    return functional.l1_loss(forecast, target, reduction="none")


def change(before: Tensor, target: Tensor, valid: Tensor, usual: Tensor | None = None) -> Tensor:
    """Persistence's root of the mean squared error in each frame of each window, by which "relative-mse" divides.

    Args:
        before: what persistence forecasts, (B, T, C, H, W), or one frame (B, 1, C, H, W) for all.
        target: the true values (B, T, C, H, W).
        valid: which of these are real.
        usual: what it usually is, of a shape that goes with the result's.

    Returns:
        (B, T, 1, 1, 1), at least a tenth of what is usual, and a hundredth of the range where that is not known.

    >>> before, target = torch.zeros(1, 1, 1, 1, 2), torch.tensor([3.0, 9.0]).view(1, 1, 1, 1, 2)
    >>> change(before, target, torch.tensor([True, False]).view(1, 1, 1, 1, 2)).item()
    3.0
    """
    axes = (2, 3, 4)
    squared = ((target - before).square() * valid).sum(axes, keepdim=True)
    root = (squared / valid.sum(axes, keepdim=True).clamp(min=1)).sqrt()
    return root.clamp(min=_LEAST_CHANGE) if usual is None else torch.maximum(root, LEAST_SHARE * usual)


def similarity_loss(forecast: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """0.84 (1 - SSIM) / 2 + 0.16 |f - y| of every value: the mixture of H. Zhao et al. 2017, arXiv 1511.08861.

    The SSIM at a pixel (Z. Wang et al. 2004, equation 13) is of Gaussian windows of 11 x 11 pixels, sigma 1.5, of the
    valid values in them; its constants stand on the range of the batch's true values. Their structure counts here, so
    that a sharp forecast is worth more than by the absolute error alone.

    Args:
        forecast: (B, T, C, H, W).
        target: the same shape.
        valid: which values are real, the same shape.
    """
    known = valid.to(target.dtype)
    share = _blur(known).clamp(min=1e-6)

    def mean(values: Tensor) -> Tensor:
        return _blur(values * known) / share

    span = target[valid].amax() - target[valid].amin() if valid.any() else target.new_tensor(1.0)
    span = span.clamp(min=0.1)  # a batch without anything in it has no range
    c1, c2 = (0.01 * span).square(), (0.03 * span).square()
    f, y = mean(forecast), mean(target)
    var_f = (mean(forecast.square()) - f.square()).clamp(min=0)
    var_y = (mean(target.square()) - y.square()).clamp(min=0)
    both = mean(forecast * target) - f * y
    similarity = (2 * f * y + c1) * (2 * both + c2) / ((f.square() + y.square() + c1) * (var_f + var_y + c2))
    return _SIMILARITY * (1 - similarity) / 2 + (1 - _SIMILARITY) * (forecast - target).abs()


def fourier_loss(forecast: Tensor, target: Tensor, valid: Tensor, done: float) -> Tensor:
    """Fourier amplitude and correlation loss of every frame: that of C.-W. Yan et al. 2024, arXiv 2410.23159.

    The amplitude loss is the mean squared difference of the absolute values of the frames' Fourier transforms, here as
    a share of the true frame's mean square: a blurred frame pays for what it lacks at small scales, and one that lies
    elsewhere pays nothing. The correlation loss is 1 less the cosine of the angle between both frames, which place and
    shape decide. The article draws one of the two at each step, the latter at first and the former at last; this is the
    draw's mean.

    Args:
        forecast: (B, T, C, H, W).
        target: the same shape.
        valid: which values are real, the same shape; the others are taken for 0 on both sides.
        done: share of the training that lies behind, 0..1: what the amplitude loss counts.

    Returns:
        A tensor of that shape, with the loss of each frame at all of its pixels.

    >>> square = torch.zeros(1, 1, 1, 8, 8)
    >>> square[..., 2:4, 2:4] = 1.0
    >>> real = torch.ones_like(square, dtype=torch.bool)
    >>> moved = square.roll(4, -1)
    >>> [round(fourier_loss(moved, square, real, done).mean().item(), 1) for done in (0.0, 0.5, 1.0)]
    [0.9, 0.5, 0.0]
    """
    axes = (-2, -1)
    f, y = forecast * valid, target * valid
    power = y.square().mean(axes, keepdim=True)
    usual = power.mean() * LEAST_SHARE + 1e-6
    amplitudes = [torch.fft.fft2(frame, norm="ortho").abs() for frame in (f, y)]
    amplitude = (amplitudes[0] - amplitudes[1]).square().mean(axes, keepdim=True) / (power + usual)
    both, alone = (f * y).mean(axes, keepdim=True), f.square().mean(axes, keepdim=True)
    correlation = 1 - (both + usual) / ((alone + usual) * (power + usual)).sqrt()
    losses: Tensor = done * amplitude + (1 - done) * correlation
    return losses.expand_as(target)


def _blur(values: Tensor) -> Tensor:
    """A Gaussian of sigma 1.5 over 11 x 11 pixels of (B, T, C, H, W), nothing beyond the edges."""
    offsets = torch.arange(-5, 6, device=values.device, dtype=values.dtype)
    kernel = torch.exp(-offsets.square() / (2 * 1.5**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    planes = values.flatten(0, 2).unsqueeze(1)
    planes = functional.conv2d(planes, kernel, padding=(0, 5))
    planes = functional.conv2d(planes, kernel.transpose(2, 3), padding=(5, 0))
    return planes.view(values.shape)


def quantile_loss(forecast: Tensor, target: Tensor) -> Tensor:
    """Twice the mean pinball loss of the quantiles of each value; as there are more of them, it tends to the CRPS.

    The pinball loss of level q is q (y - f) where y >= f, else (1 - q) (f - y) (R. Koenker and G. Bassett 1978,
    doi 10.2307/1913643). The levels are m / (Q + 1), m = 1 ... Q, where as many draws in order lie on average.

    Args:
        forecast: (..., Q C, H, W), quantile after quantile.
        target: (..., C, H, W).

    Returns:
        A tensor of the target's shape.

    >>> levels, truth = torch.tensor([0.0, 1.0, 2.0]).view(3, 1, 1), torch.ones(1, 1, 1)
    >>> quantile_loss(levels, truth).item()  # levels 1/4, 1/2, 3/4: errors of 1 below and above cost 1/4 each
    0.3333333432674408
    """
    quantiles = forecast.shape[-3] // target.shape[-3]
    levels = torch.arange(1, quantiles + 1, device=forecast.device, dtype=forecast.dtype) / (quantiles + 1)
    error = target.unsqueeze(-4) - forecast.unflatten(-3, (quantiles, -1))
    levels = levels.view(-1, 1, 1, 1)
    return 2 * torch.maximum(levels * error, (levels - 1) * error).mean(-4)


def balanced_weights(target: Tensor, thresholds: Tensor, weights: Tensor) -> Tensor:
    """The weight of every value by how much it is, so that the rare and strong counts as much as the frequent and weak.

    With w(x) = 1, 2, 5, 10, 30 from 0, 2, 5, 10, 30 mm/h on: equation 4 of X. Shi et al. 2017, arXiv 1706.03458. Here
    missing values are masked elsewhere.

    Args:
        target: the true values, any shape.
        thresholds: (N,), increasing, in the same range of values.
        weights: (N + 1,).

    >>> balanced_weights(torch.tensor([0.5, 2.0, 7.0]), torch.tensor([2.0, 5.0]), torch.tensor([1.0, 2.0, 5.0]))
    tensor([1., 2., 5.])
    """
    return weights[torch.bucketize(target.contiguous(), thresholds, right=True)]


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid values; zero, with a zero gradient, where there is none.

    >>> masked_mean(torch.tensor([1.0, 3.0, 100.0]), torch.tensor([True, True, False]))
    tensor(2.)
    """
    return (values * valid).sum() / valid.sum().clamp(min=1)
