"""Skill of the means, and verdicts by the block bootstrap."""

import numpy as np
import pytest

from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.forecasting.forecast import Forecaster
from nextframe.forecasting.persistence import Persistence
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.verification.bootstrap import count_events
from nextframe.verification.result import Verification
from nextframe.verification.skill import skill_over
from nextframe.verification.verify import verify


class Shrunk(Persistence):
    """Persistence times a factor."""

    def __init__(self, share: float, name: str = "shrunk") -> None:
        self.share, self._name = share, name

    @property
    def name(self) -> str:
        return self._name

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        return self.share * super().predict(past, lead_times)


def noise(frames: int = 120) -> FrameSequence:
    values = np.random.default_rng(1).normal(size=(frames, 1, 6, 6)).astype(np.float32)
    times = np.datetime64("2020-01-01", "ns") + np.arange(frames) * np.timedelta64(5, "m")
    return FrameSequence(values=values, name="noise", times=times)


def test_skill_is_that_of_the_means() -> None:
    """One lead time at which the reference is all but perfect does not decide."""
    scores = {"model": {"mse": np.array([1.0, 135.0])}, "reference": {"mse": np.array([0.01, 221.99])}}
    skill = skill_over("model", ["reference"], scores, {})["reference"]["mse"]
    assert skill.mean[0] == pytest.approx(1 - 68 / 111)
    assert skill.score == pytest.approx([-99, 1 - 135 / 221.99])


def test_lead_times_without_a_value_of_either_count_for_neither() -> None:
    scores = {"model": {"csi_1": np.array([0.5, np.nan, 0.4])}, "reference": {"csi_1": np.array([0.2, 0.1, np.nan])}}
    skill = skill_over("model", ["reference"], scores, {})["reference"]["csi_1"]
    assert skill.mean[0] == pytest.approx((0.5 - 0.2) / (1 - 0.2))


@pytest.mark.parametrize(("share", "word"), [(0.5, "better"), (2.0, "worse"), (1.0, "no real difference")])
@pytest.mark.slow
def test_there_is_one_verdict_for_each_reference(share: float, word: str) -> None:
    windows = cut_windows([Span(noise(), 0, 120)], past=2, future=3)
    everyone: list[Forecaster] = [Shrunk(share), Persistence(), Shrunk(0.0, "zero")]
    found = verify(everyone, windows, thresholds=())
    assert [verdict.reference for verdict in found.verdicts] == ["persistence", "zero"]
    verdict = found.verdicts[0]
    assert (verdict.forecaster, verdict.metric, verdict.verdict) == ("shrunk", "mse", word)
    errors = [float(np.mean(found.scores[name]["mse"])) for name in ("shrunk", "persistence")]
    assert verdict.means == pytest.approx(errors)
    assert verdict.skill[0] == pytest.approx(1 - errors[0] / errors[1])
    assert found.events == 1


def test_too_few_forecasts_give_no_verdict() -> None:
    windows = cut_windows([Span(noise(14), 0, 14)], past=2, future=6)
    found = verify([Shrunk(0.5), Persistence()], windows, thresholds=())
    assert [verdict.verdict for verdict in found.verdicts] == ["not known"]


def test_a_reference_without_an_error_is_beaten_by_nobody() -> None:
    still = FrameSequence(values=np.ones((60, 1, 6, 6), np.float32), name="still")
    windows = cut_windows([Span(still, 0, 60)], past=2, future=2)
    (verdict,) = verify([Shrunk(0.5), Persistence()], windows, thresholds=()).verdicts
    assert (verdict.verdict, np.isnan(verdict.skill[0])) == ("worse", True)


def test_events_are_stretches_without_a_gap() -> None:
    sequence = noise(60)
    assert sequence.times is not None
    times = sequence.times.copy()
    times[30:] += np.timedelta64(1, "D")
    gapped = FrameSequence(values=sequence.values, name="gapped", times=times)
    assert count_events(cut_windows([Span(gapped, 0, 60)], past=2, future=2)) == 2
    assert count_events(cut_windows([Span(gapped, 0, 20), Span(gapped, 22, 28)], past=2, future=2)) == 1


def test_verdicts_come_back_from_the_file(tmp_path: object) -> None:
    from pathlib import Path

    windows = cut_windows([Span(noise(), 0, 120)], past=2, future=3)
    found = verify([Shrunk(0.5), Persistence()], windows, thresholds=())
    path = Path(str(tmp_path)) / "verification.json"
    found.to_json(path)
    assert Verification.from_json(path).verdicts == list(found.verdicts)
