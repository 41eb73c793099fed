"""A training on an archive with a damaged file: stops and says where, or goes on and says what it left out."""

import html
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from nextframe.cli import main

SMALL = [f"--{option}" for option in ("past=2", "future=2", "validation=0.2", "test=0.2")]
MODEL = [f"--{option}" for option in ("filters=2", "norm=layer", "epochs=1", "train-crop=none")]


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal on which no long path is broken."""
    monkeypatch.setenv("COLUMNS", "400")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Forty hours in files of four; one is cut in its values, another in its header, and three hours are missing."""
    folder = tmp_path / "archive"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for n in range(10):
        hours = np.arange(4 * n, 4 * n + 4) + (3 if n >= 5 else 0)
        times = np.datetime64("2020-01-01", "ns") + hours * np.timedelta64(1, "h")
        axes = {"time": times, "y": np.arange(8.0), "x": np.arange(9.0)}
        dataset = xr.Dataset({"rain": (("time", "y", "x"), draw.random((4, 8, 9)), {"units": "mm"})}, axes)
        dataset.to_netcdf(folder / f"{n}.nc", engine="h5netcdf", encoding={"rain": {"zlib": True}})
    with h5py.File(folder / "1.nc") as file:
        chunk = file["rain"].id.get_chunk_info(0)
    with (folder / "1.nc").open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * chunk.size)
    (folder / "2.nc").write_bytes(b"not a file of this kind")
    return folder


@pytest.mark.slow
def test_a_damaged_file_stops_a_training_with_a_sentence(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "stacked", "--data", str(archive), "--out", str(archive.parent / "run"), *SMALL, *MODEL]) == 2
    assert "2.nc: cannot be read as NetCDF" in capsys.readouterr().err
    assert not (archive.parent / "run").exists()
    (archive / "2.nc").unlink()
    assert main(["train", "stacked", "--data", str(archive), "--out", str(archive.parent / "run"), *SMALL, *MODEL]) == 2
    assert "1.nc: rain cannot be read at 2020-01-01T04:00:00" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.long
def test_it_is_skipped_counted_and_named_where_that_is_asked_for(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = archive.parent / "run"
    given = ["--data", str(archive), "--damaged=skip"]
    assert main(["train", "stacked", *given, "--out", str(run), *SMALL, *MODEL]) == 0
    said = " ".join(capsys.readouterr().out.split())
    gaps = "2 gaps in time (2020-01-01 07:00 to 2020-01-01 12:00, 2020-01-01 19:00 to 2020-01-01 23:00)"
    assert f"training part: {gaps} took 6 of 19 windows; 4 frames have no value" in said
    assert "left out 1 damaged file and 4 damaged frames: " in said
    assert f"{archive / '2.nc'}: cannot be read as NetCDF" in said
    assert f"{archive / '1.nc'}: rain cannot be read at 2020-01-01T04:00:00" in said
    metrics = (run / "metrics.csv").read_text()
    assert "nan" not in metrics.split("\n")[1].lower().replace("val_persistence_csi", "")

    assert main(["inspect", *given[1:], *SMALL]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "of no use 2 gaps in time (2020-01-01 07:00 to" in shown
    assert "damaged left out 1 damaged file and 4 damaged frames" in shown

    assert main(["verify", str(run), *given, "--seen", "--baselines=persistence", "--thresholds=0.5,70"]) == 0
    verified = " ".join(capsys.readouterr().out.split())
    assert f"{archive}: {gaps} took 6 of 33 windows" in verified
    assert f"{archive}: 1 of 27 windows start from frames without a value" in verified
    assert f"{archive}: left out 1 damaged file and 3 damaged frames" in verified  # the fourth is in no window
    assert f"{archive}: no observed value reaches the threshold 70: choose a lower one" in verified
    assert "threshold 0.5:" not in verified
    report = html.unescape((run / "report.html").read_text())
    for told in ("no observed value reaches the threshold 70", "left out 1 damaged file", "damaged='skip'"):
        assert told in report
    assert "2020-01-01 00:00 to 2020-01-02 18:00" in report
    assert f"nextframe train --config {run}/config.yaml" in report

    assert main(["verify", str(run), *given, "--seen", "--baselines=none", "--no-progress"]) == 0
    assert f"{archive}: left out 1 damaged file" in " ".join(capsys.readouterr().out.split())


@pytest.mark.long
def test_later_frames_are_held_to_the_unit_of_the_training(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("1.nc", "2.nc"):
        (archive / name).unlink()
    run = archive.parent / "run"
    assert main(["train", "stacked", "--data", str(archive), "--out", str(run), *SMALL, *MODEL, "--no-progress"]) == 0
    values = np.random.default_rng(1).random((9, 8, 9))
    for unit, fits in (("mm", True), ("K", False), ("1", True)):
        later = archive.parent / f"later{unit}.nc"
        xr.Dataset({"rain": (("time", "y", "x"), values, {"units": unit})}).to_netcdf(later, engine="h5netcdf")
        out = str(archive.parent / "f.nc")
        for call in (["forecast", "--input", str(later), "--out", out], ["verify", "--data", str(later)]):
            assert main([call[0], str(run), *call[1:]]) == (0 if fits else 2)
            said = capsys.readouterr().err
            assert fits or "laterK.nc: is not in the unit of the training, in which rain was in mm (received K)" in said


@pytest.mark.slow
def test_where_all_is_missing_that_is_said(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("1.nc", "2.nc"):
        (archive / name).unlink()
    run, empty = archive.parent / "run", archive.parent / "empty.nc"
    assert main(["train", "stacked", "--data", str(archive), "--out", str(run), *SMALL, *MODEL, "--no-progress"]) == 0
    data = xr.Dataset({"rain": (("time", "y", "x"), np.full((9, 8, 9), np.nan), {"units": "mm", "valid_min": 0.0})})
    data.to_netcdf(empty, engine="h5netcdf")
    assert main(["verify", str(run), "--data", str(empty)]) == 2
    assert "none of its 6 windows starts from a frame with a value: all is missing" in capsys.readouterr().err


@pytest.mark.slow
def test_weights_for_rain_are_not_taken_for_other_units(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("1.nc", "2.nc"):
        (archive / name).unlink()
    call = ["train", "stacked", "--data", str(archive), "--out", str(archive.parent / "run"), *SMALL, *MODEL]
    assert main([*call, "--loss=balanced-mse", "--output=linear"]) == 2
    assert "loss=balanced-mse: has weights for rain in mm/h (received frames in mm)" in capsys.readouterr().err
    assert main([*call, "--loss=balanced-mse", "--output=linear", "--loss-thresholds=0.1,0.2,0.3,0.4"]) == 0
