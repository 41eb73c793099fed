"""Motion extrapolation: optical flow and semi-Lagrangian advection, the nowcasting field's own baseline.

Axes: B batch, T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import numpy as np

from nextframe.data.motion import extrapolate, motion_field
from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray


class Extrapolation(Forecaster):
    """Motion extrapolation: the last frame moved on along its motion since the one before.

    The motion is the dense optical flow of iterative Lucas and Kanade (Le Besnerais and Champagnat 2005) on the mean
    over channels, in Gaussian windows that grow with the frame; the advection is semi-Lagrangian, as in pysteps
    (Pulkkinen et al. 2019, doi 10.5194/gmd-12-4185-2019). Tried beside it on moving squares, radar and video:
    pysteps' sparse Lucas-Kanade and Proesmans' flow, scikit-image's TV-L1, and means and medians over several earlier
    frames. None was harder to beat on the squares (mean CSI 0.78; sparse Lucas-Kanade 0.28) or in mean squared error on
    radar; several earlier frames help where the camera shakes, and there persistence is better still.

    Where no motion can be found (an empty or constant frame, a single frame) it is persistence. What flows in over the
    border, or from where values are missing, is unknown; there the last frame's value stands, so that all forecasters
    are graded on the same pixels.
    """

    @property
    def name(self) -> str:
        return "extrapolation"

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """Move the last frame of (B, T, C, H, W) on, to (B, K, C, H, W)."""
        return np.stack([extrapolate(movie, motion_field(movie[-2:]), lead_times) for movie in past])
