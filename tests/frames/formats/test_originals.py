"""Originals of services, and files of every row of the table, are what another library decodes."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nextframe.frames.formats import formats
from nextframe.frames.source import open_source

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"
UKMO, SWISS, BRISBANE = (
    DATA / name for name in ("formats/ukmo", "radar/mch-2015-05-15", "radar/bom-brisbane-2020-10-31")
)
MORE = DATA / "radar-more"
needs_data = pytest.mark.skipif(not UKMO.is_dir(), reason="needs the data beside the repository (../shared/data)")


def test_every_row_names_a_test_that_is_there() -> None:
    for row in formats():
        assert row.test_files, row.name
        for file in row.test_files:
            assert (ROOT / file).is_file(), row.name
            assert f"{file}`" in (ROOT / "docs" / "data.md").read_text(encoding="utf-8"), row.name


@needs_data
@pytest.mark.filterwarnings("ignore:.*which NetCDF fills unwritten values with")  # told, and taken as missing
def test_rain_of_the_met_office_is_what_netcdf4_decodes() -> None:
    netcdf4 = pytest.importorskip("netCDF4", reason="needs netCDF4")
    (sequence,) = open_source(UKMO).sequences
    assert sequence.units == ("m s-1",)
    assert sequence.grid is not None
    assert sequence.times is not None
    (rate,) = open_source(UKMO, rain_unit="mm/h").sequences
    for n, path in enumerate(sorted(UKMO.iterdir())):
        with netcdf4.Dataset(path) as file:
            values = np.ma.filled(file["lwe_precipitation_rate"][:], np.nan)
            seconds = int(file["time"][...])
            y, x = (np.asarray(file[f"projection_{axis}_coordinate"][:]) for axis in "yx")
        np.testing.assert_array_equal(sequence.read(n, n + 1)[0, 0], values)
        np.testing.assert_allclose(rate.read(n, n + 1)[0, 0], values * 3.6e6, rtol=1e-5)
        assert sequence.times[n] == np.datetime64(seconds, "s")
        np.testing.assert_allclose(sequence.grid.y, y)
        np.testing.assert_allclose(sequence.grid.x, x)


@needs_data
def test_rain_of_the_bureau_is_what_netcdf4_decodes() -> None:
    netcdf4 = pytest.importorskip("netCDF4", reason="needs netCDF4")
    files = sorted(BRISBANE.iterdir())[:3]
    for path in files:
        (sequence,) = open_source(path).sequences
        with netcdf4.Dataset(path) as file:
            values = np.ma.filled(file["precipitation"][:].astype(np.float64), np.nan)
        np.testing.assert_allclose(sequence.read(0, 1)[0, 0], np.squeeze(values), rtol=1e-6)
        assert sequence.accumulation == (np.timedelta64(600, "s"),)


@needs_data
def test_packed_archives_are_what_netcdf4_decodes() -> None:
    netcdf4 = pytest.importorskip("netCDF4", reason="needs netCDF4")
    for name in ("fmi-2017-05-09.nc", "opera-2018-08-24-w0.nc", "mrms-2019-06-10-w0.nc"):
        (sequence,) = open_source(MORE / name).sequences
        with netcdf4.Dataset(MORE / name) as file:
            values = np.ma.filled(file[sequence.variables[0]][5:7].astype(np.float64), np.nan)
            times = netcdf4.num2date(file["time"][5:7], file["time"].units, only_use_cftime_datetimes=False)
        np.testing.assert_allclose(sequence.read(5, 7)[:, 0], values, rtol=1e-5, atol=1e-6)
        assert sequence.times is not None
        np.testing.assert_array_equal(sequence.times[5:7], np.array(times, "datetime64[ns]"))


@needs_data
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pysteps leaves its files open
def test_swiss_rain_is_what_pysteps_imports() -> None:
    importers = pytest.importorskip("pysteps.io.importers", reason="needs pysteps (extra radar)")
    (sequence,) = open_source(SWISS).sequences
    for n in (0, 17, 39):
        path = sorted(SWISS.iterdir())[n]
        expected, _, metadata = importers.import_mch_gif(str(path), product="AQC", unit="mm", accutime=5)
        np.testing.assert_allclose(sequence.read(n, n + 1)[0, 0], expected, rtol=1e-6)
        assert metadata["unit"] == sequence.units[0]


@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_store_is_what_xarray_opens(tmp_path: Path, version: int) -> None:
    draw = np.random.default_rng(0)
    values = np.round(draw.random((5, 6, 7)) * 100, 1)
    values[draw.random(values.shape) < 0.2] = np.nan
    axes = ("time", "y", "x")
    hours = np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(1, "h")
    packed = {"scale_factor": 0.5, "add_offset": 3.0, "_FillValue": 255, "dtype": "uint8", "chunks": (2, 3, 7)}
    dataset = xr.Dataset({"rain": (axes, values, {"units": "mm/h"}), "snow": (axes, 2 * values)}, {"time": hours})
    dataset.to_zarr(tmp_path / "a.zarr", zarr_format=version, consolidated=False, encoding={"rain": packed})
    (sequence,) = open_source(tmp_path / "a.zarr", variable=("rain", "snow")).sequences
    with xr.open_zarr(tmp_path / "a.zarr", consolidated=False) as opened:
        expected = np.stack([opened[name].to_numpy() for name in ("rain", "snow")], axis=1)
        np.testing.assert_array_equal(sequence.times, opened["time"].to_numpy())
    np.testing.assert_allclose(sequence.read(0, 5), expected, rtol=1e-6)
    assert np.isnan(expected).any()
