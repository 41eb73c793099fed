"""Any frames, no options: what is chosen, how long it takes, and that it never loses to a simple forecast."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nextframe
from nextframe.api import resolve
from nextframe.cli.options import merge
from nextframe.config import RunConfig
from nextframe.data.simple import SIMPLE, measure_simple
from nextframe.data.split import Span, split_as
from nextframe.data.windows import cut_windows
from nextframe.errors import DataError, NextframeError
from nextframe.forecasting.extrapolation import Extrapolation
from nextframe.forecasting.persistence import Persistence
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_source
from nextframe.runs.folder import load_config, read_yaml, save_config
from nextframe.runs.metrics import read_metrics
from nextframe.training import recipe
from nextframe.training.presets import preset_config
from nextframe.training.recipe import Choice, choose
from nextframe.training.start import model_of, read_start
from nextframe.training.timing import one_cycle


def ball(frames: int = 60, height: int = 40, width: int = 48, noise: float = 3.0, speed: float = 0.9) -> np.ndarray:
    """A ball that bounces over a gradient, with noise, (T, H, W, 3) uint8."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width].astype(float)
    clip = np.empty((frames, height, width, 3))
    for t in range(frames):
        row, column = (
            abs((speed * t * k) % (2 * (side - 12)) - (side - 12)) + 6 for k, side in ((1, height), (1.3, width))
        )
        there = np.clip(5.5 - np.hypot(y - row, x - column), 0, 1)[..., None]
        ground = np.stack([80 + y, 100 + x, 150 - y], -1)
        clip[t] = ground * (1 - there) + np.array([210, 40, 40]) * there
    return np.clip(clip + random.normal(0, noise, clip.shape), 0, 255).astype(np.uint8)


def rain(frames: int = 40, size: int = 48) -> np.ndarray:
    """Showers that drift, mostly dry, mm/h, (T, H, W)."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(1)
    field = gaussian_filter(random.normal(size=(size, size + frames)), 3)
    field = np.maximum(field / field.std() - 0.8, 0) * 5
    return np.stack([field[:, t : t + size] for t in range(frames)])[..., ::-1].astype(np.float32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[str], Path]:
    """A run of a clip with a few seconds of budget, and what was said of it."""
    said: list[str] = []
    folder = tmp_path_factory.mktemp("own")
    np.save(folder / "ball.npy", ball(80))
    model = nextframe.fit(
        folder / "ball.npy", out=folder / "run", minutes=0.15, tell=said.append, progress=True, axes="THWC"
    )
    return model, said, folder


@pytest.mark.slow
def test_a_clip_trains_with_no_option_and_says_what_it_will_take(trained: tuple[Any, list[str], Path]) -> None:
    model, said, folder = trained
    text = "\n".join(said)
    assert re.search("recipe: (films of 8 bits: .*, tuned,|a linear residual) on .*the best simple forecast", text)
    assert "takes about" in text
    assert "of memory" in text
    config = load_config(folder / "run" / "config.yaml")
    assert config == model.config
    assert (config.model.output, config.model.residual) == ("linear", True)
    assert config.training.minutes == 0.15
    assert (folder / "run" / "calibration.json").exists()


@pytest.mark.slow
def test_it_loses_to_no_simple_forecast_on_the_validation_part(trained: tuple[Any, list[str], Path]) -> None:
    model, _, folder = trained
    for row in read_metrics(folder / "run"):
        assert np.isfinite(row["val_score"])
    best = min(row["val_score"] for row in read_metrics(folder / "run"))
    assert model.config.training.from_ is not None or (model.manifest.epoch > 0) == (best < 0.995)
    assert bool(model.manifest.verdict) == (model.manifest.epoch == 0)


def test_a_run_on_patches_is_held_against_the_simple_forecast_too(tmp_path: Path) -> None:
    clip = np.clip(100 + 30 * np.random.default_rng(0).standard_normal((40, 16, 16)), 0, 255).astype(np.uint8)
    options: dict[str, Any] = {"past": 3, "future": 2, "filters": (4,), "patch": 2, "epochs": 4, "minutes": None}
    nextframe.fit(clip, out=tmp_path / "run", progress=False, **options)
    model = nextframe.load_run(tmp_path / "run")
    scores = [row["val_score"] for row in read_metrics(tmp_path / "run")]
    assert min(scores) < 0.995, "noise about a mean is forecast better by the mean than by the last frame"
    assert model.manifest.epoch == 1 + int(np.argmin(scores))


@pytest.mark.slow
def test_a_run_that_did_not_improve_is_the_simple_forecast_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nextframe.cli.program import main

    np.save(tmp_path / "ball.npy", ball(40))
    out, file = tmp_path / "run", tmp_path / "next.nc"
    options = [
        "--minutes",
        "0.1",
        "--learning-rate",
        "1e-30",
        "--coordinates",
        "lagrangian",
        "--axes",
        "THWC",
        "--out",
        str(out),
    ]
    assert main(["train", "stacked", "--data", str(tmp_path / "ball.npy"), *options]) == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert "no better than extrapolation" in last
    model = nextframe.load_run(out)
    clip = open_source(tmp_path / "ball.npy", axes="THWC").sequences[0]
    past = clip.read(0, 5)[None]
    np.testing.assert_allclose(model.predict(past, 4), Extrapolation().predict(past, 4), atol=0.01)
    assert "no better than extrapolation" in str(model.forecast(clip[:5], 2).attributes["comment"])
    assert main(["forecast", str(out), "--input", str(tmp_path / "ball.npy"), "--out", str(file)]) == 0
    xarray = pytest.importorskip("xarray")
    assert "no better than extrapolation" in xarray.open_dataset(file, engine="h5netcdf").attrs["comment"]


def choice_of(values: np.ndarray, given: dict[str, Any] | None = None, **reading: Any) -> RunConfig:
    given = given or {}
    return choose(open_source(values, **reading), preset_config("stacked").replace(given), given).config


def test_pictures_of_two_values_keep_the_sigmoid() -> None:
    source = open_source("squares:movies=30,frames=15")
    config = preset_config("stacked")
    assert choose(source, config).config == config


def test_what_was_asked_for_stands() -> None:
    given = {"loss": "mse", "learning_rate": 0.5, "past": 3, "patch": 1, "minutes": 2.0, "coordinates": "eulerian"}
    config = choice_of(ball(), given, axes="THWC")
    sections = config.to_dict()
    flat = {k: v for section in sections.values() for k, v in section.items()}
    assert {name: flat[name] for name in given} == given
    assert flat["loss_scale"] == []
    assert choice_of(ball(), {"output": "sigmoid"}, axes="THWC").training.loss == "bce"


def grain(frames: int = 200, size: int = 16) -> np.ndarray:
    """Grain about one grey, of which the mean of the past is the best forecast, (T, H, W) uint8."""
    return np.clip(np.random.default_rng(0).normal(120, 20, (frames, size, size)), 0, 255).astype(np.uint8)


def of_mean(past: np.ndarray, lead_times: int) -> np.ndarray:
    return np.repeat(past.mean(0, keepdims=True), lead_times, axis=0)


def of_nothing(past: np.ndarray, lead_times: int) -> np.ndarray:
    return np.zeros((lead_times, *past.shape[1:]), np.float32)


def start_with(model: Any, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any] | None = None) -> Choice:
    """What is chosen for a film whose start forecasts as a function does."""
    monkeypatch.setattr(recipe, "model_of", lambda start, coordinates: model)
    given = given or {}
    return choose(open_source(grain()), preset_config("stacked").replace(given), given)


def test_a_film_starts_from_the_shipped_model_in_the_coordinates_of_the_best_simple_forecast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choice, shipped = start_with(of_mean, monkeypatch), read_start("video")
    assert choice.config.model == shipped.config.model
    training = choice.config.training
    assert (training.from_, training.loss, training.minutes) == ("video", shipped.config.training.loss, 5.0)
    assert choice.simple is not None
    assert choice.config.data.coordinates == SIMPLE[choice.simple.best]
    assert (choice.config.data.edges, choice.config.data.future) == ("last", 8)
    assert (
        f"films of 8 bits: the weights of the shipped model video, tuned, on {choice.simple.best}, the"
        in choice.notes[-1]
    )
    assert "and video from there " in choice.notes[-1]


def test_a_film_that_the_shipped_model_forecasts_worse_than_a_simple_forecast_has_fresh_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choice = start_with(of_nothing, monkeypatch)
    assert choice.config.training.from_ is None
    assert (choice.config.training.loss, choice.config.model.filters) == ("huber", (24, 24))
    assert "recipe: a linear residual on " in choice.notes[-1]
    assert "and video from there " in choice.notes[-1]


@pytest.mark.parametrize(
    "given",
    [{"filters": (8,)}, {"norm": "batch"}, {"loss": "mse"}, {"patch": 2}, {"edges": "missing"}, {"members": 2}],
)
def test_options_of_another_training_leave_the_shipped_model_out(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start_with(of_mean, monkeypatch, given).config.training.from_ is None


@pytest.mark.parametrize(
    "given", [{"filters": (16, 16)}, {"learning_rate": 0.5}, {"coordinates": "lagrangian"}, {"minutes": 1.0}]
)
def test_options_that_go_with_the_shipped_model_stand(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    config = start_with(of_mean, monkeypatch, given).config
    flat = {name: value for section in config.to_dict().values() for name, value in section.items()}
    assert config.training.from_ == "video"
    assert {name: flat[name] for name in given} == {n: list(v) if isinstance(v, tuple) else v for n, v in given.items()}


def test_what_was_chosen_for_a_film_is_repeated_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = start_with(of_mean, monkeypatch).config
    save_config(tmp_path, config)
    file = tmp_path / "config.yaml"
    assert resolve(**merge(read_yaml(file), {}, where=file)) == config


def test_fields_and_large_films_are_not_started_from_a_film(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choice_of(rain(60)).training.from_ is None
    monkeypatch.setattr(recipe, "FILM", 16 * 16 - 1)
    assert start_with(of_mean, monkeypatch).config.training.from_ is None


def test_the_start_is_measured_as_the_training_begins(tmp_path: Path) -> None:
    frames = grain(40, 20)[:, None].astype(np.float32)
    windows = cut_windows([Span(FrameSequence(values=frames, name="a"), 0, 40)], past=7, future=2)[:1]
    past, _ = windows[0].read()
    said = model_of("video", "adaptive")(past, 2)
    np.testing.assert_allclose(said, nextframe.load_run("video").predict(past[None], 2)[0], atol=0.01)


@pytest.mark.parametrize("frames", [120, 60, 30, 20, 8, 6])
def test_windows_and_parts_fit_short_clips(frames: int) -> None:
    data = choose(open_source(ball(frames, 16, 20), axes="THWC"), preset_config("stacked"), measure=False).config.data
    parts = split_as(open_source(ball(frames, 16, 20), axes="THWC"), data)
    for part in (parts.train, parts.validation, parts.test):
        assert len(cut_windows(part, past=data.past, future=data.future)) >= 1


@pytest.mark.slow
def test_the_best_simple_forecast_is_the_one_that_fits() -> None:
    still = ball(20, noise=0)[:1].repeat(20, 0).astype(np.float32).transpose(0, 3, 1, 2)
    random = np.random.default_rng(0)
    wide = np.kron(random.random((12, 30)), np.ones((5, 5))).astype(np.float32)
    panning = np.stack([wide[:, 3 * t : 3 * t + 60] for t in range(20)])[:, None]
    drawn = {
        "persistence": still + random.normal(0, 1, still.shape).astype(np.float32),
        "translation": panning,
    }
    for best, frames in drawn.items():
        windows = cut_windows([Span(FrameSequence(values=frames, name="a"), 0, 20)], past=4, future=3)
        assert measure_simple(windows).best == best


def test_simple_forecasts_are_measured_as_verification_does() -> None:
    frames = ball(14).astype(np.float32).transpose(0, 3, 1, 2)
    windows = cut_windows([Span(FrameSequence(values=frames, name="a"), 0, 14)], past=4, future=3)
    skill = measure_simple(windows)
    pairs = [window.read() for window in windows]
    error = [np.square(Persistence().predict(past[None], 3)[0] - truth).mean((1, 2, 3)) for past, truth in pairs]
    np.testing.assert_allclose(skill.mse["persistence"], np.mean(error, axis=0), rtol=1e-5)


def test_large_frames_are_averaged_and_told(tmp_path: Path) -> None:
    from nextframe.training.sizes import coarsening, sizes

    assert coarsening((3, 2160, 3840)) == 3
    assert coarsening((3, 720, 1280)) == 1
    assert sizes((3, 720, 1280), residual=True) == {"patch": 8, "train_crop": 192}


def bad(name: str) -> np.ndarray:
    """Frames that are hard or hopeless, by name."""
    frames = rain()
    if name == "constant":
        return np.full((30, 20, 24, 3), 7, np.uint8)
    if name == "all missing":
        return np.full((30, 20, 24), np.nan, np.float32)
    if name == "one wet pixel":
        frames = np.zeros_like(frames)
        frames[:, 20, 20] = np.linspace(1, 3, len(frames))
        return frames
    if name == "one frame missing":
        frames[7] = np.nan
    return frames


@pytest.mark.slow
@pytest.mark.parametrize("name", ["constant", "all missing"])
def test_nothing_to_learn_is_a_sentence(name: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"axes": "THWC"} if name == "constant" else {"missing": "mask"}
    with pytest.raises(DataError, match=r"constant|missing"):
        nextframe.fit(bad(name), out=tmp_path / "run", minutes=0.1, progress=False, **options)
    assert not (tmp_path / "run" / "model.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [*(pytest.param(name, marks=pytest.mark.long) for name in ("showers", "one wet pixel")), "one frame missing"],
)
def test_rain_trains_and_forecasts_soundly(name: str, tmp_path: Path) -> None:
    values = bad(name)
    model = nextframe.fit(values, out=tmp_path / "run", minutes=0.1, progress=False, missing="mask")
    forecast = model.forecast(values[-8:], 2, members=False).values
    assert np.isfinite(forecast).mean() > 0.9
    assert np.nanmax(np.abs(forecast)) < 10 * np.nanmax(values)


@pytest.mark.slow
def test_eight_frames_train(tmp_path: Path) -> None:
    said: list[str] = []
    model = nextframe.fit(ball(8), out=tmp_path / "run", minutes=0.1, progress=False, tell=said.append, axes="THWC")
    assert any("8 frames are few" in line for line in said)
    assert np.isfinite(model.predict(ball(8).astype(np.float32).transpose(0, 3, 1, 2)[None], 2)).all()


def test_too_few_frames_and_clips_of_two_sizes_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(NextframeError):
        nextframe.fit(ball(3), out=tmp_path / "run", minutes=0.1, progress=False, axes="THWC")
    for n, width in enumerate((20, 24)):
        np.save(tmp_path / f"{n}.npy", ball(20, 16, width))
    with pytest.raises(NextframeError, match=r"size|shape|height"):
        nextframe.fit(str(tmp_path / "*.npy"), out=tmp_path / "run", minutes=0.1, progress=False)


@pytest.mark.long
def test_the_members_of_an_ensemble_share_the_budget_and_go_on(tmp_path: Path) -> None:
    call: dict[str, Any] = {"out": tmp_path / "run", "minutes": 0.1, "members": 2, "progress": False, "axes": "THWC"}
    np.save(tmp_path / "ball.npy", ball(30, 16, 20))
    model = nextframe.fit(tmp_path / "ball.npy", **call)
    assert load_config(tmp_path / "run" / "member-1" / "config.yaml").training.minutes == 0.05
    again = nextframe.fit(tmp_path / "ball.npy", resume=True, **call)
    past = ball(30, 16, 20)[None, :8].astype(np.float32).transpose(0, 1, 4, 2, 3)
    np.testing.assert_allclose(model.predict(past, 2), again.predict(past, 2), rtol=1e-5)


@pytest.mark.slow
def test_an_inspection_measures_the_simple_forecasts_where_it_is_asked_to() -> None:
    found, measured = (
        nextframe.inspect(ball(60, 16, 20), axes="THWC", measure=measure).recipe[-1] for measure in (False, True)
    )
    assert (
        "(persistence, translation, extrapolation or adaptive extrapolation: a training measures them first, and so "
        "does measure=True)" in found
    )
    assert "mean squared error" not in found
    assert "the best simple forecast of the validation and training parts (mean squared error: pers" in measured
    named = nextframe.inspect(ball(60, 16, 20), axes="THWC", coordinates="lagrangian").recipe[-1]
    assert "films of 8 bits: the weights of the shipped model video, tuned, on extrapolation, learning" in named


@pytest.mark.slow
def test_a_few_windows_in_which_nothing_moves_are_not_taken_for_the_whole(tmp_path: Path) -> None:
    moving, random = ball(60, 32, 40, noise=0), np.random.default_rng(0)
    still = np.repeat(moving[-1:], 20, axis=0)  # the last fifth, which is held out
    frames = np.concatenate([moving, still]).mean(-1) + random.normal(0, 0.5, (80, 32, 40))
    (said,) = nextframe.inspect(frames, axes="THW", past=4, future=4, measure=True).recipe[-1:]
    assert re.search(r"on (adaptive )?extrapolation, the best simple forecast of the validation and training par", said)
    many = np.concatenate([frames] * 8)
    (said,) = nextframe.inspect(many, axes="THW", past=4, future=4, measure=True).recipe[-1:]
    assert "the best simple forecast of the validation part" in said


def test_the_learning_rate_rises_and_falls_once() -> None:
    rates = np.array([one_cycle(done) for done in np.linspace(0, 1, 101)])
    assert rates.argmax() == 10
    assert (np.diff(rates[:11]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()


@pytest.mark.long
def test_a_run_by_the_clock_that_is_interrupted_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nextframe.training.callbacks import Checkpoints

    np.save(tmp_path / "ball.npy", ball(60))
    call: dict[str, Any] = {"out": tmp_path / "run", "minutes": 0.1, "progress": False, "axes": "THWC"}
    ended: Callable[..., None] = Checkpoints.on_train_epoch_end

    def interrupted(self: Checkpoints, trainer: Any, module: Any) -> None:
        ended(self, trainer, module)
        raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "on_train_epoch_end", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nextframe.fit(tmp_path / "ball.npy", **call)
    monkeypatch.undo()
    before = load_config(tmp_path / "run" / "config.yaml")
    nextframe.fit(tmp_path / "ball.npy", resume=True, **call)
    assert load_config(tmp_path / "run" / "config.yaml") == before
    assert next(row["epoch"] for row in read_metrics(tmp_path / "run")) == 1
    assert (tmp_path / "run" / "calibration.json").exists()
