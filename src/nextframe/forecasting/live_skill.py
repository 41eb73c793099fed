"""`Skill` of forecasts that are issued live, within a window of time; `nextframe.verification.rolling` computes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

WINDOWS = {
    "1h": np.timedelta64(1, "h"),
    "6h": np.timedelta64(6, "h"),
    "24h": np.timedelta64(24, "h"),
    "7d": np.timedelta64(7, "D"),
}
"""Rolling windows by name."""


@dataclass(frozen=True, kw_only=True)
class Skill:
    """Scores of the forecasts whose truth came within a window of time."""

    window: str
    """Name of the window: "1h"."""
    scores: Mapping[str, Mapping[str, Sequence[float]]]
    """Forecaster -> metric -> value at each lead time; NaN where none was verified."""
    count: tuple[int, ...]
    """Forecasts verified at each lead time."""
    coverage: tuple[float, ...]
    """Share of true values between the bounds of the first forecaster's interval, at each lead time; empty where it has
    no bounds."""

    def mean(self, forecaster: str, metric: str) -> float:
        """Mean over the lead times that have a value."""
        values = np.asarray(self.scores.get(forecaster, {}).get(metric, ()), float)
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
