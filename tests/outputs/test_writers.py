"""Forecasts as files: what is written can be read back, and is there whole or not at all."""

from pathlib import Path

import av
import imageio.v3 as iio
import numpy as np
import pytest
import xarray as xr

from nextframe.errors import ConfigError, ShapeError
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.grid import Grid
from nextframe.frames.source import open_source
from nextframe.outputs import writers as output
from nextframe.outputs.writer import Beside, Writer
from nextframe.outputs.writers import save_forecast
from nextframe.report.palette import MISSING, ErrorScale, Palette
from nextframe.report.strip import strip

DRAW = np.random.default_rng(0)


def forecast(channels: int = 1, *, timed: bool = False, scale: float = 1.0) -> Forecast:
    values = (DRAW.random((4, channels, 9, 13)) * scale).astype(np.float32)
    if not timed:
        return Forecast(values=values, forecaster="model", variables=("frame",) * channels, units=("1",) * channels)
    grid = Grid(
        y=np.linspace(50, 51, 9),
        x=np.linspace(3, 5, 13),
        y_name="lat",
        x_name="lon",
        y_attributes={"units": "degrees_north"},
        mapping={"grid_mapping_name": "latitude_longitude"},
    )
    return Forecast(
        values=values,
        forecaster="model",
        init_time=np.datetime64("2020-06-01T12:00", "ns"),
        time_step=np.timedelta64(10, "m"),
        variables=("rain",),
        units=("mm h-1",),
        grid=grid,
        attributes={"title": "a test"},
    )


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("with_truth", [True, False])
@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".png"])
def test_pictures(tmp_path: Path, suffix: str, with_truth: bool, channels: int) -> None:
    made = forecast(channels)
    past = DRAW.random((3, channels, 9, 13)).astype(np.float32)
    truth = made.values * 0.5 if with_truth else None
    path = tmp_path / f"f{suffix}"
    save_forecast(made, path, past=past, truth=truth)
    if suffix == ".png":
        picture = iio.imread(path)
        assert picture.shape[0] > 200
        assert picture[..., :3].std() > 10
        return
    if suffix == ".gif":
        frames = iio.imread(path)
    else:
        with av.open(str(path)) as container:
            frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert len(frames) == 3 + 4
    panels = 3 if with_truth else 2
    assert frames.shape[2] >= 200 * panels
    assert (np.diff(frames[3:].astype(int), axis=0) != 0).any(axis=(1, 2, 3)).all()


def test_array(tmp_path: Path) -> None:
    made = forecast()
    save_forecast(made, tmp_path / "f.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), made.values)


def test_netcdf_keeps_times_units_and_coordinates(tmp_path: Path) -> None:
    made = forecast(timed=True)
    made.values[0, 0, 0, 0] = np.nan
    save_forecast(made, tmp_path / "f.nc")
    with xr.open_dataset(tmp_path / "f.nc", engine="h5netcdf") as dataset:
        assert dataset["rain"].dims == ("lead_time", "lat", "lon")
        np.testing.assert_array_equal(dataset["rain"].values, made.values[:, 0])
        assert dataset["rain"].attrs["units"] == "mm h-1"
        assert dataset["init_time"].values == made.init_time
        np.testing.assert_array_equal(dataset["valid_time"].values, made.valid_time)
        np.testing.assert_allclose(dataset["lat"].values, np.linspace(50, 51, 9))
        assert dataset["crs"].attrs["grid_mapping_name"] == "latitude_longitude"
        assert (dataset.attrs["Conventions"], dataset.attrs["title"]) == ("CF-1.11", "a test")
    (sequence,) = open_source(tmp_path / "f.nc").sequences  # our own reader takes it too
    assert sequence.shape == (4, 1, 9, 13)
    assert sequence.variables == ("rain",)


def test_netcdf_without_times_counts_frames(tmp_path: Path) -> None:
    save_forecast(forecast(), tmp_path / "f.nc")
    with xr.open_dataset(tmp_path / "f.nc", engine="h5netcdf") as dataset:
        np.testing.assert_array_equal(dataset["lead_time"].values, [1, 2, 3, 4])


def test_what_cannot_be_written_is_refused_before_anything_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.gif, \.mp4, \.png, \.npy, \.nc, .*received \.xls"):
        save_forecast(forecast(), tmp_path / "f.xls")
    with pytest.raises(ShapeError, match="truth"):
        save_forecast(forecast(), tmp_path / "f.gif", truth=np.zeros((2, 1, 9, 13), np.float32))
    with pytest.raises(ShapeError, match="past has other frames"):
        save_forecast(forecast(), tmp_path / "f.gif", past=np.zeros((2, 1, 9, 9), np.float32))
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.npy"
    path.write_text("old")

    def fail(made: Forecast, to: Path, beside: Beside) -> None:
        to.write_text("half")
        raise OSError("disk full")

    row = Writer(name="array", suffix=".npy", write=fail)
    monkeypatch.setattr(output, "writers", lambda: (row,))
    with pytest.raises(OSError, match="disk full"):
        save_forecast(forecast(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_values_have_a_colour_of_their_own() -> None:
    frame = np.zeros((1, 2, 2), np.float32)
    frame[0, 0, 1] = np.nan
    picture = Palette(np.linspace(0, 1, 9, dtype=np.float32).reshape(1, 1, 3, 3)).frame(frame)
    np.testing.assert_array_equal(picture[0, 1], np.round(np.array(MISSING) * 255))
    np.testing.assert_array_equal(picture[0, 0], [0, 0, 0])


def test_fields_get_a_colour_bar_and_rain_a_stretched_scale(tmp_path: Path) -> None:
    warm = Palette(np.linspace(270, 290, 48, dtype=np.float32).reshape(1, 1, 6, 8))
    assert warm.needs_bar
    assert warm.ticks() == [(0, "270"), (0.25, "275"), (0.5, "280"), (0.75, "285"), (1, "290")]
    rain = np.zeros((1, 1, 20, 20), np.float32)
    rain[0, 0, 3, 4], rain[0, 0, 5, 5] = 2.0, 60.0
    wet = Palette(rain)
    assert wet.ticks()[2][0] == 0.5
    assert float(wet.ticks()[2][1]) < 20  # the middle of the colours is far below the middle of the values
    np.testing.assert_array_equal(wet.bar(5)[0, 0], wet.frame(rain[0])[5, 5])
    np.testing.assert_array_equal(wet.bar(5)[-1, 0], wet.frame(rain[0])[0, 0])
    heights = {}
    for name, scale in (("grey", 1.0), ("field", 300.5)):
        save_forecast(forecast(scale=scale), tmp_path / f"{name}.gif")
        heights[name] = iio.imread(tmp_path / f"{name}.gif").shape[1]
    assert heights["field"] > heights["grey"]  # by the bar below the panel


@pytest.mark.parametrize(
    ("unit", "levels"),
    [("mm/h", [0.1, 0.5, 20.0, 100.0]), ("mm", [0.01, 0.05, 2.0, 10.0]), ("dBZ", [10.0, 20.0, 45.0, 55.0])],
)
def test_rain_and_reflectivity_have_the_classes_of_a_radar_map(unit: str, levels: list[float]) -> None:
    frame = np.array([[[levels[0] * 0.9, *(level * 1.01 for level in levels[:-1]), levels[-1]]]], np.float32)
    palette = Palette(frame[None], unit=unit)
    blue, deeper, red, violet = (208, 231, 251), (90, 160, 230), (224, 48, 30), (75, 10, 85)
    np.testing.assert_array_equal(palette.frame(frame)[0], [(255, 255, 255), blue, deeper, red, violet])
    assert palette.needs_bar
    assert [float(text) for _, text in palette.ticks()][::9] == [levels[0], levels[-1]]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".gif", ".png", ".mp4"])
def test_pictures_of_reflectivity_are_in_its_own_classes(tmp_path: Path, suffix: str) -> None:
    values = np.full((2, 1, 40, 40), 47.0, np.float32)
    values[:, :, :20] = 5
    made = Forecast(values=values, forecaster="model", variables=("reflectivity",), units=("dBZ",))
    save_forecast(made, path := tmp_path / f"f{suffix}")
    if suffix == ".mp4":
        with av.open(str(path)) as container:
            picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    else:
        picture = np.asarray(iio.imread(path))
        picture = (picture[0] if picture.ndim == 4 else picture)[..., :3]
    away = np.abs(picture.astype(int) - (224, 48, 30)).max(axis=-1)
    assert (away <= (12 if suffix == ".mp4" else 2)).mean() > 0.01  # 45 dBZ and more is red


def test_the_error_is_blue_where_too_low_white_where_right_red_where_too_high() -> None:
    error = np.array([[[-0.5, 0.0, 0.5]]], np.float32)
    low, right, high = ErrorScale(error).frame(error)[0].astype(int)
    assert low[2] > low[0]
    assert high[0] > high[2]
    assert right.min() > 240


def test_without_the_encoder_the_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    with pytest.raises(ConfigError, match=r"built without libx264.*write a \.gif"):
        save_forecast(forecast(), tmp_path / "f.mp4")
    assert not list(tmp_path.iterdir())


def test_a_video_has_even_sides_and_plays_everywhere(tmp_path: Path) -> None:
    save_forecast(forecast(), tmp_path / "f.mp4", truth=forecast().values)
    with av.open(str(tmp_path / "f.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width % 2, stream.height % 2) == (0, 0)


@pytest.mark.slow
def test_a_strip_of_many_lead_times_shows_some_and_the_last() -> None:
    frames = np.random.default_rng(0).random((90, 1, 8, 8), dtype=np.float32)
    leads = [f"+{lead + 1}" for lead in range(90)]
    figure = strip(None, frames, frames, leads, "model")
    titles = [panel.get_title() for panel in figure.axes[:20]]
    assert len(figure.axes) == 60 + 1  # the bar of the errors
    assert (titles[0], titles[-1]) == ("+1", "+90")


def test_coarsened_colour_is_colour_still() -> None:
    palette = Palette(np.linspace(10.25, 250.25, 3 * 16, dtype=np.float32).reshape(1, 3, 4, 4))
    assert not palette.needs_bar
    assert palette.range == 255
