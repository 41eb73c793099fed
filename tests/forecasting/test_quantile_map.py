"""The quantile map: as many events at each threshold as came, in the forecast's order."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nextframe
from nextframe.data.limits import Limits
from nextframe.data.split import Span
from nextframe.data.windows import Window, cut_windows
from nextframe.errors import CheckpointError, ConfigError
from nextframe.forecasting.calibration import Calibration
from nextframe.forecasting.forecast import Forecaster
from nextframe.forecasting.matching import QuantileMapped
from nextframe.forecasting.quantile_map import QuantileMap
from nextframe.frames.sequence import FrameSequence

RAIN = Limits(low=(0.0,), high=(None,), least=(0.1,))


class Blurred(Forecaster):
    """Forecasts too little of the strong and too much of the weak, more so at later lead times."""

    name = "blurred"

    def predict(self, past: np.ndarray, lead_times: int) -> np.ndarray:
        weaker = [past[:, -1] ** (0.8 - 0.1 * k) * 0.7 for k in range(lead_times)]
        return np.stack(weaker, axis=1).astype(np.float32)


def rain(frames: int, seed: int) -> list[Window]:
    """Fields of rain, half of them dry, that keep their distribution while their pattern changes."""
    draw = np.random.default_rng(seed)
    values = draw.gamma(0.4, 4, (frames, 1, 40, 40)).astype(np.float32)
    values[values < 0.5] = 0
    values[1:] = np.where(draw.random(values[1:].shape) < 0.6, values[:-1], values[1:])
    sequence = FrameSequence(values=values, name="rain")
    return list(cut_windows([Span(sequence, 0, frames)], past=2, future=2))


@pytest.fixture(scope="module")
def known() -> QuantileMap:
    found = Calibration.fit(Blurred(), rain(40, 0)).quantile_map
    assert found is not None
    return found


@pytest.mark.parametrize("seed", [0, 1])  # the validation part itself, and other frames
def test_as_many_events_are_forecast_as_came_at_each_threshold(known: QuantileMap, seed: int) -> None:
    mapped = QuantileMapped(Blurred(), known, RAIN)
    assert mapped.name == "blurred, matched to validation"
    said: dict[str, list[np.ndarray]] = {"mapped": [], "as it is": [], "truth": []}
    for window in rain(40, seed):
        past, truth = window.read()
        said["mapped"].append(mapped.knowing([window.seen]).predict(past[None], 2)[0])
        said["as it is"].append(Blurred().predict(past[None], 2)[0])
        said["truth"].append(truth)
    for lead in range(2):
        for threshold in (0.5, 2, 5, 10, 15):
            events = {who: (np.stack(frames)[:, lead] >= threshold).sum() for who, frames in said.items()}
            assert events["mapped"] / events["truth"] == pytest.approx(1, abs=0.1), (lead, threshold)
            if threshold >= 5:
                assert events["as it is"] < 0.7 * events["truth"]


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(-5, 200, width=32), min_size=2, max_size=40))
def test_it_is_monotone_and_keeps_what_is_dry_and_what_is_missing(values: list[float]) -> None:
    draw = np.random.default_rng(3)
    observed = np.where(draw.random(5000) < 0.5, 0, draw.gamma(1, 3, 5000)).astype(np.float32)
    forecast = np.where(draw.random(5000) < 0.4, 0, draw.gamma(2, 1, 5000)).astype(np.float32)
    known = QuantileMap.fit([[(forecast, observed)]])
    given = np.array([*sorted(values), np.nan, 0], np.float32).reshape(1, 1, 1, -1)
    mapped = known.apply(given).ravel()
    assert (np.diff(mapped[:-2]) >= 0).all()
    assert np.isnan(mapped[-2])
    assert mapped[-1] == 0
    assert given[0, 0, 0, -2:-1] != given[0, 0, 0, -2:-1]  # the forecast itself is left as it is


def test_beyond_the_last_quantile_the_ratio_stays() -> None:
    draw = np.random.default_rng(4)
    forecast = draw.gamma(2, 1, 20_000).astype(np.float32)
    known = QuantileMap.fit([[(forecast, 3 * forecast)]])
    far = np.array([50.0, 100.0], np.float32).reshape(1, 1, 1, 2)
    assert known.apply(far).ravel() == pytest.approx([150, 300], rel=1e-4)
    celsius = QuantileMap.fit([[(forecast - 4, forecast - 2)]])  # of what has no natural zero, the difference
    assert celsius.apply(far).ravel() == pytest.approx([52, 102], rel=1e-3)
    assert celsius.apply(-far).ravel() == pytest.approx([-48, -98], rel=1e-3)


def test_limits_hold(known: QuantileMap) -> None:
    past = np.full((1, 2, 1, 4, 4), 0.01, np.float32)
    assert (QuantileMapped(Blurred(), known, RAIN).predict(past, 2) == 0).all()


@pytest.mark.parametrize(
    "broken", [{"said": [[]]}, {"said": [[[1.0], [1.0]]]}, {"came": [[[3.0, 2.0]] * 2], "said": [[[0.0, 1.0]] * 2]}]
)
def test_a_map_that_does_not_fit_is_named(tmp_path: Path, broken: dict[str, object]) -> None:
    path = tmp_path / "calibration.json"
    tables = asdict(Calibration.fit(Blurred(), rain(12, 0)))
    path.write_text(json.dumps({**tables, "quantile_map": {**tables["quantile_map"], **broken}}))
    with pytest.raises(CheckpointError, match="calibrate the run again"):
        Calibration.load(path)


def test_what_has_no_validation_part_says_so(tmp_path: Path) -> None:
    movie = "squares:movies=1,frames=20,size=40"
    with pytest.raises(ConfigError, match="has no validation part"):
        nextframe.forecast("persistence", movie, matched="validation")
    with pytest.raises(ConfigError, match=r"calibrated for fewer lead times|knows no distribution"):
        nextframe.forecast("squares-stacked", movie, matched="validation", lead_times=11)
    with pytest.raises(ConfigError, match="is no distribution to match to"):
        nextframe.forecast("squares-stacked", movie, matched="first")  # type: ignore[arg-type]
