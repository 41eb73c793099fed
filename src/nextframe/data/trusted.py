"""Motion that has been put to the test: at each place the one that would have forecast the last frame seen best.

Candidates are no motion at all, the optical flow of the last two frames, the mean flow of the last five, and one shift
of the whole frame. Each of them is known at earlier frames, too, and forecasts the last one from there: one, two and
three frames ahead. At each place they are weighed by their squared errors in a neighbourhood, so sharply that the best
one has nearly its way. A flow that does not go on (a camera that shakes, a face that talks, compression) so yields to
what does; and where several are about as good, the mean of what they forecast is better than each.

Before motion is looked for, the earlier frame is brought to the light of the later one, so that a change of light does
not pass for motion. Frames from before a cut tell nothing, and are left out.

Axes: T time of the past, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.data.motion import Motion, extrapolate, motion_field, radius_for, shift_field
from nextframe.data.remembered import Remembered
from nextframe.data.sampling import sample
from nextframe.frames.sequence import FloatArray

FRAMES = 5
"""Last frames that are looked at."""
SHARPNESS = (3.0, 2.0, 3.0)
"""Power of the errors one, two and three frames ahead by which motions are weighed."""
_NEIGHBOURHOOD = 5.0
"""Deviation in pixels of the window in which errors are compared."""
PLANES = 12
"""Planes of the mixture: the share of each of the four candidates, and its motion."""
AHEAD = 3
"""Steps that what moves takes its motion along."""
_FLOOR = 0.02
"""Addition to the errors, as a share of their mean."""
_TESTED_PIXELS = 120_000
"""Pixels of a frame beyond which the test is made on coarser ones."""
_CUT = 0.3
"""Share of a frame's variance that is left where it is registered to one of another scene, at least."""
_DARK, _ENOUGH = 0.1, 0.25
"""Pixels darker than this share of the brightest tell nothing of the light; share of pixels that have to tell."""
_OVERFIT = 2.0
"""Factor by which a flow is better on the frames that it was found on than on those that follow, at least."""

_flow = Remembered(motion_field, limit=2**24)


def trusted_motion(past: FloatArray) -> Motion | None:
    """Mixture of motions (3 M, H, W) of a past (T, C, H, W) at its end; None where nothing moves. See `Motion`."""
    frames = np.asarray(past[-FRAMES:], np.float32)
    if len(frames) < 2 or min(frames.shape[-2:]) < 2 or not np.isfinite(frames[-1]).any():
        return None
    coarse = _coarsened(frames, factor := _factor(frames.shape[-2:]))
    pairs = [np.stack([_lit_alike(a, b), b]) for a, b in pairwise(coarse)]
    still: Motion = np.zeros((2, *coarse.shape[-2:]))
    radius = max(radius_for(frames.shape[-2:]) // factor, 1)
    flows: list[Motion] = []
    for pair in reversed(pairs):  # from the last one on, until a cut
        flow = _flow(pair, radius)
        if _is_cut(pair, flow):
            break
        flows.insert(0, still if flow is None else flow)
    if not flows:
        return None
    shifts = [still if (shift := shift_field(pair)) is None else shift for pair in pairs[-len(flows) :]]
    shares = _shares(coarse, flows, shifts)
    candidates = [still, flows[-1], np.mean(flows, axis=0), shifts[-1]]
    if factor > 1:
        shape = frames.shape[-2:]
        shares = _refined(shares, factor, shape)
        candidates = [factor * _refined(candidate, factor, shape) for candidate in candidates]
        finest = motion_field(np.stack([_lit_alike(frames[-2], frames[-1]), frames[-1]]))
        candidates[1] = candidates[0] if finest is None else finest
    if not any(candidate.any() for candidate in candidates):
        return None
    return np.concatenate([[share, *candidate] for share, candidate in zip(shares, candidates, strict=True)])


def _shares(frames: FloatArray, flows: Sequence[Motion], shifts: Sequence[Motion]) -> NDArray[Any]:
    """Shares (4, H, W), which add up to 1, of the candidates: by the squared errors of what each of them, as known
    earlier, forecasts of the last frame, multiplied over the lead times, so that each of these counts by factors alone.
    """
    from scipy.ndimage import gaussian_filter

    def error(motion: Motion | None, lead: int) -> NDArray[Any]:
        forecast = extrapolate(frames[: len(frames) - lead], motion, lead)[-1]
        squared: NDArray[Any] = np.nan_to_num(forecast - frames[-1]) ** 2
        near: NDArray[Any] = gaussian_filter(squared.mean(axis=0, dtype=np.float64), _NEIGHBOURHOOD)
        return near

    if len(flows) == 1:  # nothing was known earlier: the flow has to show that it explains the change
        ways = (None, flows[0], flows[0], shifts[0])
        tests = [(sum(SHARPNESS), np.stack([error(m, 1) * (1 if m is None else _OVERFIT) for m in ways]))]
    else:
        tests = []
        for lead in range(1, min(len(SHARPNESS), len(flows) - 1) + 1):
            known = len(flows) - lead  # flows found by then
            ways = (None, flows[known - 1], np.mean(flows[:known], axis=0), shifts[known - 1])
            tests.append((SHARPNESS[lead - 1], np.stack([error(motion, lead) for motion in ways])))
    logarithm = np.zeros((4, *frames.shape[-2:]))
    for sharpness, errors in tests:
        # The floor keeps quiet places, where none errs, from being decided by chance.
        logarithm -= sharpness * np.log(errors + _FLOOR * errors.mean() + 1e-12)
    shares: NDArray[Any] = np.exp(logarithm - logarithm.max(axis=0))
    shares /= shares.sum(axis=0)
    # Before a thing that moves all is still, until it comes: it takes its motion along.
    ahead = extrapolate(np.asarray(shares[None, :1], np.float32), flows[-1], AHEAD).min(axis=0)[0]
    still = np.minimum(shares[0], ahead)
    shares[1:] *= (1 - still) / np.maximum(1 - shares[0], 1e-12)
    shares[0] = still
    return shares


def _is_cut(pair: FloatArray, flow: Motion | None) -> bool:
    """True where the second of two frames shows another scene: no motion leads to it."""
    before, after = np.nan_to_num(pair)
    registered = extrapolate(before[None], flow, 1)[0]
    change, left = float(((after - before) ** 2).mean()), float(((after - registered) ** 2).mean())
    variance = float(after.var(axis=(-2, -1)).mean())
    return min(change, left) > _CUT * variance


def _lit_alike(before: FloatArray, after: FloatArray) -> FloatArray:
    """The first of two frames (C, H, W) in the light of the second: each channel times the median of the pixels'
    ratios, which things that move hardly change.
    """
    lit = before.astype(np.float32)
    for one, other, channel in zip(before, after, lit, strict=True):
        bright = np.isfinite(one) & np.isfinite(other)
        bright &= one > _DARK * np.max(one, where=bright, initial=0)
        if bright.mean() > _ENOUGH:
            channel *= np.median(other[bright] / one[bright])
    return lit


def _factor(shape: Sequence[int]) -> int:
    """Pixels along both axes that are averaged for the test."""
    return max(int(np.ceil(np.sqrt(shape[0] * shape[1] / _TESTED_PIXELS))), 1)


def _coarsened(frames: FloatArray, factor: int) -> FloatArray:
    """Means over blocks of pixels; what is left over at the lower and the right edge is left out."""
    if factor == 1:
        return frames
    height, width = (size // factor for size in frames.shape[-2:])
    cut = frames[..., : height * factor, : width * factor]
    blocks = cut.reshape(*frames.shape[:-2], height, factor, width, factor)
    return np.asarray(blocks.mean(axis=(-3, -1)), np.float32)


def _refined(planes: NDArray[Any], factor: int, shape: Sequence[int]) -> NDArray[Any]:
    """Planes (N, H, W) of blocks on the grid of pixels (H, W)."""
    rows, columns = np.meshgrid(*((np.arange(size) + 0.5) / factor - 0.5 for size in shape), indexing="ij")
    return sample(np.asarray(planes, np.float64), rows, columns)
