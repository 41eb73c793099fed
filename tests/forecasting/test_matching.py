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
    matched = match_distribution(forecast, last[None])
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


def test_what_has_left_the_frame_no_longer_counts() -> None:
    grid = np.mgrid[:48, :48].astype(np.float32)

    def shower(row: float, column: float) -> np.ndarray:
        frame: np.ndarray = 10 * np.exp(-((grid[0] - row) ** 2 + (grid[1] - column) ** 2) / 30)
        return frame

    past = np.stack([shower(24, 36 + 3 * n) + 0.5 * shower(16, 6 + 3 * n) for n in range(2)])[:, None]
    spread = np.random.default_rng(0).random((4, 1, 48, 48)).astype(np.float32)
    matched = match_distribution(spread, past.astype(np.float32))
    assert matched[0].max() > 9
    assert matched[3].max() < 7  # the stronger of the two is beyond the edge, all but its flank
    assert np.isin(matched, past[-1].astype(np.float32)).all()  # and no value is one between two others
