"""Times of gridded files, wherever and however they stand; what they are summed over; calendar steps and jitter."""

import calendar
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import xarray as xr

from nextframe.errors import DataError, NextframeWarning
from nextframe.forecasting.persistence import Persistence
from nextframe.frames.formats.stored import Stored, Variable
from nextframe.frames.formats.times import decode
from nextframe.frames.names import time_in_name
from nextframe.frames.rain import convert_rain
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
        (COUNT, {"units": "hours since 2019-12-31 19:00:00 -5:00"}),
        (COUNT, {"units": "hours since 2020-01-01 05:30 +5:30"}),
        (COUNT, {"units": "hours since 2020-01-01 02:00 +02"}),
        (COUNT, {"units": "hours since 2020-01-01 02:00:00 UTC+02:00"}),
        (COUNT + 12, {"units": "hours since 2019-12-31 12"}),
        (COUNT + 6, {"units": "hours since 2019-12-31 180000"}),
        (COUNT + 6, {"units": "hours since 2019/12/31 1800Z"}),
        (COUNT, {"units": "hours since 20200101"}),
        (COUNT, {"units": "hours since 20200101T000000Z"}),
        (COUNT, {"units": "hours since 2020-01"}),
        (COUNT, {"units": "hours since 2020-01-01 00:00:00.0 0:00"}),
        (COUNT, {"units": "hours since 2020-01-01 (UTC)"}),
        (COUNT / 24.0 + 2458849.5, {"units": "days since -4712-01-01 12:00:00"}),  # Julian days
        (COUNT / 24.0 + 2458849.5, {"units": "days since -4713-1-1 12:00:00"}),
        (COUNT / 24.0 + 2458849.5, {"units": "days since -4713-11-24 12:00", "calendar": "proleptic_gregorian"}),
        (COUNT / 24.0, {"units": "days since 2020-01-01", "calendar": "noleap"}),
        (COUNT, {"units": "hours since 2020-01-01", "calendar": "360_day"}),
        (20200101 + COUNT / 24.0, {"units": "day as %Y%m%d.%f"}),
        (2020010100 + COUNT, {"units": "%Y%m%d%H"}),
        (2020010100 + COUNT, {}),
        (202001010000 + 100 * COUNT, {}),
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
        ("months since 2016-01-31", [f"2016-{1 + n:02}-{calendar.monthrange(2016, 1 + n)[1]}" for n in range(STEPS)]),
        ("years since 2000-02-29", [f"{2000 + n}-02-{28 if n % 4 else 29}" for n in COUNT]),
    ],
)
@pytest.mark.parametrize("said", ["", "standard", "proleptic_gregorian"])
def test_months_and_years_are_those_of_the_calendar(tmp_path: Path, unit: str, expected: list[str], said: str) -> None:
    about = {"units": unit, **({"calendar": said} if said else {})}
    sequence = opened(write(tmp_path / "a.nc", time=(COUNT, about)))
    np.testing.assert_array_equal(sequence.times, np.array(expected, "datetime64[ns]"))


@pytest.mark.parametrize("said", ["360_day", "noleap", "365_day", "julian"])
def test_months_of_other_calendars_are_counted_from_their_own_date(tmp_path: Path, said: str) -> None:
    time = (COUNT + 1800, {"units": "months since 1850-01-15", "calendar": said})
    expected = np.array([f"{2000 + n // 12}-{1 + n % 12:02}-15" for n in COUNT], "datetime64[ns]")
    np.testing.assert_array_equal(opened(write(tmp_path / "a.nc", time=time)).times, expected)


@pytest.mark.parametrize(
    ("numbers", "attributes", "year"),
    [
        (COUNT, {"units": "days since 0850-01-01", "calendar": "noleap"}, "0850"),
        (COUNT + 365 * 200, {"units": "days since 0001-01-01", "calendar": "365_day"}, "0201"),
        (COUNT, {"units": "days since 3000-01-01", "calendar": "360_day"}, "3000"),
        (COUNT, {"units": "days since 2500-01-01"}, "2500"),
        (COUNT, {"units": "months since 1500-01-01"}, "1500"),
        (COUNT + 8500101, {"units": "day as %Y%m%d"}, "0850"),
        (COUNT + 1e9, {"units": "days since 2000-01-01"}, r"\d+"),
        (COUNT * 1e300, {"units": "days since 2000-01-01"}, r"\d+"),
        (COUNT * 1e300, {"units": "months since 2000-01-01"}, "9999"),
        (COUNT + 2**62, {"units": "seconds since 2000-01-01"}, r"\d+"),
    ],
)
def test_years_that_nanoseconds_do_not_reach_are_refused(
    tmp_path: Path, numbers: np.ndarray, attributes: dict[str, str], year: str
) -> None:
    path = write(tmp_path / "a.nc", time=(numbers, attributes))
    said = rf"a\.nc: has a time that is out of reach.*1678 to 2261, received the year {year}"
    with pytest.raises(DataError, match=said):
        opened(path)


def test_texts_and_dates_of_years_out_of_reach_are_refused(tmp_path: Path) -> None:
    letters = np.array([list(f"{850 + n:04}-01-01") for n in COUNT], "S1")
    others: Any = {"Times": (("time", "letters"), letters, {})}
    with pytest.raises(DataError, match="received the year 0850"):
        opened(write(tmp_path / "a.nc", time=None, others=others))
    days = np.array("2500-01-01", "M8[D]") + COUNT
    dates = xr.DataArray(rain(), dims=("time", "y", "x"), coords={"time": days.astype("M8[s]")})
    with pytest.raises(DataError, match="received the year 2500"):
        open_source(dates)
    with pytest.raises(DataError, match="received the year 1500"):
        time_in_name(Path("15000101.png"), "%Y%m%d")


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


def test_counts_of_a_unit_of_time_are_times_since_the_first(tmp_path: Path) -> None:
    hours = np.r_[6:12, 14:20]
    sequence = opened(write(tmp_path / "a.nc", time=(hours, {"units": "hours"})))
    assert sequence.times is None
    assert sequence.elapsed is not None
    np.testing.assert_array_equal(sequence.elapsed, (hours - 6) * np.timedelta64(1, "h"))
    assert (sequence.time_step, sequence.segments()) == (np.timedelta64(1, "h"), [(0, 6), (6, 12)])


@pytest.mark.parametrize("name", ["step", "fp"])
def test_lead_times_are_counted_from_the_initial_time(tmp_path: Path, name: str) -> None:
    period = {"units": "hours", "standard_name": "forecast_period"} if name == "fp" else {"units": "hours"}
    others: Any = {
        name: ((name,), COUNT * 1.0, period),
        "time": ((), 0, {**HOURS, "standard_name": "forecast_reference_time"}),
    }
    sequence = opened(write(tmp_path / "a.nc", dims=(name, "y", "x"), time=None, others=others))
    np.testing.assert_array_equal(sequence.times, EXPECTED)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zarr_store_may_hold_dates_as_they_are(tmp_path: Path, zarr_format: Literal[2, 3]) -> None:
    import zarr

    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=zarr_format)
    for name, values, dims in (("rain", rain(), ["time", "y", "x"]), ("time", EXPECTED, ["time"])):
        named = {"dimension_names": dims} if zarr_format == 3 else {}
        array = group.create_array(name, shape=values.shape, dtype=values.dtype, **named)  # type: ignore[arg-type]
        array[...] = values
        array.attrs["_ARRAY_DIMENSIONS"] = dims
    np.testing.assert_array_equal(opened(tmp_path / "a.zarr").times, EXPECTED)


@pytest.mark.parametrize("unit", ["fortnights since 2020-01-01", "furlongs", "months since 2020-01-01"])
def test_times_that_cannot_be_read_are_told(tmp_path: Path, unit: str) -> None:
    path = write(tmp_path / "a.nc", time=(COUNT + 0.25, {"units": unit}))
    with pytest.warns(NextframeWarning, match=r"a\.nc: its times cannot be read, so that lead times are"):
        assert opened(path).times is None


WAYS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y%m%dT%H%M", "%Y%m%d%H%M%S",
        "%Y-%m-%d_%H:%M:%S.0", "%Y-%m-%dT%H:%M:%S+00:00")  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_times_written_as_texts(way: str) -> None:
    written = np.array([time.strftime(way) for time in EXPECTED.astype("datetime64[us]").astype(object)])
    about: dict[str, Any] = {"dims": ("time",), "shape": (STEPS,), "attributes": {}, "where": Path("a.nc")}
    text = Variable(name="time", dtype=written.dtype, array=written, **about)
    times = decode(text, Stored(path=Path("a.nc"), variables={"time": text}, attributes={}))
    np.testing.assert_array_equal(times, EXPECTED)


def test_texts_have_their_zone_and_what_is_no_date_is_told(tmp_path: Path) -> None:
    for texts, wanted in ((["2020-01-01T02:00+02:00"], "2020-01-01"), (["2019-12-31T19:00:00-0500"], "2020-01-01")):
        others: Any = {"time": (("time",), np.array(texts, "S"), {})}
        path = write(tmp_path / f"{texts[0][-3:]}.nc", rain()[:1], time=None, others=others)
        assert opened(path).times == np.datetime64(wanted)
    for text in ("2020001", "01.01.2020", "today", "12", "2020-13-01"):  # NumPy has a year for some of these
        path = write(
            tmp_path / f"{text}.nc", rain()[:2], time=None, others={"time": (("time",), np.array([text] * 2, "S"), {})}
        )
        with pytest.warns(NextframeWarning, match="is no time"):
            assert opened(path).times is None


def test_times_without_a_sign(tmp_path: Path) -> None:
    seconds = (COUNT * 3600).astype("u2").view("i2")
    path = write(tmp_path / "a.nc", time=(seconds, {"units": "seconds since 2020-01-01", "_Unsigned": "true"}))
    np.testing.assert_array_equal(opened(path).times, EXPECTED)


def test_numbers_of_which_nothing_is_said_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", time=(1577836800 + 3600 * COUNT, {}))
    with pytest.warns(NextframeWarning, match=r"a\.nc: its times .*time: numbers without a unit"):
        assert opened(path).times is None
    assert opened(write(tmp_path / "b.nc", time=(COUNT, {}))).times is None  # steps, numbered


@pytest.mark.parametrize(
    ("numbers", "attributes", "received"),
    [
        (COUNT, {"units": "days since 2000-02-28", "calendar": "360_day"}, "2000-02-30 of the calendar 360_day"),
        (COUNT, {"units": "days since 2000-02-28", "calendar": "maya"}, "days since"),
        (COUNT, {"units": "days since the flood"}, "the flood"),
        (COUNT, {"units": "hours since 01-01-2020"}, "01-01-2020"),
        (COUNT, {"units": "hours since 31/12/2019"}, "31/12/2019"),
        (COUNT, {"units": "hours since 2020-01-01 01:00 CET"}, "2020-01-01 01:00 CET"),
        (COUNT, {"units": "hours since 2020-01-01 6:00 PM"}, "6:00 PM"),
        (COUNT, {"units": "hours since 2020-01-01 06.5"}, "06.5"),
        (COUNT, {"units": "hours since 2020-01-01 24:00"}, "24:00"),
        (COUNT, {"units": "hours since 2020-13-01"}, "2020-13-01"),
        (COUNT, {"units": "days since -4000-01-01"}, "-4000-01-01"),
        (COUNT + 737791, {"units": "days since 0000-01-01"}, "0000-01-01"),
    ],
)
def test_times_of_no_date(tmp_path: Path, numbers: np.ndarray, attributes: dict[str, str], received: str) -> None:
    path = write(tmp_path / "a.nc", time=(numbers, attributes))
    with pytest.raises(
        DataError, match=f"a.nc: (has times that cannot be decoded|counts times from the year).*{received}"
    ):
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
        (
            {},
            {"long_name": "End of accumulation period"},
            {"start": (("time",), COUNT - 0.5, {**HOURS, "long_name": "Start of accumulation period"})},
            np.timedelta64(30, "m"),
        ),
        ({}, {}, {"time_bnds": bounds(3)}, np.timedelta64(3, "h")),
        ({}, {"bounds": "b"}, {"b": (("nv", "time"), bounds(2)[1].T, {})}, np.timedelta64(2, "h")),
        ({"cell_methods": "time: sum (interval: 6 hours)"}, {}, {}, np.timedelta64(6, "h")),
        ({"cell_methods": "time: sum (interval: 15 minutes)"}, {}, {}, None),  # of values that were summed up, by CF
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


def test_sums_of_sums_are_divided_by_the_step(tmp_path: Path) -> None:
    said = {"units": "mm", "cell_methods": "time: sum (interval: 1 hour)"}
    path = write(tmp_path / "a.nc", None, said, time=(COUNT, {"units": "days since 2020-01-01"}))
    sequence = opened(path, rain_unit="mm/h")
    np.testing.assert_allclose(sequence.read(0, STEPS)[:, 0], rain() / 24, rtol=1e-6)
    assert "over a time that its source does not state; it was taken to be one time step, 1 d" in sequence.notes[0]


def test_sums_since_the_start_have_no_accumulation(tmp_path: Path) -> None:
    since: Any = ("time", "nv"), np.stack([COUNT * 0, COUNT], 1), {}
    path = write(tmp_path / "a.nc", None, {"units": "mm"}, time=(COUNT, {**HOURS, "bounds": "b"}), others={"b": since})
    with pytest.warns(NextframeWarning, match=r"rain is summed over differing times"):
        sequence = opened(path)
    with pytest.raises(DataError, match=r"rain is an amount in mm, summed over times that differ"):
        convert_rain(sequence, "mm/h")


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


@pytest.mark.parametrize("stated", [True, False])
def test_sums_of_many_files_over_the_steps_of_an_archive_that_changes_them(tmp_path: Path, stated: bool) -> None:
    lengths = np.array([10] * 8 + [5] * 12) if stated else np.array([10, 5] * 10)
    for n, (end, length) in enumerate(zip(np.cumsum(lengths), lengths, strict=True)):
        said: Any = {"bounds": "b", "units": "minutes since 2020-01-01"}
        xr.Dataset(
            {
                "rain": (("time", "y", "x"), np.ones((1, 4, 4), np.float32), {"units": "mm"}),
                "b": (("time", "nv"), [[float(end - length), float(end)]]),
            },
            {"time": ("time", [end], said)},
        ).to_netcdf(tmp_path / f"{n:02}.nc", engine="h5netcdf")
    if not stated:  # sums over other times than the steps of a stretch
        with pytest.warns(NextframeWarning, match=r"over another time in 01.nc than in 00.nc"):
            (over,) = opened(tmp_path).accumulation
        assert over is not None
        assert np.isnat(over)
        return
    assert opened(tmp_path).accumulation == (None,)
    rates = opened(tmp_path, rain_unit="mm/h").read(0, 20)[:, 0, 0, 0]
    np.testing.assert_allclose(rates, [6] * 7 + [np.nan] + [12] * 12)
