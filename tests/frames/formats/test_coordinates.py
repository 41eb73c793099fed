"""Coordinates of gridded files under whatever names, groups, and attributes that another file cannot hold."""

from pathlib import Path
from typing import Any

import h5netcdf
import imageio.v3 as iio
import numpy as np
import pytest
import xarray as xr
import zarr

from nextframe.errors import ConfigError, DataError
from nextframe.forecasting.persistence import Persistence
from nextframe.frames.formats.attributes import attributes_for_netcdf
from nextframe.frames.geography import Geography
from nextframe.frames.grid import CoordinateField, Grid
from nextframe.frames.source import open_source
from nextframe.outputs.writers import save_forecast
from tests.frames.formats.grids import HOURS, SIDE, STEPS, rain, write

LATITUDE = np.linspace(50, 43, SIDE)
LONGITUDE = np.linspace(0, 7, SIDE)
NORTH, EAST = {"units": "degrees_north"}, {"units": "degrees_east"}


def forecast_of(path: Path, out: Path, **options: Any) -> xr.Dataset:
    (sequence,) = open_source(path, **options).sequences
    save_forecast(Persistence().forecast(sequence, 2), out)
    with xr.open_dataset(out, engine="h5netcdf") as made:
        return made.load()


def test_coordinates_along_an_axis_of_another_name(tmp_path: Path) -> None:
    others = {"lat": (("nlat",), LATITUDE, NORTH), "lon": (("nlon",), LONGITUDE, EAST)}
    path = write(tmp_path / "a.nc", dims=("time", "nlat", "nlon"), others=others)
    made = forecast_of(path, tmp_path / "f.nc", coarsen=2)
    np.testing.assert_allclose(made["lat"], LATITUDE.reshape(-1, 2).mean(1))
    np.testing.assert_allclose(made["lon"], LONGITUDE.reshape(-1, 2).mean(1))
    assert made["lat"].attrs["units"] == "degrees_north"
    assert made["rain"].dims == ("lead_time", "lat", "lon")


@pytest.mark.slow
def test_fields_that_are_named_as_the_axes_and_differ_along_one(tmp_path: Path) -> None:
    others = {
        "lat": (("lat", "lon"), np.tile(LATITUDE[:, None], (1, SIDE)), NORTH),
        "lon": (("lat", "lon"), np.tile(LONGITUDE, (SIDE, 1)), EAST),
    }
    made = forecast_of(
        write(tmp_path / "a.nc", dims=("time", "lat", "lon"), others=others), tmp_path / "f.nc", coarsen=2
    )
    np.testing.assert_allclose(made["lat"], LATITUDE.reshape(-1, 2).mean(1))
    np.testing.assert_allclose(made["lon"], LONGITUDE.reshape(-1, 2).mean(1))


@pytest.mark.parametrize("dims", [("lat", "lon"), ("south_north", "west_east")])
@pytest.mark.slow
def test_curvilinear_fields(tmp_path: Path, dims: tuple[str, str]) -> None:
    latitude = LATITUDE[:, None] + LONGITUDE / 10
    longitude = LONGITUDE + LATITUDE[:, None] / 10
    others = {
        "lat": (("time", *dims), np.tile(latitude, (STEPS, 1, 1)), NORTH),
        "lon": (dims, longitude, EAST),
    }
    made = forecast_of(write(tmp_path / "a.nc", dims=("time", *dims), others=others), tmp_path / "f.nc")
    np.testing.assert_allclose(made["lat"], latitude)
    np.testing.assert_allclose(made["lon"], longitude)
    assert made["lat"].dims == made["rain"].dims[1:]


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf", "scipy"])
def test_a_unit_of_one_letter_is_text_whichever_library_wrote_it(tmp_path: Path, engine: Any) -> None:
    if engine == "netcdf4":
        pytest.importorskip("netCDF4")
    metres = {"units": "m"}
    axes = {"y": ("y", 1000.0 * np.arange(SIDE)[::-1], metres), "x": ("x", 2000.0 * np.arange(SIDE), metres)}
    times = np.datetime64("2020-01-01", "ns") + np.arange(STEPS) * np.timedelta64(1, "h")
    field = xr.Dataset({"t": (("time", "y", "x"), rain(), {"units": "K"})}, {"time": times, **axes}, {"title": "t"})
    field.to_netcdf(tmp_path / "a.nc", engine=engine)
    (sequence,) = open_source(tmp_path / "a.nc").sequences
    assert sequence.units == ("K",)
    assert sequence.attributes["title"] == "t"
    assert sequence.grid is not None
    assert sequence.grid.y_attributes["units"] == sequence.grid.x_attributes["units"] == "m"
    assert Geography(sequence.grid).kilometres == (1.0, 2.0)


def test_a_standard_parallel_may_stand_in_a_list() -> None:
    pytest.importorskip("pyproj")
    cone = {"grid_mapping_name": "lambert_conformal_conic", "longitude_of_central_meridian": 10.0,
            "latitude_of_projection_origin": 47.0, "earth_radius": 6371000.0}  # fmt: skip
    y, x, metres = np.arange(3.0) * 1000, np.arange(4.0) * 1000, {"units": "m"}
    for parallel in ([47.0], np.array([47.0]), 47.0):  # as Zarr, GRIB and NetCDF have it
        mapping = {**cone, "standard_parallel": parallel}
        grid = Grid(y=y, x=x, y_attributes=metres, x_attributes=metres, mapping=mapping)
        longitude, latitude = Geography(grid).lonlat()
        assert (longitude[0, 0], latitude[0, 0]) == pytest.approx((10.0, 47.0))


def test_packed_coordinates_are_unpacked_and_say_nothing_of_it(tmp_path: Path) -> None:
    packed = {"scale_factor": 0.5, "add_offset": 10.0, "units": "m", "standard_name": "projection_y_coordinate"}
    others = {"y": (("y",), np.arange(SIDE, dtype="i2"), packed)}
    made = forecast_of(write(tmp_path / "a.nc", others=others), tmp_path / "f.nc")
    np.testing.assert_allclose(made["y"], 10 + np.arange(SIDE) / 2)
    assert made["y"].attrs == {"units": "m", "standard_name": "projection_y_coordinate"}


@pytest.mark.parametrize(
    ("y", "about", "name", "turned"),
    [
        (LATITUDE[::-1], NORTH, "lat", True),
        (LATITUDE, NORTH, "lat", False),
        (np.arange(8.0) * 1000, {"standard_name": "projection_y_coordinate", "units": "m"}, "y", True),
        (np.arange(8.0), {}, "y", False),
        (np.arange(8.0), {}, "lat", False),
    ],
)
def test_north_is_up_whichever_way_the_rows_run(y: np.ndarray, about: Any, name: str, turned: bool) -> None:
    grid = Grid(y=y, x=LONGITUDE, y_name=name, y_attributes=about)
    frames = rain()
    np.testing.assert_array_equal(grid.north_up(frames), frames[:, ::-1] if turned else frames)


def test_north_is_up_by_latitudes_of_pixels() -> None:
    field = CoordinateField(values=LATITUDE[::-1, None] + np.zeros(SIDE), attributes=NORTH)
    assert Grid(y=np.arange(8.0), x=np.arange(8.0), fields={"XLAT": field}).rows_run_north


@pytest.mark.parametrize(
    ("x", "about", "name", "turned"),
    [
        (LONGITUDE[::-1], EAST, "lon", True),
        (LONGITUDE, EAST, "lon", False),
        (np.array([177.0, 178, 179, -180, -179, -178, -177, -176]), EAST, "lon", False),  # over the date line
        (np.array([3.0, 2, 1, 0, 359, 358, 357, 356]), EAST, "lon", True),
        (np.arange(8.0)[::-1] * 1000, {"standard_name": "projection_x_coordinate", "units": "m"}, "x", True),
        (np.arange(8.0)[::-1], {}, "column", False),
    ],
)
def test_east_is_right_whichever_way_the_columns_run(x: np.ndarray, about: Any, name: str, turned: bool) -> None:
    grid = Grid(y=LATITUDE, x=x, x_name=name, x_attributes=about)
    frames = rain()
    np.testing.assert_array_equal(grid.north_up(frames), frames[..., ::-1] if turned else frames)


def test_east_is_right_by_longitudes_of_pixels() -> None:
    axis = np.arange(8.0)
    for longitude, turned in ((LONGITUDE[::-1], True), (LONGITUDE, False), (LONGITUDE[::-1] - 181 + 360, True)):
        field = CoordinateField(values=longitude + np.zeros((8, 1)), attributes=EAST)
        assert Grid(y=axis, x=axis, fields={"XLONG": field}).columns_run_west == turned
    x, y = np.meshgrid(np.arange(8.0) - 3.5, np.arange(8.0) - 3.5)
    around = CoordinateField(values=np.rad2deg(np.arctan2(x, -y)), attributes=EAST)
    assert not Grid(y=axis, x=axis, fields={"lon": around}).columns_run_west  # a pole in the middle


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["gif", "png"])
def test_pictures_are_the_same_whichever_way_the_rows_and_columns_run(tmp_path: Path, suffix: str) -> None:
    pictures = []
    along, back = slice(None), slice(None, None, -1)
    for name, order, across in (("north", along, along), ("south", back, along), ("west", along, back)):
        others = {"lat": (("lat",), LATITUDE[order], NORTH), "lon": (("lon",), LONGITUDE[across], EAST)}
        path = write(tmp_path / f"{name}.nc", rain()[:, order, across], dims=("time", "lat", "lon"), others=others)
        (sequence,) = open_source(path).sequences
        past = sequence.read(0, 4)
        out = tmp_path / f"{name}.{suffix}"
        save_forecast(Persistence().forecast(sequence, 2), out, past=past, truth=past[:2])
        pictures.append(iio.imread(out))
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], pictures[2])


def imerg(path: Path, group: str = "Grid", name: str = "precipitation") -> Path:
    others = {"lat": (("lat",), LATITUDE[::-1], NORTH), "lon": (("lon",), LONGITUDE, EAST)}
    dims = ("time", "lon", "lat")
    return write(path, rain().transpose(0, 2, 1), {"units": "mm/hr"}, dims=dims, others=others, group=group, name=name)


@pytest.mark.slow
def test_a_field_in_a_group(tmp_path: Path) -> None:
    path = imerg(tmp_path / "a.nc4")
    for options in ({}, {"variable": ["precipitation"]}, {"variable": ["Grid/precipitation"]}):
        (sequence,) = open_source(path, **options).sequences  # type: ignore[arg-type]
        np.testing.assert_array_equal(sequence.read(0, STEPS)[:, 0], rain())
        assert (sequence.variables, sequence.units) == (("precipitation",), ("mm/hr",))
        assert sequence.time_step == np.timedelta64(1, "h")
        assert sequence.grid is not None
        np.testing.assert_array_equal(sequence.grid.y, LATITUDE[::-1])


@pytest.mark.slow
def test_several_groups_are_asked_about(tmp_path: Path) -> None:
    path = imerg(imerg(tmp_path / "a.nc4"), "Grid/Intermediate", "gauge")
    with pytest.raises(ConfigError, match="several variables") as raised:
        open_source(path)
    assert set(str(raised.value.received).split(", ")) == {"Grid/precipitation", "Grid/Intermediate/gauge"}
    (sequence,) = open_source(path, variable=["Grid/Intermediate/gauge"]).sequences
    assert sequence.variables == ("gauge",)
    with pytest.raises(ConfigError, match=r"holds no such variable.*Grid/precipitation.*received Grid/snow"):
        open_source(path, variable=["Grid/snow"])
    with pytest.raises(ConfigError, match=r"expected one of Grid/.*received Snow/precipitation"):
        open_source(path, variable=["Snow/precipitation"])
    with pytest.raises(ConfigError, match="in several groups"):
        open_source(path, variable=["Grid/precipitation", "Grid/Intermediate/gauge"])


def test_a_group_inherits_what_is_above_it(tmp_path: Path) -> None:
    with h5netcdf.File(tmp_path / "a.nc", "w") as file:
        file.dimensions = {"time": STEPS, "y": SIDE, "x": SIDE}
        time = file.create_variable("time", ("time",), "i4", data=np.arange(STEPS))
        time.attrs.update(HOURS)
        file.create_group("product").create_variable("rain", ("time", "y", "x"), "f4", data=rain())
    (sequence,) = open_source(tmp_path / "a.nc").sequences
    assert sequence.time_step == np.timedelta64(1, "h")


def test_groups_of_a_zarr_store(tmp_path: Path) -> None:
    xr.Dataset({"rain": (("time", "y", "x"), rain())}).to_zarr(tmp_path / "a.zarr", group="one/two", consolidated=False)
    (sequence,) = open_source(tmp_path / "a.zarr").sequences
    np.testing.assert_array_equal(sequence.read(0, STEPS)[:, 0], rain())


def test_axes_of_one_are_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", rain()[None, :, None], dims=("member", "time", "level", "y", "x"), time=None)
    (sequence,) = open_source(path).sequences
    np.testing.assert_array_equal(sequence.read(0, STEPS)[:, 0], rain())


ATTRIBUTES = {
    "calibrated": True,
    "note": "x",
    "nothing": None,
    "tags": ["a", "b"],
    "history": {"a": 1, "when": np.datetime64("2020-01-01")},
    "levels": [1, 2, 3],
    "flags": [True, False],
    "ragged": [[1], [2, 3]],
    "empty": [],
    "huge": 10**30,
    "complex": 1 + 2j,
    "a/b": 1,
    "half": "\ud800",
    "_FillValue": 5,
}


def test_attributes_that_netcdf_cannot_hold_become_text(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    xr.Dataset(attrs=attributes_for_netcdf(ATTRIBUTES)).to_netcdf(path, engine="h5netcdf")
    with xr.open_dataset(path, engine="h5netcdf") as read:
        said = read.attrs
        assert (said["calibrated"], said["note"], said["tags"]) == ("true", "x", '["a", "b"]')
        assert said["history"] == '{"a": 1, "when": "2020-01-01"}'
        assert said["levels"].tolist() == [1, 2, 3]
        assert not {"nothing", "empty", "a/b", "_FillValue"} & set(said)


def test_a_forecast_of_a_store_with_such_attributes_is_written(tmp_path: Path) -> None:
    named = ("calibrated", "note", "nothing", "tags", "ragged", "empty")
    usable = {**{key: ATTRIBUTES[key] for key in named}, "more": {"a": 1}}
    data = xr.Dataset({"rain": (("time", "y", "x"), rain())}, {"x": ("x", np.arange(8.0), usable)}, usable)
    data["crs"] = ((), 0, {"grid_mapping_name": "geostationary", "no_defs": True, "params": {"lon_0": 0}})
    data["rain"].attrs = {**usable, "grid_mapping": "crs", "long_name": "rain"}
    data.to_zarr(tmp_path / "a.zarr", consolidated=True, zarr_format=2)
    made = forecast_of(tmp_path / "a.zarr", tmp_path / "f.nc")
    assert (made.attrs["calibrated"], made["x"].attrs["more"]) == ("true", '{"a": 1}')
    assert made["crs"].attrs["params"] == '{"lon_0": 0}'


def test_what_is_no_field(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", rain()[:, 0, 0], dims=("time",))
    with pytest.raises(DataError, match=r"holds no variable over two axes \(received variables rain, time\)"):
        open_source(path)
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.attrs["title"] = "nothing"
    with pytest.raises(DataError, match="holds no variable over two axes"):
        open_source(tmp_path / "a.zarr")


CELLS = {
    "clat": (("cell",), np.linspace(40, 50, SIDE**2), {"units": "degrees_north"}),
    "clon": (("cell",), np.linspace(0, 9, SIDE**2), {"units": "degrees_east"}),
}


@pytest.mark.parametrize("others", [{}, CELLS], ids=["bare", "with places"])
@pytest.mark.parametrize("dims", [("time", "cell"), ("cell", "time")])
def test_cells_and_stations_are_no_pictures(tmp_path: Path, others: Any, dims: tuple[str, str]) -> None:
    values = rain().reshape(STEPS, -1)
    about = {"HOURS": (("time",), np.arange(STEPS), HOURS)}
    path = write(
        tmp_path / "a.nc", values.T if dims[0] == "cell" else values, dims=dims, time=None, others=others | about
    )
    with pytest.raises(DataError, match=r"holds no variable over two axes .*brought to rows and columns"):
        open_source(path)


def test_of_axes_without_a_meaning_time_is_none_of_the_picture(tmp_path: Path) -> None:
    others: Any = {"when": (("c",), np.arange(STEPS), HOURS)}
    path = write(tmp_path / "a.nc", np.moveaxis(rain(), 0, -1), dims=("a", "b", "c"), time=None, others=others)
    (sequence,) = open_source(path).sequences
    np.testing.assert_array_equal(sequence.read(0, STEPS)[:, 0], rain())
    assert sequence.time_step == np.timedelta64(1, "h")
