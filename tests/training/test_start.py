"""Training that starts from a model: its weights, recipe and normalisation, and what does not fit is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

import nextframe
from nextframe.api import resolve
from nextframe.cli.options import merge
from nextframe.cli.program import app
from nextframe.errors import CheckpointError, ConfigError, DataError
from nextframe.runs.folder import load_model
from nextframe.runs.seen import recorded_by
from nextframe.runs.shipped import HOME
from nextframe.training.presets import preset_config

CLIPS = "clips:movies=4,frames=8,size=24"
SMALL = {
    **{"past": 4, "future": 3, "filters": (4,), "patch": 2, "train_crop": None, "epochs": 1, "batch_size": 2},
    **{"validation": 0.25, "test": 0.0, "optimizer": "adamw", "learning_rate": 1e-3, "loss": "mae", "progress": False},
    **{"output": "linear", "residual": True, "channelwise": True, "coordinates": "adaptive", "edges": "last"},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start") / "run"
    nextframe.fit(CLIPS, "stacked", out=folder, **SMALL)  # type: ignore[arg-type]
    return folder


@pytest.mark.slow
def test_one_run_forecasts_grey_and_colour_of_any_size(run: Path) -> None:
    model = nextframe.load_run(run)
    for channels, height, width in ((1, 24, 24), (3, 31, 40), (2, 17, 16)):
        past = np.random.default_rng(0).integers(0, 256, (5, channels, height, width)).astype(np.float32)
        forecast = model.forecast(past, lead_times=4)
        assert forecast.values.shape == (4, channels, height, width)
        assert 0 <= forecast.values.min() <= forecast.values.max() <= 255
        assert model.forecast(past[:2], lead_times=2).values.shape == (2, channels, height, width)
        with pytest.raises(DataError, match="too few frames to tell a motion by"):
            model.forecast(past[:1])
        alone = model.forecast(np.repeat(past[:, :1], 3, axis=1), lead_times=2).values
        np.testing.assert_allclose(alone[:, 0], alone[:, 2], atol=1e-3)


@pytest.mark.slow
def test_training_goes_on_from_a_run_in_colour(run: Path, tmp_path: Path) -> None:
    tuned = nextframe.fit(
        f"{CLIPS},colour=yes,seed=5", from_=str(run), out=tmp_path / "tuned", epochs=1, progress=False
    )
    assert tuned.manifest.channels == 3
    assert tuned.config.model == nextframe.load_run(run).config.model
    assert tuned.config.training.from_ == str(run)
    assert tuned.config.training.learning_rate == pytest.approx(3e-4)
    assert tuned.manifest.normaliser == nextframe.load_run(run).manifest.normaliser
    before, after = (load_model(folder)[0].state_dict() for folder in (run, tmp_path / "tuned"))
    changes = [float((after[name] - before[name]).abs().max()) for name in before]
    assert max(changes) < 0.05  # as near as one epoch leaves them; drawn anew they would differ by tenths
    before_it, after_it = recorded_by(run), recorded_by(tmp_path / "tuned")
    assert before_it is not None
    assert after_it is not None
    marks = [{mark for stretch in seen.stretches for mark in stretch.marks} for seen in (before_it, after_it)]
    assert marks[0] < marks[1]  # what its start has seen, its weights have seen, too


@pytest.mark.slow
def test_training_goes_on_from_a_shipped_model(tmp_path: Path) -> None:
    tuned = nextframe.fit(
        "squares:movies=12,frames=15,size=20,seed=3",
        from_="squares-stacked",
        out=tmp_path / "run",
        epochs=1,
        progress=False,
    )
    shipped = load_model(HOME / "squares-stacked")[0].state_dict()
    assert isinstance(tuned, nextframe.forecasting.model_forecaster.ModelForecaster)
    near = [torch.allclose(weights, shipped[name], atol=0.1) for name, weights in tuned.model.state_dict().items()]
    assert all(near)


def test_the_recipe_is_that_of_the_model() -> None:
    shipped = resolve(from_="squares-encoder-decoder")
    assert shipped.model.model == "encoder-decoder"
    assert shipped.data.data.startswith("squares:")
    other = resolve(from_="radar-rain", data="archive.nc", epochs=2, past=5)
    assert (other.data.data, other.data.past, other.training.epochs) == ("archive.nc", 5, 2)
    assert other.data.crop == ()
    assert other.data.test_from is None
    assert other.data.resolution == "4km"
    assert resolve(from_="radar-rain", data="archive.nc", coarsen=2).data.resolution == ""
    assert other.data.rain_unit == resolve(from_="radar-rain").data.rain_unit == "mm/h"
    assert (other.training.loss, other.training.augment) == ("relative-mse", "turns-and-amounts")
    assert resolve() == preset_config("stacked")


def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"filters: differs from that of squares-stacked"):
        resolve(from_="squares-stacked", filters=(8, 8))
    with pytest.raises(ConfigError, match=r"model: differs"):
        resolve("convgru", from_="squares-stacked")
    with pytest.raises(ConfigError, match=r"preset"):
        resolve(from_="squares-stacked", preset="tutorial")
    with pytest.raises(CheckpointError, match=r"neither a run folder nor a shipped model"):
        resolve(from_="squares-stakced")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"holds no run"):
        resolve(from_=str(tmp_path / "empty"))
    np.save(tmp_path / "kelvin.npy", np.random.default_rng(0).normal(280, 3, (30, 20, 20)).astype(np.float32))
    with pytest.raises(DataError, match=r"holds values that squares-stacked cannot forecast"):
        nextframe.fit(tmp_path / "kelvin.npy", from_="squares-stacked", out=tmp_path / "run", progress=False)
    colour = np.random.default_rng(0).random((30, 3, 20, 20)).astype(np.float32)
    np.save(tmp_path / "colour.npy", colour)
    with pytest.raises(DataError, match=r"other channels than squares-stacked"):
        nextframe.fit(tmp_path / "colour.npy", from_="squares-stacked", out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_from_is_a_word_of_the_command_line_and_of_files() -> None:
    _, bound, _ = app.parse_args(["train", "--from", "video"], exit_on_error=False, print_error=False)
    assert dict(bound.kwargs) == {"from_": "video"}
    assert merge({"from": "video", "training": {"from": "video"}}, {}) == {"from_": "video"}


@pytest.mark.parametrize("rate", [1e-30, 10.0])
def test_a_model_that_no_tuning_makes_better_is_kept(run: Path, tmp_path: Path, rate: float) -> None:
    tuned = nextframe.fit(
        f"{CLIPS},seed=5", from_=str(run), out=tmp_path / "tuned", epochs=1, learning_rate=rate, progress=False
    )
    before, after = (load_model(folder)[0].state_dict() for folder in (run, tmp_path / "tuned"))
    assert tuned.manifest.epoch == 0
    assert all(torch.equal(weights, before[name]) for name, weights in after.items())
    assert tuned.verdict == f"no better than {run} on the validation part: the weights of that are kept"
