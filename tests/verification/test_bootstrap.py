"""Confidence intervals: what is drawn, and whether they hold what they promise."""

import numpy as np
import pytest

from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.forecasting.forecast import Forecaster
from nextframe.forecasting.persistence import Persistence
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.verification.bootstrap import draw_weights, independent_blocks, interval
from nextframe.verification.verify import verify


def sequence(frames: int, seed: int = 0) -> FrameSequence:
    values = np.random.default_rng(seed).normal(size=(frames, 1, 4, 4)).astype(np.float32)
    return FrameSequence(values=values, name=f"noise {seed}")


def test_every_window_is_drawn_as_often_as_any_other() -> None:
    spans = [Span(s, 0, len(s)) for s in (sequence(40), sequence(8), sequence(13))]
    windows = cut_windows(spans, past=2, future=5)
    weights = draw_weights(windows, resamples=4000)
    assert weights.shape == (4000, len(windows))
    np.testing.assert_allclose(weights.mean(0), weights.mean(), rtol=0.12)
    assert weights.sum(1).mean() == pytest.approx(len(windows), rel=0.1)


def test_neighbours_are_drawn_together() -> None:
    one = sequence(60)
    windows = cut_windows([Span(one, 0, 60)], past=2, future=8)
    weights = draw_weights(windows, resamples=500)
    near = np.corrcoef(weights[:, 20], weights[:, 21])[0, 1]
    far = np.corrcoef(weights[:, 20], weights[:, 40])[0, 1]
    assert near > 0.7
    assert abs(far) < 0.3
    assert independent_blocks(windows) == pytest.approx(51 / 8)


def test_movies_are_blocks_of_their_own() -> None:
    windows = cut_windows([Span(s, 0, 6) for s in (sequence(6, n) for n in range(9))], past=2, future=4)
    assert independent_blocks(windows) == 9


def test_the_interval_holds_the_true_value_as_often_as_it_says() -> None:
    draw = np.random.default_rng(3)
    inside = 0
    for _ in range(300):
        values = draw.exponential(size=40)
        weights = draw.multinomial(40, [1 / 40] * 40, size=400).astype(np.float64)
        low, high = interval(weights @ values / 40)
        inside += bool(low <= 1 <= high)
    assert 0.88 <= inside / 300 <= 0.98


class Better(Persistence):
    """Persistence that errs less."""

    def __init__(self, share: float) -> None:
        self.share = share

    name = "better"

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        return self.share * super().predict(past, lead_times)


@pytest.mark.parametrize(("share", "real"), [(0.5, True), (0.9999, True), (1.0, False)])
@pytest.mark.slow
def test_a_real_difference_is_told_from_none(share: float, real: bool) -> None:
    windows = cut_windows([Span(sequence(120), 0, 120)], past=2, future=3)
    forecasters: list[Forecaster] = [Better(share), Persistence()]
    found = verify(forecasters, windows, thresholds=(0.5,))
    assert found.blocks == pytest.approx(116 / 3, abs=0.1)
    skill = found.skill["persistence"]["mse"]
    score, low, high = skill.mean
    assert low <= score <= high
    assert (low > 0) is real
    bounds = np.array(found.intervals["persistence"]["mse"])
    assert (bounds[:, 0] <= found.scores["persistence"]["mse"]).all()
    assert (bounds[:, 1] >= found.scores["persistence"]["mse"]).all()


def test_too_few_forecasts_have_no_interval() -> None:
    windows = cut_windows([Span(sequence(14), 0, 14)], past=2, future=6)
    found = verify([Better(0.5), Persistence()], windows, thresholds=(0.5,))
    assert found.intervals == {}
    assert np.isnan(found.skill["persistence"]["mse"].mean[1])


def test_a_short_stretch_before_a_gap_does_not_make_windows_independent() -> None:
    values = np.random.default_rng(0).normal(size=(60, 1, 4, 4)).astype(np.float32)
    times = np.datetime64("2020-01-01", "ns") + np.arange(60) * np.timedelta64(5, "m")
    times[8:] += np.timedelta64(1, "h")  # room for one window before the gap
    gapped = FrameSequence(values=values, name="gapped", times=times)
    windows = cut_windows([Span(gapped, 0, 60)], past=2, future=6)
    assert independent_blocks(windows) == pytest.approx(len(windows) / 6)
