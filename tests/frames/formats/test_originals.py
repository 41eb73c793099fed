"""Originals of services, and files of every row of the table, are what another library decodes."""

import ast
import csv
import gzip
import io
import warnings
import zipfile
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from nextframe.frames.formats import formats
from nextframe.frames.source import open_source

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"
UKMO, SWISS, BRISBANE = (
    DATA / name for name in ("formats/ukmo", "radar/mch-2015-05-15", "radar/bom-brisbane-2020-10-31")
)
MORE = DATA / "radar-more"
RADOLAN, MRMS = DATA / "formats" / "radolan", DATA / "formats" / "mrms"
ERA5 = DATA / "grid" / "era5-2mt-2019-03-uk.grib"
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


def by_gdal(path: Path) -> tuple[np.ma.MaskedArray, Mapping[str, str]]:
    """Bands as GDAL decodes them, and the tags of the first one."""
    rasterio = pytest.importorskip("rasterio", reason="needs rasterio (extra geotiff), for GDAL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.Env(GRIB_NORMALIZE_UNITS="NO"), rasterio.open(path) as file:
            return file.read(masked=True), file.tags(1)


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("edition", [1, 2])
def test_grib_of_both_editions_is_what_gdal_decodes(tmp_path: Path, edition: int) -> None:
    eccodes = pytest.importorskip("eccodes", reason="needs ecCodes (extra grib)")
    path = tmp_path / "a.grib"
    with ERA5.open("rb") as file, path.open("wb") as out:
        for _ in range(5):
            handle = eccodes.codes_grib_new_from_file(file)
            eccodes.codes_set(handle, "edition", edition)
            eccodes.codes_write(handle, out)
            eccodes.codes_release(handle)
    (sequence,) = open_source(path).sequences
    values, tags = by_gdal(path)
    np.testing.assert_allclose(sequence.read(0, 5)[:, 0], np.ma.filled(values, np.nan), rtol=1e-7)
    assert tags["GRIB_UNIT"] == f"[{sequence.units[0]}]"
    assert sequence.times is not None
    assert sequence.times[0] == np.datetime64(int(tags["GRIB_VALID_TIME"]), "s")


@needs_data
@pytest.mark.slow
def test_grib_of_mrms_is_what_gdal_decodes(tmp_path: Path) -> None:
    pytest.importorskip("eccodes", reason="needs ecCodes (extra grib)")
    (zipped,) = MRMS.iterdir()
    path = tmp_path / "mrms.grib2"
    path.write_bytes(gzip.decompress(zipped.read_bytes()))
    stored, tags = by_gdal(path)
    expected = np.where(stored[0] == -999, np.nan, np.where(stored[0] == -99, -30, stored[0]))
    (sequence,) = open_source(zipped).sequences
    np.testing.assert_array_equal(sequence.read(0, 1)[0, 0], expected.astype(np.float32))
    assert sequence.times is not None
    assert sequence.times[0] == np.datetime64(int(tags["GRIB_VALID_TIME"]), "s")


@needs_data
@pytest.mark.slow
def test_radolan_is_what_pysteps_imports(tmp_path: Path) -> None:
    pytest.importorskip("wradlib", reason="needs wradlib (extra radolan)")
    importers = pytest.importorskip("pysteps.io.importers", reason="needs pysteps (extra radar)")
    zipped = sorted(RADOLAN.glob("raa01-ry*"))[3]
    (tmp_path / "ry").write_bytes(gzip.decompress(zipped.read_bytes()))
    expected, _, _ = importers.import_dwd_radolan(str(tmp_path / "ry"), "RY")
    values = open_source(zipped).sequences[0].read(0, 1)[0, 0]
    np.testing.assert_allclose(values, expected + 0.01, atol=1e-6)  # pysteps has -0.01 mm for no echo, and counts on


def test_sevir_is_what_netcdf4_decodes(tmp_path: Path) -> None:
    netcdf4 = pytest.importorskip("netCDF4", reason="needs netCDF4")
    place = tmp_path / "data" / "vil" / "2018"
    place.mkdir(parents=True)
    name = "vil/2018/SEVIR_VIL_STORMEVENTS_2018_0101_1231.h5"
    with h5py.File(tmp_path / "data" / name, "w") as file:
        vil = np.random.default_rng(0).integers(0, 255, (2, 16, 16, 25)).astype(np.uint8)
        file.create_dataset("vil", data=vil, chunks=(1, 16, 16, 25), compression="gzip")
        file["id"] = [b"S1", b"S2"]
    about = {"img_type": "vil", "file_name": name, "time_utc": "2018-06-01 12:00:00", "pct_missing": 0,
             "minute_offsets": ":".join(str(minute) for minute in range(-60, 65, 5)), "llcrnrlat": 36, "llcrnrlon": -97,
             "proj": "+proj=laea +lat_0=38 +lon_0=-98 +units=m +a=6370997.0 +ellps=sphere ", "size_x": 16,
             "size_y": 16, "height_m": 16000, "width_m": 16000}  # fmt: skip
    rows = [{"id": f"S{n + 1}", "file_index": n, **about} for n in range(2)]
    with (tmp_path / "CATALOG.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with netcdf4.Dataset(tmp_path / "data" / name) as file:
        file.set_auto_maskandscale(False)
        stored = file["vil"][:]
    for n, sequence in enumerate(open_source(tmp_path).sequences):
        np.testing.assert_array_equal(sequence.read(0, 25)[:, 0], np.moveaxis(stored[n], -1, 0))


@pytest.mark.parametrize(("suffix", "mode"), [(".png", "L"), (".png", "RGB"), (".png", "I;16"), (".webp", "RGB"),
                                              (".jpg", "L"), (".jpg", "RGB"), (".bmp", "RGB")])  # fmt: skip
def test_pictures_are_what_gdal_decodes(tmp_path: Path, suffix: str, mode: str) -> None:
    deep = mode == "I;16"
    y, x, colour = np.ogrid[:24, :32, : 3 if mode == "RGB" else 1]
    pixels = np.squeeze(
        (5 * y + 3 * x + 11 * colour) * (200 if deep else 1)
    )  # smooth: decoders widen colours in ways of their own
    path = tmp_path / f"a{suffix}"
    Image.fromarray(pixels.astype(np.uint16 if deep else np.uint8)).save(path)
    try:
        expected, _ = by_gdal(path)
    except Exception as error:  # noqa: BLE001 - a GDAL without a driver for it
        pytest.skip(f"GDAL does not read it: {error}")
    read = open_source(path).sequences[0].read(0, 1)[0]
    away = np.abs(read.astype(int) - np.asarray(expected, int)[: len(read)])
    assert away.max() <= (2 if suffix in (".jpg", ".webp") else 0)


def test_frames_of_kth_are_what_gdal_decodes(tmp_path: Path) -> None:
    for action in ("boxing", "running"):
        place = tmp_path / "kth" / action / f"person01_{action}_d1_uncomp"
        place.mkdir(parents=True)
        for n in (1, 2):
            grey = np.random.default_rng(n).integers(0, 256, (12, 16)).astype(np.uint8)
            Image.fromarray(np.stack([grey] * 3, -1)).save(place / f"image_{n:04d}.png")
    read = open_source(tmp_path / "kth").sequences[1].read(0, 2)
    for n in (0, 1):
        np.testing.assert_array_equal(read[n, 0], np.asarray(by_gdal(place / f"image_{n + 1:04d}.png")[0])[0])


def test_pictures_of_hko7_are_what_gdal_decodes(tmp_path: Path) -> None:
    place = tmp_path / "radarPNG" / "2014" / "01" / "02"
    place.mkdir(parents=True)
    path = place / "RAD140102000000.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 10)).astype(np.uint8)).save(path)
    stored = np.asarray(by_gdal(path)[0], float)[0]
    read = open_source(tmp_path).sequences[0].read(0, 1)[0, 0]
    np.testing.assert_allclose(read, np.where(stored == 0, -30, stored * 70 / 255 - 10), atol=1e-4)


def test_frames_of_a_video_are_what_pillow_decodes(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    y, x = np.ogrid[:32, :48]
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mjpeg", rate=10, options={"qscale": "2"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj444p"
        for n in range(4):
            picture = np.stack(np.broadcast_arrays(5 * y + n, 3 * x + n, 200 - y - x), -1).astype(np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    with av.open(str(path)) as file:
        packets = [bytes(packet) for packet in file.demux(video=0) if packet.size]
    read = open_source(path).sequences[0].read(0, 4)
    for n, packet in enumerate(packets):
        expected = np.moveaxis(np.asarray(Image.open(io.BytesIO(packet)).convert("RGB"), int), -1, 0)
        assert np.abs(read[n].astype(int) - expected).max() <= 4
    assert len(packets) == 4


def by_description(content: bytes) -> np.ndarray:
    """An NPY file by the description of the format (NumPy enhancement proposal 1), that no other library reads."""
    length = int.from_bytes(content[8:10], "little")
    about = ast.literal_eval(content[10 : 10 + length].decode("latin1"))
    kind: Any = {"<f4": "f", "|u1": "B", "<i2": "h"}[about["descr"]]
    values: Any = array(kind, content[10 + length :]).tolist()
    return np.array(values).reshape(about["shape"], order="F" if about["fortran_order"] else "C")


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int16])
@pytest.mark.parametrize("turned", [False, True])
def test_arrays_are_what_the_description_of_the_format_says(tmp_path: Path, dtype: type, turned: bool) -> None:
    values: Any = np.random.default_rng(0).integers(0, 99, (9, 24, 20)).astype(dtype)
    values = np.asfortranarray(values) if turned else values
    np.save(tmp_path / "a.npy", values)
    expected = by_description((tmp_path / "a.npy").read_bytes())
    np.testing.assert_array_equal(open_source(tmp_path / "a.npy").sequences[0].read(0, 9)[:, 0], expected)


def test_archives_of_arrays_are_what_the_description_of_the_format_says(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    frames = draw.integers(1, 70, (6, 9, 12)).astype(np.int16)
    meteonet = tmp_path / "reflectivity_old_SE_2016_01.1.npz"
    dates = np.array([np.datetime64("2016-01-01") + 5 * np.timedelta64(n, "m") for n in range(6)]).astype(object)
    np.savez_compressed(meteonet, data=frames, dates=dates, miss_dates=np.array([], object))
    coordinates = np.meshgrid(46 - 0.01 * np.arange(9), 2 + 0.01 * np.arange(12), indexing="ij")
    np.savez(tmp_path / "radar_coords_SE.npz", lats=coordinates[0], lons=coordinates[1])
    (tmp_path / "taxi").mkdir()
    taxibj = tmp_path / "taxi" / "dataset.npz"
    names = [f"{letter}_{part}" for part in ("train", "test") for letter in "XY"]
    parts: dict[str, Any] = {name: draw.uniform(-1, 1, (2, 4, 2, 32, 32)).astype(np.float32) for name in names}
    np.savez_compressed(taxibj, **parts)
    with zipfile.ZipFile(meteonet) as archive:
        expected = by_description(archive.read("data.npy"))
    np.testing.assert_array_equal(open_source(meteonet).sequences[0].read(0, 6)[:, 0], expected)
    with zipfile.ZipFile(taxibj) as archive:
        first = np.concatenate([by_description(archive.read(f"{letter}_train.npy"))[0] for letter in "XY"])
    np.testing.assert_allclose(open_source(taxibj).sequences[0].read(0, 8), (first + 1) / 2, rtol=1e-6)
