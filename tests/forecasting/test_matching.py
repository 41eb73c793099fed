"""Probability matching keeps the pattern and takes the distribution."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from nextframe.forecasting.matching import ProbabilityMatched, match_distribution
from nextframe.forecasting.persistence import Persistence


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), missing=st.floats(0, 0.9))
def test_values_are_the_last_frames_and_their_order_the_forecasts(seed: int, missing: float) -> None:
    draw = np.random.default_rng(seed)
    last = draw.gamma(1, 2, (2, 9, 8)).astype(np.float32)
    forecast = draw.normal(size=(3, 2, 9, 8)).astype(np.float32)
    forecast[draw.random(forecast.shape) < missing] = np.nan
    last[draw.random(last.shape) < missing / 2] = np.nan
    matched = match_distribution(forecast, last)
    np.testing.assert_array_equal(np.isnan(matched), np.isnan(forecast))
    for lead in range(3):
        for channel in range(2):
            known = np.isfinite(forecast[lead, channel]) & np.isfinite(last[channel])
            after, before = matched[lead, channel][known], forecast[lead, channel][known]
            np.testing.assert_array_equal(np.sort(after), np.sort(last[channel][known]))
            assert (np.diff(after[np.argsort(before)]) >= 0).all()


def test_a_blurred_forecast_gets_its_extremes_back() -> None:
    past = np.random.default_rng(0).gamma(0.5, 3, (1, 2, 1, 30, 30)).astype(np.float32)

    class Blurred(Persistence):
        name = "blurred"

        def predict(self, past: np.ndarray, lead_times: int) -> np.ndarray:
            blurred: np.ndarray = gaussian_filter(super().predict(past, lead_times), (0, 0, 0, 2, 2))
            return blurred

    matched = ProbabilityMatched(Blurred())
    assert matched.name == "blurred, matched"
    forecast = matched.predict(past, 2)
    assert forecast.max() == past[:, -1].max()
    assert Blurred().predict(past, 2).max() < 0.7 * forecast.max()
