"""Calibration: what it learns, whether its intervals hold on other frames, and how forecasts use it."""

import json
from pathlib import Path

import numpy as np
import pytest

from nextframe.data.split import Span
from nextframe.data.windows import Window, cut_windows
from nextframe.errors import CheckpointError, DataError
from nextframe.forecasting.calibration import Calibration
from nextframe.forecasting.error_quantiles import LEVELS
from nextframe.forecasting.forecast import central_interval
from nextframe.forecasting.persistence import Persistence
from nextframe.frames.sequence import FrameSequence


def rain(frames: int, seed: int) -> list[Window]:
    """Fields whose next frame is the last one times a random factor: errors grow with intensity and lead time."""
    draw = np.random.default_rng(seed)
    values = np.empty((frames, 1, 16, 16), np.float32)
    values[0] = draw.gamma(1, 2, (1, 16, 16))
    for n in range(1, frames):
        values[n] = values[n - 1] * draw.lognormal(0, 0.2, (1, 16, 16))
        values[n] = np.where(values[n] > 100, draw.gamma(1, 2, (1, 16, 16)), values[n])
    sequence = FrameSequence(values=values, name="rain")
    return list(cut_windows([Span(sequence, 0, frames)], past=2, future=3))


def test_intervals_hold_on_other_frames_at_every_lead_time_and_intensity() -> None:
    calibration = Calibration.fit(Persistence(), rain(60, 0))
    inside: dict[tuple[int, bool], list[np.ndarray]] = {}
    for window in rain(60, 1):
        past, truth = window.read()
        forecast = Persistence().predict(past[None], 3)
        low, high = central_interval(calibration.members(forecast)[0], 0.9)
        for lead in range(3):
            for heavy in (False, True):
                chosen = (forecast[0, lead] > 3) == heavy
                covered = (low[lead] <= truth[lead]) & (truth[lead] <= high[lead])
                inside.setdefault((lead, heavy), []).append(covered[chosen])
    for (lead, heavy), parts in inside.items():
        share = np.concatenate(parts).mean()
        assert 0.84 <= share <= 0.96, (lead, heavy, share)


def test_forecasts_that_differ_by_rounding_have_the_same_members() -> None:
    draw = np.random.default_rng(0)
    values = draw.uniform(20, 50, (60, 1, 16, 16))
    background = draw.random(values.shape) < 0.6
    values[background] = 10 + draw.normal(0, 1e-5, background.sum())
    sequence = FrameSequence(values=values.astype(np.float32), name="objects")
    calibration = Calibration.fit(Persistence(), cut_windows([Span(sequence, 0, 60)], past=2, future=3))
    forecast = np.full((1, 3, 1, 4, 4), 10, np.float32)
    members = calibration.members(forecast)
    for last_bits in (-3e-5, -1e-6, 1e-6, 3e-5):
        np.testing.assert_allclose(calibration.members(forecast + np.float32(last_bits)), members, atol=1e-4)


def test_members_are_in_order_and_wider_later() -> None:
    calibration = Calibration.fit(Persistence(), rain(60, 0))
    past, _ = rain(60, 2)[0].read()
    members = calibration.members(Persistence().predict(past[None], 3))
    assert members.shape == (1, LEVELS, 3, 1, 16, 16)
    assert (np.diff(members, axis=1) >= 0).all()
    low, high = central_interval(members[0], 0.9)
    width = (high - low).mean((1, 2, 3))
    assert (np.diff(width) > 0).all()


def test_it_is_saved_and_read_again(tmp_path: Path) -> None:
    calibration = Calibration.fit(Persistence(), rain(30, 0))
    calibration.save(tmp_path / "calibration.json")
    again = Calibration.load(tmp_path / "calibration.json")
    forecast = np.random.default_rng(0).gamma(1, 2, (2, 3, 1, 5, 5)).astype(np.float32)
    np.testing.assert_array_equal(again.members(forecast), calibration.members(forecast))
    (tmp_path / "calibration.json").write_text("{}")
    with pytest.raises(CheckpointError, match="calibrate the run again"):
        Calibration.load(tmp_path / "calibration.json")


def test_nothing_to_calibrate_on_is_said() -> None:
    with pytest.raises(DataError, match="no window to calibrate on"):
        Calibration.fit(Persistence(), [])
    values = np.full((10, 1, 4, 4), np.nan, np.float32)
    sequence = FrameSequence(values=values, name="void", missing="mask")
    with pytest.raises(DataError, match="without any value"):
        Calibration.fit(Persistence(), cut_windows([Span(sequence, 0, 10)], past=2, future=3))


def test_limits_that_earlier_versions_kept_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    calibration = Calibration.fit(Persistence(), rain(30, 0))
    calibration.save(path)
    written = json.loads(path.read_text())
    del written["checksum"]  # which they did not write
    path.write_text(json.dumps({**written, "low": [0.0], "high": [None]}))
    assert Calibration.load(path) == calibration


@pytest.mark.parametrize("broken", [{"edges": None}, {"edges": []}, {"errors": []}, {"errors": [[[[0.0]]]]}])
def test_tables_that_do_not_fit_are_named(tmp_path: Path, broken: dict[str, object]) -> None:
    path = tmp_path / "calibration.json"
    Calibration.fit(Persistence(), rain(30, 0)).save(path)
    written = json.loads(path.read_text())
    path.write_text(json.dumps({**written, **broken}))
    with pytest.raises(CheckpointError, match="was changed since it was written"):
        Calibration.load(path)
    del written["checksum"]
    path.write_text(json.dumps({**written, **broken}))
    with pytest.raises(CheckpointError, match="calibrate the run again"):
        Calibration.load(path)
