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
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.data.flow import optical_flow
from nextframe.data.sampling import inside, sample
from nextframe.frames.sequence import FloatArray

Motion = NDArray[np.floating[Any]]
"""Pixels a frame along x and along y, (2, H, W); or a mixture of M such motions (3 M, H, W): of each its share, which
add up to 1 at each pixel, and then itself. What moves along a mixture is the mean of what its motions make of it."""

Box = tuple[slice, slice]
"""Rows and columns of a part of the grid."""

_FEW = 0.02
"""Share of a mixture below which a motion of it hardly counts."""

WHOLE: Box = (slice(None), slice(None))


def motion_field(frames: FloatArray, radius: int | None = None) -> Motion | None:
    """Motion in pixels a frame (2, H, W), along x and along y, that led to each pixel of the second of two frames; None
    where there is none to be found.

    Args:
        frames: (T, C, H, W), two of them; of more the first two are taken.
        radius: of the windows that move as one, in pixels; by default as `radius_for` says.
    """
    if len(frames) < 2 or min(frames.shape[-2:]) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pixels missing in all channels
        before, after = np.nanmean(frames, axis=1)
    valid = np.isfinite(before) & np.isfinite(after)
    if not valid.any():
        return None
    low, high = min(before[valid].min(), after[valid].min()), max(before[valid].max(), after[valid].max())
    if low == high:
        return None
    # A pixel missing in one frame is hidden in both, or the edge of what is missing would pass for something moving.
    before, after = (np.where(valid, (frame - low) / (high - low), 0) for frame in (before, after))
    radius = radius_for(after.shape) if radius is None else radius
    # The flow stands on the grid of its first argument: the last frame, whose pixels are moved on. It points back in
    # time.
    down, right = optical_flow(after, before, radius)
    velocity = -np.stack([right, down]).astype(np.float64)
    return velocity if np.isfinite(velocity).all() and velocity.any() else None


def radius_for(shape: tuple[int, ...]) -> int:
    """Radius in pixels of the windows that move as one: an eighth of the smaller side of frames (H, W), 15 at most."""
    return min(max(min(shape) // 8, 1), 15)


def shift_field(frames: FloatArray) -> Motion | None:
    """Motion (2, H, W) of the second of two frames as a whole: the one shift that brings the first onto it; None where
    there is none to be found.

    The shift is where the cross-correlation of both frames is largest, to a tenth of a pixel (M. Guizar-Sicairos et al.
    2008, doi 10.1364/OL.33.000156), of the mean over channels, less its own mean and tapered at the edges.
    """
    if len(frames) < 2:
        return None
    both = np.isfinite(frames).all(axis=(0, 1))
    before, last = np.where(both, np.nan_to_num(frames).mean(axis=1, dtype=np.float64), 0)
    if np.ptp(before) == 0 or np.ptp(last) == 0:
        return None
    down, right = _correlated_at(_tapered(last), _tapered(before))
    if not (down or right):
        return None
    return np.broadcast_to(np.array([right, down], np.float64)[:, None, None], (2, *last.shape))


def _tapered(frame: NDArray[Any]) -> NDArray[Any]:
    rows, columns = map(_taper, frame.shape)
    tapered: NDArray[Any] = (frame - frame.mean()) * rows[:, None] * columns
    return tapered


def _correlated_at(last: NDArray[Any], before: NDArray[Any], parts: int = 10) -> tuple[float, float]:
    """Rows and columns by which the second of two pictures is to be shifted for the largest cross-correlation.

    First to a pixel, by fast Fourier transforms; then to a share of one, by a Fourier transform around it alone.
    scikit-image's `phase_cross_correlation` finds the same, and takes longer to import than a small file to inspect.
    """
    product = np.fft.fft2(last) * np.fft.fft2(before).conj()
    peak = np.unravel_index(np.abs(np.fft.ifft2(product)).argmax(), product.shape)
    whole = [int(place) - size * (place > size // 2) for place, size in zip(peak, product.shape, strict=True)]
    around = [shift + np.arange(-(parts * 3 // 4), parts * 3 // 4 + 1) / parts for shift in whole]
    rows, columns = (
        np.exp(2j * np.pi * np.outer(places, np.fft.fftfreq(size)))
        for places, size in zip(around, product.shape, strict=True)
    )
    down, right = np.unravel_index(np.abs(rows @ product @ columns.T).argmax(), (len(rows), len(columns)))
    return float(around[0][down]), float(around[1][right])


def _taper(size: int, share: float = 0.3) -> NDArray[np.float64]:
    """Tukey window: a cosine over `share` of a length, half of it at each end, and 1 between.

    SciPy's `signal.windows.tukey` is the same, and takes longer to import than a small file to inspect.
    """
    ends = np.minimum(np.arange(size), np.arange(size)[::-1]) / max(share * (size - 1) / 2, 1)
    window: NDArray[np.float64] = 0.5 - 0.5 * np.cos(np.pi * np.minimum(ends, 1))
    return window


def trajectories(motion: Motion, steps: int, box: Box = WHOLE) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Rows and columns (H, W) from which comes what arrives at each pixel after 1, 2, ... steps along a motion.

    Semi-Lagrangian, with the midpoint rule, as pysteps does it (S. Pulkkinen et al. 2019, doi
    10.5194/gmd-12-4185-2019): one path for all channels and lead times.

    Args:
        motion: pixels a step.
        steps: number of steps.
        box: of the pixels that are asked about; by default all of them.
    """
    along_rows, along_columns = (np.arange(size, dtype=np.float64) for size in motion.shape[1:])
    rows, columns = np.meshgrid(along_rows[box[0]], along_columns[box[1]], indexing="ij")
    right, down = motion[0][box], motion[1][box]
    for _ in range(steps):
        right, down = sample(motion, rows - down / 2, columns - right / 2)
        rows, columns = rows - down, columns - right
        yield rows, columns
        right, down = sample(motion, rows, columns)


def moved(frame: FloatArray, rows: NDArray[Any], columns: NDArray[Any]) -> FloatArray:
    """A frame (C, H, W) as it arrives from those places; NaN where nothing known does."""
    arrived = np.asarray(sample(np.asarray(frame, np.float32), rows, columns), np.float32)
    arrived[:, ~inside(rows, columns, (frame.shape[-2], frame.shape[-1]))] = np.nan
    return arrived


def advect(frame: FloatArray, motion: Motion, steps: int) -> FloatArray:
    """A frame (C, H, W) moved on along the motion by 1, 2, ... K steps, (K, C, H, W); NaN where nothing known
    arrives.
    """
    return np.stack([moved(frame, *places) for places in trajectories(motion, steps)])


def extrapolate(past: FloatArray, motion: Motion | None, lead_times: int) -> FloatArray:
    """The last frame of a past (T, C, H, W) moved on along a motion, (K, C, H, W).

    What flows in over the border, or from where values are missing, is unknown; there the last frame's value stands, as
    it does everywhere where there is no motion.
    """
    return move_on(np.repeat(past[-1:], lead_times, axis=0), past[-1], motion)


def between(before: FloatArray, after: FloatArray, share: float) -> FloatArray:
    """The frame (C, H, W) at a share of the way from one frame to the next: both moved there along the motion between
    them, and mixed; where one has no value, the other's, and where neither arrives, those that are there already.
    """
    motion = motion_field(np.stack([before, after]))
    pairs = [(before, after)]
    if motion is not None:
        pairs.insert(0, (advect(before, motion * share, 1)[0], advect(after, -motion * (1 - share), 1)[0]))
    frame = np.full(before.shape, np.nan, np.float32)
    for one, other in pairs:
        for values in ((1 - share) * one + share * other, one, other):
            frame = np.where(np.isfinite(frame), frame, values.astype(np.float32))
    return frame


def parts(motion: Motion) -> list[tuple[Motion | float, Motion]]:
    """Share (H, W) and motion (2, H, W) of each part of a mixture; of one motion alone, 1 and itself."""
    if len(motion) == 2:
        return [(1.0, motion)]
    return [(motion[n], motion[n + 1 : n + 3]) for n in range(0, len(motion), 3)]


def mean_motion(motion: Motion) -> Motion:
    """The one motion (2, H, W) that a mixture has on average.

    >>> mixture = np.stack([np.full((4, 4), value) for value in (0.25, 0.0, 0.0, 0.75, 4.0, -1.0)])
    >>> mean_motion(mixture)[:, 0, 0].tolist()
    [3.0, -0.75]
    """
    return motion if len(motion) == 2 else np.asarray(sum(share * part for share, part in parts(motion)))


def align(frames: FloatArray, past: int, motion: Motion | None, box: Box = WHOLE) -> FloatArray:
    """Frames (T + K, C, H, W), of which the first `past` are seen, in the coordinates of a motion.

    Earlier frames are moved on along a motion to the time of the last one seen, later ones back to it. Values that come
    from beyond the edge are NaN. Of a box of the grid, that part of the moved frames. Of a mixture the mean motion is
    taken.
    """
    if motion is None:
        return frames[..., *box]
    motion = mean_motion(motion)
    aligned = frames[..., *box].astype(np.float32)
    last = past - 1
    for order, along in ((range(last - 1, -1, -1), motion), (range(past, len(frames)), -motion)):
        for n, places in zip(order, trajectories(along, len(order), box), strict=True):
            aligned[n] = moved(frames[n], *places)
    return aligned


def from_lagrangian(forecast: FloatArray, motion: Motion | None) -> FloatArray:
    """A forecast (K, C, H, W) out of the coordinates of a motion: lead time k moved on by k steps; NaN where nothing
    known arrives.
    """
    if motion is None:
        return forecast
    places = trajectories(motion, len(forecast))
    return np.stack([moved(frame, *place) for frame, place in zip(forecast, places, strict=True)])


def move_on(forecast: FloatArray, last: FloatArray, motion: Motion | None) -> FloatArray:
    """A forecast (K, C, H, W) out of the coordinates of a motion or a mixture, with the value of the last frame seen
    (C, H, W) where nothing known arrives, and where that frame has none.
    """

    def known(arrived: FloatArray) -> FloatArray:
        return np.where(np.isfinite(arrived) & np.isfinite(last), arrived, last)

    if motion is None:
        return known(forecast)
    if len(motion) == 2:
        return known(from_lagrangian(forecast, motion))
    mixed = np.zeros(forecast.shape, np.float32)
    for share, along in parts(motion):
        mixed += np.asarray(share, np.float32) * known(from_lagrangian(forecast, along if along.any() else None))
    return mixed


def ways(motion: Motion | None, planes: int, steps: int, box: Box) -> tuple[FloatArray, FloatArray]:
    """Ways by which something arrives at each pixel of a box, for `move_on` in a training: shares (M, h, w) and, in
    pixels of the box, rows and columns (M, K, 2, h, w) that it comes from after 1 ... K steps. Ways that hardly count
    have the share 0.

    Args:
        motion: a motion or a mixture; None where nothing moves.
        planes: of a motion, as many for None as for any other.
        steps: K.
        box: rows and columns of the box, with whole numbers for ends.
    """
    top, left = box[0].start, box[1].start
    height, width = box[0].stop - top, box[1].stop - left
    number = max(planes // 3, 1)
    shares = np.zeros((number, height, width), np.float32)
    places = np.zeros((number, steps, 2, height, width), np.float32)
    places[:] = np.mgrid[:height, :width]
    if motion is None:
        shares[0] = 1
        return shares, places
    for n, (share, along) in enumerate(parts(motion)):
        near = np.broadcast_to(np.asarray(share, np.float32), along.shape[1:])[box]
        if near.max() < _FEW:
            continue
        shares[n] = near
        if along.any():
            for k, (rows, columns) in enumerate(trajectories(along, steps, box)):
                places[n, k] = rows - top, columns - left
    return shares / shares.sum(axis=0), places


def quietly(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function that prints and warns, without either."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)
