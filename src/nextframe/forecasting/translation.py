"""Translation: everything moves on as a whole.

Axes: B batch, T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.forecasting.forecast import Forecaster
from nextframe.forecasting.persistence import Persistence
from nextframe.frames.sequence import FloatArray


class Translation(Forecaster):
    """The last frame moved on as a whole, by the one shift that brings the frame before onto it.

    The shift is where the cross-correlation of both frames is largest, to a tenth of a pixel (M. Guizar-Sicairos et al.
    2008, doi 10.1364/OL.33.000156; by scikit-image), of the mean over channels, less its own mean and tapered at the
    edges. It needs no optical flow, and is right where everything moves alike: a panning camera, rain in a steady wind.
    Phase correlation, which gives all frequencies the same weight, was tried and loses smooth fields, such as rain.

    Where no shift can be found (constant frames, a single frame) it is persistence; what flows in over the border, or
    from where values are missing, is the last frame's value.
    """

    @property
    def name(self) -> str:
        return "translation"

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """Move the last frame of (B, T, C, H, W) on, to (B, K, C, H, W)."""
        from scipy.ndimage import shift
        from skimage.registration import phase_cross_correlation

        forecast = Persistence().predict(past, lead_times)
        if past.shape[1] < 2:
            return forecast
        for movie, moved in zip(past, forecast, strict=True):
            both = np.isfinite(movie[-2:]).all(axis=(0, 1))
            before, last = np.where(both, np.nan_to_num(movie[-2:]).mean(axis=1), 0)
            if np.ptp(before) == 0 or np.ptp(last) == 0:
                continue
            step, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]
                _tapered(last), _tapered(before), upsample_factor=10, normalization=None
            )
            for lead, frame in enumerate(moved, 1):
                for channel, values in enumerate(movie[-1]):
                    there = shift(values, lead * step, order=1, mode="constant", cval=np.nan)
                    frame[channel] = np.where(np.isfinite(there) & np.isfinite(values), there, values)
        return forecast


def _tapered(frame: NDArray[Any]) -> NDArray[Any]:
    from scipy.signal.windows import tukey

    rows, columns = (tukey(size, 0.3) for size in frame.shape)
    tapered: NDArray[Any] = (frame - frame.mean()) * rows[:, None] * columns
    return tapered
