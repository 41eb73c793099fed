"""Archives by MLCast's specification: a Zarr store with a chunk a step, a projection in well-known text, and perhaps
another time step at first.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from nextframe.errors import DataError
from nextframe.frames.geography import Geography
from nextframe.frames.rain import rain_rate
from nextframe.frames.source import open_source

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Consolidated metadata:UserWarning")]  # of zarr
SIDE = 8
START = np.datetime64("2020-01-01T00:00", "ns")
CHANGED = np.cumsum([0, *[10] * 19, *[5] * 61])
"""Minutes of 20 steps of 10 minutes, and then 60 of 5."""
ITALY = "+proj=tmerc +lat_0=42 +lon_0=12.5 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m"
"""Projection of the Italian composite."""


def archive(path: Path, values: np.ndarray, units: str, minutes: np.ndarray, *, zarr: int = 3, **said: Any) -> Path:
    pyproj = pytest.importorskip("pyproj", reason="needs pyproj (extra radar)")
    wkt = pyproj.CRS(ITALY).to_wkt()
    names = {"mm": "rainfall_amount", "dBZ": "equivalent_reflectivity_factor", "kg m-2 h-1": "rainfall_flux"}
    about = {"units": units, "standard_name": names[units], "long_name": "rain", "grid_mapping": "crs"}
    xr.Dataset(
        {
            "precip": (("time", "y", "x"), values.astype(np.float32), about),
            "crs": ((), 0, {"spatial_ref": wkt, "crs_wkt": wkt}),
        },
        {
            "time": START + minutes * np.timedelta64(1, "m"),
            "y": ("y", 300_000.0 - 1000 * np.arange(SIDE), {"units": "m", "standard_name": "projection_y_coordinate"}),
            "x": ("x", -200_000.0 + 1000 * np.arange(SIDE), {"units": "m", "standard_name": "projection_x_coordinate"}),
        },
        {"license": "CC-BY-4.0", **said},
    ).to_zarr(path, zarr_format=zarr, consolidated=True, encoding={"precip": {"chunks": (1, SIDE, SIDE)}})
    return path


def field(steps: int) -> np.ndarray:
    return np.random.default_rng(0).gamma(1.0, 1.0, (steps, SIDE, SIDE)).astype(np.float32)


@pytest.mark.parametrize("zarr", [2, 3])
@pytest.mark.parametrize("units", ["mm", "dBZ", "kg m-2 h-1"])
def test_amounts_reflectivity_and_rates_become_rates(tmp_path: Path, units: str, zarr: int) -> None:
    values = field(12) * (10 if units == "dBZ" else 1)
    path = archive(tmp_path / "a.zarr", values, units, 10 * np.arange(12), zarr=zarr)
    (sequence,) = open_source(path, rain_unit="mm/h").sequences
    expected = {"mm": values * 6, "dBZ": rain_rate(values), "kg m-2 h-1": values}[units]
    np.testing.assert_allclose(sequence.read(0, 12)[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("zarr", [2, 3])
def test_pixels_lie_where_the_projection_in_the_text_puts_them(tmp_path: Path, zarr: int) -> None:
    pyproj = pytest.importorskip("pyproj", reason="needs pyproj (extra radar)")
    path = archive(tmp_path / "a.zarr", field(3), "mm", 10 * np.arange(3), zarr=zarr)
    grid = open_source(path).sequences[0].grid
    assert grid is not None
    x, y = np.meshgrid(-200_000.0 + 1000 * np.arange(SIDE), 300_000.0 - 1000 * np.arange(SIDE))
    expected = pyproj.Transformer.from_crs(ITALY, "OGC:CRS84", always_xy=True).transform(x, y)
    np.testing.assert_allclose(Geography(grid).lonlat(), expected, atol=1e-9)
    assert expected[0][0, 0] == pytest.approx(9.98, abs=0.01)  # in the Apennines
    assert expected[1][0, 0] == pytest.approx(44.67, abs=0.01)


def test_amounts_of_two_time_steps_are_divided_each_by_its_own(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zarr", np.ones((81, SIDE, SIDE)), "mm", CHANGED)
    (sequence,) = open_source(path, rain_unit="mm/h").sequences
    rates = sequence.read(0, 81)[:, 0, 0, 0]
    np.testing.assert_allclose(rates[:19], 6)
    assert np.isnan(rates[19])  # of 10 minutes or of 5, as its time is that of its end or its start
    np.testing.assert_allclose(rates[20:], 12)
    assert "the time step of each frame's stretch, 10 min and 5 min; 1 frame of which" in sequence.notes[0]


def test_an_archive_begins_where_it_says_that_its_time_step_is_one(tmp_path: Path) -> None:
    values = field(81)
    path = archive(
        tmp_path / "a.zarr", values, "mm", CHANGED, consistent_timestep_start="2020-01-01T03:10",
        last_valid_timestep="2020-01-01T07:00:00Z",
    )  # fmt: skip
    (sequence,) = open_source(path, rain_unit="mm/h").sequences
    assert sequence.times is not None
    assert (str(sequence.times[0])[:16], str(sequence.times[-1])[:16]) == ("2020-01-01T03:10", "2020-01-01T07:00")
    np.testing.assert_allclose(sequence.read(0, len(sequence))[:, 0], values[19:66] * 12, rtol=1e-6)
    np.testing.assert_allclose(sequence.read(3, 5)[:, 0], values[22:24] * 12, rtol=1e-6)
    assert sequence.notes[0].startswith("19 steps before 2020-01-01T03:10:00, the consistent_timestep_start")


@pytest.mark.parametrize(("said", "fault"), [("soon", "that is no time"), ("2021-01-01", "holds no step from its")])
def test_a_start_that_is_no_time_or_after_all_is_an_error(tmp_path: Path, said: str, fault: str) -> None:
    path = archive(tmp_path / "a.zarr", field(3), "mm", 10 * np.arange(3), consistent_timestep_start=said)
    with pytest.raises(DataError, match=fault):
        open_source(path)
