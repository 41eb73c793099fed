"""The package in a few calls, as a program uses it: nothing printed, the same from Python as from the command line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nextframe
from nextframe.api import resolve
from nextframe.cli import main
from nextframe.errors import CheckpointError, ConfigError, DataError, ShapeError

SQUARES = "squares:movies=8,frames=6,size=16"
SMALL: dict[str, Any] = {
    "past": 3,
    "future": 3,
    "filters": (4,),
    "epochs": 1,
    "batch_size": 2,
    "train_crop": None,
    "validation": 0.25,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("api") / "run"
    nextframe.fit(SQUARES, out=out, progress=False, test=0.25, **SMALL)
    return out


@pytest.fixture(scope="module")
def movie() -> nextframe.FrameSequence:
    return nextframe.open_source(f"{SQUARES},seed=5").sequences[0]


def test_a_trained_model_is_a_forecaster_and_its_folder_is_too(run: Path, movie: nextframe.FrameSequence) -> None:
    model = nextframe.load_run(run)
    forecast = model.forecast(movie[:3], lead_times=4)
    assert forecast.values.shape == (4, 1, 16, 16)
    assert forecast.values.dtype == np.float32
    np.testing.assert_array_equal(forecast.values, nextframe.load_run(run).forecast(movie[:3], lead_times=4).values)
    np.testing.assert_allclose(model.forecast(movie.read(0, 3), lead_times=4).values, forecast.values, atol=1e-6)


def test_a_source_that_is_open_may_be_trained_on(tmp_path: Path) -> None:
    model = nextframe.fit(nextframe.open_source(SQUARES), out=tmp_path / "run", progress=False, **SMALL)
    assert model.config.data.past == 3
    assert (tmp_path / "run" / "model.safetensors").is_file()


@pytest.mark.slow
def test_without_a_folder_a_new_one_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        nextframe.fit(SQUARES, progress=False, **SMALL)
    folders = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert folders == ["stacked-squares", "stacked-squares-2"]


@pytest.mark.slow
def test_scores_stand_beside_baselines_and_nothing_is_printed(
    run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    scores = nextframe.verify(
        nextframe.load_run(run),
        f"{SQUARES},seed=5",
        past=3,
        lead_times=2,
        baselines=["persistence"],
        out=tmp_path / "scores",
        examples=1,
        progress=False,
    )
    assert list(scores.scores) == ["model", "persistence"]
    assert all(len(values) == 2 for metrics in scores.scores.values() for values in metrics.values())
    assert {path.name for path in (tmp_path / "scores").iterdir()} == {"report.html", "verification.json"}
    assert capsys.readouterr() == ("", "")


def test_the_command_line_says_the_same(run: Path, movie: nextframe.FrameSequence, tmp_path: Path) -> None:
    data, out = tmp_path / "movie.npy", tmp_path / "next.npy"
    np.save(data, movie.read(0, 3)[:, 0])
    assert main(["forecast", str(run), "--input", str(data), "--lead-times", "2", "--out", str(out)]) == 0
    expected = nextframe.load_run(run).forecast(nextframe.open_source(data).sequences[0], lead_times=2)
    np.testing.assert_allclose(np.load(out), expected.values, atol=1e-6)


def test_a_mistake_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(ConfigError, match=r"unknown option 'epoch'.*did you mean 'epochs'"):
        nextframe.fit(SQUARES, out=out, progress=False, epoch=3)
    with pytest.raises(ConfigError, match="unknown model"):
        nextframe.fit(SQUARES, model="stack", out=out, progress=False)
    with pytest.raises(DataError, match=r"nowhere.nc"):
        nextframe.fit(tmp_path / "nowhere.nc", out=out, progress=False)
    assert not out.exists()


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        nextframe.load_run(tmp_path / "nowhere")


def test_frames_that_do_not_fit_are_told(run: Path) -> None:
    with pytest.raises(ShapeError):
        nextframe.load_run(run).forecast(np.zeros((3, 2, 16, 16), np.float32))
    with pytest.raises(ConfigError, match=r"lead_times|lead times"):
        nextframe.load_run(run).forecast(np.zeros((3, 1, 16, 16), np.float32), lead_times=0)


def test_a_preset_is_a_configuration() -> None:
    config = resolve("encoder-decoder", "tutorial", epochs=2)
    assert (config.model.model, config.training.epochs, config.data.past) == ("encoder-decoder", 2, 10)
    assert resolve(**SMALL).data.past == 3
