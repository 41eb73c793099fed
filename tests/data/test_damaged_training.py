"""A training on an archive with a damaged file: stops and says where, or goes on and says what it left out."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from nextframe.cli import main

SMALL = [f"--{option}" for option in ("past=2", "future=2", "validation=0.2", "test=0.2")]
MODEL = [f"--{option}" for option in ("filters=2", "norm=layer", "epochs=1", "train-crop=none")]


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


def test_a_damaged_file_stops_a_training_with_a_sentence(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "stacked", "--data", str(archive), "--out", str(archive.parent / "run"), *SMALL, *MODEL]) == 2
    assert "2.nc: cannot be read as NetCDF" in capsys.readouterr().err
    assert not (archive.parent / "run").exists()
    (archive / "2.nc").unlink()
    assert main(["train", "stacked", "--data", str(archive), "--out", str(archive.parent / "run"), *SMALL, *MODEL]) == 2
    assert "1.nc: rain cannot be read at 2020-01-01T04:00:00" in capsys.readouterr().err


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

    assert main(["verify", str(run), *given, "--baselines=persistence", "--thresholds=0.5,70"]) == 0
    verified = " ".join(capsys.readouterr().out.split())
    assert f"{archive}: {gaps} took 6 of 33 windows" in verified
    assert f"{archive}: 1 of 27 windows start from frames without a value" in verified
    assert f"{archive}: left out 1 damaged file and 3 damaged frames" in verified  # the fourth is in no window
    assert f"{archive}: no observed value reaches the threshold 70: choose a lower one" in verified
    assert "threshold 0.5:" not in verified
