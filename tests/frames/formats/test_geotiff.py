"""GeoTIFF and COG are read as rasterio and tifffile decode them: values, gaps, scale, place and time."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextframe import open_source
from nextframe.errors import ConfigError, DataError, ShapeError

rasterio = pytest.importorskip("rasterio", reason="needs rasterio (extra geotiff)")

LAEA = "+proj=laea +lat_0=55 +lon_0=10 +ellps=WGS84 +units=m"
EDGE = (1000.0, 0.0, 300_000.0, 0.0, -1000.0, 900_000.0)
"""Pixels of 1 km from a corner on, as affine transformations are written."""


def counts(steps: int = 3, height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(1).integers(1, 200, (steps, height, width)).astype(np.uint16)


def write(
    path: Path,
    bands: np.ndarray,
    *,
    tags: dict[str, str] | None = None,
    band_tags: tuple[dict[str, str], ...] = (),
    scale: float = 1.0,
    offset: float = 0.0,
    unit: str = "",
    names: tuple[str, ...] = (),
    crs: str | None = LAEA,
    **profile: Any,
) -> Path:
    """A GeoTIFF of bands (C, H, W)."""
    options = {"transform": rasterio.Affine(*EDGE), **profile}
    count, height, width = bands.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype, crs=crs, **options
    ) as file:
        file.write(bands)
        file.update_tags(**(tags or {}))
        for n, said in enumerate(band_tags, 1):
            file.update_tags(n, **said)
        for n, name in enumerate(names, 1):
            file.set_band_description(n, name)
        file.scales, file.offsets = (scale,) * count, (offset,) * count
        if unit:
            file.units = (unit,) * count
    return path


def steps(folder: Path, frames: np.ndarray, **options: Any) -> Path:
    """A file a step, whose name holds its time."""
    for n, frame in enumerate(frames):
        write(folder / f"rain_2020013112{5 * n:02}.tif", frame[None], **options)
    return folder


def test_values_are_what_rasterio_makes_of_them(tmp_path: Path) -> None:
    frames = counts()
    frames[1, 3, 4] = 0
    steps(tmp_path, frames, nodata=0, scale=0.1, offset=-2.0, unit="mm/h")
    (sequence,) = open_source(tmp_path, time_format="%Y%m%d%H%M").sequences
    for n, path in enumerate(sorted(tmp_path.iterdir())):
        with rasterio.open(path) as file:
            expected = file.read(1, masked=True) * file.scales[0] + file.offsets[0]
        np.testing.assert_allclose(sequence.read(n, n + 1)[0, 0], expected.filled(np.nan), rtol=1e-6)
    assert np.isnan(sequence.read(1, 2)[0, 0, 3, 4])
    assert sequence.units == ("mm/h",)
    assert sequence.times is not None
    assert [str(time)[11:16] for time in sequence.times] == ["12:00", "12:05", "12:10"]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_without_a_place_what_gdal_says_of_the_values_is_read(tmp_path: Path) -> None:
    frames = counts()
    nowhere = {"crs": None, "transform": rasterio.Affine.identity()}
    steps(tmp_path, frames, nodata=7, scale=0.5, offset=-2.0, unit="mm/h", names=("rain",), **nowhere)
    (sequence,) = open_source(tmp_path, time_format="%Y%m%d%H%M").sequences
    expected = np.where(frames == 7, np.nan, frames * 0.5 - 2)
    np.testing.assert_array_equal(sequence.read(0, 3)[:, 0], expected)
    assert (sequence.variables, sequence.units, sequence.grid) == (("rain",), ("mm/h",), None)
    assert sequence.times is not None
    write(tmp_path / "rain_202001311220.tif", counts(1), unit="mm/h", names=("rain",), **{**nowhere, "crs": LAEA})
    with pytest.raises(DataError, match=r"has another projection than rain_202001311200\.tif"):
        open_source(tmp_path, time_format="%Y%m%d%H%M")
    write(tmp_path / "rain_202001311220.tif", counts(1), unit="mm/h", names=("rain",), crs=None)
    with pytest.raises(DataError, match=r"rain_202001311220\.tif: and rain_202001311200\.tif do not both say where"):
        open_source(tmp_path, time_format="%Y%m%d%H%M")


def test_pages_with_places_of_their_own_are_not_dropped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", counts(1))
    write(path, counts(1), APPEND_SUBDATASET="YES")
    with pytest.raises(DataError, match=r"a.tif: holds several pictures, .*received 2 pages"):
        open_source(path)


@pytest.mark.parametrize("compress", [None, "deflate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_values_and_places_are_what_tifffile_decodes(tmp_path: Path, dtype: str, compress: str | None) -> None:
    tifffile = pytest.importorskip("tifffile")
    frame = counts(1).astype(dtype)
    frame[0, 3, 4] = 0
    path = write(tmp_path / "a.tif", frame, nodata=0, compress=compress)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        stored, nodata = page.asarray().astype(float), float(page.tags["GDAL_NODATA"].value)
        scale, corner = page.tags["ModelPixelScaleTag"].value, page.tags["ModelTiepointTag"].value
    (sequence,) = open_source(path).sequences
    np.testing.assert_array_equal(sequence.read(0, 1)[0, 0], np.where(stored == nodata, np.nan, stored))
    grid = sequence.grid
    assert grid is not None
    np.testing.assert_allclose(grid.x, corner[3] + (np.arange(30) + 0.5) * scale[0])
    np.testing.assert_allclose(grid.y, corner[4] - (np.arange(20) + 0.5) * scale[1])


def test_pixels_lie_where_rasterio_puts_them(tmp_path: Path) -> None:
    pyproj = pytest.importorskip("pyproj")
    path = write(tmp_path / "a.tif", counts(1))
    grid = open_source(path).sequences[0].grid
    assert grid is not None
    with rasterio.open(path) as file:
        x, y = file.xy(np.arange(20), np.arange(20))
        wkt = file.crs.to_wkt()
    np.testing.assert_allclose(grid.x[:20], x)
    np.testing.assert_allclose(grid.y, y)
    assert grid.mapping is not None
    assert pyproj.CRS.from_cf(dict(grid.mapping)) == pyproj.CRS.from_wkt(wkt)
    degrees = write(
        tmp_path / "b.tif", counts(1), crs="EPSG:4326", transform=rasterio.Affine(0.1, 0, 5.0, 0, -0.1, 50.0)
    )
    grid = open_source(degrees).sequences[0].grid
    assert grid is not None
    assert (grid.y_name, grid.x_name) == ("latitude", "longitude")
    np.testing.assert_allclose([grid.y[0], grid.x[0]], [49.95, 5.05])


def test_a_cog_is_one_frame_and_its_overviews_are_none(tmp_path: Path) -> None:
    frame = np.random.default_rng(0).uniform(0, 9, (1, 600, 600)).astype(np.float32)
    plain = write(tmp_path / "plain.tif", frame)
    cog = tmp_path / "cog.tif"
    with rasterio.open(plain) as file:
        profile = file.profile
    with rasterio.open(cog, "w", **{**profile, "driver": "COG", "compress": "deflate"}) as file:
        file.write(frame)
    plain.unlink()
    (sequence,) = open_source(cog).sequences
    assert sequence.shape == (1, 1, 600, 600)
    np.testing.assert_array_equal(sequence.read(0, 1)[0], frame)
    cut = open_source(cog, crop=(500, 20, 64, 40)).sequences[0]
    np.testing.assert_array_equal(cut.read(0, 1)[0], frame[:, 500:564, 20:60])


def test_bands_with_times_of_their_own_are_steps_and_others_channels(tmp_path: Path) -> None:
    frames = counts()
    told = tuple({"valid_time": f"2020-01-31T12:{10 * n:02}:00Z"} for n in range(3))
    (sequence,) = open_source(write(tmp_path / "steps.tif", frames, band_tags=told)).sequences
    assert sequence.shape == (3, 1, 20, 30)
    assert sequence.time_step == np.timedelta64(600, "s")
    np.testing.assert_array_equal(sequence.read(0, 3)[:, 0], frames)
    path = write(tmp_path / "bands.tif", frames, names=("vis", "ir", "wv"))
    (sequence,) = open_source(path).sequences
    assert sequence.variables == ("vis", "ir", "wv")
    np.testing.assert_array_equal(sequence.read(0, 1)[0], frames)
    chosen = open_source(path, variable=("wv", "1")).sequences[0]
    np.testing.assert_array_equal(chosen.read(0, 1)[0], frames[[2, 0]])
    with pytest.raises(ConfigError, match=r"holds no such band \(expected one of vis, ir, wv, received red\)"):
        open_source(path, variable=("red",))


@pytest.mark.parametrize(
    "tags",
    [
        {"valid_time": "2020-01-31 12:05"},
        {"TIME": "20200131120500"},
        {"ACQUISITIONDATETIME": "2020-01-31T13:05:00+01:00"},
        {"NETCDF_DIM_time": "725", "time#units": "minutes since 2020-01-31"},
        {"GRIB_VALID_TIME": "1580472300 sec UTC"},
        {"TIFFTAG_DATETIME": "2020:01:31 12:05:00"},
    ],
)
def test_times_are_read_from_tags(tmp_path: Path, tags: dict[str, str]) -> None:
    source = open_source(write(tmp_path / "a.tif", counts(1), tags=tags))
    times = source.sequences[0].times
    assert times is not None
    assert str(times[0])[:19] == "2020-01-31T12:05:00"
    assert bool(source.notes) == ("TIFFTAG_DATETIME" in tags)


def test_opacity_and_masks_are_missing(tmp_path: Path) -> None:
    frame = counts(2).astype(np.uint8)
    frame[1] = 255
    frame[1, 5, 6] = 0
    path = write(tmp_path / "alpha.tif", frame, photometric="minisblack", alpha="yes")
    (sequence,) = open_source(path).sequences
    assert sequence.shape[1] == 1
    values = sequence.read(0, 1)[0, 0]
    assert np.isnan(values[5, 6])
    assert np.isfinite(values).sum() == values.size - 1


def test_faults_are_told(tmp_path: Path) -> None:
    folder = steps(tmp_path, counts())
    with pytest.raises(DataError, match=r"rain_202001311200.tif: has no such time in its name"):
        open_source(folder, time_format="%Y-%m-%d")
    with pytest.raises(DataError, match=r"has the time of rain_202001311200.tif"):
        open_source(folder, time_format="rain_%Y%m%d")
    with pytest.raises(ConfigError, match=r"time_format: is no pattern of times .*received %H%M"):
        open_source(folder, time_format="%H%M")
    whole = folder / "rain_202001311200.tif"
    whole.write_bytes(whole.read_bytes()[:900])
    with pytest.raises(DataError, match=r"rain_202001311200.tif: is no GeoTIFF, as the others are"):
        open_source(folder, time_format="%Y%m%d%H%M")
    whole.unlink()
    write(whole, counts(1, 8, 8))
    with pytest.raises(ShapeError, match=r"differs in size or bands"):
        open_source(folder, time_format="%Y%m%d%H%M")
    write(whole, counts(1), transform=rasterio.Affine(1000, 0, 0, 0, -1000, 0))
    with pytest.raises(DataError, match=r"lies elsewhere along y"):
        open_source(folder, time_format="%Y%m%d%H%M")


def test_a_file_that_is_cut_off_within_its_values_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "plain.tif", counts(1, 300, 300))
    with rasterio.open(path) as file:
        profile = file.profile
    whole = tmp_path / "cog.tif"  # whose header comes first
    with rasterio.open(whole, "w", **{**profile, "driver": "COG"}) as file:
        file.write(counts(1, 300, 300))
    whole.write_bytes(whole.read_bytes()[:-9000])
    with pytest.raises(DataError, match=r"cog.tif: cannot be read as GeoTIFF"):
        open_source(whole).sequences[0].read(0, 1)


def test_without_rasterio_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tif", counts(1))
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(ConfigError, match=r"needs rasterio; pip install 'nextframe\[geotiff\]'"):
        open_source(path)


def test_bands_of_one_name_are_all_read(tmp_path: Path) -> None:
    frames = counts()
    path = write(tmp_path / "levels.tif", frames, names=("wind", "wind", "rain"))
    (sequence,) = open_source(path).sequences
    assert sequence.variables == ("wind_band1", "wind_band2", "rain")
    np.testing.assert_array_equal(sequence.read(0, 1)[0], frames)


def test_opacity_is_missing_beside_nodata_too(tmp_path: Path) -> None:
    frame = counts(2).astype(np.uint8)
    frame[1] = 255
    frame[1, 5, 6] = 0
    frame[0, 7, 8] = 0
    path = write(tmp_path / "alpha.tif", frame, photometric="minisblack", alpha="yes", nodata=0)
    missing = np.isnan(open_source(path).sequences[0].read(0, 1)[0, 0])
    assert list(map(tuple, np.argwhere(missing).tolist())) == [(5, 6), (7, 8)]
