"""Several runs and baselines by name in one table, and frames that a run was trained on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import nextframe
from nextframe.api import verify_run
from nextframe.cli import main
from nextframe.errors import CheckpointError, ConfigError, DataError
from nextframe.verification.entrants import own_names

SMALL: dict[str, Any] = {
    "future": 2,
    "filters": (3,),
    "epochs": 1,
    "batch_size": 4,
    "train_crop": None,
    "progress": False,
    "output": "linear",
    "loss": "mse",
}


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("several") / "frames.npy"
    draw = np.random.default_rng(0)
    start = draw.random((12, 12))
    moved = np.stack([np.roll(start, n, axis=1) for n in range(120)])[:, None] * 9 + draw.random((120, 1, 12, 12))
    np.save(path, moved.astype(np.float32))
    return path


@pytest.fixture(scope="module")
def runs(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name, past in (("a", 3), ("b", 5)):
        nextframe.fit(frames, out=folder / name, past=past, validation=0.2, test=0.2, **SMALL)
    return [folder / "a", folder / "b"]


@pytest.mark.slow
def test_several_runs_and_a_baseline_stand_in_one_table_each_by_its_own_name(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [f"--csv={tmp_path / 's.csv'}", f"--latex={tmp_path / 's.tex'}", f"--out={tmp_path}", "--no-progress"]
    assert main(["verify", *map(str, runs), "translation", *files]) == 0
    text = capsys.readouterr().out
    content = json.loads((tmp_path / "verification.json").read_text())
    assert list(content["scores"]) == ["a", "b", "translation", "persistence", "extrapolation"]
    assert {(v["forecaster"], v["reference"]) for v in content["verdicts"]} >= {("a", "b"), ("b", "persistence")}
    assert content["count"] == 24 - 5 - 2 + 1
    assert set(pd.read_csv(tmp_path / "s.csv").forecaster) == set(content["scores"])
    assert r"\begin{tabular}" in (tmp_path / "s.tex").read_text()
    assert "b" in text.split()
    assert "translation" in text.split()
    assert "a, b" not in text
    page = (tmp_path / "report.html").read_text()
    assert "a and b: forecast skill" in page
    assert "translation" in page


@pytest.mark.slow
def test_each_sees_as_much_of_the_past_as_it_was_trained_with(runs: list[Path], frames: Path) -> None:
    both = verify_run(runs, data=frames, baselines=(), progress=False)
    source = nextframe.open_source(frames)
    alone = nextframe.verify(runs[0], source, past=3, baselines=(), progress=False)
    assert both.count == alone.count - 2  # windows of the longer past
    models = [nextframe.load_run(run) for run in runs]
    called = nextframe.verify([*models, "persistence"], source, baselines=(), progress=False)
    assert list(called.scores) == ["a", "b", "persistence"]
    assert called.scores["a"]["mse"] == pytest.approx(both.scores["a"]["mse"])
    assert called.scores["b"]["mse"] == pytest.approx(both.scores["b"]["mse"])


@pytest.mark.slow
def test_frames_that_a_run_was_trained_on_are_left_out(
    runs: list[Path], frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.npy"
    copy.write_bytes(frames.read_bytes())
    own = verify_run(runs[0], out=tmp_path, baselines=(), progress=False)
    for data in (frames, copy):
        assert main(["verify", str(runs[0]), "--data", str(data), "--out", str(tmp_path), "--no-progress"]) == 0
        content = json.loads((tmp_path / "verification.json").read_text())
        assert content["left_out"] == {"a": 96}
        assert (content["seen"], content["count"]) == ({}, own.count)
        assert "96 frames left out that a was trained on" in " ".join(capsys.readouterr().out.split())
        assert "96 frames left out" in (tmp_path / "report.html").read_text()


@pytest.mark.long
def test_where_they_are_asked_for_they_are_named(
    runs: list[Path], frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for data in ([], ["--data", str(frames)]):
        assert main(["verify", str(runs[0]), *data, "--seen", "--out", str(tmp_path), "--no-progress"]) == 0
        content = json.loads((tmp_path / "verification.json").read_text())
        assert (content["left_out"], content["seen"], content["count"]) == ({}, {"a": 96}, 120 - 4)
        said = "a was trained on or chosen by 96 of the 120 frames"
        assert said in " ".join(capsys.readouterr().out.split())
        assert said in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_arrays_in_memory_are_known_again(frames: Path, tmp_path: Path) -> None:
    array = np.load(frames)
    model = nextframe.fit(array, out=tmp_path / "run", past=3, validation=0.2, test=0.2, **SMALL)
    found = nextframe.verify(model, array, baselines=(), progress=False)
    assert (found.left_out, found.count) == ({"model": 96}, 24 - 5 + 1)
    with pytest.raises(DataError, match=r"holds no frame that model was not trained on.*seen=True"):
        nextframe.verify(model, array[:90], baselines=(), progress=False)
    assert nextframe.verify(model, array[:90], baselines=(), seen=True, progress=False).seen == {"model": 90}


@pytest.mark.long
def test_a_run_that_kept_no_record_is_judged_by_its_configuration(runs: list[Path], frames: Path) -> None:
    record = runs[0] / "seen.npz"
    kept = record.read_bytes()
    record.unlink()
    try:
        found = verify_run(runs[0], data=frames, baselines=(), progress=False)
        assert found.left_out == {"a": 96}
        hidden = frames.with_name("hidden.npy")
        frames.rename(hidden)
        try:
            found = verify_run(runs[0], data=hidden, baselines=(), progress=False)
            assert found.left_out == {}
            assert any("is not known" in note for note in found.notes)
        finally:
            hidden.rename(frames)
    finally:
        record.write_bytes(kept)


def test_names_that_lead_nowhere_are_told(runs: list[Path]) -> None:
    with pytest.raises(CheckpointError, match=r"anvill: is neither.*did you mean 'anvil'"):
        verify_run([runs[0], "anvill"])
    with pytest.raises(ConfigError, match="names no run"):
        verify_run(["anvil", "persistence"])
    with pytest.raises(ConfigError, match="is named twice"):
        verify_run([runs[0], runs[0]])
    assert own_names(["x/anvil", "y/b"]) == ["x/anvil", "y/b"]  # no run is called as a baseline is


@pytest.mark.slow
def test_runs_that_read_frames_differently_are_not_compared(runs: list[Path], frames: Path, tmp_path: Path) -> None:
    nextframe.fit(frames, out=tmp_path / "c", past=3, validation=0.2, test=0.2, coarsen=2, **SMALL)
    with pytest.raises(ConfigError, match=r"coarsen: is not the same for all runs.*1 \(a\), 2 \(c\)"):
        verify_run([runs[0], tmp_path / "c"])
    found = verify_run([runs[0], tmp_path / "c"], data=frames, coarsen=2, baselines=(), progress=False)
    assert list(found.scores) == ["a", "c"]


def rain(path: Path, pixel: int) -> Path:
    """Rain rates on a grid of so many kilometres a pixel, 24 km along each side."""
    size, draw = 24 // pixel, np.random.default_rng(0)
    values = np.stack([np.roll(draw.random((size, size)), n, axis=1) for n in range(60)]).astype(np.float32)
    at = np.arange(size) * 1000.0 * pixel
    times = np.datetime64("2020-01-01T00:00", "ns") + np.arange(60) * np.timedelta64(5, "m")
    field = xr.Dataset(
        {"rain": (("time", "y", "x"), values, {"units": "mm/h"})},
        coords={"time": times, "y": ("y", at, {"units": "m"}), "x": ("x", at, {"units": "m"})},
    )
    field.to_netcdf(path)
    return path


@pytest.mark.slow
def test_runs_are_compared_by_what_their_frames_show_and_not_by_how_they_were_asked_for(tmp_path: Path) -> None:
    options: dict[str, Any] = {**SMALL, "past": 3, "validation": 0.2, "test": 0.2}
    fine, coarse = rain(tmp_path / "fine.nc", 1), rain(tmp_path / "coarse.nc", 2)
    nextframe.fit(fine, out=tmp_path / "fine", **options)
    nextframe.fit(fine, out=tmp_path / "rates", rain_unit="mm/h", **options)
    nextframe.fit(fine, out=tmp_path / "averaged", coarsen=2, **options)
    nextframe.fit(coarse, out=tmp_path / "coarse", **options)
    for alike in (("fine", "rates"), ("averaged", "coarse")):
        runs = [tmp_path / name for name in alike]
        assert list(verify_run(runs, baselines=(), progress=False).scores) == list(alike)
    with pytest.raises(ConfigError, match=r"coarsen: is not the .* pixels of 1 km \(fine\), pixels of 2 km \(coarse\)"):
        verify_run([tmp_path / "fine", tmp_path / "coarse"])
    runs = [tmp_path / "fine", tmp_path / "coarse"]
    assert verify_run(runs, data=coarse, coarsen=1, baselines=(), seen=True, progress=False).scores
