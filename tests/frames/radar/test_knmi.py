"""KNMI composites: calibration, times and place as the file states them."""

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.geography import Geography
from nextframe.frames.source import open_source

h5py = pytest.importorskip("h5py")
KNMI = Path(__file__).parents[4] / "shared" / "data" / "formats" / "knmi"
real = pytest.mark.skipif(
    not KNMI.is_dir(), reason="the real KNMI composites (../shared/data/formats/knmi) are not here"
)

FIELD = np.array([[0, 150], [65535, 25]], np.uint16)


def write(path: Path, field: np.ndarray = FIELD, *, times: Any = None, calibration: Any = None, **image: Any) -> Path:
    with h5py.File(path, "w") as file:
        times = {"product_datetime_end": b"26-AUG-2010;00:05:00.000", **(times or {})}
        file.create_group("overview").attrs.update({k: np.bytes_(v) for k, v in times.items() if v})
        about = {"image_geo_parameter": "ACCUMULATED_PRECIPITATION_[MM]", **image}
        file.create_group("image1").attrs.update({k: np.bytes_(v) for k, v in about.items()})
        file["image1/image_data"] = field
        if calibration is not None:
            file.create_group("image1/calibration").attrs.update(calibration)
        place = {"geo_column_offset": [0.0], "geo_row_offset": [3650.0], "geo_dim_pixel": np.bytes_("KM,KM")}
        sizes = {"geo_pixel_size_x": [1.0], "geo_pixel_size_y": [-1.0]}
        file.create_group("geographic").attrs.update({**place, **sizes})
        projection = np.bytes_("+proj=stere +lat_0=90 +lon_0=0 +lat_ts=60 +ellps=WGS84")
        file.create_group("geographic/map_projection").attrs["projection_proj4_params"] = projection
    return path


@pytest.mark.parametrize(
    ("calibration", "values"),
    [
        (None, [[0, 1.5], [np.nan, 0.25]]),
        (
            {"calibration_formulas": np.bytes_("GEO=0.1*PV+0.0"), "calibration_missing_data": [25]},
            [[0, 15], [6553.5, np.nan]],
        ),
        (
            {"calibration_formulas": "GEO = 0.010000 * PV + 0.000000", "calibration_out_of_image": [150]},
            [[0, np.nan], [655.35, 0.25]],
        ),
        (
            {"calibration_formulas": np.bytes_("GEO=1e-1*PV+-1.5"), "calibration_out_of_image": [65535]},
            [[-1.5, 13.5], [np.nan, 1]],
        ),
        (
            {
                "calibration_formulas": np.bytes_("GEO=0.5*PV"),
                "calibration_missing_data": [0],
                "calibration_out_of_image": [65535],
            },
            [[0, 75], [np.nan, 12.5]],
        ),
    ],
    ids=["none", "missing", "out of image", "offset", "zero is dry"],
)
def test_values_by_the_calibration_of_the_file(tmp_path: Path, calibration: Any, values: Any) -> None:
    (sequence,) = open_source(write(tmp_path / "a.h5", calibration=calibration)).sequences
    np.testing.assert_allclose(sequence.read(0, 1)[0, 0], values, rtol=1e-6)


def test_a_calibration_that_is_none(tmp_path: Path) -> None:
    for formula in ("GEO=PV^2", "GEO=0*PV+1", "log"):
        path = write(tmp_path / "a.h5", calibration={"calibration_formulas": np.bytes_(formula)})
        with pytest.raises(DataError, match=r"a\.h5: has a calibration that cannot be read \(expected GEO=a\*PV\+b"):
            open_source(path)


def test_amounts_are_of_the_time_that_the_header_states(tmp_path: Path) -> None:
    for n, minutes in enumerate(("00", "05")):
        times = {
            "product_datetime_start": f"25-AUG-2010;23:{minutes}:00.000",
            "product_datetime_end": f"26-AUG-2010;00:{minutes}:00.000",
        }
        write(tmp_path / f"{n}.h5", times=times)
    (sequence,) = open_source(tmp_path, rain_unit="mm/h").sequences
    assert sequence.read(0, 1)[0, 0, 0].tolist() == [0, 1.5]  # sums of an hour, every five minutes
    assert open_source(tmp_path).sequences[0].accumulation == (np.timedelta64(1, "h"),)
    assert sequence.times is not None
    assert sequence.times[1] == np.datetime64("2010-08-26T00:05")


def test_reflectivity_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", np.array([[0, 100], [255, 64]], np.uint8), image_geo_parameter="REFLECTIVITY_[DBZ]")
    (sequence,) = open_source(path).sequences
    assert (sequence.units, sequence.accumulation) == (("dBZ",), (None,))
    np.testing.assert_array_equal(sequence.read(0, 1)[0, 0], [[-32, 18], [np.nan, 0]])


def forecast(path: Path, times: tuple[str, ...]) -> Path:
    """A file of several images, each with a time where it has one, and one of another parameter."""
    write(path)
    with h5py.File(path, "a") as file:
        for n, time in enumerate(times, 1):
            image = file.require_group(f"image{n}")
            image.attrs["image_geo_parameter"] = np.bytes_("ACCUMULATED_PRECIPITATION_[MM]")
            if time:
                image.attrs["image_datetime_valid"] = np.bytes_(time)
            if n > 1:
                image["image_data"] = FIELD + np.uint16(n)
        other = file.create_group(f"image{len(times) + 1}")
        other.attrs["image_geo_parameter"] = np.bytes_("QUALITY")
        other["image_data"] = FIELD
    return path


def test_images_of_several_times_are_several_frames(tmp_path: Path) -> None:
    times = tuple(f"26-AUG-2010;00:{minute}:00.000" for minute in ("00", "05", "10"))
    (sequence,) = open_source(forecast(tmp_path / "a.h5", times)).sequences
    assert (len(sequence), sequence.time_step) == (3, np.timedelta64(5, "m"))
    np.testing.assert_allclose(sequence.read(0, 3)[:, 0, 1, 1], [0.25, 0.27, 0.28], rtol=1e-6)


def test_images_that_nothing_tells_apart_are_asked_about(tmp_path: Path) -> None:
    path = forecast(tmp_path / "a.h5", ("", ""))
    with pytest.raises(ConfigError, match=r"more than once, in image1 and image2, .*variable='image1/ACRR'"):
        open_source(path)
    assert open_source(path, variable=("image2/ACRR",)).sequences[0].read(0, 1)[0, 0, 1, 1] == np.float32(0.27)


@pytest.mark.parametrize("time", ["26-AUX-2010;00:05:00.000", "2010-08-26 00:05", "31-FEB-2010;00:05:00.000"])
def test_a_time_of_another_form_is_no_time(tmp_path: Path, time: str) -> None:
    with pytest.raises(DataError, match=r"a\.h5: has no time that can be read in product_datetime_end"):
        open_source(write(tmp_path / "a.h5", times={"product_datetime_end": time}))


def test_files_that_lack_what_they_need(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no time"):
        open_source(write(tmp_path / "a.h5", times={"product_datetime_end": ""}))
    with pytest.raises(DataError, match=r"holds no rain or reflectivity .*received HEIGHT_\[KM\]"):
        open_source(write(tmp_path / "a.h5", image_geo_parameter="HEIGHT_[KM]"))
    with pytest.raises(DataError, match="over two axes"):
        open_source(write(tmp_path / "a.h5", FIELD[None]))


def test_an_ellipsoid_in_kilometres_is_the_earth(tmp_path: Path) -> None:
    """KNMI's archives write the Earth's axes in the kilometres of their grids."""
    pytest.importorskip("pyproj")
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file["geographic/map_projection"].attrs["projection_proj4_params"] = np.bytes_(
            "+proj=stere +lat_0=90 +lon_0=0.0 +lat_ts=60.0 +a=6378.137 +b=6356.752 +x_0=0 +y_0=0"
        )
    grid = open_source(path).sequences[0].grid
    assert grid is not None
    assert grid.mapping is not None
    assert grid.mapping["semi_major_axis"] == 6378137
    longitudes, latitudes = Geography(grid).lonlat()
    # Half a pixel from geo_product_corners of the real files: 0 E, 55.974 N.
    assert longitudes[0, 0] == pytest.approx(0.0078, abs=1e-3)
    assert latitudes[0, 0] == pytest.approx(55.969, abs=1e-3)
    assert Geography(grid).pixel(55.969, 0.0078) == (0, 0)


@pytest.mark.slow
def test_flipped_bytes_are_sentences_or_values(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.h5", calibration={"calibration_formulas": np.bytes_("GEO=0.01*PV")}).read_bytes()
    random = np.random.default_rng(11)
    for _ in range(60):
        broken = bytearray(whole)
        for at in random.integers(0, len(whole), 4):
            broken[at] = random.integers(256)
        (tmp_path / "b.h5").write_bytes(broken)
        with contextlib.suppress(DataError, ConfigError, ShapeError):
            open_source(tmp_path / "b.h5").sequences[0].read(0, 1)


@real
@pytest.mark.parametrize("name", ["RAD_NL25_RAC_MFBS_5min_201109102035_NL.h5", "RAD_NL25_RAC_RT_202107141500.h5"])
def test_real_composites_as_pysteps_reads_them(name: str) -> None:
    importers = pytest.importorskip("pysteps.io.importers")
    with contextlib.redirect_stdout(io.StringIO()):
        expected, _, metadata = importers.import_knmi_hdf5(str(KNMI / name))
    (sequence,) = open_source(KNMI / name).sequences
    np.testing.assert_allclose(sequence.read(0, 1)[0, 0], np.ma.filled(expected, np.nan), rtol=1e-6)
    assert sequence.accumulation == (np.timedelta64(5, "m"),)
    assert sequence.grid is not None
    assert sequence.grid.x[0] == pytest.approx(metadata["x1"] + metadata["xpixelsize"] / 2, abs=1e-4)
    assert sequence.grid.y[0] == pytest.approx(metadata["y2"] - metadata["ypixelsize"] / 2, abs=1e-4)
