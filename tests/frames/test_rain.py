"""Rain from one unit to another, against Marshall and Palmer's relation and pysteps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from nextframe.errors import ConfigError, DataError
from nextframe.frames.rain import DRY_REFLECTIVITY, convert_rain, rain_rate, reflectivity
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_source


def sequence(values: object, unit: str, minutes: int | None = None) -> FrameSequence:
    frames = np.asarray(values, np.float32).reshape(1, 1, 1, -1).repeat(2, axis=0)
    step = None if minutes is None else np.timedelta64(minutes, "m")
    return FrameSequence(values=frames, name="rain", variables=("rain",), units=(unit,), time_step=step)


@given(st.floats(0.11, 300))
def test_there_and_back(rate: float) -> None:
    there = reflectivity(np.array([rate], np.float32))
    assert there[0] == pytest.approx(10 * np.log10(200 * rate**1.6), rel=1e-5)
    assert rain_rate(there)[0] == pytest.approx(rate, rel=1e-4)


def test_dry_and_missing() -> None:
    np.testing.assert_allclose(
        reflectivity(np.array([0, 0.05, np.nan], np.float32)), [DRY_REFLECTIVITY, DRY_REFLECTIVITY, np.nan]
    )
    np.testing.assert_array_equal(rain_rate(np.array([-32, DRY_REFLECTIVITY, np.nan], np.float32)), [0, 0, np.nan])


def test_negative_rain_is_missing_and_what_packing_left_of_zero_is_zero() -> None:
    rain = replace(sequence([-9999.0, -1e-7, 0.0, 2.0], "mm/h"), missing="mask")
    np.testing.assert_array_equal(convert_rain(rain, "mm/h").read(0, 1).ravel(), [np.nan, 0, 0, 2])
    assert np.isnan(convert_rain(rain, "dBZ").read(0, 1).ravel()).tolist() == [True, False, False, False]
    with pytest.raises(DataError, match="frame 0 holds NaN"):
        convert_rain(replace(rain, missing="error"), "mm/h").read(0, 1)


def test_the_same_as_pysteps() -> None:
    conversion = pytest.importorskip("pysteps.utils.conversion")
    rate = np.linspace(0.2, 60, 50)
    metadata = {"unit": "mm/h", "transform": None, "accutime": 5, "zr_a": 200.0, "zr_b": 1.6, "threshold": 0.1}
    expected, _ = conversion.to_reflectivity(rate, {**metadata, "zerovalue": 0.0})
    np.testing.assert_allclose(reflectivity(rate.astype(np.float32)), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("unit", "minutes", "value", "rate"),
    [
        ("mm", 10, 2.0, 12.0),
        ("mm h-1", None, 3.0, 3.0),
        ("kg m-2 s-1", None, 0.001, 3.6),
        ("kg m**-2 s**-1", None, 0.001, 3.6),
        ("dBZ", None, 23.01, 1.0),
    ],
)
def test_units_as_files_write_them(unit: str, minutes: int | None, value: float, rate: float) -> None:
    converted = convert_rain(sequence([value], unit, minutes), "mm/h")
    assert converted.units == ("mm/h",)
    assert converted.variables == ("rain_rate",)
    assert converted.read(0, 1).item() == pytest.approx(rate, rel=1e-3)
    back = convert_rain(sequence([value], unit, minutes), "dBZ")
    assert back.read(0, 1).item() == pytest.approx(10 * np.log10(200 * rate**1.6), rel=1e-3)


@pytest.mark.parametrize("unit", ["MM/HR", "Mm/h", "mm/HOUR"])
def test_capitals_are_no_prefixes_of_rain(unit: str) -> None:
    assert convert_rain(sequence([3.0], unit), "mm/h").read(0, 1).item() == 3


@pytest.mark.parametrize("unit", ["dBZ", "dbz", "DBZ", "dB(Z)", "dBz", " dBZ "])
def test_spellings_of_reflectivity(unit: str) -> None:
    assert convert_rain(sequence([23.01], unit), "mm/h").read(0, 1).item() == pytest.approx(1, rel=1e-3)


def test_an_amount_is_divided_by_the_time_that_its_source_states() -> None:
    hourly = replace(sequence([6.0, 12.0], "mm", 10), accumulation=(np.timedelta64(1, "h"),))
    rate = convert_rain(hourly, "mm/h")
    assert rate.read(0, 1).ravel().tolist() == [6, 12]
    assert (rate.notes, rate.accumulation) == ((), (None,))
    unstated = convert_rain(sequence([6.0, 12.0], "mm", 10), "mm/h")
    assert unstated.read(0, 1).ravel().tolist() == [36, 72]
    assert unstated.notes == (
        "rain is an amount in mm over a time that its source does not state; it was taken to be one time step, 10 min",
    )
    alone = replace(sequence([6.0], "kg m-2"), accumulation=(np.timedelta64(30, "m"),))  # no time step at all
    assert convert_rain(alone, "mm/h").read(0, 1).item() == 12


def test_channels_are_converted_each_by_its_own_unit() -> None:
    frames = np.full((2, 3, 1, 1), 23.01, np.float32)
    units, sums = ("dBZ", "mm/day", "mm"), (None, None, np.timedelta64(15, "m"))
    mixed = FrameSequence(values=frames, name="three", variables=("a", "b", "c"), units=units, accumulation=sums)
    rates = convert_rain(mixed, "mm/h").read(0, 1).ravel()
    np.testing.assert_allclose(rates, [1, 23.01 / 24, 23.01 * 4], rtol=1e-3)


def test_the_assumed_time_is_told_by_the_doctor_and_beside_scores(tmp_path: Path) -> None:
    from nextframe.data.split import whole_spans
    from nextframe.forecasting.baselines import make_baselines
    from nextframe.inspection.inspect import inspect_source
    from nextframe.verification.evaluate import evaluate
    from nextframe.verification.leave_out import Chosen

    rain = np.random.default_rng(0).gamma(0.5, size=(40, 12, 12)).astype(np.float32)
    times = np.datetime64("2020-01-01", "ns") + np.arange(40) * np.timedelta64(10, "m")
    data = xr.DataArray(rain, dims=("time", "y", "x"), coords={"time": times}, name="r", attrs={"units": "mm"})
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    source = open_source(tmp_path / "a.nc", rain_unit="mm/h")
    assert "taken to be one time step, 10 min" in inspect_source(source).notes[0]
    spans, forecasters = whole_spans(source), make_baselines(["persistence"])
    verification = evaluate(forecasters, Chosen(spans=spans), data="a", past=2, lead_times=2, baselines=(), limit=3)
    assert verification.notes[0] == source.notes[0]


def test_what_cannot_be_converted() -> None:
    with pytest.raises(ConfigError, match=r"rain is not rain .*received K"):
        convert_rain(sequence([280.0], "K"), "mm/h")
    with pytest.raises(DataError, match="unknown time step"):
        convert_rain(sequence([1.0], "mm"), "mm/h")
    with pytest.raises(ConfigError, match="mm/h or dBZ"):
        convert_rain(sequence([1.0], "mm", 5), "inches")  # type: ignore[arg-type]


def test_reflectivity_is_averaged_as_rain(tmp_path: Path) -> None:
    field = np.array([[[23.0103, 33.0], [10.0, 40.0]]] * 2, np.float32)
    axes = {"y": [0.0, 1.0], "x": [0.0, 1.0]}
    data = xr.DataArray(field, dims=("time", "y", "x"), coords=axes, name="Z", attrs={"units": "dBZ"})
    data.to_netcdf(tmp_path / "radar.nc", engine="h5netcdf")
    (sequence,) = open_source(tmp_path / "radar.nc", rain_unit="mm/h", coarsen=2).sequences
    assert sequence.units == ("mm/h",)
    assert sequence.read(0, 1).item() == pytest.approx(rain_rate(field[0]).mean(), rel=1e-5)


def test_frames_that_are_not_rain(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 4, 4), np.float32))
    with pytest.raises(ConfigError, match="declares no unit"):
        open_source(tmp_path / "a.npy", rain_unit="mm/h")


@pytest.mark.parametrize(
    ("minutes", "rates"),
    [
        ([0, 5, 10, 30, 35, 40, 55, 60], [12] * 8),  # gaps change nothing
        ([0, 5, 10, 25, 45, 50, 55], [12] * 7),  # nor does a frame between two of them
        ([0, 10, 20, 30, 35, 40, 45, 50, 55], [None, None, None, 12, 12, 12, 12, 12, 12]),  # too few to tell
        ([0, 10, 20, 30, 40, 45], [6, 6, 6, 6, None, None]),  # one that cannot be a gap
        ([*range(0, 70, 10), *range(65, 100, 5)], [6] * 6 + [None] + [12] * 7),
        ([*range(0, 70, 10), *range(75, 110, 5)], [6] * 7 + [12] * 7),
        ([*range(0, 35, 5), *range(40, 200, 10)], [12] * 6 + [None] + [6] * 16),
    ],
)
def test_amounts_are_divided_by_the_step_of_their_own_stretch(minutes: list[int], rates: list[float | None]) -> None:
    times = np.datetime64("2020-01-01", "ns") + np.array(minutes) * np.timedelta64(1, "m")
    rain = FrameSequence(values=np.ones((len(minutes), 1, 2, 2)), name="rain", units=("mm",), times=times)
    converted = convert_rain(rain, "mm/h")
    expected = np.array([np.nan if rate is None else rate for rate in rates])
    np.testing.assert_allclose(converted.read(0, len(minutes))[:, 0, 0, 0], expected)
    np.testing.assert_allclose(converted[2:].read(1, 3)[:, 0, 1, 1], expected[3:5])
    assert (converted.missing == "mask") == (None in rates)
    assert ("each frame's stretch" in converted.notes[0]) == (len(set(rates)) > 1)


def test_a_rate_of_another_step_is_no_part_of_a_window() -> None:
    times = np.datetime64("2020-01-01", "ns") + np.cumsum([0, *[10] * 9, *[5] * 4]) * np.timedelta64(1, "m")
    rain = FrameSequence(values=np.ones((14, 1, 2, 2)), name="rain", times=times)
    assert rain.segments()[0] == (0, 10)


@pytest.mark.parametrize("stated", [True, False])
def test_bounds_that_are_as_long_as_each_step_are_that(tmp_path: Path, stated: bool) -> None:
    minutes = np.cumsum([10, *[10] * 9, *[5] * 12])
    begin = minutes - np.array([10] * 10 + [5] * 12) if stated else minutes * 0
    path = tmp_path / "a.nc"
    xr.Dataset(
        {
            "rain": (("time", "y", "x"), np.ones((22, 4, 4), np.float32), {"units": "mm", "cell_methods": "time: sum"}),
            "time_bnds": (("time", "bnds"), np.stack([begin, minutes], 1).astype(float)),
        },
        {"time": ("time", minutes, {"units": "minutes since 2020-01-01", "bounds": "time_bnds"})},
    ).to_netcdf(path, engine="h5netcdf")
    if not stated:  # sums since the start of a forecast
        with (
            pytest.warns(match="summed over differing times"),
            pytest.raises(DataError, match="over times that differ"),
        ):
            open_source(path, rain_unit="mm/h")
        return
    (converted,) = open_source(path, rain_unit="mm/h").sequences
    rates = converted.read(0, 22)[:, 0, 0, 0]
    np.testing.assert_allclose(rates, [6] * 9 + [np.nan] + [12] * 12)
