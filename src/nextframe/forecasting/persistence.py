"""Persistence: nothing changes.

Axes: B batch, T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import numpy as np

from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray


class Persistence(Forecaster):
    """The last frame, for every lead time; a value missing there is missing in the forecast."""

    @property
    def name(self) -> str:
        return "persistence"

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """Repeat the last frame of (B, T, C, H, W) to (B, K, C, H, W)."""
        return np.repeat(past[:, -1:], lead_times, axis=1)
