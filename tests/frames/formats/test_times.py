"""Times of gridded files, wherever and however they stand; what they are summed over; calendar steps and jitter."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from nextframe.errors import DataError, NextframeWarning
from nextframe.forecasting.persistence import Persistence
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_source
from nextframe.outputs.writers import save_forecast
from nextframe.verification.grade import grade
from tests.frames.formats.grids import HOURS, SIDE, STEPS, rain, write

COUNT = np.arange(STEPS)
EXPECTED = np.datetime64("2020-01-01", "ns") + COUNT * np.timedelta64(1, "h")
LETTERS = np.array([list(str(time)[:19].replace("T", "_")) for time in EXPECTED.astype("datetime64[s]")], "S1")


def opened(path: Path, **options: Any) -> FrameSequence:
    (sequence,) = open_source(path, **options).sequences
    return sequence


@pytest.mark.parametrize(
    ("numbers", "attributes"),
    [
        (COUNT, {"units": "hours since 2020-01-01"}),
        (COUNT.astype(np.float32) * 60, {"units": "minutes since 2020-01-01 00:00:00 UTC"}),
        (COUNT / 24.0 + 737426, {"units": "days since 1-1-1 00:00:0.0"}),  # Julian before 1582, as the standard has it
        (COUNT / 24.0 + 737424, {"units": "days since 1-1-1", "calendar": "proleptic_gregorian"}),
        (COUNT / 24.0 + 43829, {"units": "days since 1900-01-01", "calendar": "gregorian"}),
        (COUNT * 3600 + 1577836800, {"units": "Seconds since 1970-01-01T00:00:00Z"}),
        (COUNT * 3600_000, {"units": "msec since 2020-01-01"}),
        (COUNT + 1.0, {"units": "h since 2019-12-31 22:00 -01:00"}),
        (COUNT / 24.0, {"units": "days since 2020-01-01", "calendar": "noleap"}),
        (COUNT, {"units": "hours since 2020-01-01", "calendar": "360_day"}),
        (20200101 + COUNT / 24.0, {"units": "day as %Y%m%d.%f"}),
        (2020010100 + COUNT, {"units": "%Y%m%d%H"}),
    ],
)
def test_units_and_calendars(tmp_path: Path, numbers: np.ndarray, attributes: dict[str, str]) -> None:
    sequence = opened(write(tmp_path / "a.nc", time=(numbers, attributes)))
    np.testing.assert_array_equal(sequence.times, EXPECTED)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("months since 2015-01-15", [f"{2015 + n // 12}-{1 + n % 12:02}-15" for n in COUNT]),
        ("years since 2001-02-03", [f"{2001 + n}-02-03" for n in COUNT]),
    ],
)
def test_months_and_years_are_those_of_the_calendar(tmp_path: Path, unit: str, expected: list[str]) -> None:
    sequence = opened(write(tmp_path / "a.nc", time=(COUNT, {"units": unit})))
    np.testing.assert_array_equal(sequence.times, np.array(expected, "datetime64[ns]"))


@pytest.mark.parametrize(
    ("others", "field"),
    [
        (
            {"XTIME": (("nt",), COUNT * 60.0, {"units": "minutes since 2020-01-01"})},
            {"coordinates": "XLONG XLAT XTIME"},
        ),
        ({"time": (("nt",), COUNT, {"units": "hours since 2020-01-01"})}, {}),
        ({"when": (("nt",), COUNT, {"units": "hours since 2020-01-01", "standard_name": "time"})}, {}),
        ({"when": (("nt",), COUNT, {"units": "hours since 2020-01-01"})}, {}),
        ({"Times": (("nt", "DateStrLen"), LETTERS, {})}, {}),
    ],
)
def test_times_under_another_name_than_their_axis(tmp_path: Path, others: Any, field: dict[str, str]) -> None:
    others = {
        "reference": (("nt",), np.zeros(STEPS), {**HOURS, "standard_name": "forecast_reference_time"}),
        **others,
    }
    sequence = opened(write(tmp_path / "a.nc", None, field, dims=("nt", "y", "x"), time=None, others=others))
    np.testing.assert_array_equal(sequence.times, EXPECTED)


@pytest.mark.parametrize("unit", ["fortnights since 2020-01-01", "furlongs", "months since 2020-01-01"])
def test_times_that_cannot_be_read_are_told(tmp_path: Path, unit: str) -> None:
    path = write(tmp_path / "a.nc", time=(COUNT + 0.25, {"units": unit}))
    with pytest.warns(NextframeWarning, match=r"a\.nc: its times cannot be read, so that lead times are"):
        assert opened(path).times is None


@pytest.mark.parametrize(
    ("numbers", "attributes", "received"),
    [
        (COUNT, {"units": "days since 2000-02-28", "calendar": "360_day"}, "2000-02-30 of the calendar 360_day"),
        (COUNT, {"units": "days since 2000-02-28", "calendar": "maya"}, "days since"),
        (COUNT, {"units": "days since the flood"}, "the flood"),
    ],
)
def test_times_of_no_date(tmp_path: Path, numbers: np.ndarray, attributes: dict[str, str], received: str) -> None:
    path = write(tmp_path / "a.nc", time=(numbers, attributes))
    with pytest.raises(DataError, match=f"a.nc: has times that cannot be decoded.*{received}"):
        opened(path)


@pytest.mark.parametrize("odd", [{"units": np.arange(3)}, {"axis": np.arange(2)}, {"calendar": 5}])
def test_attributes_of_another_type_are_ignored_and_told(tmp_path: Path, odd: dict[str, Any]) -> None:
    path = write(tmp_path / "a.nc", time=(COUNT, {**HOURS, **odd}))
    with pytest.warns(NextframeWarning, match=rf"a\.nc: time has a {next(iter(odd))} that is no text"):
        assert len(opened(path)) == STEPS


def bounds(hours: float) -> Any:
    return ("time", "nv"), np.stack([COUNT - hours, COUNT], 1), {}


@pytest.mark.parametrize(
    ("field", "time", "others", "expected"),
    [
        ({"cell_methods": "time: sum"}, {"bounds": "time_bnds"}, {"time_bnds": bounds(6)}, np.timedelta64(6, "h")),
        ({"cell_methods": "area: mean time: sum"}, {"bounds": "b"}, {"b": bounds(3)}, np.timedelta64(3, "h")),
        ({}, {"bounds": "b"}, {"b": bounds(0.5)}, np.timedelta64(30, "m")),
        ({"cell_methods": "time: sum (interval: 15 minutes)"}, {}, {}, np.timedelta64(15, "m")),
        (
            {},
            {"long_name": "End of accumulation period"},
            {"start": (("time",), COUNT - 0.5, {**HOURS, "long_name": "Start of accumulation period"})},
            np.timedelta64(30, "m"),
        ),
        ({"cell_methods": "time: point"}, {"bounds": "b"}, {"b": bounds(1)}, None),
        ({"units": "mm/h"}, {"bounds": "b"}, {"b": bounds(1)}, None),
        ({}, {"bounds": "not there"}, {}, None),
        ({}, {}, {}, None),
    ],
)
def test_accumulation(tmp_path: Path, field: Any, time: Any, others: Any, expected: np.timedelta64 | None) -> None:
    path = write(tmp_path / "a.nc", None, {"units": "mm", **field}, time=(COUNT, {**HOURS, **time}), others=others)
    sequence = opened(path, variable=["rain"])
    assert sequence.accumulation == (expected,)


def test_sums_since_the_start_have_no_accumulation(tmp_path: Path) -> None:
    since: Any = ("time", "nv"), np.stack([COUNT * 0, COUNT], 1), {}
    path = write(tmp_path / "a.nc", None, {"units": "mm"}, time=(COUNT, {**HOURS, "bounds": "b"}), others={"b": since})
    with pytest.warns(NextframeWarning, match=r"rain is summed over differing times"):
        assert opened(path).accumulation == (None,)


def series(path: Path, times: np.ndarray) -> Path:
    values = np.random.default_rng(1).random((len(times), SIDE, SIDE)).astype(np.float32)
    xr.Dataset(
        {"rain": (("time", "y", "x"), values, {"units": "mm"})}, {"time": times.astype("datetime64[ns]")}
    ).to_netcdf(path, engine="h5netcdf")
    return path


@pytest.mark.parametrize(
    ("times", "step", "valid"),
    [
        (np.arange("2017-01", "2018-05", dtype="datetime64[M]"), 1, ["2018-05-01", "2018-06-01", "2018-07-01"]),
        (np.arange("2017-01", "2018-02", 3, dtype="datetime64[M]"), 3, ["2018-04-01", "2018-07-01", "2018-10-01"]),
        (np.arange("1990", "2001", dtype="datetime64[Y]"), 12, ["2001-01-01", "2002-01-01", "2003-01-01"]),
        (
            np.arange("2019-02", "2020-02", dtype="datetime64[M]").astype("datetime64[D]") - 1,
            1,
            ["2020-01-31", "2020-02-29", "2020-03-31"],
        ),
    ],
)
def test_calendar_steps(tmp_path: Path, times: np.ndarray, step: int, valid: list[str]) -> None:
    path = series(tmp_path / "a.nc", times)
    sequence = opened(path)
    assert sequence.time_step == np.timedelta64(step, "M")
    assert sequence.segments() == [(0, len(times))]
    forecast = Persistence().forecast(sequence, 3)
    assert forecast.valid_time is not None
    assert forecast.init_time is not None
    np.testing.assert_array_equal(forecast.valid_time, np.array(valid, "datetime64[ns]"))
    np.testing.assert_array_equal(forecast.init_time + forecast.lead_time, forecast.valid_time)


def test_all_months_of_a_forecast_are_graded(tmp_path: Path) -> None:
    path = series(tmp_path / "a.nc", np.arange("2015-01", "2018-05", dtype="datetime64[M]"))
    sequence = opened(path)
    save_forecast(Persistence().forecast(sequence[:30], 6), tmp_path / "f.nc")
    graded = grade(tmp_path / "f.nc", open_source(path))
    assert graded.lead_time == [1, 2, 3, 4, 5, 6]
    assert graded.lead_time_unit == "months"
    assert all(np.isfinite(graded.scores["persistence"]["mse"]))


@pytest.mark.parametrize("seconds", [0.4, 25])
def test_frames_that_jitter_are_matched_to_the_nearest(tmp_path: Path, seconds: float) -> None:
    jitter = np.random.default_rng(3).uniform(-seconds, seconds, 40)
    regular = np.datetime64("2020-01-01T00:00:20.5", "ns") + 10 * np.arange(40) * np.timedelta64(1, "m")
    path = series(tmp_path / "a.nc", regular + (jitter * 1e9).astype("timedelta64[ns]"))
    sequence = opened(path)
    assert sequence.time_step == np.timedelta64(10, "m")
    save_forecast(Persistence().forecast(sequence[:30], 4), tmp_path / "f.nc")
    graded = grade(tmp_path / "f.nc", open_source(path))
    error = [float(((sequence.read(29, 30) - sequence.read(n, n + 1)) ** 2).mean()) for n in range(30, 34)]
    np.testing.assert_allclose(graded.scores["persistence"]["mse"], error, rtol=1e-5)


def test_a_time_further_off_than_a_tenth_of_a_step_is_no_match(tmp_path: Path) -> None:
    path = series(tmp_path / "a.nc", EXPECTED)
    save_forecast(Persistence().forecast(opened(path)[:8], 3), tmp_path / "f.nc")
    shifted = series(tmp_path / "b.nc", EXPECTED + np.timedelta64(7, "m"))
    with pytest.raises(DataError, match="has no frame of"):
        grade(tmp_path / "f.nc", open_source(shifted))


def test_a_field_of_one_step_has_the_time_of_a_scalar(tmp_path: Path) -> None:
    others = {
        "t": ((), 600.0, {"units": "seconds since 2000-01-01 12:00:00", "standard_name": "time", "axis": "T"}),
        "start": ((), 0.0, {"units": "seconds since 2000-01-01 12:00:00"}),
    }
    path = write(tmp_path / "a.nc", rain()[0], dims=("y", "x"), time=None, others=others)
    np.testing.assert_array_equal(opened(path).times, np.array(["2000-01-01T12:10"], "datetime64[ns]"))
