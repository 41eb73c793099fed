"""Output that goes nowhere, or to a terminal that knows few characters, and texts of files that would steer one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nextframe.cli import main

NEXTFRAME = [sys.executable, "-m", "nextframe"]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    frames = np.random.default_rng(0).random((30, 12, 12)).astype(np.float32)
    np.save(tmp_path / "clip.npy", frames)
    return tmp_path / "clip.npy"


@pytest.mark.long
def test_a_closed_output_is_no_traceback(clip: Path) -> None:
    command = " ".join([*NEXTFRAME, "inspect", str(clip)])
    done = subprocess.run(["sh", "-c", f"{command} >&-"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(["sh", "-c", f"{command} >&- 2>&-"], capture_output=True, text=True, check=False)
    assert done.returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_an_output_on_a_full_disk_is_a_sentence(clip: Path) -> None:
    for command in (["inspect", str(clip)], ["--help"]):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run([*NEXTFRAME, *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        said = "nextframe: the output cannot be written (received No space left on device); make room there\n"
        assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.slow
def test_an_output_of_few_characters_gets_escapes(clip: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [*NEXTFRAME, "inspect", str(clip)], capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "12 x 12" in done.stdout


@pytest.mark.parametrize("unit", ["[mm/h]", "[/]", r"$\degC$", "\x1b[31mK\r"])
@pytest.mark.slow
def test_units_are_shown_as_they_are(tmp_path: Path, unit: str, capsys: pytest.CaptureFixture[str]) -> None:
    frames = np.random.default_rng(0).random((30, 12, 12)).astype(np.float32)
    data = xr.Dataset({"rain": (("time", "y", "x"), frames, {"units": unit})})
    data.to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    assert main(["inspect", str(tmp_path / "rain.nc")]) == 0
    shown = capsys.readouterr().out
    assert unit.replace("\x1b", "\ufffd").replace("\r", "\ufffd") in shown
    assert "\x1b[31m" not in shown
