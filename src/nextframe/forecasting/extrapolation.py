"""Motion extrapolation: optical flow and semi-Lagrangian advection, the nowcasting field's own baseline.

Axes: B batch, T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import numpy as np

from nextframe.data.motion import advect, motion_field, semi_lagrangian
from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray


class Extrapolation(Forecaster):
    """Motion extrapolation: the last frame moved on along its motion since the one before.

    The motion is the dense optical flow of iterative Lucas and Kanade (Le Besnerais and Champagnat 2005, by scikit-
    image) on the mean over channels, in Gaussian windows that grow with the frame; the advection is semi-Lagrangian, by
    pysteps (Pulkkinen et al. 2019, doi 10.5194/gmd-12-4185-2019). Tried beside it on moving squares, radar and video:
    pysteps' sparse Lucas-Kanade and Proesmans' flow, scikit-image's TV-L1, and means and medians over several earlier
    frames. None was harder to beat on the squares (mean CSI 0.78; sparse Lucas-Kanade 0.28) or in mean squared error on
    radar; several earlier frames help where the camera shakes, and there persistence is better still.

    Where no motion can be found (an empty or constant frame, a single frame) it is persistence. What flows in over the
    border, or from where values are missing, is unknown; there the last frame's value stands, so that all forecasters
    are graded on the same pixels.

    Raises:
        ConfigError: pysteps is not installed.
    """

    def __init__(self) -> None:
        semi_lagrangian()  # says now, not in the middle of the work, that pysteps is missing

    @property
    def name(self) -> str:
        return "extrapolation"

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """Move the last frame of (B, T, C, H, W) on, to (B, K, C, H, W)."""
        forecast = np.repeat(past[:, -1:], lead_times, axis=1)
        for movie, moved in zip(past, forecast, strict=True):
            velocity = motion_field(movie[-2:])
            if velocity is None:
                continue
            for channel in range(movie.shape[1]):
                last = movie[-1, channel]
                advected = advect(last, velocity, lead_times)
                there = np.isfinite(advected) & np.isfinite(last)
                moved[:, channel] = np.where(there, advected, moved[:, channel])
        return forecast
