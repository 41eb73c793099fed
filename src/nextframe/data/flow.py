"""Dense optical flow: iterative Lucas and Kanade, coarse to fine.

G. Le Besnerais and F. Champagnat 2005 (doi 10.1109/ICIP.2005.1529706, table 2), with the settings and the numbers of
scikit-image's `optical_flow_ilk(gaussian=True)`, in about a third of its time: the two unknowns of each pixel are
solved for in closed form.

Axes: H height, W width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nextframe.data.sampling import sample

Plane = NDArray[np.float32]

WARPS = 10
"""Times that the second frame is warped at each level."""
SMALLEST = 16
"""Pixels of the smaller side below which no coarser level is made."""
LEVELS = 10
_SINGULAR = 1e-14
_FINEST = 600_000
"""Pixels of a frame beyond which the flow is that of frames half as fine."""


def optical_flow(reference: Plane, moving: Plane, radius: int) -> Plane:
    """Displacement (2, H, W), along rows and along columns, that leads from each pixel of the reference to where it is
    in the moving frame; both (H, W), of values in about 0..1.

    Args:
        reference: the frame on whose grid the flow stands.
        moving: the other one.
        radius: of the windows, whose Gaussian weights have a deviation of (2 radius + 1) / 4 pixels.

    >>> y, x = np.mgrid[:32, :32].astype(np.float32)
    >>> hill, moved = (np.exp(-((y - 16) ** 2 + (x - 16 - d) ** 2) / 40) for d in (0, 1))
    >>> optical_flow(hill, moved, radius=4)[:, 16, 16].round(1).tolist()
    [0.0, 1.0]
    """
    from skimage.transform import pyramid_reduce

    def coarser(frame: Plane) -> Plane:
        return np.asarray(pyramid_reduce(frame, 2, channel_axis=None), np.float32)  # type: ignore[no-untyped-call]

    pyramid = [(np.asarray(reference, np.float32), np.asarray(moving, np.float32))]
    while len(pyramid) < LEVELS and min(pyramid[-1][0].shape) > 2 * SMALLEST:
        first, second = pyramid[-1]
        pyramid.append((coarser(first), coarser(second)))
    flow: Plane = np.zeros((2, *pyramid[-1][0].shape), np.float32)
    for first, second in reversed(pyramid):
        flow = _resized(flow, first.shape)
        if first.size <= _FINEST or first is pyramid[-1][0]:
            flow = _level(first, second, flow, radius)
    return flow


def _level(reference: Plane, moving: Plane, flow: Plane, radius: int) -> Plane:
    from scipy.ndimage import gaussian_filter

    def mean(values: Plane) -> Plane:
        blurred: Plane = gaussian_filter(values, (2 * radius + 1) / 4, mode="mirror")
        return blurred

    rows, columns = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in reference.shape), indexing="ij", sparse=True)
    for _ in range(WARPS):
        warped = sample(moving[None], rows + flow[0], columns + flow[1])[0]
        down, right = (np.asarray(slope, np.float32) for slope in np.gradient(warped))
        error = down * flow[0] + right * flow[1] + reference - warped
        a, b, c = (mean(product).astype(np.float64) for product in (down * down, down * right, right * right))
        e, f = (mean(product).astype(np.float64) for product in (down * error, right * error))
        determinant = a * c - b * b
        known = np.abs(determinant) >= _SINGULAR
        scale = np.where(known, 1 / np.where(known, determinant, 1), 0)
        flow = np.stack([(c * e - b * f) * scale, (a * f - b * e) * scale]).astype(np.float32)
    return flow


def _resized(flow: Plane, shape: tuple[int, ...]) -> Plane:
    """A flow brought to a finer grid, nearest neighbours, its values scaled as the grid is."""
    from scipy.ndimage import zoom

    if flow.shape[1:] == shape:
        return flow
    scale = [new / old for new, old in zip(shape, flow.shape[1:], strict=True)]
    finer: Plane = zoom(flow, [1, *scale], order=0, mode="nearest", prefilter=False)
    return finer * np.array(scale, np.float32)[:, None, None]
