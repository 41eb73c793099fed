"""NetCDF and Zarr as archives have them: times, units and grids that do not fit, and files that are damaged."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from nextframe.errors import ConfigError, DataError, NextframeError, ShapeError
from nextframe.forecasting.persistence import Persistence
from nextframe.frames.source import open_source
from nextframe.outputs.writers import save_forecast

TIMES = np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(1, "h")


def field(times: np.ndarray = TIMES, units: str = "mm", shift: float = 0.0) -> xr.Dataset:
    values = np.random.default_rng(0).random((len(times), 6, 8)).astype(np.float32)
    return xr.Dataset(
        {"rain": (("time", "y", "x"), values, {"units": units})},
        {"time": times, "y": np.arange(6) + shift, "x": np.arange(8) * 1.0},
    )


def save(dataset: xr.Dataset, path: Path, engine: str = "h5netcdf") -> Path:
    dataset.to_netcdf(path, engine=engine)  # type: ignore[call-overload]
    return path


@pytest.mark.parametrize(
    ("times", "what"),
    [
        (TIMES[[0, 1, 1, 2, 3]], r"b\.nc: times do not increase: frame 2"),
        (TIMES[[0, 2, 1, 3, 4]], r"b\.nc: times do not increase: frame 2"),
        (np.where(np.arange(5) == 2, np.datetime64("NaT"), TIMES), r"b\.nc: frame 2 has no time"),
    ],
)
def test_times_out_of_order_name_the_file(tmp_path: Path, times: np.ndarray, what: str) -> None:
    save(field(times), tmp_path / "b.nc")
    save(field(TIMES - np.timedelta64(1, "D")), tmp_path / "a.nc")
    for name in (tmp_path / "b.nc", tmp_path):
        with pytest.raises(DataError, match=what):
            open_source(name)


def test_a_calendar_of_its_own_is_named(tmp_path: Path) -> None:
    dataset = field().drop_vars("time")
    dataset["time"] = ("time", np.arange(5), {"units": "days since 2000-02-28", "calendar": "360_day"})
    with pytest.raises(DataError, match=r"a\.nc: has times that cannot be decoded.*convert_calendar"):
        open_source(save(dataset, tmp_path / "a.nc"))


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"units": "dBZ"}, r"b\.nc: differs in units from a\.nc.*mm.*dBZ"),
        ({"shift": 100.0}, r"b\.nc: lies elsewhere along y than a\.nc.*0 to 5.*100 to 105"),
        ({"shift": 0.5}, r"b\.nc: lies elsewhere along y than a\.nc.*0 to 5.*0.5 to 5.5"),
    ],
)
def test_files_that_do_not_belong_together(tmp_path: Path, other: dict[str, str | float], what: str) -> None:
    save(field(), tmp_path / "a.nc")
    save(field(TIMES + np.timedelta64(1, "D"), **other), tmp_path / "b.nc")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=what):
        open_source(tmp_path)


def test_a_variable_without_time_is_not_a_channel(tmp_path: Path) -> None:
    dataset = field()
    dataset["height"] = dataset["rain"][0].drop_vars("time")
    path = save(dataset, tmp_path / "a.nc")
    with pytest.raises(ConfigError, match=r"several variables.*rain, height"):
        open_source(path)
    with pytest.raises(ShapeError, match="variable height has no axis time"):
        open_source(path, variable=["rain", "height"])


def test_amounts_of_time_stay_numbers(tmp_path: Path) -> None:
    """A wave's period in seconds is a field like any other, not a duration to decode."""
    (sequence,) = open_source(save(field(units="s"), tmp_path / "a.nc")).sequences
    np.testing.assert_array_equal(sequence.read(0, 5)[:, 0], field()["rain"].values)


def test_packed_numbers_are_unpacked_and_their_gaps_are_gaps(tmp_path: Path) -> None:
    dataset = field()
    dataset["rain"].values[1, 2, 3] = np.nan
    dataset["rain"].encoding = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 5.0, "_FillValue": -32768}
    (sequence,) = open_source(save(dataset, tmp_path / "a.nc")).sequences
    assert sequence.missing == "mask"
    read = sequence.read(0, 5)[:, 0]
    assert np.isnan(read[1, 2, 3])
    np.testing.assert_allclose(read, dataset["rain"].values, atol=0.006)


def test_a_zarr_store_is_known_by_its_content(tmp_path: Path) -> None:
    field().to_zarr(tmp_path / "store", consolidated=False)
    (sequence,) = open_source(tmp_path / "store").sequences
    np.testing.assert_array_equal(sequence.read(1, 3)[:, 0], field()["rain"].values[1:3])


@pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])
def test_a_file_cut_anywhere_is_named(tmp_path: Path, engine: str) -> None:
    path = save(field(), tmp_path / "a.nc", engine)
    content = path.read_bytes()

    def read_all() -> None:
        for sequence in open_source(path).sequences:
            sequence.read(0, len(sequence))

    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(NextframeError, match=r"a\.nc"):
            read_all()


@pytest.mark.slow
def test_files_are_closed_quietly_when_the_program_ends(tmp_path: Path) -> None:
    path = save(field(), tmp_path / "a.nc", "scipy")
    program = (
        f"from nextframe.frames.source import open_source; s = open_source({str(path)!r}); s.sequences[0].read(0, 5)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def described(units: str = "kg m-2") -> xr.Dataset:
    """A field that says of itself all that CF conventions ask for."""
    dataset = field(units=units).rename(y="south", x="east")
    dataset["rain"].attrs |= {
        "standard_name": "precipitation_amount",
        "long_name": "Accumulated precipitation",
        "cell_methods": "time: sum",
        "grid_mapping": "proj",
        "valid_max": 300.0,
    }
    dataset["south"].attrs = {"units": "km", "standard_name": "projection_y_coordinate", "axis": "Y"}
    dataset["east"].attrs = {"units": "km", "standard_name": "projection_x_coordinate", "axis": "X"}
    dataset["proj"] = ((), np.int32(0), {"grid_mapping_name": "albers_conical_equal_area", "standard_parallel": 18.0})
    dataset.attrs = {"title": "Rain", "institution": "a weather service"}
    return dataset


def test_what_a_file_says_of_itself_is_said_by_its_forecast(tmp_path: Path) -> None:
    path = save(described(), tmp_path / "a.nc")
    (sequence,) = open_source(path, crop=(1, 2, 4, 6), coarsen=2).sequences
    save_forecast(Persistence().forecast(sequence, 3), tmp_path / "f.nc")
    with (
        xr.open_dataset(tmp_path / "f.nc", engine="h5netcdf", decode_coords=False) as made,
        xr.open_dataset(path) as given,
    ):
        rain, before = made["rain"], given["rain"]
        for name in ("units", "long_name", "standard_name", "cell_methods"):
            assert rain.attrs[name] == before.attrs[name]
        assert rain.dims == ("lead_time", "south", "east")
        assert given["proj"].attrs.items() <= made[rain.attrs["grid_mapping"]].attrs.items()
        for axis in ("south", "east"):
            assert made[axis].attrs == given[axis].attrs
        np.testing.assert_allclose(made["south"], given["south"][1:5].values.reshape(2, 2).mean(1))
        assert (made.attrs["title"], made.attrs["institution"]) == ("Rain", "a weather service")
        assert made["valid_time"].attrs["standard_name"] == "time"
        assert made["valid_time"].values[0] == TIMES[-1] + np.timedelta64(1, "h")


def test_rain_in_another_unit_is_called_by_another_name(tmp_path: Path) -> None:
    (sequence,) = open_source(save(described(), tmp_path / "a.nc"), rain_unit="mm/h").sequences
    save_forecast(Persistence().forecast(sequence, 1), tmp_path / "f.nc")
    with xr.open_dataset(tmp_path / "f.nc", engine="h5netcdf") as made:
        attributes = made["rain_rate"].attrs
        assert (attributes["units"], attributes["standard_name"]) == ("mm/h", "rainfall_rate")
        assert "cell_methods" not in attributes


def test_a_grid_that_changes_within_an_archive_is_named(tmp_path: Path) -> None:
    save(field(), tmp_path / "a.nc")
    save(field(TIMES + np.timedelta64(1, "D")).isel(x=slice(0, 7)), tmp_path / "b.nc")
    with pytest.raises(ShapeError, match=r"b\.nc: differs in variables or grid from a\.nc.*6, 8\).*6, 7\)"):
        open_source(tmp_path)


def test_folders_whose_variables_or_units_differ_are_named(tmp_path: Path) -> None:
    for name, units in (("2015", "mm"), ("2016", "dBZ")):
        (tmp_path / name).mkdir()
        save(field(units=units), tmp_path / name / "a.nc")
    with pytest.raises(DataError, match=r"2016: differs in variables or units from .*2015.*rain \(mm\).*rain \(dBZ\)"):
        open_source(tmp_path)
    sequences = open_source(tmp_path / "201?", rain_unit="mm/h").sequences  # but they can be brought to one
    assert [s.units for s in sequences] == [("mm/h",)] * 2


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8"])
def test_what_is_read_past_xarray_is_what_xarray_reads(tmp_path: Path, dtype: str) -> None:
    draw = np.random.default_rng(0)
    values = np.round(draw.random((5, 6, 7)) * 100, 1)
    values[draw.random(values.shape) < 0.2] = np.nan
    packed = {"scale_factor": 0.5, "add_offset": 3.0, "_FillValue": 255, "dtype": dtype}
    encoding = packed if dtype in ("int16", "uint8") else {"dtype": dtype, "_FillValue": -999.0}
    level = values[:, None].transpose(2, 0, 1, 3)  # axes in another order, and one more of length 1
    data = xr.Dataset(
        {"rain": (("y", "time", "level", "x"), level), "snow": (("time", "y", "x"), 2 * values)},
        {"time": np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(1, "h")},
    )
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf", encoding={"rain": encoding, "snow": {"_FillValue": -1.0}})
    sequence = open_source(tmp_path / "a.nc", variable=("rain", "snow")).sequences[0]
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as opened:
        expected = np.stack(
            [opened[name].squeeze().transpose("time", "y", "x").to_numpy() for name in ("rain", "snow")], axis=1
        )
    np.testing.assert_allclose(sequence.read(1, 4), expected[1:4], rtol=1e-6)
    assert np.isnan(expected).any()


@pytest.mark.parametrize("kind", ["nc", "classic.nc", "zarr"])
def test_values_outside_of_the_valid_range_are_missing(tmp_path: Path, kind: str) -> None:
    values = np.array([-0.2, 0.0, 0.1, 3.0, 49.9, 50.0, 50.1, 60.0], np.float32).reshape(1, 2, 4)
    valid = [False, True, True, True, True, True, False, False]
    axes = ("time", "y", "x")
    data = xr.Dataset(
        {
            "packed": (axes, values, {"valid_range": np.array([0, 500], np.int16)}),
            "unpacked": (axes, values, {"valid_range": np.array([0.0, 50.0], np.float32)}),
            "plain": (axes, values, {"valid_min": np.float32(0.0), "valid_max": np.float32(50.0)}),
            "least": (axes, values, {"valid_min": np.float32(0.0)}),
        },
        {"time": TIMES[:1]},
    )
    small = {"dtype": "int16", "scale_factor": 0.1, "add_offset": 0.0, "_FillValue": -999}
    encoding = {"packed": small, "unpacked": small}
    path = tmp_path / f"a.{kind}"
    if kind == "zarr":
        data.to_zarr(path, encoding=encoding, consolidated=False)
    else:
        data.to_netcdf(path, engine="scipy" if kind == "classic.nc" else "h5netcdf", encoding=encoding)
    sequence = open_source(path, variable=("packed", "unpacked", "plain", "least")).sequences[0]
    frames = sequence.read(0, 1)
    for name, frame in zip(sequence.variables, frames[0], strict=True):
        expected = values[0] >= 0 if name == "least" else np.reshape(valid, (2, 4))
        np.testing.assert_array_equal(np.isfinite(frame), expected, err_msg=name)
        np.testing.assert_allclose(frame[expected], values[0][expected], atol=1e-5)
    assert sequence.missing == "mask"


def test_a_valid_range_that_is_none(tmp_path: Path) -> None:
    data = field()
    data["rain"].attrs["valid_range"] = "0 to 50"
    with pytest.raises(DataError, match=r"a\.nc: variable rain has a valid range that is none \(received valid_range"):
        open_source(save(data, tmp_path / "a.nc"))


@pytest.mark.slow
def test_another_projection_within_an_archive_is_named(tmp_path: Path) -> None:
    for n, latitude in enumerate((52.0, 52.0, 40.0)):
        data = field(TIMES + n * np.timedelta64(1, "D"))
        data["proj"] = ((), 0, {"grid_mapping_name": "lambert_azimuthal", "latitude_of_projection_origin": latitude})
        data["rain"].attrs["grid_mapping"] = "proj: x y"  # CF's longer form
        save(data, tmp_path / f"{n}.nc")
    assert open_source(tmp_path / "0.nc").sequences[0].grid is not None
    with pytest.raises(DataError, match=r"2\.nc: has another projection than 0\.nc"):
        open_source(tmp_path)
    (tmp_path / "2.nc").unlink()
    (sequence,) = open_source(tmp_path).sequences
    assert sequence.grid is not None
    assert sequence.grid.mapping is not None
    assert sequence.grid.mapping["latitude_of_projection_origin"] == 52.0


@pytest.mark.parametrize("values", [[4, 3, 2, 1, 0], [0, 1, 1, 2, 3]])
def test_numbered_steps_that_do_not_increase(tmp_path: Path, values: list[int]) -> None:
    data = field().assign_coords(time=np.array(values))
    with pytest.raises(DataError, match=r"a\.nc: times do not increase: frame "):
        open_source(save(data, tmp_path / "a.nc"))


@pytest.mark.parametrize("kind", ["nc", "classic.nc", "zarr"])
def test_of_a_crop_no_more_is_read_and_the_same(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "zarr":
        field().to_zarr(path, consolidated=False)
    else:
        save(field(), path, "scipy" if kind == "classic.nc" else "h5netcdf")
    whole = open_source(path).sequences[0].read(1, 4)
    (sequence,) = open_source(path, crop=(1, 2, 3, 4)).sequences
    np.testing.assert_array_equal(sequence.read(1, 4), whole[..., 1:4, 2:6])
    assert sequence.shape == (5, 1, 3, 4)
    assert sequence.grid is not None
    assert (sequence.grid.y[0], sequence.grid.x[0]) == (1.0, 2.0)
    if kind == "nc":
        asked = []
        read = h5py.Dataset.__getitem__

        def noted(variable: h5py.Dataset, key: object) -> object:
            asked.append(key)
            return read(variable, key)

        monkeypatch.setattr(h5py.Dataset, "__getitem__", noted)
        open_source(path, crop=(1, 2, 3, 4)).sequences[0].read(1, 2)
        assert (slice(1, 4), slice(2, 6)) in [key[1:] for key in asked if isinstance(key, tuple) and len(key) == 3]


def test_latitude_and_longitude_of_each_pixel_and_attributes_reach_the_output(tmp_path: Path) -> None:
    data = field().drop_vars(["y", "x"])
    latitude = np.add.outer(np.arange(6.0), np.arange(8.0) / 10)
    data.coords["lat"] = (("y", "x"), latitude, {"standard_name": "latitude", "units": "degrees_north"})
    data.coords["lon"] = (("y", "x"), latitude + 100, {"standard_name": "longitude", "units": "degrees_east"})
    data.attrs |= {"station": np.int32(7), "source": "a radar"}
    (sequence,) = open_source(save(data, tmp_path / "a.nc"), crop=(0, 0, 4, 8), coarsen=2).sequences
    save_forecast(Persistence().forecast(sequence, 2), tmp_path / "f.nc")
    with xr.open_dataset(tmp_path / "f.nc", engine="h5netcdf") as made:
        blocks = latitude[:4].reshape(2, 2, 4, 2).mean((1, 3))
        np.testing.assert_allclose(made["lat"], blocks)
        np.testing.assert_allclose(made["lon"], blocks + 100)
        assert made["lat"].attrs["units"] == "degrees_north"
        assert set(made["rain"].coords) >= {"lat", "lon"}
        assert made.attrs["station"] == 7
        assert made.attrs["source"].endswith("a.nc (a radar)")


def test_bounds_that_are_not_carried_are_not_named(tmp_path: Path) -> None:
    data = field()
    data["y"].attrs["bounds"] = "y_bounds"
    data["y_bounds"] = (("y", "two"), np.zeros((6, 2)))
    (sequence,) = open_source(save(data, tmp_path / "a.nc")).sequences
    save_forecast(Persistence().forecast(sequence, 2), tmp_path / "f.nc")
    with xr.open_dataset(tmp_path / "f.nc", engine="h5netcdf") as made:
        assert "bounds" not in made["y"].attrs
