"""Scores of single frames as published protocols have them, (B, K) each, NaN where a frame has no value.

A value that is missing (NaN) in the forecast or in the truth counts nowhere; sums over a frame are its mean over the
values that are there times its pixels.

Axes: B batch, M member, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.verification.additive import Sums
from nextframe.verification.protocols import Pool
from nextframe.verification.similarity import GAUSSIAN, UNIFORM, Window, similarities

_PIXELS = (-3, -2, -1)
_EPSILON = 1e-10  # that keeps the published CRPS of a single forecast from a division by zero


@dataclass(frozen=True)
class Frames:
    """Forecasts and truth in the range of a protocol, zeros where either lacks a value."""

    forecast: Sums
    """(B, K, C, H, W)."""
    truth: Sums
    """(B, K, C, H, W)."""
    members: Sums
    """(B, M, K, C, H, W); of a single forecast itself."""
    valid: NDArray[np.bool_]
    """Mask of where both have a value, (B, K, C, H, W)."""
    largest: float
    """Largest possible value; the smallest is 0."""

    @property
    def cut(self) -> Sums:
        """The forecast brought into the possible range."""
        return np.clip(self.forecast, 0, self.largest)


def pooled(values: NDArray[Any], valid: NDArray[np.bool_], pool: Pool) -> tuple[Sums, NDArray[np.bool_]]:
    """Blocks of pixels, and the mask of those that lack no value.

    Args:
        values: (..., H, W).
        valid: mask of the values that are there, of a shape that broadcasts to theirs.
        pool: what is made of a block.
    """
    if pool.size == 1:
        return values, valid
    return (
        _blocks(values, pool, 0.0, np.max if pool.kind == "max" else np.mean),
        _blocks(valid, pool, True, np.all).astype(bool),
    )


def _blocks(values: NDArray[Any], pool: Pool, beyond: float, reduce: Callable[..., Any]) -> NDArray[Any]:
    *leading, height, width = values.shape
    size = pool.size
    if pool.keeps_edges:
        edges = [(0, 0)] * len(leading) + [(0, -height % size), (0, -width % size)]
        values = np.pad(values, edges, constant_values=beyond)
    rows, columns = values.shape[-2] // size, values.shape[-1] // size
    blocks = values[..., : rows * size, : columns * size].reshape(*leading, rows, size, columns, size)
    reduced: NDArray[Any] = reduce(blocks, axis=(-3, -1))
    return reduced


def _mean(values: Sums, valid: NDArray[np.bool_]) -> Sums:
    """Mean of each frame's values that are there; NaN where none is."""
    number = valid.sum(_PIXELS)
    total: Sums = np.where(valid, values, 0).sum(_PIXELS)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def mean_squared(frames: Frames) -> Sums:
    """Mean squared error of each frame."""
    return _mean((frames.forecast - frames.truth) ** 2, frames.valid)


def mean_absolute(frames: Frames) -> Sums:
    """Mean absolute error of each frame."""
    return _mean(np.abs(frames.forecast - frames.truth), frames.valid)


def sum_squared(frames: Frames) -> Sums:
    """Sum over each frame's pixels of squared errors."""
    return mean_squared(frames) * math.prod(frames.truth.shape[2:])


def sum_absolute(frames: Frames) -> Sums:
    """Sum over each frame's pixels of absolute errors."""
    return mean_absolute(frames) * math.prod(frames.truth.shape[2:])


def root_of_frame(frames: Frames) -> Sums:
    """Root of each frame's mean squared error."""
    return np.sqrt(mean_squared(frames))


def psnr_of_frame(frames: Frames) -> Sums:
    """Peak signal-to-noise ratio of each frame in dB; infinite for a perfect one."""
    return _psnr(mean_squared(frames), frames.largest)


def psnr_cut(frames: Frames) -> Sums:
    """Peak signal-to-noise ratio of each frame in dB, of the forecast brought into the possible range."""
    return _psnr(_mean((frames.cut - frames.truth) ** 2, frames.valid), frames.largest)


def _psnr(squared: Sums, largest: float) -> Sums:
    with np.errstate(divide="ignore"):
        ratio: Sums = 20 * np.log10(largest / np.sqrt(squared))
    return ratio


def gaussian_ssim(frames: Frames) -> Sums:
    """Structural similarity of each frame in Gaussian windows."""
    return _ssim(frames.forecast, frames, frames.largest, GAUSSIAN)


def uniform_ssim(frames: Frames) -> Sums:
    """Structural similarity of each frame in uniform windows, for a range twice the possible one."""
    return _ssim(frames.cut, frames, 2 * frames.largest, UNIFORM)


def _ssim(forecast: Sums, frames: Frames, data_range: float, window: Window) -> Sums:
    return similarities(forecast, frames.truth, frames.valid, data_range, window)


def normal_crps(frames: Frames, pool: Pool = Pool()) -> Sums:  # noqa: B008 - a frozen row
    """CRPS of each frame, of a normal distribution with the mean and standard deviation of the members' blocks."""
    from scipy.special import ndtr

    members, there = pooled(frames.members, frames.valid[:, None], pool)
    truth, valid = pooled(frames.truth, frames.valid, pool)
    mean = members.mean(1)
    spread = members.std(1, ddof=1) if members.shape[1] > 1 else np.zeros_like(mean)
    unit = (mean - truth + _EPSILON) / (spread + _EPSILON)
    density = np.exp(-0.5 * unit**2) / math.sqrt(2 * math.pi)
    crps = (spread + _EPSILON) * (unit * (2 * ndtr(unit) - 1) + 2 * density - 1 / math.sqrt(math.pi))
    return _mean(crps, valid & there[:, 0])


normal_crps_max4 = partial(normal_crps, pool=Pool("max", 4))
normal_crps_max16 = partial(normal_crps, pool=Pool("max", 16))
normal_crps_mean4 = partial(normal_crps, pool=Pool("mean", 4))
normal_crps_mean16 = partial(normal_crps, pool=Pool("mean", 16))
