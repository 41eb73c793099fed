"""The frequency bias is its equation."""

import numpy as np

from nextframe.verification.additive import Settings
from nextframe.verification.metrics import measure, scores_of


def test_frequency_bias_counts_events_forecast_for_each_that_came() -> None:
    forecast = np.array([1, 1, 1, 0], np.float32).reshape(1, 1, 1, 2, 2)
    truth = np.array([1, 0, 0, 0], np.float32).reshape(1, 1, 1, 2, 2)
    parts = measure(forecast, truth, Settings(thresholds=(0.5,)))
    assert scores_of(parts)["fbias_0.5"].item() == 3
