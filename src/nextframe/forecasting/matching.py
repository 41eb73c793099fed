"""Probability matching: a forecast with the distribution of values that was last observed.

A network trained on squared errors blurs what it does not know, and forecasts too little of the strong and too much of
the weak. Where events at a threshold count, its pattern is worth more than its amounts: the largest value of a forecast
frame is replaced by the largest of the last frame seen, the second by the second, and so on (E. Ebert 2001,
doi 10.1175/1520-0493(2001)129<2461:AOAPMS>2.0.CO;2, for ensembles). Squared errors grow by it.

Axes: B batch, T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray, FrameSequence


def match_distribution(forecast: FloatArray, last: FloatArray) -> FloatArray:
    """Every frame of a forecast (K, C, H, W) with the values of the last frame seen (C, H, W), in the forecast's order.

    Values that are missing on either side stay as they are in the forecast.
    """
    matched_forecast = forecast.copy()
    for frame in matched_forecast:
        for values, seen in zip(frame, last, strict=True):
            both = np.isfinite(values) & np.isfinite(seen)
            matched = np.empty(int(both.sum()), values.dtype)
            matched[np.argsort(values[both], kind="stable")] = np.sort(seen[both])
            values[both] = matched
    return matched_forecast


class ProbabilityMatched(Forecaster):
    """Another forecaster's forecast, matched to the last frame seen. A single forecast, without members.

    Args:
        inner: whose forecast.
    """

    def __init__(self, inner: Forecaster) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        return f"{self.inner.name}, matched"

    def knowing(self, pasts: Sequence[FrameSequence]) -> Forecaster:
        return ProbabilityMatched(self.inner.knowing(pasts))

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """The inner forecaster's forecast, matched, (B, K, C, H, W)."""
        forecast = self.inner.predict(past, lead_times)
        return np.stack([match_distribution(f, movie[-1]) for f, movie in zip(forecast, past, strict=True)])
