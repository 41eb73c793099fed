"""`Skill` of forecasts that are issued live, within a window of time; `nextframe.verification.rolling` computes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nextframe.forecasting.forecast import Forecast
from nextframe.frames.sequence import FloatArray

WINDOWS = {
    "1h": np.timedelta64(1, "h"),
    "6h": np.timedelta64(6, "h"),
    "24h": np.timedelta64(24, "h"),
    "7d": np.timedelta64(7, "D"),
}
"""Rolling windows by name."""
COVERAGE = 0.9
"""Probability of the interval whose coverage is counted."""


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


def interval_of(forecast: Forecast) -> tuple[FloatArray, FloatArray] | None:
    """Lower and upper bound (K, C, H, W) of the interval whose coverage is counted; None where the forecast has no
    members, or too few for one.
    """
    if forecast.members is None:
        return None
    reach = (len(forecast.members) - 1) / (len(forecast.members) + 1)
    return forecast.interval(COVERAGE) if reach >= COVERAGE else None
