"""Motion of fields: optical flow, semi-Lagrangian advection, and frames in Lagrangian coordinates.

In Lagrangian coordinates everything is shown where the motion that the past had takes it, or took it from, at the time
of the last frame seen: what only moves stands still, and what is left to learn is how it grows, decays and changes
shape (after J. Ritvanen et al. 2023, doi 10.1109/JSTARS.2023.3238016, for convolutional networks).

Axes: T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError
from nextframe.frames.sequence import FloatArray

Motion = NDArray[np.float64]
"""Pixels a frame along x and along y, (2, H, W)."""


def motion_field(frames: FloatArray) -> Motion | None:
    """Motion in pixels a frame (2, H, W), along x and along y, that led to each pixel of the second of two frames; None
    where there is none to be found.
    """
    from skimage.registration import optical_flow_ilk

    if len(frames) < 2 or min(frames.shape[-2:]) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pixels missing in all channels
        before, after = np.nanmean(frames, axis=1)
    known = np.isfinite(before) & np.isfinite(after)
    if not known.any():
        return None
    low, high = min(before[known].min(), after[known].min()), max(before[known].max(), after[known].max())
    if low == high:
        return None
    # A pixel missing in one frame is hidden in both, or the edge of what is missing would pass for something moving.
    before, after = (np.where(known, (frame - low) / (high - low), 0) for frame in (before, after))
    radius = min(max(min(after.shape) // 8, 1), 15)
    # The flow stands on the grid of its first argument: the last frame, whose pixels are moved on. It points back in
    # time.
    down, right = quietly(optical_flow_ilk, after, before, radius=radius, gaussian=True)
    velocity = -np.stack([right, down]).astype(np.float64)
    return velocity if np.isfinite(velocity).all() and velocity.any() else None


def advect(field: FloatArray, motion: Motion, steps: int) -> FloatArray:
    """A field (H, W) moved on along the motion by 1, 2, ... steps, (steps, H, W); NaN where nothing known arrives.

    Semi-Lagrangian, by pysteps (S. Pulkkinen et al. 2019, doi 10.5194/gmd-12-4185-2019).

    Raises:
        ConfigError: pysteps is not installed.
    """
    if not np.isfinite(field).any():
        return np.full((steps, *field.shape), np.nan, np.float32)
    moved = quietly(semi_lagrangian(), field, motion, steps, interp_order=1, allow_nonfinite_values=True)
    return np.asarray(moved, np.float32)


def align(frames: FloatArray, past: int, motion: Motion | None) -> FloatArray:
    """Frames (T + K, C, H, W), of which the first `past` are seen, in Lagrangian coordinates.

    Earlier frames are moved on along a motion to the time of the last one seen, later ones back to it. Values that come
    from beyond the edge are NaN.
    """
    if motion is None:
        return frames
    aligned = frames.astype(np.float32, copy=True)
    for n in range(len(frames)):
        distance = past - 1 - n
        for channel in range(frames.shape[1]):
            if distance:
                along = motion if distance > 0 else -motion
                aligned[n, channel] = advect(frames[n, channel], along, abs(distance))[-1]
    return aligned


def from_lagrangian(forecast: FloatArray, motion: Motion | None) -> FloatArray:
    """A forecast (K, C, H, W) out of Lagrangian coordinates: lead time k moved on by k steps; NaN where nothing known
    arrives.
    """
    if motion is None:
        return forecast
    moved = np.empty_like(forecast)
    for k, frame in enumerate(forecast):
        for channel, values in enumerate(frame):
            moved[k, channel] = advect(values, motion, k + 1)[-1]
    return moved


def quietly(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function that prints and warns, without either."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


@cache
def semi_lagrangian() -> Callable[..., Any]:
    """The advection of pysteps."""
    try:
        # pysteps announces its configuration file on standard output when it is imported.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pysteps.extrapolation.semilagrangian import extrapolate
    except ImportError as error:
        raise ConfigError(
            "needs pysteps, which is not installed",
            where="advection along the motion (baseline 'extrapolation', Lagrangian coordinates)",
            hint="pip install 'nextframe[pysteps]', or choose {baselines=persistence}",
        ) from error
    function: Callable[..., Any] = extrapolate
    return function
