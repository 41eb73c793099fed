"""Hindcast of the last frame seen: how far what moves, and a network's correction of it, can be trusted here and now.

What was learned of many films is right on most of them. Of the film at hand, the frames seen tell: the last of them is
forecast from those before, in the same way, and two shares are fitted to what it was by least squares. One is that of
the correction, and one is that of the whole change; where a camera shakes or a face talks, neither foresees much, and
the forecast stays nearer to the last frame. Of the first lead time that is direct evidence. Of later ones it is little,
since what went wrong once need not do so again: there, what lacks to the whole is squared.

Axes: B batch, T time of the past, Q quantile or member, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from nextframe.data.motion import Box, Motion, extrapolate
from nextframe.frames.sequence import FloatArray

Moved = Callable[[FloatArray, int], tuple[FloatArray, Sequence[Motion | None]]]
"""Forecasts (B, Q, K, C, H, W), moved to where they belong, of pasts (B, T, C, H, W), of so many lead times; and the
motion of each past."""
FEWEST = 3
"""Frames of a past of which the last can be forecast along a motion of the others."""

MOST = 400_000
"""Pixels of a frame beyond which the hindcast is that of its middle."""


def middle(shape: tuple[int, ...]) -> Box:
    """Rows and columns of frames (..., H, W) that are hindcast: all, or the middle of large ones.

    >>> middle((480, 640)), middle((1000, 1600))
    ((slice(0, 480, None), slice(0, 640, None)), (slice(250, 750, None), slice(400, 1200, None)))
    """
    height, width = shape[-2:]
    share = min(1.0, (MOST / (height * width)) ** 0.5)
    rows, columns = (max(round(size * share), 1) for size in (height, width))
    top, left = (height - rows) // 2, (width - columns) // 2
    return slice(top, top + rows), slice(left, left + columns)


class Trust(NamedTuple):
    """Shares of a forecast that are taken, each from 0 to 1, at the first lead time."""

    change: float = 1.0
    """Of all that changes."""
    correction: float = 1.0
    """Of what the network adds to frames that only move, before that."""

    def apply(self, forecast: FloatArray, moving: FloatArray, last: FloatArray) -> FloatArray:
        """The forecast (..., K, C, H, W), as far as it is trusted.

        Args:
            forecast: what the network makes of frames that move.
            moving: these frames as they only move (K, C, H, W).
            last: the last frame seen (C, H, W); where it has no value, the forecast stays as it is.
        """
        correction, change = (_by_lead_time(share, len(moving)) for share in (self.correction, self.change))
        corrected = moving + correction * (forecast - moving)
        trusted = last + change * (corrected - last)
        return np.where(np.isfinite(last), trusted, forecast)


def trust(forecast: FloatArray, moving: FloatArray, before: FloatArray, truth: FloatArray) -> Trust:
    """Shares by which a hindcast would have been best, by the least squared error.

    Args:
        forecast: the hindcast of a frame (C, H, W), by the network.
        moving: the same frame by motion alone.
        before: the frame before it.
        truth: the frame itself, NaN where missing.

    >>> before, moving = np.zeros((1, 2, 2), np.float32), np.full((1, 2, 2), 4, np.float32)
    >>> trust(moving + [[2, 0], [0, 0]], moving, before, moving + [[1, 0], [0, 0]])
    Trust(change=1.0, correction=0.5)
    >>> trust(moving, moving, before, moving / 4)
    Trust(change=0.25, correction=1.0)
    """
    correction = _share(forecast - moving, truth - moving)
    corrected = moving + np.float32(correction) * (forecast - moving)
    return Trust(change=_share(corrected - before, truth - before), correction=correction)


def _by_lead_time(share: float, lead_times: int) -> FloatArray:
    """The share of each lead time, (K, 1, 1, 1)."""
    shares = np.full((lead_times, 1, 1, 1), 1 - (1 - share) ** 2, np.float32)
    shares[0] = share
    return shares


def held_to_hindcasts(past: FloatArray, lead_times: int, along_motion: Moved) -> FloatArray:
    """Forecasts (B, Q, K, C, H, W) of pasts (B, T, C, H, W), each as far as the hindcast of its last frame was right;
    as they are where there are too few frames to make one of.

    Args:
        past: the frames seen.
        lead_times: K.
        along_motion: what forecasts, the hindcasts, too.
    """
    forecasts, motions = along_motion(past, lead_times)
    if past.shape[1] < FEWEST:
        return forecasts
    seen = past[..., *middle(past.shape)]
    hindcasts, earlier = along_motion(seen[:, :-1], 1)
    for own, motion, hindcast, before, near, movie in zip(
        forecasts, motions, hindcasts[:, :, 0], earlier, seen, past, strict=True
    ):
        moving, moved = extrapolate(movie, motion, lead_times), extrapolate(near[:-1], before, 1)[0]
        for forecast, frame in zip(own, hindcast, strict=True):  # members have a hindcast each
            forecast[:] = trust(frame, moved, near[-2], near[-1]).apply(forecast, moving, movie[-1])
    return forecasts


def _share(said: FloatArray, came: FloatArray) -> float:
    """Factor from 0 to 1 of a change that brings it nearest to the one that came; 1 where nothing was said."""
    there = np.isfinite(said) & np.isfinite(came)
    a, b = (np.where(there, values, 0).astype(np.float64) for values in (said, came))
    square = float((a * a).sum())
    return float(np.clip((a * b).sum() / square, 0, 1)) if square > 0 else 1.0
