"""The last frame fades."""

import numpy as np

from nextframe.forecasting.baselines import make_baseline


def test_the_last_frame_fades() -> None:
    past = np.ones((1, 2, 1, 2, 2), np.float32)
    forecast = make_baseline("fading").predict(past, 2)
    np.testing.assert_allclose(forecast[0, :, 0, 0, 0], [0.9, 0.81])
