"""Rolling verification: equal to a verification of the same forecasts, through restarts."""

from pathlib import Path

import numpy as np
import pytest

from nextframe.errors import CheckpointError
from nextframe.frames.sequence import FloatArray
from nextframe.verification.additive import Settings
from nextframe.verification.metrics import measure, scores_of
from nextframe.verification.rolling import Rolling
from nextframe.verification.rolling_files import STATISTICS, RollingFolder

STEP = np.timedelta64(5, "m")
BEGIN = np.datetime64("2016-07-11T21:00", "ns")
SETTINGS = Settings(thresholds=(0.5,), scales=(3,))
LEADS = 3
FRAMES = np.random.default_rng(0).random((40, 1, 12, 12)).astype(np.float32)


def empty() -> Rolling:
    return Rolling(lead_times=LEADS, time_step=STEP, settings=SETTINGS)


def forecasts_at(n: int) -> dict[str, FloatArray]:
    return {
        "model": FRAMES[n + 1 : n + 1 + LEADS] * np.float32(0.9),
        "persistence": np.repeat(FRAMES[n : n + 1], LEADS, axis=0),
    }


def run(rolling: Rolling | RollingFolder, numbers: range) -> None:
    for n in numbers:
        rolling.observe(BEGIN + n * STEP, FRAMES[n])
        forecasts = forecasts_at(n)
        low, high = forecasts["model"] - np.float32(0.02), forecasts["model"] + np.float32(0.05)
        rolling.issue(BEGIN + n * STEP, forecasts, bounds=(low, high))


def test_it_equals_a_verification_of_the_same_forecasts() -> None:
    rolling = empty()
    run(rolling, range(12))
    skill = rolling.skill("24h")
    assert skill.count == (11, 10, 9)
    for name, k in (("model", 0), ("persistence", 2)):
        starts = range(12 - 1 - k)
        forecast = np.stack([forecasts_at(n)[name][k : k + 1] for n in starts])
        truth = np.stack([FRAMES[n + 1 + k : n + 2 + k] for n in starts])
        expected = scores_of([part.total() for part in measure(forecast, truth, SETTINGS)])
        for metric in ("mse", "csi_0.5", "bias", "fss_0.5_3px"):
            assert skill.scores[name][metric][k] == pytest.approx(expected[metric][0])
    share = np.mean([(FRAMES[n] * 0.1 <= 0.05) for n in range(1, 12)])
    assert skill.coverage[0] == pytest.approx(share, abs=0.01)


def test_a_window_holds_what_came_within_it() -> None:
    rolling = empty()
    run(rolling, range(30))
    assert rolling.skill("1h").count == (12, 12, 12)
    assert rolling.skill("6h").count == (29, 28, 27)
    assert rolling.skill("1h", until=BEGIN + STEP).count == (1, 0, 0)


def test_a_frame_that_comes_twice_counts_once_and_late_ones_count() -> None:
    rolling = empty()
    rolling.issue(BEGIN, forecasts_at(0))
    assert rolling.observe(BEGIN + 2 * STEP, FRAMES[2]) == 1
    assert rolling.observe(BEGIN + STEP, FRAMES[1]) == 1
    assert rolling.observe(BEGIN + STEP + np.timedelta64(10, "s"), FRAMES[1]) == 0
    assert rolling.observe(BEGIN + np.timedelta64(450, "s"), FRAMES[1]) == 0, "between two steps"
    assert rolling.skill().count == (1, 1, 0)


def test_forecasts_that_are_made_again_are_not_counted_again() -> None:
    """A late frame changes the products after it, which are then made, and issued, again."""
    rolling, once = empty(), empty()
    run(rolling, range(8))
    run(once, range(8))
    run(rolling, range(3, 8))
    run(rolling, range(0, 8))
    assert rolling.skill("24h") == once.skill("24h")
    assert len(rolling.pending) == len(once.pending) <= LEADS + 2
    run(rolling, range(8, 10))
    run(once, range(8, 10))
    assert rolling.skill("24h") == once.skill("24h")


def test_old_statistics_are_put_together_by_the_hour_and_then_forgotten() -> None:
    rolling = empty()
    run(rolling, range(12))
    later = BEGIN + np.timedelta64(2, "D")
    rolling.observe(later, FRAMES[0])
    assert len(rolling.bins) == 1
    assert rolling.skill("7d").count == (11, 10, 9)
    assert rolling.skill("24h").count == (0, 0, 0)
    rolling.observe(BEGIN + np.timedelta64(9, "D"), FRAMES[0])
    assert not rolling.bins


def test_a_model_that_falls_behind_is_noticed() -> None:
    rolling = empty()
    run(rolling, range(6))
    assert rolling.behind_since("model", "persistence") is None
    assert rolling.behind_since("persistence", "model") == BEGIN + STEP


@pytest.mark.slow
def test_it_goes_on_after_a_kill(tmp_path: Path) -> None:
    whole = RollingFolder(tmp_path / "whole", empty())
    run(whole, range(20))
    for begin in range(0, 20, 4):  # a new process each time
        parts = RollingFolder(tmp_path / "parts", empty())
        run(parts, range(begin, begin + 4))
    (tmp_path / "parts" / ".left.999999999.tmp.npy").write_bytes(b"half")
    again = RollingFolder(tmp_path / "parts", empty())
    assert again.rolling.skill("24h") == whole.rolling.skill("24h")
    assert len(list((tmp_path / "parts").glob("*.npy"))) == 4 * LEADS, "only what waits is kept"
    assert not list((tmp_path / "parts").glob(".*"))


def test_other_settings_begin_anew_and_damage_is_told(tmp_path: Path) -> None:
    run(RollingFolder(tmp_path, empty()), range(4))
    other = Rolling(lead_times=LEADS, time_step=STEP, settings=Settings(thresholds=(0.7,)))
    assert not RollingFolder(tmp_path, other).rolling.bins
    (tmp_path / STATISTICS).write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="cannot be read"):
        RollingFolder(tmp_path, empty())
