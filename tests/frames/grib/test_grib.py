"""GRIB of both editions is read as ecCodes and cfgrib decode it: values, times, units, places."""

import bz2
import gzip
import pickle
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextframe import open_source
from nextframe.errors import ConfigError, DataError, NextframeWarning, ShapeError
from nextframe.frames.cache import Cached
from nextframe.frames.rain import convert_rain
from nextframe.frames.readers import CutsItself

eccodes = pytest.importorskip("eccodes", reason="needs ecCodes (extra grib)")

DATA = Path(__file__).parents[4] / "shared" / "data"
ERA5, ERA5_NETCDF = DATA / "grid" / "era5-2mt-2019-03-uk.grib", DATA / "grid" / "era5-t2m-uk-2019-03.nc"
MRMS = DATA / "formats" / "mrms" / "MRMS_ReflectivityAtLowestAltitude_00.50_20230406-120039.grib2.gz"
needs_data = pytest.mark.skipif(not ERA5.exists(), reason="needs the data beside the repository (shared/data)")


def message(
    values: np.ndarray, *, sample: str = "regular_ll_sfc_grib2", missing: float | None = None, **keys: Any
) -> bytes:
    """A message of values (H, W) over keys of ecCodes, in their order."""
    handle = eccodes.codes_grib_new_from_samples(sample)
    height, width = values.shape
    size = {"Ni": width, "Nj": height} if "Ni" not in keys else {}
    for key, value in {**size, "bitsPerValue": 24, **keys}.items():
        eccodes.codes_set(handle, key, value)
    if missing is not None:
        eccodes.codes_set(handle, "bitmapPresent", 1)
        eccodes.codes_set(handle, "missingValue", missing)
    eccodes.codes_set_values(handle, np.asarray(values, float).ravel())
    whole: bytes = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    return whole


def hour(hour: int, values: np.ndarray, **keys: Any) -> bytes:
    """A message of an analysis of temperature."""
    return message(values, shortName="2t", dataDate=20200131, dataTime=100 * hour, **keys)


def fields(steps: int = 3, height: int = 4, width: int = 6) -> np.ndarray:
    return np.random.default_rng(0).uniform(270, 290, (steps, height, width)).round(2)


def written(path: Path, messages: Sequence[bytes]) -> Path:
    path.write_bytes(b"".join(messages))
    return path


@needs_data
@pytest.mark.slow
def test_era5_is_what_cfgrib_and_the_netcdf_beside_it_say(tmp_path: Path) -> None:
    path = written(tmp_path / "two-days.grib", [ERA5.read_bytes()[: 48 * 3360]])
    (sequence,) = open_source(path).sequences
    (beside,) = open_source(ERA5_NETCDF, frames=(0, 48)).sequences
    assert sequence.units == ("K",)
    assert sequence.variables == ("2t",)
    np.testing.assert_array_equal(sequence.times, beside.times)
    assert sequence.grid is not None
    assert beside.grid is not None
    np.testing.assert_allclose(sequence.grid.y, beside.grid.y)
    np.testing.assert_allclose(sequence.grid.x, beside.grid.x)
    np.testing.assert_allclose(sequence.read(0, 48), beside.read(0, 48), atol=0.01)  # packed twice
    cfgrib = pytest.importorskip("cfgrib")
    decoded = cfgrib.open_dataset(path, indexpath="")["t2m"].values
    np.testing.assert_array_equal(sequence.read(0, 48)[:, 0], decoded)
    assert list(tmp_path.iterdir()) == [path]


@needs_data
@pytest.mark.slow
def test_codes_of_mrms_are_missing_or_dry() -> None:
    (sequence,) = open_source(MRMS).sequences
    handle = eccodes.codes_new_from_message(gzip.decompress(MRMS.read_bytes()))
    stored = eccodes.codes_get_values(handle).reshape(3500, 7000)
    eccodes.codes_release(handle)
    assert (sequence.variables, sequence.units) == (("ReflectivityAtLowestAltitude",), ("dBZ",))
    assert sequence.times is not None
    assert sequence.times[0] == np.datetime64("2023-04-06T12:00:39")
    values = sequence.read(0, 1)[0, 0]
    np.testing.assert_array_equal(np.isnan(values), stored == -999)
    np.testing.assert_array_equal(values[stored == -99], -30)
    np.testing.assert_array_equal(values[stored > -99], stored[stored > -99].astype(np.float32))
    assert sequence.grid is not None
    np.testing.assert_allclose([sequence.grid.y[0], sequence.grid.x[0]], [54.995, -129.995])


@pytest.mark.parametrize("sample", ["regular_ll_sfc_grib1", "regular_ll_sfc_grib2"])
@pytest.mark.parametrize("suffix", [".grib", ".grib2.gz", ".grb.bz2"])
@pytest.mark.slow
def test_both_editions_are_read_zipped_or_not(tmp_path: Path, sample: str, suffix: str) -> None:
    frames = fields()
    path = written(tmp_path / f"hours{suffix}", [hour(n, frames[n], sample=sample) for n in (2, 0, 1)])
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(path.read_bytes()))
    elif path.suffix == ".bz2":
        path.write_bytes(bz2.compress(path.read_bytes()))
    (sequence,) = open_source(path).sequences
    np.testing.assert_allclose(sequence.read(0, 3)[:, 0], frames, atol=1e-4)
    assert sequence.times is not None
    assert [str(t)[:16] for t in sequence.times] == [f"2020-01-31T0{n}:00" for n in range(3)]
    again = pickle.loads(pickle.dumps(sequence))
    np.testing.assert_array_equal(again.read(1, 2), sequence.read(1, 2))


def test_a_crop_is_kept_of_every_field(tmp_path: Path) -> None:
    frames = fields()
    path = written(tmp_path / "hours.grib2", [hour(n, frames[n]) for n in range(3)])
    (sequence,) = open_source(path, crop=(1, 2, 3, 4)).sequences
    np.testing.assert_allclose(sequence.read(1, 3)[:, 0], frames[1:, 1:, 2:], atol=1e-4)
    cache = sequence.values
    assert isinstance(cache, Cached)
    assert isinstance(cache.reader, CutsItself)
    part = cache.reader.cropped((1, 0, 2, 3))
    np.testing.assert_allclose(part[0:3][:, 0], frames[:, 2:4, 2:5], atol=1e-4)
    assert part[3:3].shape == (0, 1, 2, 3)


def test_files_of_a_folder_are_one_sequence_and_headings_between_messages_are_passed_over(tmp_path: Path) -> None:
    frames = fields()
    for n in range(3):
        (tmp_path / f"step{n}.grib2").write_bytes(b"\x01\r\r\nHTXX GRI\r\r\n" + hour(n, frames[n]) + b"\r\r\n\x03")
    (sequence,) = open_source(tmp_path).sequences
    np.testing.assert_allclose(sequence.read(0, 3)[:, 0], frames, atol=1e-4)


def test_values_without_a_bit_are_missing(tmp_path: Path) -> None:
    frame = fields()[0]
    frame[1, 2] = 9999
    path = written(tmp_path / "a.grib2", [hour(0, frame, missing=9999)])
    values = open_source(path).sequences[0].read(0, 1)[0, 0]
    assert np.isnan(values[1, 2])
    assert np.isfinite(values).sum() == values.size - 1


def test_several_fields_of_a_message_are_told_apart(tmp_path: Path) -> None:
    frames = fields(2)
    one, two = (message(frame, shortName=short) for frame, short in zip(frames, ("10u", "10v"), strict=True))
    inner = two[16 + int.from_bytes(two[16:20], "big") : -4]
    begin = inner.index(b"\x03", 4) - 4  # section 3: the second field has a grid of its own
    body = one[16:-4] + inner[begin:]
    whole = one[:8] + (len(body) + 20).to_bytes(8, "big") + body + b"7777"
    sequence = open_source(written(tmp_path / "uv.grib2", [whole]), variable=("10v", "10u")).sequences[0]
    assert sequence.variables == ("10v", "10u")
    np.testing.assert_allclose(sequence.read(0, 1)[0], frames[::-1], atol=1e-4)


def test_columns_from_east_and_rows_that_alternate_are_put_in_order(tmp_path: Path) -> None:
    frame = fields()[0]
    backwards = hour(0, frame[:, ::-1], iScansNegatively=1)
    sequence = open_source(written(tmp_path / "a.grib2", [backwards])).sequences[0]
    np.testing.assert_allclose(sequence.read(0, 1)[0, 0], frame, atol=1e-4)
    snake = frame.copy()
    snake[1::2] = snake[1::2, ::-1]
    path = written(tmp_path / "b.grib2", [hour(0, snake, alternativeRowScanning=1)])
    np.testing.assert_allclose(open_source(path).sequences[0].read(0, 1)[0, 0], frame, atol=1e-4)
    by_columns = hour(0, frame.T.reshape(frame.shape), jPointsAreConsecutive=1)
    path = written(tmp_path / "c.grib2", [by_columns])
    np.testing.assert_allclose(open_source(path).sequences[0].read(0, 1)[0, 0], frame, atol=1e-4)


def forecast(end: int, values: np.ndarray, start: int = 0) -> bytes:
    """A message of rain since a step of a forecast."""
    keys: dict[str, Any] = {
        "centre": 7,
        "productDefinitionTemplateNumber": 8,
        "parameterCategory": 1,
        "parameterNumber": 8,
        "dataDate": 20200131,
        "dataTime": 0,
    }
    return message(values, **keys, stepType="accum", startStep=start, endStep=end)


@pytest.mark.slow
def test_amounts_are_of_the_time_that_their_steps_say(tmp_path: Path) -> None:
    frames = fields() / 100
    path = written(tmp_path / "tp.grib2", [forecast(n + 1, frames[n], start=n) for n in range(3)])
    sequence = open_source(path).sequences[0]
    assert sequence.accumulation == (np.timedelta64(3600, "s"),)
    assert sequence.units == ("kg m**-2",)
    assert dict(sequence.variable_attributes[0])["cell_methods"] == "time: sum"
    assert sequence.times is not None
    assert str(sequence.times[0])[:16] == "2020-01-31T01:00"
    rate = open_source(path, rain_unit="mm/h").sequences[0]
    np.testing.assert_allclose(rate.read(0, 3)[:, 0], frames, atol=1e-4)


def test_amounts_since_the_start_of_a_forecast_have_no_one_accumulation(tmp_path: Path) -> None:
    path = written(tmp_path / "tp.grib2", [forecast(n + 1, fields()[n]) for n in range(3)])
    with pytest.warns(NextframeWarning, match="summed over differing times"):
        sequence = open_source(path).sequences[0]
    assert str(sequence.accumulation[0]) == "NaT"
    with pytest.raises(DataError, match="summed over times that differ"):
        convert_rain(sequence, "mm/h")


def test_levels_are_named_where_there_are_several(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"typeOfLevel": "isobaricInhPa", "shortName": "t"}
    path = written(tmp_path / "t.grib2", [message(fields()[n], **keys, level=p) for n, p in enumerate((500, 850))])
    with pytest.raises(ConfigError, match=r"holds several variables .*t@isobaricInhPa:500, t@isobaricInhPa:850"):
        open_source(path)
    with pytest.raises(ConfigError, match="holds t on several levels"):
        open_source(path, variable=("t",))
    with pytest.raises(ConfigError, match=r"holds no such variable .*received q"):
        open_source(path, variable=("q",))
    sequence = open_source(path, variable=("t@isobaricInhPa:850",)).sequences[0]
    np.testing.assert_allclose(sequence.read(0, 1)[0, 0], fields()[1], atol=1e-4)


def test_each_member_is_a_sequence(tmp_path: Path) -> None:
    messages = [
        message(
            fields()[n],
            productDefinitionTemplateNumber=1,
            shortName="2t",
            perturbationNumber=member,
            dataDate=20200131,
            dataTime=100 * n,
        )
        for n in range(2)
        for member in (1, 2)
    ]
    source = open_source(written(tmp_path / "members.grib2", messages))
    assert [s.name.rpartition("/")[2] for s in source.sequences] == [
        "members.grib2 (member 1)",
        "members.grib2 (member 2)",
    ]
    assert [len(s) for s in source.sequences] == [2, 2]


@pytest.mark.slow
def test_a_projection_is_carried(tmp_path: Path) -> None:
    pyproj = pytest.importorskip("pyproj")
    plane: dict[str, Any] = {
        "Nx": 6,
        "Ny": 4,
        "DxInMetres": 5000,
        "DyInMetres": 5000,
        "orientationOfTheGridInDegrees": 20,
    }
    path = written(tmp_path / "p.grib2", [message(fields()[0], sample="polar_stereographic_sfc_grib2", **plane)])
    (sequence,) = open_source(path).sequences
    grid = sequence.grid
    assert grid is not None
    assert grid.mapping is not None
    assert grid.mapping["grid_mapping_name"] == "polar_stereographic"
    back = pyproj.Proj(pyproj.CRS.from_cf(dict(grid.mapping)))
    longitudes, latitudes = back(*np.meshgrid(grid.x, grid.y), inverse=True)
    np.testing.assert_allclose(latitudes, grid.fields["latitude"].values, atol=1e-4)
    np.testing.assert_allclose(longitudes, grid.fields["longitude"].values, atol=1e-4)


@pytest.mark.parametrize("upwards", [0, 1])
def test_a_polar_grid_on_an_earth_that_is_no_sphere_lies_where_its_projection_has_it(
    upwards: int, tmp_path: Path
) -> None:
    pyproj = pytest.importorskip("pyproj")
    place = pyproj.Proj("+proj=stere +lat_0=90 +lat_ts=60 +lon_0=20 +ellps=WGS84")
    longitude, latitude = place(-300_000, -3_700_000, inverse=True)
    plane: dict[str, Any] = {
        "shapeOfTheEarth": 5, "Nx": 6, "Ny": 4, "DxInMetres": 5000, "DyInMetres": 5000, "LaDInDegrees": 60,
        "orientationOfTheGridInDegrees": 20, "jScansPositively": upwards,
        "latitudeOfFirstGridPointInDegrees": latitude, "longitudeOfFirstGridPointInDegrees": longitude % 360,
    }  # fmt: skip
    values = fields()[0]
    (sequence,) = open_source(
        written(tmp_path / "p.grib2", [message(values, sample="polar_stereographic_sfc_grib2", **plane)])
    ).sequences
    np.testing.assert_allclose(sequence.read(0, 1)[0, 0], values, atol=1e-4)
    grid = sequence.grid
    assert grid is not None
    np.testing.assert_allclose(grid.x, -300_000 + 5000 * np.arange(6), atol=1)
    np.testing.assert_allclose(grid.y, -3_700_000 + (1 if upwards else -1) * 5000 * np.arange(4), atol=1)
    longitudes, latitudes = place(*np.meshgrid(grid.x, grid.y), inverse=True)
    np.testing.assert_allclose(grid.fields["latitude"].values, latitudes, atol=1e-5)
    np.testing.assert_allclose(grid.fields["longitude"].values, longitudes, atol=1e-5)


def test_probabilities_and_percentiles_are_variables_of_their_own(tmp_path: Path) -> None:
    base: dict[str, Any] = {"shortName": "tprate", "dataDate": 20200131, "dataTime": 0}
    event: dict[str, Any] = {
        "productDefinitionTemplateNumber": 5, "probabilityType": 3, "scaleFactorOfLowerLimit": 2,
        "scaledValueOfLowerLimit": 50,
    }  # fmt: skip
    share: dict[str, Any] = {"productDefinitionTemplateNumber": 6, "percentileValue": 90}
    each = fields()
    path = written(
        tmp_path / "e.grib2",
        [message(each[n], **{**more, **base}) for n, more in enumerate(({}, event, share))],
    )
    source = open_source(path)
    assert source.sequences[0].variables == ("tprate",)
    assert "tprate_probability_above_0.5, tprate_percentile_90 (to be named" in source.notes[0]
    with pytest.raises(ConfigError, match=r"one of tprate, tprate_percentile_90, tprate_probability_above_0.5"):
        open_source(path, variable=("tp",))
    for n, name in enumerate(("tprate", "tprate_probability_above_0.5", "tprate_percentile_90")):
        (sequence,) = open_source(path, variable=(name,)).sequences
        assert sequence.variables == (name,)
        assert (sequence.units == ("%",)) == ("probability" in name)
        np.testing.assert_allclose(sequence.read(0, 1)[0, 0], each[n], rtol=1e-5)


def test_a_reduced_grid_is_told(tmp_path: Path) -> None:
    handle = eccodes.codes_grib_new_from_samples("reduced_gg_sfc_grib2")
    path = written(tmp_path / "r.grib2", [eccodes.codes_get_message(handle)])
    eccodes.codes_release(handle)
    with pytest.raises(ShapeError, match=r"r.grib2: message 0 is on a grid without rows and columns"):
        open_source(path)


@pytest.mark.parametrize("sample", ["regular_ll_sfc_grib1", "regular_ll_sfc_grib2"])
def test_faults_are_told_by_message(tmp_path: Path, sample: str) -> None:
    frames = fields()
    messages = [hour(n, frames[n], sample=sample) for n in range(3)]
    cut = written(tmp_path / "cut.grib", messages)
    cut.write_bytes(cut.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"cut.grib: ends within message 2 .*truncated"):
        open_source(cut)
    double = written(tmp_path / "double.grib", [*messages, messages[1]])
    with pytest.raises(DataError, match=r"double.grib: message 3 holds 2t at 2020-01-31T01:00:00, as message 1 does"):
        open_source(double)
    broken = written(tmp_path / "broken.grib", [messages[0][:-4] + b"xxxx", messages[1]])
    with pytest.raises(DataError, match="message 0 is damaged"):
        open_source(broken)
    none = written(tmp_path / "none.grib", [b"no grib at all"])
    with pytest.raises(DataError, match="holds no GRIB message"):
        open_source(none)
    other = written(tmp_path / "other.grib", [messages[0], hour(1, fields(1, 5, 5)[0], sample=sample)])
    with pytest.raises(DataError, match="lies on another grid"):
        open_source(other)


def test_a_truncated_file_of_a_folder_can_be_left_out(tmp_path: Path) -> None:
    for n, frame in enumerate(fields()):
        (tmp_path / f"{n}.grib2").write_bytes(hour(n, frame))
    shutil.copy(tmp_path / "0.grib2", tmp_path / "3.grib2")
    (tmp_path / "3.grib2").write_bytes((tmp_path / "3.grib2").read_bytes()[:100])
    source = open_source(tmp_path, damaged="skip")
    assert len(source.sequences[0]) == 3
    assert source.damage is not None
    assert "1 damaged file" in source.damage.sentence


def test_without_eccodes_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.grib2", [hour(0, fields()[0])])
    monkeypatch.setitem(sys.modules, "eccodes", None)
    with pytest.raises(ConfigError, match=r"needs eccodes; pip install 'nextframe\[grib\]'"):
        open_source(path)
