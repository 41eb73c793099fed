"""Covariates: aligned by time, read as the future allows, and worth something where they tell what is to come."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import nextframe
from nextframe.api import verify_run
from nextframe.config import DataConfig, RunConfig
from nextframe.data.covariates import Covariate, Covariates, named_in
from nextframe.data.door import Door
from nextframe.data.normalise import Normaliser
from nextframe.data.split import Span
from nextframe.data.windows import Window
from nextframe.errors import ConfigError, DataError, NextframeError, ShapeError
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_source
from nextframe.models.build import build_model
from nextframe.models.rollout import rollout
from nextframe.service.follow import Follower
from nextframe.service.start import models_of
from nextframe.training.foresight import check_covariates

START, STEP = np.datetime64("2024-03-01T00:00", "ns"), np.timedelta64(10, "m")
SIZE = 8
Y = X = np.arange(SIZE) * 1000.0


def times(frames: int, *, step: np.timedelta64 = STEP, late: int = 0) -> np.ndarray:
    return START + np.timedelta64(late, "s") + np.arange(frames) * step


def write(path: Path, values: np.ndarray, when: np.ndarray, **more: Any) -> str:
    size = values.shape[-1]
    axes = {"time": when, "y": np.linspace(0, 7000, size), "x": np.linspace(0, 7000, size), **more}
    xr.Dataset({path.stem: (("time", "y", "x"), values.astype(np.float32))}, axes).to_netcdf(path, engine="h5netcdf")
    return str(path)


def flat(levels: np.ndarray, size: int = SIZE) -> np.ndarray:
    return levels[:, None, None] * np.ones((1, size, size))


def sequence(frames: int = 20) -> FrameSequence:
    values = np.random.default_rng(0).random((frames, 1, SIZE, SIZE)).astype(np.float32)
    return FrameSequence(values=values, name="rain", times=times(frames))


def opened(**options: Any) -> Covariates:
    covariates = named_in(DataConfig(**options))
    assert covariates is not None
    rows = [
        Covariate(name=row.name, known=row.known, offset=(0.0,), scale=(1.0,), variables=("v",), units=("1",))
        if row.needs_source
        else row
        for row in covariates.rows
    ]
    return Covariates(tuple(rows), covariates.config, covariates.sources)


def test_an_observed_one_is_read_at_the_frame_and_held_after_the_last(tmp_path: Path) -> None:
    path = write(tmp_path / "sat.nc", flat(np.arange(20.0)), times(20))
    read = opened(covariates=(path,)).read(sequence()[3:7], 3)
    assert read.shape == (7, 2, SIZE, SIZE)
    assert read[:, 0, 0, 0].tolist() == [3, 4, 5, 6, 6, 6, 6]
    assert (read[:, 1] == 1).all()


def test_one_known_for_the_future_is_read_at_the_frame_that_is_to_come(tmp_path: Path) -> None:
    path = write(tmp_path / "nwp.nc", flat(np.arange(20.0)), times(20))
    read = opened(future_covariates=(path,)).read(sequence()[3:7], 3)
    assert read[:, 0, 0, 0].tolist() == [4, 5, 6, 7, 8, 9, 10]


def test_late_and_missing_frames_are_told_from_those_that_are_there(tmp_path: Path) -> None:
    """A satellite every 10 minutes that is 4 minutes late and lacks two frames; a forecast every hour."""
    when = np.delete(times(20, late=240), [4, 5])
    path = write(tmp_path / "sat.nc", flat(np.delete(np.arange(20.0), [4, 5])), when)
    read = opened(covariates=(path,)).read(sequence()[2:9], 1)
    assert read[:, 0, 0, 0].tolist() == [1, 2, 3, 0, 0, 6, 7, 7]  # the latest before, younger than one step
    assert read[:, 1, 0, 0].tolist() == [1, 1, 1, 0, 0, 1, 1, 1]
    hourly = write(tmp_path / "nwp.nc", flat(np.arange(4.0)), times(4, step=np.timedelta64(60, "m")))
    read = opened(future_covariates=(hourly,)).read(sequence()[0:8], 2)
    assert read[:, 0, 0, 0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1, 2]  # the nearest
    gaps = flat(np.arange(20.0))
    gaps[5, 0, 0] = np.nan
    read = opened(covariates=(write(tmp_path / "gaps.nc", gaps, times(20)),)).read(sequence()[4:6], 1)
    assert read[:, 0, 0, 0].tolist() == [4, 0, 0]
    assert read[:, 1, 0, 0].tolist() == [1, 0, 0]
    assert read[:, 0, 1, 1].tolist() == [4, 5, 5]


def test_frames_without_a_covariate_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "sat.nc", flat(np.arange(15.0)), times(15))
    frames = sequence()
    (said,) = opened(covariates=(path,)).absent([Span(frames, 0, 20)])
    assert said == f"covariate {path}: at 5 of 20 frames it has none, and is 0 there"
    with pytest.raises(DataError, match=r"no frame at the time .*2024-03-01 02:30.*2024-03-01 00:00"):
        opened(covariates=(path,)).absent([Span(frames, 15, 20)])


def test_the_clock_turns_once_a_day_and_once_a_year() -> None:
    read = opened(covariates=("time-of-day", "time-of-year")).read(sequence()[0:6], 140)
    assert read.shape == (146, 4, SIZE, SIZE)
    angle = np.unwrap(np.arctan2(read[:, 0, 0, 0], read[:, 1, 0, 0]))
    np.testing.assert_allclose(angle, 2 * np.pi * np.arange(1, 147) / 144, atol=1e-4)
    assert abs(np.arctan2(read[0, 2, 0, 0], read[0, 3, 0, 0]) - 2 * np.pi * 60 / 365.2425) < 1e-3


def test_the_training_part_tells_mean_and_deviation(tmp_path: Path) -> None:
    levels = np.random.default_rng(3).normal(50, 7, 40)
    levels[20:] = 1e6  # of the test part
    path = write(tmp_path / "sat.nc", flat(levels), times(40))
    row = opened(covariates=(path,)).normalised([Span(sequence(40), 0, 20)]).rows[0]
    assert row.offset == pytest.approx((levels[:20].mean(),), rel=1e-4)
    assert row.scale == pytest.approx((levels[:20].std(),), rel=1e-3)


def test_a_finer_grid_is_coarsened_and_a_whole_one_cut(tmp_path: Path) -> None:
    fine = write(tmp_path / "fine.nc", np.random.default_rng(0).random((20, 16, 16)), times(20))
    read = opened(covariates=(fine,)).read(sequence()[0:2], 1)
    blocks = open_source(fine).sequences[0].read(0, 1)[0, 0].reshape(8, 2, 8, 2).mean((1, 3))
    np.testing.assert_allclose(read[0, 0], blocks, rtol=1e-5)
    whole = write(tmp_path / "whole.nc", np.random.default_rng(0).random((20, 12, 12)), times(20))
    read = opened(covariates=(whole,), crop=(2, 3, 8, 8)).read(sequence()[0:2], 1)
    np.testing.assert_array_equal(read[0, 0], open_source(whole).sequences[0].read(0, 1)[0, 0, 2:10, 3:11])


def test_what_cannot_be_a_covariate(tmp_path: Path) -> None:
    np.save(tmp_path / "bare.npy", np.zeros((20, SIZE, SIZE), np.float32))
    other = write(tmp_path / "other.nc", np.zeros((20, 11, 11)), times(20))
    with pytest.raises(DataError, match=r"covariate .*bare\.npy: has no times"):
        named_in(DataConfig(covariates=(str(tmp_path / "bare.npy"),)))
    with pytest.raises(ConfigError, match="covariate time-of-dya: is neither a clock nor a file; did you mean"):
        named_in(DataConfig(covariates=("time-of-dya",)))
    with pytest.raises(DataError, match=r"none\.nc"):
        named_in(DataConfig(covariates=(str(tmp_path / "none.nc"),)))
    with pytest.raises(ShapeError, match=r"covariate .*other\.nc: is of another grid .*\(8, 8\).*\(11, 11\)"):
        opened(covariates=(other,)).read(sequence()[0:2], 1)
    timeless = FrameSequence(values=np.zeros((5, 1, SIZE, SIZE), np.float32), name="film")
    with pytest.raises(DataError, match="film: has no times"):
        opened(covariates=("time-of-day",)).read(timeless, 1)
    with pytest.raises(ConfigError, match="do not move with the frames"):
        DataConfig(covariates=("time-of-day",), coordinates="lagrangian")
    with pytest.raises(ConfigError, match="named twice"):
        DataConfig(covariates=("a.nc",), future_covariates=("a.nc",))
    with pytest.raises(ConfigError, match=r"read frames after the past.*simvp"):
        RunConfig().replace({"model": "simvp", "filters": (4,), "covariates": ("time-of-day",)})
    RunConfig().replace({"model": "simvp", "filters": (4,), "covariates": ("sat.nc",)})


def doors(tmp_path: Path, *, mask: bool = False) -> Door:
    draw = np.random.default_rng(5)
    sat = write(tmp_path / "sat.nc", draw.random((20, SIZE, SIZE)), times(20))
    nwp = write(tmp_path / "nwp.nc", draw.random((20, SIZE, SIZE)), times(20))
    identity = Normaliser(method="identity", offset=(0.0,), scale=(1.0,))
    return Door(identity, covariates=opened(covariates=(sat,), future_covariates=(nwp,)), mask=mask)


@pytest.mark.parametrize("kind", ["stacked", "encoder-decoder", "convgru", "multiscale"])
@pytest.mark.parametrize("mask", [False, True])
def test_only_what_is_known_for_the_future_is_read_there(tmp_path: Path, kind: str, mask: bool) -> None:
    door = doors(tmp_path, mask=mask)
    config = RunConfig().replace({"model": kind, "filters": (3,), "norm": "layer"})
    torch.manual_seed(0)
    network = build_model(config.model, 1, 4 + mask, masked=mask).eval()
    window = Window(sequence(), 2, 4, 3)
    result = check_covariates(network, door, window)
    assert (result.known, result.read) == (result.read, result.known)
    assert len(result.observed) == 1
    assert not result.leaks
    assert "no value of" in result.sentence
    past, _ = window.read()
    beside = door.covariates.read(window.seen, 3)  # type: ignore[union-attr]
    frames, later = door.enter(past[None], beside=beside[None, :4])[0], door.ahead(past[None], beside[None, 4:])
    with torch.inference_mode():
        torch.testing.assert_close(
            network.rollout_logits(frames, 3, later).sigmoid(), rollout(network, frames, 3, later), rtol=1e-4, atol=1e-5
        )


SMALL: dict[str, Any] = {
    **{"past": 2, "future": 2, "filters": (4,), "norm": "layer", "epochs": 3, "batch_size": 4, "optimizer": "adam"},
    **{"normalisation": "standard", "output": "linear", "loss": "mse", "learning_rate": 0.05, "progress": False},
}


def told_by_a_forecast(tmp_path: Path) -> tuple[str, str]:
    """Frames whose brightness is drawn anew each time, and a forecast that tells it."""
    levels = np.random.default_rng(4).normal(0, 1, 120)
    nwp = write(tmp_path / "nwp.nc", flat(10 * levels + 280), times(120))
    noise = 0.05 * np.random.default_rng(6).normal(size=(120, SIZE, SIZE))
    return write(tmp_path / "rain.nc", flat(levels) + noise, times(120)), nwp


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"model": "encoder-decoder", "scheduled_sampling": 0.5}, marks=pytest.mark.long),
        pytest.param({"patch": 2, "rollout_training": 0.5}, marks=pytest.mark.long),
    ],
    ids=["stacked", "encoder-decoder", "patched"],
)
@pytest.mark.long
def test_a_model_with_the_covariate_is_better_than_one_without(tmp_path: Path, options: dict[str, Any]) -> None:
    rain, nwp = told_by_a_forecast(tmp_path)
    small = {**SMALL, **options}
    said: list[str] = []
    run = nextframe.fit(
        rain, out=tmp_path / "with", future_covariates=[nwp], tell=said.append, **{**small, "progress": True}
    )
    assert any(f"depends on {nwp} at the lead times, known for the future" in line for line in said)
    nextframe.fit(rain, out=tmp_path / "without", **small)
    scores = [
        verify_run(tmp_path / name, baselines=(), examples=0, progress=False).scores["model"]["mse"]
        for name in ("with", "without")
    ]
    told, blind = (float(np.mean(score)) for score in scores)
    assert told < 0.5 * blind
    past = open_source(rain).sequences[0][102:104]
    with pytest.raises(ConfigError, match=r"nwp\.nc: was trained with covariates.*future_covariates=SOURCE"):
        run.forecast(past, 2)
    made = run.forecast(past, 4, future_covariates=[nwp])
    again = ModelForecaster.load(tmp_path / "with").with_covariates().forecast(past, 4)
    np.testing.assert_array_equal(made.values, again.values)
    np.testing.assert_array_equal(
        made.values, nextframe.forecast(tmp_path / "with", past, lead_times=4, future_covariates=[nwp]).values
    )
    np.testing.assert_allclose(run.forecast(past, 4, future_covariates=[nwp], tile=16).values, made.values, atol=1e-5)


@pytest.mark.slow
def test_a_run_with_covariates_says_where_it_cannot_go(tmp_path: Path) -> None:
    rain, nwp = told_by_a_forecast(tmp_path)
    small = {**SMALL, "epochs": 1, "members": 2}
    run = nextframe.fit(rain, out=tmp_path / "run", covariates=[nwp, "time-of-day"], **small)
    past = open_source(rain).sequences[0][100:104]
    refused: list[tuple[Any, str]] = [
        (lambda: run.session(), r"reads covariates \(.*nwp\.nc and time-of-day\), which a session cannot give it"),
        (lambda: Follower(run, "*.nc", tmp_path / "products"), "was trained with covariates, and there are none"),
        (lambda: models_of([str(tmp_path / "run")]), "which the service cannot give it"),
        (lambda: nextframe.export(run, tmp_path / "model.onnx"), "which an exported file cannot give it"),
        (lambda: run.forecast(past, 2, covariates=[]), r"reads 1 source of covariates here .*nwp\.nc.*none"),
        (
            lambda: run.forecast(past, 2, covariates=[nwp], future_covariates=[nwp]),
            "future_covariates: reads 0 sources",
        ),
        (lambda: run.with_covariates([rain, rain]), "reads 1 source"),
        (lambda: run.with_covariates().predict(past.read(0, 4)[None], 2), "which an array does not have"),
        (lambda: verify_run(tmp_path / "run", data=rain, progress=False), "was trained with covariates"),
        (lambda: nextframe.forecast(tmp_path / "run", rain), "was trained with covariates"),
        (lambda: nextframe.forecast("persistence", rain, covariates=[nwp]), "are of trained models"),
        (
            lambda: nextframe.fit(rain, out=tmp_path / "more", from_=str(tmp_path / "run"), progress=False),
            "starts from",
        ),
    ]
    for call, said in refused:
        with pytest.raises(NextframeError, match=said):
            call()
    assert run.forecast(past, 2, covariates=[nwp]).members is not None
    assert verify_run(
        tmp_path / "run", data=rain, covariates=[nwp], baselines=(), seen=True, limit=4, examples=0, progress=False
    ).scores


def in_memory(name: str, levels: np.ndarray, *, late: int = 0) -> xr.DataArray:
    axes = {"time": times(len(levels), late=late), "y": Y, "x": X}
    return xr.DataArray(flat(levels).astype(np.float32), dims=("time", "y", "x"), coords=axes, name=name)


def test_an_inspection_says_what_is_read_beside_and_what_is_wrong_with_it() -> None:
    levels = np.random.default_rng(4).normal(0, 1, 60)
    rain, sat = in_memory("rain", levels), in_memory("sat", np.roll(levels, 5))
    found = nextframe.inspect(rain, past=3, future=2, covariates=[sat, "time-of-day"], future_covariates=[sat.values])
    assert [(row.name, row.known, row.frames) for row in found.covariates] == [
        ("sat", False, 60),
        ("time-of-day", True, 0),
        ("array", True, 60),
    ]
    training = np.roll(levels, 5)[: found.parts["training"].frames].astype(np.float32)
    assert found.covariates[0].mean == pytest.approx((training.mean(),), abs=1e-4)
    assert found.covariates[0].deviation == pytest.approx((training.std(),), rel=1e-3)
    assert found.foresight == (
        "a forecast would read no value of sat after the last frame seen, and time-of-day and array at the lead times, "
        "known for the future (found by perturbation)"
    )
    assert not [problem for problem in found.problems if "covariate" in problem]
    late = nextframe.inspect(rain, past=3, future=2, covariates=[in_memory("sat", levels[:50], late=300)])
    assert [problem for problem in late.problems if "covariate" in problem] == [
        "covariate sat: at 10 of 60 frames it has none, and is 0 there."
    ]
    other = nextframe.inspect(rain, past=3, future=2, covariates=[sat[:, :5, :5]])
    assert any("covariate sat: is of another grid than the frames" in problem for problem in other.problems)
    with pytest.raises(DataError, match=r"covariate array: is an array, which has no times .*received 50 beside 60"):
        nextframe.inspect(rain, past=3, future=2, covariates=[sat.values[:50]])


def test_a_covariate_that_is_the_answer_is_told() -> None:
    levels = np.random.default_rng(4).normal(0, 1, 60)
    rain = in_memory("rain", levels)
    for option, given, said in (
        ("future_covariates", rain, "covariate rain is at each time the frame that is to be forecast"),
        ("covariates", in_memory("sat", 3 * levels, late=-1200), "what the frames are 2 frames later"),
    ):
        asked: dict[str, Any] = {option: [given]}
        problems = nextframe.inspect(rain, past=3, future=2, **asked).problems
        assert any(said in problem for problem in problems), problems
    still = in_memory("still", np.zeros(60)) + np.random.default_rng(0).random((1, SIZE, SIZE)).astype(np.float32)
    told = nextframe.inspect(still, past=3, future=2, covariates=[still]).problems
    assert not [problem for problem in told if "covariate" in problem]  # the last frame tells as much


@pytest.mark.slow
def test_covariates_in_memory_train_and_verify(tmp_path: Path) -> None:
    levels = np.random.default_rng(4).normal(0, 1, 120)
    rain, nwp = in_memory("rain", levels), in_memory("nwp", 10 * levels + 280)
    small = {**SMALL, "epochs": 1}
    held: dict[str, Any] = {"covariates": [nwp.values, "time-of-day"], "future_covariates": [nwp]}
    said: list[str] = []
    run = nextframe.fit(rain, out=tmp_path / "run", tell=said.append, **held, **{**small, "progress": True})
    assert (run.config.data.covariates, run.config.data.future_covariates) == (("array", "time-of-day"), ("nwp",))
    assert run.calibration is not None
    assert any("covariate nwp is at each time the frame that is to be forecast" in line for line in said)
    bare = nextframe.fit(rain, out=tmp_path / "bare", **small)
    asked: dict[str, Any] = {"baselines": (), "progress": False, "seen": True, "limit": 6}
    given: dict[str, Any] = {"covariates": [nwp.values], "future_covariates": [nwp]}
    both = nextframe.verify([run, bare], rain, **given, **asked)
    alone = nextframe.verify(bare, rain, **asked)
    opened_before = nextframe.verify(run.with_covariates([nwp.drop_attrs()], [nwp]), rain, **asked)
    for name, other in (("bare", alone), ("run", opened_before)):
        for metric in ("mse", "mae", "bias"):
            assert both.scores[name][metric] == other.scores["model"][metric]
    assert "covariates=['array'], future_covariates=['nwp']" in both.command
    assert run.forecast(rain[:2], 2, covariates=[nwp.values[:2]], future_covariates=[nwp]).values.shape[0] == 2
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: nextframe.verify(run, rain, **asked), "was trained with covariates, and there are none"),
        (lambda: nextframe.verify(bare, rain, covariates=[nwp], **asked), r"are of models that .*received .*bare"),
        (lambda: nextframe.verify("persistence", rain, covariates=[nwp], **asked), "received no model"),
        (lambda: nextframe.verify(run, rain, covariates=[nwp], **asked), "future_covariates: reads 1 source"),
    ]
    for call, words in refused:
        with pytest.raises(ConfigError, match=words):
            call()


@pytest.mark.slow
def test_several_sources_of_one_grid_and_the_clock_go_together(tmp_path: Path) -> None:
    levels = np.random.default_rng(4).normal(0, 1, 120)
    noise = 0.05 * np.random.default_rng(6).normal(size=(120, SIZE, SIZE))
    whole = flat(levels) + noise
    parts = [
        write(tmp_path / "a.nc", whole[:60], times(60)),
        write(tmp_path / "b.nc", whole[60:], times(120)[60:]),
    ]
    for path in parts:
        with xr.open_dataset(path, engine="h5netcdf") as dataset:
            renamed = dataset.load().rename({Path(path).stem: "rain"})
        renamed.to_netcdf(path, engine="h5netcdf")
    nwp = write(tmp_path / "nwp.nc", flat(levels), times(120))
    options: dict[str, Any] = {**SMALL, "epochs": 1, "split": "time", "validation": 0.2, "test": 0.2}
    run = nextframe.fit(parts, out=tmp_path / "run", future_covariates=[nwp], covariates=["time-of-day"], **options)
    found = verify_run(tmp_path / "run", baselines=(), examples=0, progress=False, out=tmp_path / "skill")
    assert list(found.by_source) == parts
    assert run.calibration is not None
    told = nextframe.api.compare_sources(parts, past=2, future=2, covariates=["time-of-day"], future_covariates=[nwp])
    assert any("nwp.nc: nwp, 120 frames every 10 min" in note for note in told.notes)
    small = write(tmp_path / "c.nc", whole[:, :6, :6], times(120))
    with pytest.raises(ShapeError, match=r"covariate .*nwp\.nc: is of another grid than the frames"):
        nextframe.fit([parts[0], small], out=tmp_path / "x", future_covariates=[nwp], **options)
