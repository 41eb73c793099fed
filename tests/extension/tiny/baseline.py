"""Fading: the last frame, which loses a share of its values with each lead time.

Axes: B batch, T time of the past, K lead time, C channel, H height, W width.
"""

import numpy as np

from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray

SHARE = 0.9
"""What is left of a value from one lead time to the next."""


class Fading(Forecaster):
    """The last frame times 0.9, 0.81, ..."""

    @property
    def name(self) -> str:
        return "fading"

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """Fade the last frame of (B, T, C, H, W) to (B, K, C, H, W)."""
        left = np.float32(SHARE) ** np.arange(1, lead_times + 1, dtype=np.float32)
        return past[:, -1:] * left[:, None, None, None]
