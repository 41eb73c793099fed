"""Verifying forecasters, grading files, and the one shape of all scores."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import nextframe
from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.forecasting.forecast import Forecaster
from nextframe.forecasting.persistence import Persistence
from nextframe.frames.grid import Grid
from nextframe.frames.sequence import FloatArray, FrameSequence, FrameSource
from nextframe.outputs.netcdf import to_dataset
from nextframe.outputs.writers import save_forecast
from nextframe.verification.grade import grade
from nextframe.verification.result import Verification
from nextframe.verification.verify import verify


class Oracle(Forecaster):
    """Knows the future of a sequence whose value at a frame is the frame's number."""

    @property
    def name(self) -> str:
        return "oracle"

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        steps = np.arange(1, lead_times + 1, dtype=np.float32)
        return past[:, -1:] + steps[:, None, None, None]


def numbered(frames: int = 40) -> FrameSequence:
    values = np.broadcast_to(np.arange(frames, dtype=np.float32)[:, None, None, None], (frames, 1, 12, 13)).copy()
    times = np.datetime64("2021-01-01", "ns") + np.arange(frames) * np.timedelta64(10, "m")
    return FrameSequence(values=values, name="numbers.nc", times=times, units=("mm",), variables=("rain",))


def test_every_forecaster_is_scored_on_every_window() -> None:
    sequence = numbered()
    windows = cut_windows([Span(sequence, 0, 40)], past=3, future=4)
    result = verify([Oracle(), Persistence()], windows, thresholds=(20.0,), data="numbers", command="nextframe verify")
    assert result.count == len(windows) == 34
    assert (result.lead_time, result.lead_time_unit) == ([10, 20, 30, 40], "minutes")
    assert result.scores["oracle"]["mse"] == [0, 0, 0, 0]
    assert result.scores["persistence"]["mse"] == [1, 4, 9, 16]
    assert result.scores["persistence"]["mae"] == [1, 2, 3, 4]
    for lead in range(4):  # persistence says "event" as many frames too late as the lead time is long
        events = sum(n + 2 + lead + 1 >= 20 for n in range(34))
        assert result.scores["persistence"]["csi_20"][lead] == pytest.approx((events - lead - 1) / events)
    assert result.data_range == 39.0


@pytest.mark.slow
def test_scores_are_the_same_for_any_batch_size() -> None:
    windows = cut_windows([Span(numbered(), 0, 40)], past=3, future=4)
    one, all_at_once = (verify([Persistence()], windows, batch_size=n).scores["persistence"] for n in (1, 64))
    for name, values in one.items():
        np.testing.assert_allclose(values, all_at_once[name], rtol=1e-12)


def test_the_file_has_the_one_shape(tmp_path: Path) -> None:
    windows = cut_windows([Span(numbered(), 0, 12)], past=3, future=2)
    result = verify([Persistence()], windows, thresholds=(99.0,), data="numbers", command="a command")
    path = tmp_path / "verification.json"
    result.to_json(path)
    content = json.loads(path.read_text())
    assert {"scores", "lead_time", "count", "command", "data", "versions"} <= content.keys()
    assert content["scores"]["persistence"]["csi_99"] == [None, None]  # not defined: no event
    again = Verification.from_json(path)
    assert again.scores["persistence"]["mse"] == result.scores["persistence"]["mse"]
    assert np.isnan(again.scores["persistence"]["csi_99"]).all()
    path.write_text("{}")
    with pytest.raises(DataError, match=r"verification\.json: cannot be read as scores"):
        Verification.from_json(path)


def test_a_forecast_file_is_graded_as_the_run_is(tmp_path: Path) -> None:
    sequence = numbered()
    forecast = Persistence().forecast(sequence[:10], lead_times=4)
    save_forecast(forecast, tmp_path / "f.nc")
    source = FrameSource(name="numbers.nc", sequences=(sequence,))
    with xr.open_dataset(tmp_path / "f.nc", engine="h5netcdf") as dataset:
        result = grade(dataset, source, thresholds=(5.0,))
    assert result.scores["persistence"]["mae"] == [1, 2, 3, 4]
    assert result.lead_time == [10, 20, 30, 40]


def test_a_file_from_elsewhere_is_graded_by_its_times() -> None:
    sequence = numbered()
    assert sequence.times is not None
    values = np.full((2, 12, 13), 7.0)
    dataset = xr.Dataset({"precip": (("time", "y", "x"), values)}, {"time": sequence.times[[8, 9]]})
    source = FrameSource(name="numbers.nc", sequences=(sequence,))
    assert grade(dataset, source).scores["forecast"]["mae"] == [1, 2]
    late = dataset.assign_coords(time=dataset.time + np.timedelta64(9, "D"))
    with pytest.raises(DataError, match=r"is valid at 2021-01-10.*numbers\.nc has no frame of"):
        grade(late, source)
    with pytest.raises(ShapeError, match="another grid"):
        grade(dataset.isel(x=slice(5)), source)
    with pytest.raises(DataError, match="other variables"):
        grade(dataset.drop_vars("precip"), source)


def test_all_are_scored_on_the_values_that_none_of_them_lacks() -> None:
    sequence = numbered()
    values = np.array(sequence.values[0:40])
    values[12, :, :6] = np.nan  # persistence knows nothing there, the oracle's past is whole elsewhere
    holed = FrameSequence(values=values, name="holed", missing="mask")
    window = cut_windows([Span(holed, 10, 15)], past=3, future=2)

    class Blind(Persistence):
        name = "blind"

        def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
            forecast = np.full((len(past), lead_times, *past.shape[2:]), 100.0, np.float32)
            forecast[:, :, :, 6:] = 12.0  # right about nothing but the half that persistence knows
            return forecast

    result = verify([Blind(), Persistence()], window)
    assert result.scores["blind"]["mse"] == result.scores["persistence"]["mse"] == [1, 4]


def test_a_file_of_one_lead_time_and_a_scalar_dimension_more(tmp_path: Path) -> None:
    sequence = numbered()
    assert sequence.times is not None
    values = np.full((1, 1, 12, 13), 7.0)
    dataset = xr.Dataset(
        {"rain": (("init_time", "lead_time", "y", "x"), values)},
        {
            "init_time": sequence.times[[5]],
            "lead_time": [np.timedelta64(30, "m").astype("timedelta64[ns]")],
            "valid_time": ("lead_time", sequence.times[[8]]),
        },
    )
    dataset.to_netcdf(tmp_path / "one.nc", engine="h5netcdf")
    result = grade(tmp_path / "one.nc", FrameSource(name="numbers.nc", sequences=(sequence,)))
    assert result.scores["forecast"]["mae"] == [1]
    assert (result.lead_time, result.lead_time_unit) == ([30], "minutes")  # as the file says, not the first time step
    several = xr.concat(
        [dataset, dataset.assign_coords(init_time=dataset.init_time + np.timedelta64(1, "h"))], "init_time"
    )
    with pytest.raises(DataError, match=r"several forecasts along init_time: 2"):
        grade(several, FrameSource(name="numbers.nc", sequences=(sequence,)))
    (tmp_path / "no.nc").write_text("not NetCDF")
    with pytest.raises(DataError, match=r"no\.nc: cannot be read as a forecast"):
        grade(tmp_path / "no.nc", FrameSource(name="numbers.nc", sequences=(sequence,)))


def test_lead_times_that_were_not_observed_have_no_scores_and_several_sequences_are_searched() -> None:
    sequence = numbered(20)
    assert sequence.times is not None
    parts = FrameSource(name="days", sequences=(sequence[:10], sequence[12:]))
    times = sequence.times[9:14]
    dataset = xr.Dataset(
        {"rain": (("time", "y", "x"), np.zeros((5, 12, 13)))}, {"time": times, "init_time": sequence.times[8]}
    )
    result = grade(dataset, parts, thresholds=(5.0,))
    np.testing.assert_array_equal(result.scores["forecast"]["mae"], [9, np.nan, np.nan, 12, 13])
    assert result.lead_time == [10, 20, 30, 40, 50]


def test_a_perfect_forecast_is_still_perfect_when_read_back(tmp_path: Path) -> None:
    result = verify([Oracle()], cut_windows([Span(numbered(), 0, 12)], past=3, future=2))
    result.to_json(tmp_path / "v.json")
    assert Verification.from_json(tmp_path / "v.json").scores["oracle"]["psnr"] == [np.inf, np.inf]


def test_two_forecasters_of_one_name_are_refused() -> None:
    windows = cut_windows([Span(numbered(), 0, 12)], past=3, future=2)
    with pytest.raises(ConfigError, match="two have one name"):
        verify([Persistence(), Persistence()], windows)
    with pytest.raises(ConfigError, match="no forecaster"):
        verify([], windows)


def test_nothing_to_verify_on() -> None:
    with pytest.raises(DataError, match="no window"):
        verify([Persistence()], [])


def test_an_ensemble_as_pysteps_writes_it_is_graded(tmp_path: Path) -> None:
    """The layout of pysteps' NetCDF exporter: members first, rows from north to south or not, units written its way."""
    draw = np.random.default_rng(0)
    values = draw.gamma(1, 2, (20, 1, 12, 13)).astype(np.float32)
    times = np.datetime64("2021-01-01", "ns") + np.arange(20) * np.timedelta64(5, "m")
    grid = Grid(y=np.arange(12.0)[::-1], x=np.arange(13.0))
    sequence = FrameSequence(values=values, name="radar", times=times, units=("mm/h",), variables=("rain",), grid=grid)
    members = values[10:13, 0][None] + draw.normal(0, 0.1, (4, 3, 12, 13)).astype(np.float32)
    seconds = (times[10:13] - times[9]) / np.timedelta64(1, "s")
    layout = {
        "precip_intensity": (("ens_number", "time", "y", "x"), members[:, :, ::-1], {"units": "mm h-1"}),
        "lat": (("y", "x"), np.zeros((12, 13))),
    }
    axes = {
        "ens_number": np.arange(1, 5),
        "time": ("time", seconds, {"units": "seconds since 2021-01-01 00:45:00", "long_name": "forecast time"}),
        "y": np.arange(12.0),
        "x": np.arange(13.0),
    }
    xr.Dataset(layout, axes).to_netcdf(tmp_path / "nowcast.nc", engine="h5netcdf")
    source = FrameSource(name="radar", sequences=(sequence,))
    with xr.open_dataset(tmp_path / "nowcast.nc", engine="h5netcdf") as dataset:
        found = grade(dataset, source, thresholds=(2.0,))
        assert max(found.scores["forecast"]["mae"]) < 0.1  # flipped rows would make it 2
        assert max(found.scores["forecast"]["crps"]) < max(found.scores["forecast"]["mae"])
        wrong = dataset.assign(precip_intensity=dataset.precip_intensity.assign_attrs(units="dBZ"))
        with pytest.raises(DataError, match=r"another unit than the observations.*mm/h.*dBZ"):
            grade(wrong, source)


def on_grid(sequence: FrameSequence, unit: str = "m", shift: float = 0.0) -> FrameSequence:
    scale = {"m": 1000.0, "km": 1.0}[unit]
    grid = Grid(
        y=np.arange(12.0)[::-1] * scale + shift,
        x=np.arange(13.0) * scale,
        y_attributes={"units": unit},
        x_attributes={"units": unit},
    )
    return replace(sequence, grid=grid)


def test_a_forecast_of_another_place_is_refused_and_one_in_kilometres_is_not() -> None:
    forecast = to_dataset(Persistence().forecast(on_grid(numbered())[:10], lead_times=4))
    for same in (on_grid(numbered()), on_grid(numbered(), "km")):
        result = grade(forecast, FrameSource(name="numbers.nc", sequences=(same,)))
        assert result.scores["persistence"]["mae"] == [1, 2, 3, 4]
    elsewhere = FrameSource(name="numbers.nc", sequences=(on_grid(numbered(), shift=500_000.0),))
    with pytest.raises(DataError, match=r"lies elsewhere along y .*expected 511000 to 500000.*received 11000 to 0"):
        grade(forecast, elsewhere)


@pytest.mark.parametrize(
    ("lead_time", "init"),
    [("lead_time", "forecast_reference_time"), ("step", "time"), ("step", "init_time")],
)
@pytest.mark.parametrize("count", [1, 3])
def test_valid_times_are_found_from_initial_time_and_lead_time(lead_time: str, init: str, count: int) -> None:
    sequence = numbered()
    assert sequence.times is not None
    values = np.stack([np.full((12, 13), 4.0 + n) for n in range(count)])
    leads = sequence.times[4 : 4 + count] - sequence.times[3]
    dataset = xr.Dataset(
        {"rain": ((lead_time, "y", "x"), values)}, {lead_time: leads.astype("timedelta64[ns]"), init: sequence.times[3]}
    )
    source = FrameSource(name="numbers.nc", sequences=(sequence,))
    assert grade(dataset, source).scores["forecast"]["mse"] == [0] * count


def test_times_that_do_not_say_when_a_forecast_is_valid_are_told() -> None:
    sequence = numbered()
    assert sequence.times is not None
    dataset = xr.Dataset({"rain": (("lead_time", "y", "x"), np.zeros((3, 12, 13)))}, {"time": sequence.times[3]})
    source = FrameSource(name="numbers.nc", sequences=(sequence,))
    with pytest.raises(DataError, match=r"do not say when it is valid .*expected valid_time of 3 values"):
        grade(dataset, source)
    grade(dataset.drop_vars("time"), source)


@pytest.mark.parametrize("counted", ["forecast", "observations", "neither is"])
def test_rows_are_turned_only_where_both_sides_have_coordinates(counted: str) -> None:
    values = np.random.default_rng(0).random((10, 1, 12, 13)).astype(np.float32)
    north_up = replace(on_grid(numbered()), values=values, times=None, time_step=None)
    truth = values[-2:, 0]
    axes = ("lead_time", "y", "x")
    y, x = np.arange(12.0) * 1000, np.arange(13.0) * 1000
    if counted == "forecast":
        forecast, observed = xr.Dataset({"rain": (axes, truth)}), north_up
    elif counted == "observations":
        forecast, observed = xr.Dataset({"rain": (axes, truth)}, {"y": y[::-1], "x": x}), replace(north_up, grid=None)
        observed = replace(observed, grid=Grid(y=np.arange(12.0), x=np.arange(13.0)))
    else:
        forecast, observed = xr.Dataset({"rain": (axes, truth[:, ::-1])}, {"y": y, "x": x}), north_up
    result = grade(forecast, FrameSource(name="a.nc", sequences=(observed,)))
    assert result.scores["forecast"]["mse"] == [0, 0]


@pytest.mark.slow
def test_wholly_dry_observations_can_be_verified() -> None:
    dry = replace(numbered(), values=np.zeros((40, 1, 12, 13), np.float32))
    result = nextframe.verify(Oracle(), FrameSource(name="dry", sequences=(dry,)), past=4, lead_times=2)
    assert result.scores["persistence"]["mse"] == [0, 0]
    assert (result.thresholds, result.scores["oracle"]["csi_0.5"]) == ((0.5,), [0, 0])


def test_axes_in_another_order_are_put_right() -> None:
    values = np.random.default_rng(0).random((10, 1, 12, 12)).astype(np.float32)
    sequence = replace(numbered(), values=values, times=None, time_step=None)
    truth = values[-3:, 0]
    axes = {"lead_time": np.arange(1, 4), "y": np.arange(12) * 2.0, "x": np.arange(12) * 2.0}
    turned = xr.Dataset({"rain": (("lead_time", "x", "y"), truth.transpose(0, 2, 1))}, axes)
    result = grade(turned, FrameSource(name="a.nc", sequences=(sequence,)))
    assert result.scores["forecast"]["mse"] == [0, 0, 0]
    one = turned.isel(lead_time=2, drop=True)  # one lead time without an axis of it
    assert grade(one, FrameSource(name="a.nc", sequences=(sequence,))).scores["forecast"]["mse"] == [0]


@pytest.mark.parametrize("missing", ["forecast", "observations"])
def test_where_all_is_missing_there_is_nothing_to_grade(missing: str) -> None:
    sequence = numbered()
    forecast = to_dataset(Persistence().forecast(sequence[:10], lead_times=4))
    if missing == "forecast":
        forecast["rain"][:] = np.nan
    else:
        sequence = replace(sequence, values=np.full(sequence.shape, np.nan, np.float32), missing="mask")
    with pytest.raises(DataError, match="holds no value: all are missing"):
        grade(forecast, FrameSource(name="numbers.nc", sequences=(sequence,)))


@pytest.mark.parametrize(("stated", "held"), [("mm", "mm/h"), ("mm/h", "mm"), ("K", "mm"), ("mm", "dBZ")])
def test_another_unit_is_refused(stated: str, held: str) -> None:
    forecast = to_dataset(Persistence().forecast(replace(numbered(), units=(stated,))[:10], lead_times=4))
    observed = FrameSource(name="numbers.nc", sequences=(replace(numbered(), units=(held,)),))
    with pytest.raises(DataError, match=f"another unit.*expected {held}.*received {stated}"):
        grade(forecast, observed)


def test_neighbourhoods_are_chosen() -> None:
    windows = cut_windows([Span(numbered(), 0, 40)], past=3, future=4)
    found = verify([Persistence()], windows, thresholds=(20.0,), scales=(3, 9)).scores["persistence"]
    assert {"fss_20_3px", "fss_20_9px"} <= found.keys()
    assert "fss_20_5px" not in found
    with pytest.raises(ConfigError, match="scales: is too small"):
        verify([Persistence()], windows, thresholds=(20.0,), scales=(0,))


class Lost(Persistence):
    """Forecasts nothing."""

    @property
    def name(self) -> str:
        return "lost"

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        return super().predict(past, lead_times) * np.float32(np.nan)


def test_a_forecaster_without_a_value_is_an_error() -> None:
    windows = cut_windows([Span(numbered(), 0, 40)], past=3, future=4)
    with pytest.raises(DataError, match="lost: forecasts no finite value"):
        verify([Persistence(), Lost()], windows)


@pytest.mark.parametrize(("name", "unit", "step"), [("lead_time", "minutes", 10), ("step", "hours", 1 / 6)])
@pytest.mark.parametrize("in_file", [True, False])
def test_lead_times_in_numbers_with_a_unit_are_read(
    tmp_path: Path, name: str, unit: str, step: float, in_file: bool
) -> None:
    sequence = numbered()
    assert sequence.times is not None
    values = np.stack([np.full((12, 13), 7.0)] * 3)
    dataset = xr.Dataset(
        {"rain": ((name, "y", "x"), values)},
        {name: (name, [step, 2 * step, 4 * step], {"units": unit}), "init_time": sequence.times[7]},
    )
    source = FrameSource(name="numbers.nc", sequences=(sequence,))
    if in_file:
        dataset.to_netcdf(tmp_path / "f.nc", engine="h5netcdf")
        result = grade(tmp_path / "f.nc", source)
    else:
        result = grade(dataset, source)
    assert result.scores["forecast"]["mae"] == [1, 2, 4]
    assert (result.lead_time, result.lead_time_unit) == ([10, 20, 40], "minutes")


def test_lead_times_in_an_unknown_unit_are_told() -> None:
    sequence = numbered()
    assert sequence.times is not None
    dataset = xr.Dataset(
        {"rain": (("lead_time", "y", "x"), np.zeros((2, 12, 13)))},
        {"lead_time": ("lead_time", [1, 2], {"units": "fortnights"}), "init_time": sequence.times[3]},
    )
    with pytest.raises(DataError, match="do not say when it is valid"):
        grade(dataset, FrameSource(name="numbers.nc", sequences=(sequence,)))
