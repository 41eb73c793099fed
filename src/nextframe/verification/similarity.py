"""Structural similarity of frames (Wang et al. 2004, doi 10.1109/TIP.2003.819861), over windows that lack no value.

Axes: B batch, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PIXELS = (-3, -2, -1)


@dataclass(frozen=True)
class Window:
    """Windows in which two frames are compared."""

    reach: int
    """Pixels on each side of a window's middle."""
    gaussian: bool
    """True for Gaussian weights of sigma 1.5, as in the paper; else all pixels weigh the same, and variances are those
    of a sample."""


GAUSSIAN = Window(reach=5, gaussian=True)
UNIFORM = Window(reach=3, gaussian=False)


def similarities(
    forecast: NDArray[Any], truth: NDArray[Any], valid: NDArray[np.bool_], data_range: float, window: Window = GAUSSIAN
) -> NDArray[np.float64]:
    """Structural similarity of each frame, (B, K): the mean over windows within the frame in which no value is missing.
    NaN for frames without such a window, and for all that are smaller than one.

    Args:
        forecast: (B, K, C, H, W) in float64, since the variance is a difference that has no digits left in float32
            where the mean is large; any number where a value is missing.
        truth: the same shape.
        valid: mask of where both have a value.
        data_range: distance between the smallest and the largest possible value.
        window: windows to compare in.
    """
    from scipy.ndimage import minimum_filter
    from skimage.metrics import structural_similarity

    means = np.full(truth.shape[:2], np.nan)
    side = 2 * window.reach + 1
    if min(truth.shape[-2:]) < side:
        return means
    options: dict[str, Any] = (
        {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        if window.gaussian
        else {"win_size": side, "use_sample_covariance": True}
    )
    inner = (..., slice(window.reach, -window.reach), slice(window.reach, -window.reach))
    whole = (valid if valid.all() else minimum_filter(valid, (1, 1, 1, side, side), mode="nearest"))[inner]
    for movie, lead in zip(*np.nonzero(whole.any(axis=_PIXELS)), strict=True):
        _, similarity = structural_similarity(  # type: ignore[no-untyped-call]
            truth[movie, lead], forecast[movie, lead], channel_axis=0, data_range=data_range, full=True, **options
        )
        means[movie, lead] = similarity[inner][whole[movie, lead]].mean(dtype=np.float64)
    return means
