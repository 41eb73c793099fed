"""The recipe by which the documentation grades a forecast of pysteps."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nextframe.cli import main
from nextframe.verification.result import Verification

PAGE = Path(__file__).parents[2] / "docs" / "verification.md"


@pytest.mark.slow
def test_a_nowcast_of_pysteps_is_graded_in_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pysteps", reason="the extra pysteps is not installed")
    section = PAGE.read_text(encoding="utf-8").partition("## A forecast by pysteps")[2]
    match = re.search(r"```py\n(.*?)```", section, re.DOTALL)
    assert match is not None
    assert len([line for line in match[1].splitlines() if line.strip()]) <= 10
    y, x = np.mgrid[:48, :48]
    cells = [8 * np.exp(-((y - 20) ** 2 + (x - 8 - 1.5 * n) ** 2) / 40) for n in range(20)]
    times = np.datetime64("2024-05-01T12:00", "ns") + np.arange(20) * np.timedelta64(5, "m")
    rain = xr.DataArray(
        np.array(cells, np.float32), dims=("time", "y", "x"), coords={"time": times}, attrs={"units": "mm/h"}
    )
    monkeypatch.chdir(tmp_path)
    rain.to_dataset(name="rain").to_netcdf("radar.nc", engine="h5netcdf")
    exec(compile(match[1], "the recipe", "exec"), {})
    assert main(["verify", "pysteps.nc", "--data", "radar.nc", "--thresholds", "1", "--out", str(tmp_path)]) == 0
    found = Verification.from_json(tmp_path / "verification.json")
    assert (found.lead_time, found.lead_time_unit) == ([5, 10, 15, 20, 25, 30], "minutes")
    assert min(found.scores["forecast"]["csi_1"]) > 0.6
