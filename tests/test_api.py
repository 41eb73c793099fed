"""The package in a few calls, as a program uses it: nothing printed, the same from Python as from the command line."""

import dataclasses
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from PIL import Image

import nextframe
from nextframe.api import resolve
from nextframe.cli import main
from nextframe.config import Reading
from nextframe.errors import CheckpointError, ConfigError, DataError, ShapeError
from nextframe.options import Options, ReadingOptions

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
        nextframe.fit(SQUARES, out=out, progress=False, epoch=3)  # type: ignore[call-arg]
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


ARRAY = np.random.default_rng(0).random((12, 16, 16)).astype(np.float32)
MEANT: list[tuple[str, Any, str, int]] = [
    ("an array (T, H, W)", ARRAY, "", 1),
    ("an array (T, C, H, W)", ARRAY[:, None], "", 1),
    ("an array (N, T, C, H, W)", np.stack([ARRAY, ARRAY])[:, :, None], "", 2),
    ("an array whose axes are named", ARRAY.transpose(1, 2, 0), "HWT", 1),
    ("a DataArray", xr.DataArray(ARRAY, dims=("time", "y", "x"), name="rain"), "", 1),
    ("a Dataset", xr.Dataset({"rain": (("time", "y", "x"), ARRAY)}), "", 1),
    ("a FrameSequence", nextframe.FrameSequence(values=ARRAY[:, None], name="mine"), "", 1),
    ("a list of arrays", [ARRAY, ARRAY[:9]], "", 2),
    ("a list of frames", list(ARRAY), "", 1),
    ("pictures of Pillow", [Image.fromarray(np.uint8(frame > 0.5)) for frame in ARRAY], "", 1),
    ("a list of sources", [nextframe.open_source(ARRAY), ARRAY], "", 2),
    ("a name", "squares:movies=2,frames=12,size=16", "", 2),
]
ALL = pytest.mark.parametrize(
    ("source", "axes", "sequences"), [row[1:] for row in MEANT], ids=[row[0] for row in MEANT]
)


@ALL
def test_whatever_people_have_is_a_source(run: Path, source: Any, axes: str, sequences: int) -> None:
    model = nextframe.load_run(run)
    assert len(nextframe.open_source(source, axes=axes).sequences) == sequences
    assert nextframe.inspect(source, axes=axes, past=2, future=2).height == 16
    assert nextframe.forecast(run, source, axes=axes, lead_times=2).values.shape == (2, 1, 16, 16)
    with pytest.warns(nextframe.NextframeWarning, match="2 sequences") if sequences > 1 else nullcontext():
        forecast = model.forecast(source, 2, axes=axes)
    np.testing.assert_array_equal(forecast.values, model.forecast_all(source, 2, axes=axes)[0].values)
    skill = nextframe.verify(
        model, source, axes=axes, past=3, lead_times=2, baselines=["persistence"], limit=2, progress=False
    )
    assert set(skill.scores) == {"model", "persistence"}


@pytest.mark.slow
@ALL
def test_whatever_people_have_can_be_trained_on(source: Any, axes: str, sequences: int, tmp_path: Path) -> None:
    options = {**SMALL, "past": 1, "future": 1, "test": 0.0, "split": "time", "output": "linear", "loss": "mse"}
    model = nextframe.fit(source, axes=axes, out=tmp_path / "run", progress=False, **options)
    assert model.config.data.past == 1


def test_a_path_and_a_file_are_read_as_the_run_reads_its_own(run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "film.npy", ARRAY)
    model = nextframe.load_run(run)
    expected = model.forecast(ARRAY[-3:], 2).values  # it was trained with a past of three frames
    np.testing.assert_array_equal(model.forecast(tmp_path / "film.npy", 2).values, expected)
    np.testing.assert_array_equal(model.forecast(str(tmp_path / "film.npy"), 2).values, expected)


def test_axes_that_a_shape_does_not_tell_are_asked_for_in_pythons_words(run: Path) -> None:
    twelve = np.zeros((6, 12, 64, 64), np.float32)
    for call in (nextframe.open_source, nextframe.inspect, nextframe.load_run(run).forecast):
        with pytest.raises(ShapeError, match=r"axes='TCHW' or axes='NTHW'"):
            call(twelve)
    assert nextframe.Persistence().forecast(twelve, 1, axes="TCHW").values.shape == (1, 12, 64, 64)


def test_pictures_in_colour_are_frames_of_one_sequence() -> None:
    film = np.random.default_rng(0).integers(0, 256, (8, 24, 32, 3), np.uint8)
    expected = nextframe.Persistence().forecast(film.transpose(0, 3, 1, 2), 1).values
    sources: list[Any] = [film, list(film), [Image.fromarray(frame) for frame in film]]
    for source in sources:
        np.testing.assert_array_equal(nextframe.Persistence().forecast(source, 1).values, expected)


def test_a_forecast_is_an_array_where_one_is_wanted(run: Path) -> None:
    forecast = nextframe.load_run(run).forecast(ARRAY, 2)
    np.testing.assert_array_equal(np.asarray(forecast), forecast.values)
    assert np.asarray(forecast, dtype=np.float64).dtype == np.float64


@pytest.mark.parametrize("lead_times", ["3", 2.5, None])
def test_what_is_no_number_of_lead_times_is_told(run: Path, lead_times: Any) -> None:
    with pytest.raises(ConfigError, match=r"lead_times: is no number of frames .* received ('3'|2\.5|None)"):
        nextframe.load_run(run).forecast(ARRAY, lead_times)


def test_a_list_that_holds_no_frames_is_told() -> None:
    with pytest.raises(DataError, match="list of sources: is empty"):
        nextframe.open_source([])
    with pytest.raises(ShapeError, match="differing size"):
        nextframe.open_source([np.zeros((4, 4)), np.zeros((4, 5))])
    with pytest.raises(ShapeError, match="another number of axes"):  # numbers are an array
        nextframe.open_source([1, 2])  # type: ignore[list-item]


@pytest.mark.slow
def test_a_run_is_overwritten_once_the_new_one_can_begin(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    (out / "notes.txt").write_text("mine")
    (out / "report.html").write_text("of the old run")
    with pytest.raises(ConfigError, match=r"already holds a run.*overwrite=True"):
        nextframe.fit(SQUARES, out=out, progress=False, **SMALL)
    with pytest.raises(DataError):
        nextframe.fit(np.zeros((12, 16, 16)), out=out, overwrite=True, progress=False, **SMALL)
    with pytest.raises(ConfigError, match="exclude each other"):
        nextframe.fit(SQUARES, out=out, overwrite=True, resume=True, progress=False, **SMALL)
    assert nextframe.load_run(out).config == nextframe.load_run(run).config  # the old one is still there
    ensemble = nextframe.fit(SQUARES, out=out, overwrite=True, progress=False, members=2, **SMALL)
    assert len(ensemble.networks) == 2
    assert main(["train", "--out", str(out), "--overwrite", "--no-progress", "--data", SQUARES, "--past", "3",
                 "--future", "3", "--filters", "2", "--epochs", "1", "--train-crop", "none"]) == 0  # fmt: skip
    assert nextframe.load_run(out).config.model.filters == (2,)
    assert sorted(path.name for path in out.iterdir() if path.suffix != "") == [
        "calibration.json", "config.yaml", "metrics.csv", "model.json", "model.safetensors", "notes.txt", "seen.npz"
    ]  # fmt: skip
    assert not list(out.glob("member-*"))


def test_what_is_meant_to_be_seen_is_seen() -> None:
    assert set(dir(nextframe)) == set(nextframe.__all__)
    assert {"fit", "forecast", "inspect", "load_run", "open_source", "verify"} <= set(dir(nextframe))
    assert all(hasattr(nextframe, name) for name in dir(nextframe))


def test_typed_options_are_the_configurations_fields() -> None:
    fields = {name for section in nextframe.api.resolve().to_dict().values() for name in section}
    assert set(Options.__annotations__) == fields - {"model"}
    assert set(ReadingOptions.__annotations__) == {field.name for field in dataclasses.fields(Reading)}


@pytest.mark.long
def test_a_type_checker_tells_a_slip_of_an_option(tmp_path: Path) -> None:
    source = Path(nextframe.__file__).parents[1]
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        "import nextframe\n"
        "nextframe.fit('film.mp4', epochs=3, filters=(8, 8), crop=[0, 0, 8, 8], norm='layer', kernel_size=5)\n"
        "nextframe.fit('film.mp4', epoch=3)\n"
        "nextframe.fit('film.mp4', epochs='three')\n"
        "nextframe.fit('film.mp4', norm='instance')\n"
        "nextframe.open_source('film.mp4', gray=True)\n"
        "nextframe.forecast('runs/a', 'film.mp4', grey=1.5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "", "--ignore-missing-imports", "--follow-imports", "silent",
         "--cache-dir", str(Path(nextframe.__file__).parents[2] / ".mypy_cache"), str(snippet)],
        env={**os.environ, "MYPYPATH": str(source)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert lines == {3, 4, 5, 6, 7}, done.stdout
    assert 'did you mean "epochs"' in done.stdout


def test_a_preset_is_a_configuration() -> None:
    config = resolve("encoder-decoder", "tutorial", epochs=2)
    assert (config.model.model, config.training.epochs, config.data.past) == ("encoder-decoder", 2, 10)
    assert resolve(**SMALL).data.past == 3


@pytest.mark.parametrize("forecaster", ["squares-stacked", "persistence"])
def test_a_slip_in_an_option_of_a_forecast_is_told(forecaster: str) -> None:
    slip: dict[str, Any] = {"gray": True}
    with pytest.raises(nextframe.ConfigError, match=r"unknown option 'gray'.*did you mean 'grey'"):
        nextframe.forecast(forecaster, np.zeros((4, 16, 16)), **slip)


def test_nothing_to_forecast_from_is_told() -> None:
    model = nextframe.load_run("squares-stacked")
    for forecaster in (model, nextframe.Persistence()):
        with pytest.raises(nextframe.DataError):
            forecaster.forecast([], 2)
        nothing = nextframe.FrameSequence(values=np.full((4, 1, 16, 16), np.nan), name="mine.nc", missing="mask")
        with pytest.raises(nextframe.DataError, match=r"mine.nc: the frames to start from hold no valid value"):
            forecaster.forecast(nothing, 2)
