"""Radar composites: files by the rules of ODIM, KNMI, MeteoSwiss and FMI, and real ones where they are there."""

import contextlib
import gc
import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.radar.composites import PROTOCOLS, is_composite
from nextframe.frames.source import open_source

h5py = pytest.importorskip("h5py")
pytest.importorskip("pysteps")
RADAR = Path(__file__).parents[4] / "shared" / "data" / "radar"
KNMI = RADAR / "knmi-2010-08-26"
NAMES = (
    "AQC161932325V_00005.801.gif",
    "201609281600_fmi.pgm",
    "201609281600_fmi.PGM.gz",
    "a.h5",
    "a.HDF5",
    "a.hdf",
    "a.gif",
    "a.pgm",
    "a.nc",
)
real = pytest.mark.skipif(not RADAR.is_dir(), reason="the real radar archives (../shared/data) are not here")


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
    with h5py.File(tmp_path / "b.h5", "a") as file:
        file["where"].attrs["LL_lat"] = 50.0
    with pytest.raises(DataError, match=r"b\.h5: lies elsewhere, or has another projection, than a\.h5"):
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


def swiss(folder: Path, codes: np.ndarray, time: str, minutes: int = 5) -> Path:
    """A MeteoSwiss composite: class numbers as palette indices; 255 is missing, 0 and 1 are dry."""
    image = Image.fromarray(codes.astype(np.uint8), mode="P")
    image.putpalette([value for n in range(256) for value in (n, 255 - n, 7)])
    folder.mkdir(exist_ok=True)
    path = folder / f"AQC{time}F_{minutes:05}.801.gif"
    image.save(path, optimize=False)
    return path


def finnish(path: Path, codes: np.ndarray, *, zipped: bool) -> None:
    height, width = codes.shape
    header = (
        "P5\n# obstime 201609281600\n# param CorrectedReflectivity\n# metersperpixel_x 1000\n# metersperpixel_y 1000\n"
        "# projection radar {\n# type stereographic\n# centrallongitude 25\n# centrallatitude 90\n# truelatitude 60\n"
        "# bottomleft 18.600000 57.930000\n# topright 34.903000 69.005000\n# }\n"
        f"{width} {height}\n255\n"
    )
    content = header.encode() + codes.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if zipped else content)


def test_swiss_files_are_amounts_with_the_times_of_their_names(tmp_path: Path) -> None:
    codes = np.zeros((640, 710))
    codes[0, :4] = 0, 1, 255, 120
    swiss(tmp_path / "event", codes, "161930000")
    swiss(tmp_path / "event", codes, "161922355")
    (sequence,) = open_source(tmp_path / "event").sequences
    assert sequence.times is not None
    assert list(sequence.times) == [np.datetime64("2016-07-10T23:55"), np.datetime64("2016-07-11T00:00")]
    assert (sequence.variables, sequence.units, sequence.missing) == (("rain_amount",), ("mm",), "mask")
    assert sequence.variable_attributes[0]["cell_methods"] == "time: sum"
    # Amounts in 5 minutes by class: ((10^((n - 71.5) / 20)) / 316)^(1/1.5).
    expected = [0, 0, np.nan, (10 ** ((120 - 71.5) / 20) / 316) ** (1 / 1.5)]
    np.testing.assert_allclose(sequence.read(0, 1)[0, 0, 0, :4], expected, rtol=1e-6)
    assert sequence.grid is not None
    assert (sequence.grid.y[0], sequence.grid.x[0]) == (479500, 255500)  # the north-western pixel's centre, in metres
    assert sequence.grid.mapping is not None
    assert "crs_wkt" in sequence.grid.mapping
    (rate,) = open_source(tmp_path / "event", rain_unit="mm/h").sequences
    assert rate.read(0, 1)[0, 0, 0, 3] == pytest.approx(12 * expected[3])


def test_swiss_amounts_are_of_the_minutes_in_their_names(tmp_path: Path) -> None:
    for minute in ("00", "05"):
        swiss(tmp_path, np.full((640, 710), 120), f"1619300{minute}", minutes=60)
    (amount,) = open_source(tmp_path).sequences
    assert amount.accumulation == (np.timedelta64(60, "m"),)
    (rate,) = open_source(tmp_path, rain_unit="mm/h").sequences
    assert rate.read(0, 1)[0, 0, 0, 0] == pytest.approx(amount.read(0, 1)[0, 0, 0, 0])
    swiss(tmp_path, np.full((640, 710), 120), "161930010", minutes=5)
    with pytest.raises(DataError, match=r"161930010F_00005\.801\.gif: is summed up over another time"):
        open_source(tmp_path)


def test_pictures_of_absurd_sizes_take_no_memory(tmp_path: Path) -> None:
    name = tmp_path / "201609281600_fmi.radar.composite.lowest_FIN_SUOMI1.pgm"
    name.write_bytes(b"P5\n1000000 1000000\n255\n")
    with pytest.raises(DataError, match=r"SUOMI1\.pgm: "):
        open_source(name)
    gif = tmp_path / "AQC161930000F_00005.801.gif"
    gif.write_bytes(b"GIF89a" + b"\xff\xff\xff\xff" + b"\x80\0\0" + bytes(6))
    with pytest.raises(DataError, match=r"AQC161930000F_00005\.801\.gif: "):
        open_source(gif)


def test_a_finnish_picture_without_a_header_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "201609281600_fmi.radar.composite.lowest_FIN_SUOMI1.pgm"
    path.write_bytes(b"P5\n4 2\n255\n" + bytes(range(64, 72)))
    with pytest.raises(DataError, match=r"SUOMI1\.pgm: has no header of FMI"):
        open_source(path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pysteps leaves damaged files open
@pytest.mark.parametrize("kind", ["swiss", "finnish", "zipped"])
def test_flipped_bytes_and_truncations_are_sentences_or_values(tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(5)
    codes = random.integers(64, 200, (40, 30))
    path = tmp_path / f"201609281600_fmi.pgm{'.gz' if kind == 'zipped' else ''}"
    if kind == "swiss":
        path = swiss(tmp_path, codes, "161930000")
    else:
        finnish(path, codes, zipped=kind == "zipped")
    whole = path.read_bytes()
    for n in range(60):
        broken = bytearray(whole)
        for at in random.integers(0, 400, 3):
            broken[at] = random.integers(256)
        path.write_bytes(broken if n % 3 else broken[: random.integers(1, len(broken))])
        with contextlib.suppress(DataError, ShapeError):
            open_source(path).sequences[0].read(0, 1)
    gc.collect()


def test_the_table_tells_composites_by_name() -> None:
    named = {row.name: [n for n in NAMES if row.files.fullmatch(n)] for row in PROTOCOLS}
    assert named["MeteoSwiss"] == ["AQC161932325V_00005.801.gif"]
    assert named["FMI"] == ["201609281600_fmi.pgm", "201609281600_fmi.PGM.gz"]
    assert named["ODIM"] == named["KNMI"] == ["a.h5", "a.HDF5", "a.hdf"]
    assert [name for name in NAMES if not is_composite(Path(name))] == ["a.gif", "a.pgm", "a.nc"]


def test_swiss_files_that_are_damaged_or_named_wrongly(tmp_path: Path) -> None:
    path = swiss(tmp_path, np.random.default_rng(0).integers(0, 250, (640, 710)), "161922355")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(
        DataError, match=r"AQC161922355F_00005\.801\.gif: rain_amount of 2016-07-10T23:55 cannot be read"
    ):
        open_source(tmp_path).sequences[0].read(0, 1)
    path.write_bytes(b"GIF89a")
    with pytest.raises(DataError, match="cannot be read as a radar composite"):
        open_source(tmp_path)
    path.rename(tmp_path / "AQC164002355F_00005.801.gif")
    with pytest.raises(DataError, match=r"AQC164002355F_00005\.801\.gif: has no time in its name"):
        open_source(tmp_path)


@pytest.mark.parametrize("zipped", [False, True])
def test_finnish_files_are_reflectivity(tmp_path: Path, zipped: bool) -> None:
    codes = np.full((1226, 760), 64)
    codes[0, :2] = 255, 110
    for minute in (0, 5):
        name = f"2016092816{minute:02}_fmi.radar.composite.lowest_FIN_SUOMI1.pgm{'.gz' if zipped else ''}"
        finnish(tmp_path / name, codes, zipped=zipped)
    (sequence,) = open_source(tmp_path).sequences
    assert (sequence.variables, sequence.units, sequence.shape) == (("reflectivity",), ("dBZ",), (2, 1, 1226, 760))
    assert sequence.time_step == np.timedelta64(5, "m")
    np.testing.assert_array_equal(sequence.read(1, 2)[0, 0, 0, :3], [np.nan, 23, 0])
    assert sequence.grid is not None
    assert sequence.grid.y[0] > sequence.grid.y[1]


def test_folders_of_events_are_a_sequence_each_in_order_of_time(tmp_path: Path) -> None:
    codes = np.zeros((640, 710))
    for folder, day, frames in (("radar/z-spring", "15135", 3), ("radar/a-summer", "16193", 2)):
        (tmp_path / folder).mkdir(parents=True)
        for n in range(frames):
            swiss(tmp_path / folder, codes, f"{day}12{5 * n:02}")
    for name in (tmp_path / "radar", f"{tmp_path}/radar/*-s*"):
        sequences = open_source(name).sequences
        assert [(Path(s.name).name, len(s)) for s in sequences] == [("z-spring", 3), ("a-summer", 2)]


@real
def test_a_real_swiss_archive_of_two_events() -> None:
    sequences = open_source(RADAR / "mch-*", rain_unit="mm/h", crop=(200, 200, 128, 128)).sequences
    assert [s.shape for s in sequences] == [(40, 1, 128, 128)] * 2
    assert all(s.segments() == [(0, 40)] for s in sequences)
    assert 5 < np.nanmax(sequences[1].read(0, 10)) < 200


@pytest.mark.slow
@real
def test_a_real_netcdf_archive_of_one_radar() -> None:
    (sequence,) = open_source(RADAR / "bom-brisbane-2020-10-31", rain_unit="mm/h", crop=(0, 0, 64, 64)).sequences
    assert sequence.shape == (144, 1, 64, 64)
    assert (sequence.units, sequence.time_step) == (("mm/h",), np.timedelta64(10, "m"))


@real
@pytest.mark.slow
def test_a_real_archive() -> None:
    (sequence,) = open_source(KNMI, crop=(300, 300, 64, 64)).sequences
    assert sequence.shape == (92, 1, 64, 64)
    assert sequence.segments() == [(0, 92)]
    frames = sequence.read(40, 60)
    assert 0 < np.nanmax(frames) < 50
