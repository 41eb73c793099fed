"""What the doctor says of frames."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nextframe.api import inspect_path
from nextframe.data.split import split
from nextframe.data.windows import cut_windows
from nextframe.forecasting.persistence import Persistence
from nextframe.frames.source import open_source
from nextframe.verification.verify import verify


def test_dry_is_zero_also_where_an_offset_left_values_below_it(tmp_path: Path) -> None:
    rain = np.zeros((20, 10, 10))
    rain[:, 5:] = np.random.default_rng(0).gamma(1.0, 2.0, (20, 5, 10))
    rain[::2, 0, 0] = -0.02
    np.save(tmp_path / "rain.npy", rain)
    channel = inspect_path(tmp_path / "rain.npy", past=1, future=1).channels[0]
    assert channel.low is not None
    assert channel.low < 0
    assert channel.dry == 0
    assert channel.dry_share == 0.495


def test_dry_is_the_smallest_value_where_nothing_is_zero(tmp_path: Path) -> None:
    np.save(tmp_path / "ground.npy", np.random.default_rng(0).integers(3, 5, (20, 8, 8)).astype(np.uint8))
    channel = inspect_path(tmp_path / "ground.npy", past=1, future=1).channels[0]
    assert channel.dry == 3
    assert channel.dry_share is not None
    assert 0.4 < channel.dry_share < 0.6


@pytest.mark.slow
def test_what_no_window_can_use_is_told(tmp_path: Path) -> None:
    hours = np.array([*range(0, 20), *range(23, 25), *range(30, 50)])
    rain = np.random.default_rng(0).random((42, 6, 7)).astype(np.float32)
    rain[3] = np.nan
    times = np.datetime64("2020-01-01", "ns") + hours * np.timedelta64(1, "h")
    field = xr.Dataset({"rain": (("time", "y", "x"), rain)}, {"time": times, "y": np.arange(6.0), "x": np.arange(7.0)})
    field.to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    found = inspect_path(tmp_path / "rain.nc", past=3, future=2, missing="mask", split="event", test=0, validation=0.4)
    gaps = "2 gaps in time (2020-01-01 19:00 to 2020-01-01 23:00, 2020-01-02 00:00 to 2020-01-02 06:00)"
    assert found.lost == (
        f"{gaps} took 6 of 38 windows; 2 frames lie in a stretch too short for a window; 1 frame has no value"
    )
    assert (found.gaps, found.empty_frames, found.damage) == (2, 1, "")
    assert {name: (part.windows, part.short_frames) for name, part in found.parts.items()} == {
        "training": (16, 2),
        "validation": (16, 0),
        "test": (0, 0),
    }


@pytest.mark.slow
def test_a_change_of_the_time_step_is_told_and_how_to_bring_it_to_one(tmp_path: Path) -> None:
    minutes = np.cumsum([0, *[10] * 12, *[5] * 30, 60, *[5] * 9])
    times = np.datetime64("2020-01-01", "ns") + minutes * np.timedelta64(1, "m")
    rain = np.random.default_rng(0).random((len(times), 6, 7)).astype(np.float32)
    field = xr.Dataset({"rain": (("time", "y", "x"), rain)}, {"time": times})
    field.to_netcdf(tmp_path / "rain.nc", engine="h5netcdf")
    seen = inspect_path(tmp_path / "rain.nc", past=3, future=2)
    (change,) = (problem for problem in seen.problems if "time step" in problem)
    assert "another one from 2020-01-01 00:00 to 2020-01-01 02:00 (10 min, else 5 min)" in change
    assert "time_step='10min'" in change
    (gap,) = (problem for problem in seen.problems if "missing in time" in problem)
    assert "2020-01-01 04:30 to 2020-01-01 05:30 (1 h); no window" in gap
    assert "another time step are in no window (2020-01-01 00:00 to 2020-01-01 01:50, where 12 are" in seen.lost
    even = inspect_path(tmp_path / "rain.nc", past=3, future=2, time_step="10min")
    assert not [problem for problem in even.problems if "time step" in problem]


@pytest.mark.slow
def test_persistence_scores_are_those_of_verification(tmp_path: Path) -> None:
    rain = np.random.default_rng(3).gamma(0.4, 2.0, (60, 1, 12, 14)).astype(np.float32)
    rain[np.random.default_rng(4).random(rain.shape) < 0.1] = np.nan
    np.save(tmp_path / "rain.npy", rain)
    seen = inspect_path(tmp_path / "rain.npy", past=3, future=4, missing="mask", test=0.4)
    assert seen.threshold is not None
    spans = split(open_source(tmp_path / "rain.npy", missing="mask"), validation=0.1, test=0.4, minimum=2).test
    windows = cut_windows(spans, past=3, future=4)
    assert seen.persistence_windows == len(windows)
    expected = verify([Persistence()], windows, thresholds=[seen.threshold]).scores["persistence"]
    assert set(seen.persistence) == {"mse", "mae", f"csi_{seen.threshold:g}"}
    for metric, values in seen.persistence.items():
        np.testing.assert_allclose(np.asarray(values, float), expected[metric], rtol=1e-6)


@pytest.mark.parametrize("unit", ["mm", "kg m-2", "mm/h"])
def test_sums_since_a_start_are_told(tmp_path: Path, unit: str) -> None:
    amounts = np.random.default_rng(0).gamma(0.4, 2.0, (20, 8, 8)).astype(np.float32)
    times = np.datetime64("2020-01-01", "ns") + np.arange(20) * np.timedelta64(1, "h")
    for name, values in (("each", amounts), ("sums", amounts.cumsum(0))):
        field = xr.Dataset({"RAINNC": (("time", "y", "x"), values, {"units": unit})}, {"time": times})
        field.to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
        problems = inspect_path(tmp_path / f"{name}.nc", past=2, future=1).problems
        assert any("RAINNC never falls from one frame to the next" in text for text in problems) == (name == "sums")
