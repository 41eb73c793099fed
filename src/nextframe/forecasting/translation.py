"""Translation: everything moves on as a whole.

Axes: B batch, T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import numpy as np

from nextframe.data.motion import extrapolate, shift_field
from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray


class Translation(Forecaster):
    """The last frame moved on as a whole, by the one shift that brings the frame before onto it.

    The shift is where the cross-correlation of both frames is largest (`nextframe.data.motion.shift_field`). It needs
    no optical flow, and is right where everything moves alike: a panning camera, rain in a steady wind.
    Phase correlation, which gives all frequencies the same weight, was tried and loses smooth fields, such as rain.

    Where no shift can be found (constant frames, a single frame) it is persistence; what flows in over the border, or
    from where values are missing, is the last frame's value.
    """

    @property
    def name(self) -> str:
        return "translation"

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """Move the last frame of (B, T, C, H, W) on, to (B, K, C, H, W)."""
        return np.stack([extrapolate(movie, shift_field(movie[-2:]), lead_times) for movie in past])
