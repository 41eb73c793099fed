"""Radar composites: files written by the rules of ODIM and KNMI, and a real archive where it is there."""

from pathlib import Path

import numpy as np
import pytest

from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.source import open_source

h5py = pytest.importorskip("h5py")
pytest.importorskip("pysteps")
KNMI = Path(__file__).parents[3] / "shared" / "data" / "radar" / "knmi-2010-08-26"


def odim(path: Path, field: np.ndarray, minute: int, *, quantity: str = "RATE", twice: str | None = None) -> None:
    """A composite by OPERA's information model: 255 is missing, 0 is dry."""
    with h5py.File(path, "w") as file:
        file.attrs["Conventions"] = np.bytes_("ODIM_H5/V2_1")
        what = file.create_group("what")
        what.attrs.update({"date": np.bytes_("20200131"), "time": np.bytes_(f"12{minute:02}00")})
        where = file.create_group("where")
        where.attrs["projdef"] = np.bytes_("+proj=laea +lat_0=55 +lon_0=10 +x_0=0 +y_0=0 +units=m +ellps=WGS84")
        corners = {"LL_lat": 54.0, "LL_lon": 9.0, "UR_lat": 56.0, "UR_lon": 11.0}
        where.attrs.update({**corners, "xscale": 2000.0, "yscale": 2000.0})
        for n, name in enumerate(filter(None, (quantity, twice)), 1):
            data = file.create_group(f"dataset{n}/data1")
            data["data"] = field.astype(np.uint8)
            numbers = {"gain": 0.5, "offset": 0.0, "nodata": 255.0, "undetect": 0.0}
            data.create_group("what").attrs.update({"quantity": np.bytes_(name), **numbers})


def knmi(path: Path, field: np.ndarray, minute: int) -> None:
    with h5py.File(path, "w") as file:
        overview = file.create_group("overview")
        overview.attrs["product_datetime_end"] = np.array([f"26-AUG-2010;00:{minute:02}:00.000".encode()])
        image = file.create_group("image1")
        image.attrs["image_geo_parameter"] = np.bytes_("ACCUMULATED_PRECIPITATION_[MM]")
        image["image_data"] = field.astype(np.uint16)
        place = file.create_group("geographic")
        place.attrs.update(
            {"geo_column_offset": [0.0], "geo_row_offset": [3650.0], "geo_dim_pixel": np.bytes_("KM,KM")}
        )
        place.attrs.update({"geo_pixel_size_x": [1.0], "geo_pixel_size_y": [-1.0]})
        place.attrs.update({"geo_number_columns": [field.shape[1]], "geo_number_rows": [field.shape[0]]})
        projection = place.create_group("map_projection")
        projection.attrs["projection_proj4_params"] = np.bytes_(
            "+proj=stere +lat_0=90 +lon_0=0 +lat_ts=60 +ellps=WGS84"
        )


def test_a_folder_of_odim_files_is_a_sequence_with_times_units_and_gaps(tmp_path: Path) -> None:
    fields = [np.array([[0, 2, 255], [4, 6, 8]]) + shift for shift in (0, 0, 0)]
    for minute, field in zip((10, 0, 5), fields, strict=True):  # out of order, as names may be
        odim(tmp_path / f"{20 - minute}.h5", np.where(field == 4, 4 + minute, field), minute)
    (sequence,) = open_source(tmp_path).sequences
    assert sequence.shape == (3, 1, 2, 3)
    assert sequence.times is not None
    assert list(sequence.times.astype("datetime64[m]")) == [
        np.datetime64(f"2020-01-31T12:{minute:02}") for minute in (0, 5, 10)
    ]
    assert (sequence.variables, sequence.units) == (("rain_rate",), ("mm/h",))
    frames = sequence.read(0, 3)
    assert list(frames[:, 0, 1, 0]) == [2.0, 4.5, 7.0]  # gain 0.5
    assert np.isnan(frames[:, 0, 0, 2]).all()
    assert frames[0, 0, 0, 0] == 0
    assert sequence.grid is not None
    assert sequence.grid.mapping is not None
    assert sequence.grid.y[0] > sequence.grid.y[1]  # the first row lies in the north
    assert sequence.grid.mapping["grid_mapping_name"] == "lambert_azimuthal_equal_area"


def test_a_quantity_is_chosen_by_name(tmp_path: Path) -> None:
    odim(tmp_path / "both.h5", np.full((2, 2), 4), 0, quantity="DBZH", twice="RATE")
    assert open_source(tmp_path / "both.h5").sequences[0].units == ("mm/h",)
    assert open_source(tmp_path / "both.h5", variable=["DBZH"]).sequences[0].variables == ("reflectivity",)
    with pytest.raises(ConfigError, match=r"both\.h5: holds no such quantity \(expected RATE, DBZH, received ACRR\)"):
        open_source(tmp_path / "both.h5", variable=["ACRR"])


def test_knmi_files_are_amounts_in_millimetres(tmp_path: Path) -> None:
    for minute in (0, 5):
        knmi(tmp_path / f"{minute}.h5", np.array([[0, 150], [65535, 25]]), minute)
    (sequence,) = open_source(str(tmp_path / "*.h5")).sequences
    assert (sequence.variables, sequence.units, sequence.missing) == (("rain_amount",), ("mm",), "mask")
    np.testing.assert_allclose(sequence.read(0, 1)[0, 0], [[0, 1.5], [np.nan, 0.25]])
    assert sequence.time_step == np.timedelta64(5, "m")


def test_files_that_do_not_belong_together_or_are_damaged(tmp_path: Path) -> None:
    odim(tmp_path / "a.h5", np.zeros((2, 2)), 0)
    odim(tmp_path / "b.h5", np.zeros((2, 3)), 5)
    with pytest.raises(ShapeError, match=r"b\.h5: differs in kind, quantity or grid from a\.h5"):
        open_source(tmp_path)
    odim(tmp_path / "b.h5", np.zeros((2, 2)), 0)
    with pytest.raises(DataError, match=r"b\.h5: has the time of a\.h5"):
        open_source(tmp_path)
    (tmp_path / "b.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:600])
    with pytest.raises(DataError, match=r"b\.h5: cannot be read as a radar composite"):
        open_source(tmp_path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["values"] = np.zeros(3)
    with pytest.raises(DataError, match="layout that is not known"):
        open_source(tmp_path / "other.h5")
    odim(tmp_path / "wind.h5", np.zeros((2, 2)), 0, quantity="VRAD")
    with pytest.raises(DataError, match="holds no rain or reflectivity"):
        open_source(tmp_path / "wind.h5")


@pytest.mark.skipif(not KNMI.is_dir(), reason="the shared radar archive is not there")
def test_a_real_archive() -> None:
    (sequence,) = open_source(KNMI, crop=(300, 300, 64, 64)).sequences
    assert sequence.shape == (92, 1, 64, 64)
    assert sequence.segments() == [(0, 92)]
    frames = sequence.read(40, 60)
    assert 0 < np.nanmax(frames) < 50
