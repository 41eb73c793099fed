"""GeoTIFF: values at the right coordinates, north up, valid as COG."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyproj import Transformer

from nextframe.errors import ConfigError
from nextframe.frames.geography import Geography
from nextframe.frames.grid import Grid
from nextframe.outputs.writers import save_forecast
from tests.outputs.made import degrees, rain, stereographic, westward

rasterio = pytest.importorskip("rasterio")
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of rasterio's own transforms


@pytest.mark.parametrize("west", [False, True])
@pytest.mark.parametrize("north_up", [True, False])
@pytest.mark.parametrize("make", [stereographic, degrees])
def test_values_stand_at_their_coordinates(tmp_path: Path, make: type[Grid], north_up: bool, west: bool) -> None:
    grid = make(north_up=north_up)  # type: ignore[call-arg]
    grid = westward(grid) if west else grid
    made = rain(grid)
    save_forecast(made, tmp_path / "f.tif")
    geography = Geography(grid)
    with rasterio.open(tmp_path / "f.tif") as raster:
        assert raster.count == 3
        assert raster.transform.e < 0 < raster.transform.a
        assert np.isnan(raster.nodata)
        assert raster.crs.is_projected == (make is stereographic)
        for row, column in ((0, 0), (5, 7), (11, 15)):
            spot = [(geography.x[column], geography.y[row])]
            values = next(raster.sample(spot))
            np.testing.assert_array_equal(values, made.values[:, 0, row, column])
        # By longitude and latitude, too, as somebody else's projection brings them there.
        longitude, latitude = geography.lonlat()
        back = Transformer.from_crs("OGC:CRS84", raster.crs.to_wkt(), always_xy=True)
        x, y = back.transform(longitude[4, 9], latitude[4, 9])
        np.testing.assert_array_equal(next(raster.sample([(x, y)])), made.values[:, 0, 4, 9])


@pytest.mark.slow
def test_tags_say_units_and_times(tmp_path: Path) -> None:
    made = rain()
    save_forecast(made, tmp_path / "f.tif", exceed=(1.0,), quantiles=(0.9,), members=True, coverage=0.8)
    with rasterio.open(tmp_path / "f.tif") as raster:
        assert raster.count == 3 * (1 + 1 + 2 + 20)
        assert raster.units[:6] == ("mm/h",) * 3 + ("1",) * 3
        assert raster.tags()["init_time"] == "2020-06-01T12:00:00Z"
        assert raster.tags()["TIFFTAG_DATETIME"] == "2020:06:01 12:05:00"
        tags = raster.tags(5)
        assert (tags["statistic"], tags["threshold"]) == ("probability", "1")
        assert (tags["valid_time"], tags["lead_time"]) == ("2020-06-01T12:10:00Z", "600 s")
        assert raster.descriptions[0] == "rain_rate +5 min"
        np.testing.assert_array_equal(raster.read(5), made.probability(1.0)[1, 0])
        np.testing.assert_array_equal(raster.read(raster.count), made.require_members()[-1, -1, 0])


@pytest.mark.slow
@pytest.mark.parametrize("size", [(12, 16), (300, 700)])
def test_it_is_valid_as_cog_and_has_overviews(tmp_path: Path, size: tuple[int, int]) -> None:
    cogeo = pytest.importorskip("rio_cogeo.cogeo")
    save_forecast(rain(stereographic(*size), members=2), tmp_path / "f.tif")
    valid, errors, remarks = cogeo.cog_validate(str(tmp_path / "f.tif"))
    assert (valid, errors, remarks) == (True, [], [])
    with rasterio.open(tmp_path / "f.tif") as raster:
        assert bool(raster.overviews(1)) == (max(size) > 100)


def test_one_file_a_lead_time(tmp_path: Path) -> None:
    made = rain()
    for lead, path in enumerate(save_forecast(made, tmp_path / "f-{lead}.tif")):
        with rasterio.open(path) as raster:
            np.testing.assert_array_equal(raster.read(), made.values[lead])
            assert raster.tags(1)["valid_time"] == f"2020-06-01T12:{5 * (lead + 1):02d}:00Z"


def test_frames_without_a_place_are_written_without(tmp_path: Path) -> None:
    save_forecast(replace(rain(), grid=None), tmp_path / "f.tif")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(tmp_path / "f.tif") as raster:
            assert raster.crs is None


def test_uneven_pixels_are_refused(tmp_path: Path) -> None:
    grid = stereographic()
    uneven = replace(grid, y=np.sort(grid.y**2)[::-1].copy())
    with pytest.raises(ConfigError, match="not evenly spaced"):
        save_forecast(replace(rain(), grid=uneven), tmp_path / "f.tif")
    assert not list(tmp_path.iterdir())
