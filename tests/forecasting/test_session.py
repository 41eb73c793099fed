"""Sessions: equal to a forecast of the same frames, whichever way and in whatever order they come."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import nextframe
from nextframe.config import RunConfig
from nextframe.data.normalise import Normaliser
from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.forecasting.ensemble import EnsembleForecaster
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.forecasting.streaming import tensors_of
from nextframe.frames.grid import Grid
from nextframe.frames.sequence import FrameSequence
from nextframe.models.build import build_model
from nextframe.runs.manifest import Manifest
from nextframe.training.presets import preset_config

STEP = np.timedelta64(5, "m")
BEGIN = np.datetime64("2016-07-11T21:00", "ns")


def forecaster(model: str = "stacked", seed: int = 0, **options: object) -> ModelForecaster:
    """A network with random weights, which is as good as any to compare forecasts of."""
    config: RunConfig = preset_config(model).replace({"filters": (4, 4), "past": 4, "future": 3, **options})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_model(config.model, 1, past=4, future=3)
    manifest = Manifest(
        config=config,
        normaliser=Normaliser(method="range", offset=(0.0,), scale=(10.0,)),
        threshold=1.0,
        channels=1,
        height=16,
        width=16,
        variables=("rain",),
        units=("mm/h",),
        time_step=300.0,
    )
    return ModelForecaster(network, manifest)


MODEL = forecaster()
FRAMES = np.random.default_rng(0).random((12, 1, 12, 10)).astype(np.float32) * 10


def times(*numbers: int) -> NDArray[np.datetime64]:
    return np.array([BEGIN + n * STEP for n in numbers])


def whole(numbers: list[int]) -> FrameSequence:
    return FrameSequence(values=FRAMES[numbers], name="all", times=times(*numbers), time_step=STEP, missing="mask")


def test_it_equals_a_forecast_of_the_whole_past() -> None:
    session = MODEL.session()
    for n in range(12):
        assert session.update(FRAMES[n], times(n)[0]) == ("first" if n == 0 else "next")
        forecast = session.forecast(5)
        expected = MODEL.forecast(whole(list(range(n + 1))), 5)
        np.testing.assert_allclose(forecast.values, expected.values, rtol=0, atol=1e-4)
        assert forecast.init_time == times(n)[0]
        np.testing.assert_array_equal(forecast.valid_time, expected.valid_time)
    assert session.notes == []


def test_weights_that_change_between_two_frames_are_heard() -> None:
    model = forecaster(seed=3)
    stream = model.stream()
    assert stream is not None
    memory = stream.read(FRAMES[1], stream.read(FRAMES[0], None))
    before = stream.read(FRAMES[2], memory)
    with torch.no_grad():
        for weights in model.model.parameters():
            weights.mul_(1.5)
    after, other = stream.read(FRAMES[2], memory), ModelForecaster(copy.deepcopy(model.model), model.manifest).stream()
    assert other is not None
    torch.testing.assert_close(tensors_of(after), tensors_of(other.read(FRAMES[2], memory)))
    assert not torch.allclose(tensors_of(after)[0], tensors_of(before)[0], atol=1e-3)


def test_an_ensemble_streams_each_of_its_members() -> None:
    ensemble = EnsembleForecaster([forecaster(seed=1), forecaster(seed=2)], MODEL.config)
    session = ensemble.session()
    for frame in FRAMES[:5]:
        session.update(frame)
    forecast, expected = session.forecast(3), ensemble.forecast(FRAMES[:5], 3)
    np.testing.assert_allclose(forecast.values, expected.values, rtol=0, atol=1e-4)
    assert forecast.members is not None
    assert expected.members is not None
    np.testing.assert_allclose(forecast.members, expected.members, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [{"model": "encoder-decoder"}, {"coordinates": "lagrangian", "output": "linear", "loss": "mse", "residual": True}],
    ids=["encoder-decoder", "lagrangian"],
)
def test_others_start_from_the_frames_they_were_trained_with(options: dict[str, object]) -> None:
    model = forecaster(**options)  # type: ignore[arg-type]
    session = model.session()
    for frame in FRAMES[:9]:
        session.update(frame)
    np.testing.assert_array_equal(session.forecast(3).values, model.forecast(FRAMES[5:9], 3).values)


def test_a_past_of_some_length() -> None:
    session = MODEL.session(past=2)
    for frame in FRAMES[:6]:
        session.update(frame)
    np.testing.assert_array_equal(session.forecast(3).values, MODEL.forecast(FRAMES[4:6], 3).values)


def test_a_rollout_is_computed_frame_by_frame() -> None:
    session = MODEL.session()
    for frame in FRAMES[:4]:
        session.update(frame)
    endless = session.rollout()
    np.testing.assert_array_equal([next(endless) for _ in range(6)], session.forecast(6).values)
    np.testing.assert_array_equal(list(session.rollout(2)), session.forecast(2).values)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(7)), st.lists(st.integers(0, 6), max_size=3), st.sets(st.integers(1, 5), max_size=2))
@pytest.mark.slow
def test_the_order_in_which_frames_come_changes_nothing(order: list[int], again: list[int], lost: set[int]) -> None:
    """Late, doubled and missing frames: the forecast is that of the frames since the last gap, as if all had come in
    time.
    """
    session = MODEL.session()
    there = [n for n in order if n not in lost]
    for n in [*there, *(n for n in again if n not in lost)]:
        session.update(FRAMES[n], times(n)[0])
    since = max((n + 1 for n in lost), default=0)
    stretch = list(range(since, 7))
    expected = MODEL.forecast(whole(stretch), 3)
    np.testing.assert_allclose(session.forecast(3).values, expected.values, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(session.sequence().times, times(*stretch))


def test_what_is_out_of_the_usual_is_said() -> None:
    session = MODEL.session()
    said = []
    for n in (0, 1, 1, 3, 2, 0):
        said.append(session.update(FRAMES[n], times(n)[0]))
    assert said == ["first", "next", "doubled", "gap", "late", "doubled"]
    assert session.update(FRAMES[9], times(1)[0]) == "replaced"
    assert len(session.notes) == 3
    assert "gap" in session.notes[0]
    assert "came late" in session.notes[1]
    assert "other values" in session.notes[2]
    for n in range(4, 40):
        session.update(FRAMES[n % 12], times(n)[0])
    assert session.update(FRAMES[5], times(5)[0]) == "too late"


def test_memories_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where hardly any memory is kept, a late frame still gives what it has to."""
    monkeypatch.setattr("nextframe.forecasting.session.KEPT_BYTES", 1)
    session = MODEL.session()
    for n in (0, 1, 2, 4, 5, 3):
        session.update(FRAMES[n], times(n)[0])
    assert sum(seen.memory is not None for seen in session.kept) == 1
    np.testing.assert_allclose(
        session.forecast(3).values, MODEL.forecast(whole([0, 1, 2, 3, 4, 5]), 3).values, rtol=0, atol=1e-4
    )


def test_what_is_no_longer_kept_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A late frame goes before frames of which no memory is kept, so that what came before these is lost."""
    monkeypatch.setattr("nextframe.forecasting.session.KEPT_BYTES", 1)
    monkeypatch.setattr("nextframe.forecasting.session.KEPT_FRAMES", 6)
    session = MODEL.session()
    for n in (0, 1, 2, 3, 4, 5, 6, 7, 9):
        session.update(FRAMES[n], times(n)[0])
    assert session.update(FRAMES[8], times(8)[0]) == "late"
    assert "begins anew with the frame of 2016-07-11T21:15:00" in session.notes[-1]
    assert session.sequence().times is not None
    expected = MODEL.forecast(whole([3, 4, 5, 6, 7, 8, 9]), 3)
    np.testing.assert_allclose(session.forecast(3).values, expected.values, rtol=0, atol=1e-4)


def test_a_frame_that_comes_late_is_held_to_what_the_model_reads() -> None:
    session = MODEL.session()
    for n in (0, 2):
        session.update(FRAMES[n], times(n)[0])
    for n in (0, 1):
        with pytest.raises(ShapeError, match="another size"):
            session.update(np.zeros((1, 3, 3)), times(n)[0])
    assert [seen.time for seen in session.kept] == list(times(0, 2))


def test_a_session_that_is_not_graded_keeps_no_forecasts() -> None:
    session = MODEL.session(graded=False)
    for frame in FRAMES[:5]:
        session.update(frame)
        session.forecast(2)
    assert session.skill() is None
    graded = MODEL.session()
    for frame in FRAMES[:5]:
        graded.update(frame)
    before = graded.nbytes
    graded.forecast(2)
    assert graded.nbytes > before >= session.nbytes >= FRAMES[:5].nbytes


def test_a_frame_that_does_not_fit() -> None:
    session = MODEL.session()
    with pytest.raises(ConfigError, match="no frame yet"):
        session.forecast()
    session.update(FRAMES[0], times(0)[0])
    with pytest.raises(ShapeError, match="another size"):
        session.update(FRAMES[1][:, :5], times(1)[0])
    with pytest.raises(DataError, match="has no time"):
        session.update(FRAMES[1])
    with pytest.raises(ShapeError, match="is no frame"):
        session.update(FRAMES, times(1)[0])
    wrong = FrameSequence(values=FRAMES[:1], name="x", variables=("rain",), units=("K",), times=times(1))
    with pytest.raises(DataError, match="unit of the training"):
        session.update(wrong)
    assert len(session) == 1


def test_missing_pixels_stay_missing_until_a_frame_has_them() -> None:
    frames = FRAMES[:3].copy()
    frames[:, :, :2] = np.nan
    frames[:, :, 2] = [[[np.nan]], [[1.0]], [[np.nan]]]
    session = MODEL.session()
    for frame in frames:
        session.update(frame)
    forecast = session.forecast(2).values
    assert np.isnan(forecast[:, :, :2]).all()
    assert np.isfinite(forecast[:, :, 2:]).all()
    np.testing.assert_allclose(forecast, MODEL.forecast(frames, 2).values, rtol=0, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"model": "encoder-decoder"}], ids=["stacked", "encoder-decoder"])
def test_it_is_saved_and_goes_on(options: dict[str, object], tmp_path: Path) -> None:
    model = forecaster(**options)  # type: ignore[arg-type]
    session = model.session()
    for n in range(30):
        session.update(FRAMES[n % 12], times(n)[0])
    session.save(tmp_path / "live.safetensors")
    again = model.session()
    again.load(tmp_path / "live.safetensors")
    np.testing.assert_array_equal(again.forecast(3).values, session.forecast(3).values)
    for each in (session, again):
        each.update(FRAMES[0], times(30)[0])
    np.testing.assert_array_equal(again.forecast(3).values, session.forecast(3).values)
    other = forecaster(seed=5).session()
    with pytest.raises(nextframe.CheckpointError, match="another model"):
        other.load(tmp_path / "live.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"nonsense")
    with pytest.raises(nextframe.CheckpointError, match="cannot be read"):
        again.load(tmp_path / "bad.safetensors")


def test_unit_and_grid_are_saved_and_scores_are_not(tmp_path: Path) -> None:
    km = {"units": "km"}
    grid = Grid(y=np.arange(12.0), x=np.arange(10.0), y_attributes=km, x_attributes=km)
    session = MODEL.session()
    for n in range(5):
        frame = whole([n])
        session.update(replace(frame, variables=("rain",), units=("mm/h",), grid=grid))
        session.forecast(2)
    assert session.skill() is not None
    session.save(tmp_path / "live.safetensors")
    again = MODEL.session()
    for _ in range(2):  # what it had forecast of other frames goes, too
        again.load(tmp_path / "live.safetensors")
        assert again.skill() is None
        made = again.forecast(2)
        assert (made.variables, made.units) == (("rain",), ("mm/h",))
        assert made.grid is not None
        np.testing.assert_array_equal(made.grid.x, grid.x)
        assert made.grid.y_attributes == {"units": "km"}
        np.testing.assert_array_equal(made.valid_time, session.forecast(2).valid_time)
    again.update(FRAMES[5], times(5)[0])
    skill = again.skill()
    assert skill is not None
    assert skill.count == (1, 0, 0)
    plain = MODEL.session()
    plain.update(FRAMES[0], times(0)[0])
    plain.save(tmp_path / "plain.safetensors")
    again.load(tmp_path / "plain.safetensors")
    assert again.like is None, "nor is it that of the session before"


def test_the_skill_of_a_session_is_that_of_its_forecasts() -> None:
    session = MODEL.session()
    assert session.skill() is None
    forecasts = []
    for n in range(10):
        session.update(FRAMES[n], times(n)[0])
        forecasts.append(session.forecast(2).values)
    skill = session.skill("6h")
    assert skill is not None
    assert skill.count == (9, 8, 0)
    assert list(skill.scores) == ["model", "persistence", "extrapolation"]
    expected = [np.mean((forecasts[n][1] - FRAMES[n + 2]) ** 2) for n in range(8)]
    assert skill.scores["model"]["mse"][1] == pytest.approx(np.mean(expected), rel=1e-5)
    persistence = [np.mean((FRAMES[n] - FRAMES[n + 1]) ** 2) for n in range(9)]
    assert skill.scores["persistence"]["mse"][0] == pytest.approx(np.mean(persistence), rel=1e-5)
    session.update(FRAMES[10], times(10)[0])
    again = session.skill("6h")
    assert again is not None
    assert again.count == (10, 9, 0)
    with pytest.raises(ConfigError, match="is no window"):
        session.skill("5 minutes")


def test_the_coverage_of_a_session_is_that_of_its_intervals() -> None:
    session = forecaster(quantiles=19, loss="quantile").session()
    forecasts = []
    for n in range(8):
        session.update(FRAMES[n], times(n)[0])
        forecasts.append(session.forecast(3))
    skill = session.skill("6h")
    assert skill is not None
    assert skill.count == (7, 6, 5)
    for k, share in enumerate(skill.coverage):
        inside = []
        for n in range(7 - k):
            low, high = (bound[k] for bound in forecasts[n].interval(0.9))
            inside.append((FRAMES[n + k + 1] >= low) & (FRAMES[n + k + 1] <= high))
        assert share == pytest.approx(np.mean(inside))
    assert 0 < skill.coverage[0] < 1
    plain = MODEL.session()
    for n in range(3):
        plain.update(FRAMES[n], times(n)[0])
        plain.forecast(1, members=False)
    without = plain.skill()
    assert without is not None
    assert without.coverage == (), "nobody asked for an interval"


def test_frames_without_times_are_graded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextframe.forecasting.session_log.LARGEST", 1)  # worked through at once
    session = MODEL.session()
    for frame in FRAMES[:5]:
        session.update(frame)
        session.forecast()
    skill = session.skill()
    assert skill is not None
    assert skill.count == (4, 3, 2)
