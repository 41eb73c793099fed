"""NetCDF: CF-1.11 as IOOS' compliance checker has it, and everything that was asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nextframe.forecasting.forecast import Forecast
from nextframe.outputs.writers import save_forecast
from tests.outputs.made import degrees, rain, stereographic


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the checker and its libraries
@pytest.mark.parametrize("kind", ["projected", "hourly sums", "degrees", "without times or places"])
def test_the_compliance_checker_finds_no_error(tmp_path: Path, kind: str) -> None:
    suite_module = pytest.importorskip("compliance_checker.suite")
    made = {
        "projected": lambda: rain(stereographic()),
        "hourly sums": lambda: replace(
            rain(unit="mm"),
            variable_attributes=({"standard_name": "thickness_of_rainfall_amount"},),
            accumulation=(np.timedelta64(3600 * 10**9, "ns"),),
        ),
        "degrees": lambda: rain(degrees(north_up=False)),
        "without times or places": lambda: Forecast(
            values=rain().values, members=rain().members, forecaster="model", variables=("frame",)
        ),
    }[kind]()
    save_forecast(made, path := tmp_path / "f.nc", exceed=(0.5, 5.0), quantiles=(0.1, 0.5), coverage=0.8, members=True)
    suite_module.CheckSuite.load_all_available_checkers()
    suite = suite_module.CheckSuite()
    dataset = suite.load_dataset(str(path))
    scored, failed = suite.run_all(dataset, ["cf:1.11"], skip_checks=[])["cf:1.11"]
    assert not failed
    wrong = [
        (result.name, message)
        for result in scored
        for message in result.msgs
        if result.weight >= suite_module.BaseCheck.MEDIUM and result.value[0] < result.value[1]
    ]
    assert len(scored) > 20
    assert not wrong


def test_quantiles_are_those_of_the_members(tmp_path: Path) -> None:
    made = rain(members=19)
    save_forecast(made, tmp_path / "f.nc", quantiles=(0.1, 0.95), exceed=(1.0,), members=True, coverage=0.9)
    with xr.open_dataset(tmp_path / "f.nc", engine="h5netcdf") as dataset:
        assert dataset["rain_rate_quantile"].dims == ("quantile", "lead_time", "y", "x")
        expected = np.quantile(made.require_members()[:, :, 0], (0.1, 0.95), axis=0, method="weibull")
        np.testing.assert_allclose(dataset["rain_rate_quantile"].values, expected, rtol=1e-6)
        np.testing.assert_array_equal(dataset["rain_rate_member"].values, made.require_members()[:, :, 0])
        np.testing.assert_array_equal(dataset["member"].values, np.arange(1, 20))
        np.testing.assert_allclose(dataset["rain_rate_upper"].values, expected[1], rtol=1e-6)
        assert dataset.attrs["Conventions"] == "CF-1.11"


def test_a_lead_time_of_its_own_keeps_its_times() -> None:
    made = rain()
    one = made.at(1)
    assert one.valid_time is not None
    assert made.valid_time is not None
    assert one.valid_time.tolist() == made.valid_time[1:2].tolist()
    assert one.lead_time.tolist() == made.lead_time[1:2].tolist()
    np.testing.assert_array_equal(one.values, made.values[1:2])
    assert replace(made, time_step=None).at(2).lead_time.tolist() == [3]
