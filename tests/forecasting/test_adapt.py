"""Forecasts from other radars than that of the training: unit, grid, pixels, step, gaps; and by baselines."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import nextframe
from nextframe.api import forecast_file
from nextframe.cli import main
from nextframe.errors import DataError, NextframeWarning
from nextframe.forecasting.baselines import baselines
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.rain import reflectivity
from nextframe.runs.shipped import HOME

DATA = Path(__file__).parents[2].parent / "shared" / "data"
TINY: dict[str, Any] = {
    **{"past": 3, "future": 2, "filters": (2,), "epochs": 1, "progress": False, "validation": 0.3},
    **{"output": "linear", "loss": "mse", "norm": "layer"},
}
BLIND = 3
"""Columns that the radar does not see."""


def composite(
    path: Path,
    *,
    size: tuple[int, int] = (37, 53),
    pixel: float | None = 1000.0,
    unit: str = "mm/h",
    minutes: Sequence[float] = (0, 5, 10, 15),
    fields: np.ndarray | None = None,
) -> Path:
    """A file as radars write them: a shower that moves by two kilometres in five minutes."""
    y, x = np.mgrid[: size[0], : size[1]]
    if fields is None:
        middle, wide = (size[0] / 2, size[1] / 3), max(min(size) / 6, 0.5)
        fields = np.stack(
            [9 * np.exp(-((y - middle[0]) ** 2 + (x - middle[1] - m / 5) ** 2) / wide**2) for m in minutes]
        )
        fields = np.where(fields < 0.2, 0, fields)
        fields[:, :, :BLIND] = np.nan
    values = reflectivity(fields.astype(np.float32)) if unit == "dBZ" else fields.astype(np.float32)
    times = np.datetime64("2020-01-01", "ns") + np.array([round(60 * m) for m in minutes]) * np.timedelta64(1, "s")
    coordinates: dict[str, object] = {"time": times}
    if pixel is not None:
        about = {"units": "m"}
        coordinates["y"] = ("y", np.arange(size[0])[::-1] * pixel, about)
        coordinates["x"] = ("x", np.arange(size[1]) * pixel, about)
    rain = (("time", "y", "x"), values, {"units": unit, "_FillValue": np.float32(-9e9)})
    xr.Dataset({"rain": rain}, coordinates).to_netcdf(path, engine="h5netcdf")
    return path


def rain_forecast(path: Path, *, lead_times: int = 3, **options: object) -> tuple[Forecast, list[str]]:
    said: list[str] = []
    made = forecast_file("radar-rain", path, lead_times=lead_times, tell=said.append, **options)[0]  # type: ignore[arg-type]
    return made, said


@pytest.mark.slow
@pytest.mark.parametrize("size", [(5, 9), (37, 53), (64, 48), (104, 104)])
def test_the_whole_grid_of_any_radar_is_forecast_without_negative_rain(tmp_path: Path, size: tuple[int, int]) -> None:
    made, said = rain_forecast(composite(tmp_path / "other.nc", size=size))
    assert made.values.shape == (3, 1, *size)
    assert made.members is not None
    for values in (made.values, made.members, *made.interval(0.9)):
        assert np.isnan(values[..., :BLIND]).all()
        assert np.isfinite(values[..., BLIND:]).all()
        assert values[..., BLIND:].min() >= 0
    seen = made.probability(0.5)[..., BLIND:]
    assert ((seen >= 0) & (seen <= 1)).all()
    assert made.grid is not None
    np.testing.assert_array_equal(made.grid.x, np.arange(size[1]) * 1000.0)
    assert "pixels of 1 km are averaged to 4 km" in said[0]
    assert str(made.attributes["comment"]) == "; ".join(said)


@pytest.mark.slow
def test_unit_and_pixels_are_brought_to_those_of_the_training(tmp_path: Path) -> None:
    here, _ = rain_forecast(composite(tmp_path / "rate.nc", pixel=4000.0))
    echo, said = rain_forecast(composite(tmp_path / "echo.nc", pixel=4000.0, unit="dBZ"))
    assert echo.units == ("mm/h",)
    assert any("brought from dBZ to mm/h" in line for line in said)
    np.testing.assert_allclose(echo.values, here.values, atol=0.3)
    fine, _ = rain_forecast(composite(tmp_path / "fine.nc", pixel=4000.0), coarsen=1, rain_unit="mm/h")
    np.testing.assert_allclose(fine.values, here.values, atol=1e-5)
    coarse, _ = rain_forecast(composite(tmp_path / "coarse.nc"), coarsen=4)
    assert coarse.values.shape == (3, 1, 9, 13)  # where it is asked for, the grid is the coarse one


@pytest.mark.slow
def test_pixels_that_cannot_be_brought_there_are_warned_of(tmp_path: Path) -> None:
    with pytest.warns(NextframeWarning, match="its pixels of 9 km cannot be brought to those of the training, 4 km"):
        rain_forecast(composite(tmp_path / "wide.nc", pixel=9000.0))
    _, said = rain_forecast(composite(tmp_path / "bare.nc", pixel=None))
    assert any(
        "nothing tells the size of its pixels; they are taken for the training's, of 4 km" in line for line in said
    )


@pytest.mark.slow
def test_a_missing_frame_is_filled_and_valid_times_stay_on_the_step(tmp_path: Path) -> None:
    whole, _ = rain_forecast(composite(tmp_path / "whole.nc"))
    gapped, said = rain_forecast(composite(tmp_path / "gap.nc", minutes=(0, 10, 15)))
    assert any("1 frame was missing, and was filled in along the motion" in line for line in said)
    np.testing.assert_array_equal(gapped.valid_time, whole.valid_time)
    np.testing.assert_allclose(gapped.values, whole.values, atol=1.0)


@pytest.mark.slow
@pytest.mark.parametrize("forecaster", ["radar-rain", "anvil"])
def test_a_missing_frame_is_filled_where_it_is_the_first_to_be_seen(tmp_path: Path, forecaster: str) -> None:
    said: list[str] = []
    gap = composite(tmp_path / "gap.nc", minutes=(0, 5, 15, 20, 25))
    made, past, _ = forecast_file(forecaster, gap, lead_times=2, tell=said.append)
    assert any("1 frame was missing, and was filled in along the motion" in line for line in said)
    assert len(past) == 4
    whole = forecast_file(forecaster, composite(tmp_path / "w.nc", minutes=range(0, 30, 5)), lead_times=2)[0]
    np.testing.assert_array_equal(made.valid_time, whole.valid_time)
    np.testing.assert_allclose(made.values, whole.values, atol=1.0)


@pytest.mark.slow
def test_few_frames_are_warned_of_and_one_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two, one = composite(tmp_path / "two.nc", minutes=(0, 5)), composite(tmp_path / "one.nc", minutes=(0,))
    with pytest.warns(NextframeWarning, match="2 frames to start from, where the training had 4"):
        rain_forecast(two)
    assert main(["forecast", "radar-rain", "--input", str(one), "--out", str(tmp_path / "f.nc")]) == 2
    said = capsys.readouterr().err
    assert "one.nc: has too few frames to tell a motion by" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "f.nc").exists()


@pytest.mark.slow
def test_no_rain_one_wet_pixel_and_nothing_at_all(tmp_path: Path) -> None:
    dry = np.zeros((4, 16, 20), np.float32)
    made, _ = rain_forecast(composite(tmp_path / "dry.nc", size=(16, 20), pixel=4000.0, fields=dry))
    assert np.isfinite(made.values).all()
    assert made.values.max() < 0.5
    wet = dry.copy()
    wet[:, 8, 8] = 5.0
    made, _ = rain_forecast(composite(tmp_path / "wet.nc", size=(16, 20), pixel=4000.0, fields=wet))
    assert np.unravel_index(made.values[0, 0].argmax(), (16, 20)) == (8, 8)
    assert made.values.min() >= 0
    still = np.full_like(dry, 3.0)
    made, _ = rain_forecast(composite(tmp_path / "still.nc", size=(16, 20), pixel=4000.0, fields=still))
    assert np.abs(made.values[0, 0, 4:-4, 4:-4] - 3).max() < 1.5
    void = composite(tmp_path / "void.nc", size=(16, 20), pixel=4000.0, fields=np.full_like(dry, np.nan))
    with pytest.raises(DataError, match="hold no valid value"):
        rain_forecast(void)
    for row in baselines():
        if row.name != "climatology":
            with pytest.raises(DataError, match="hold no valid value"):
                forecast_file(row.name, void)


@pytest.mark.slow
def test_a_cut_is_inherited_by_the_grid_that_it_is_of(tmp_path: Path) -> None:
    run = tmp_path / "run"
    own = composite(tmp_path / "own.nc", size=(24, 32), minutes=[5 * n for n in range(24)])
    nextframe.fit(own, out=run, crop=(2, 6, 16, 20), **TINY)
    manifest = nextframe.load_run(run).manifest
    assert manifest.footprint is not None
    assert (manifest.footprint.whole, manifest.footprint.pixel) == ((24, 32), 1000.0)
    assert manifest.mask is False  # its cut has no column that the radar does not see
    assert manifest.limits is not None
    assert manifest.limits.low == (0.0,)
    same = composite(tmp_path / "same.nc", size=(24, 32))
    assert forecast_file(run, same)[0].values.shape == (2, 1, 16, 20)
    assert forecast_file(run, same, crop=())[0].values.shape == (2, 1, 24, 32)
    assert nextframe.load_run(run).forecast(same, 2).values.shape == (2, 1, 16, 20)
    other = composite(tmp_path / "other.nc", size=(24, 32), pixel=1050.0)
    assert forecast_file(run, other)[0].values.shape == (2, 1, 24, 32)
    assert nextframe.load_run(run).forecast(other, 2).values.shape == (2, 1, 24, 32)
    out = tmp_path / "f.npy"
    assert main(["forecast", str(run), "--input", str(same), "--crop", "none", "--out", str(out)]) == 0
    assert np.load(out).shape == (2, 1, 24, 32)


@pytest.mark.slow
def test_a_run_on_frames_with_gaps_reads_a_mask(tmp_path: Path) -> None:
    own = composite(tmp_path / "own.nc", size=(16, 20), minutes=[5 * n for n in range(24)])
    model = nextframe.fit(own, out=tmp_path / "run", **TINY)
    assert model.manifest.mask
    assert model.networks[0].masked
    made = nextframe.load_run(tmp_path / "run").forecast(own, 2)
    assert np.isnan(made.values[..., :BLIND]).all()
    assert np.isfinite(made.values[..., BLIND:]).all()
    assert main(["inspect", str(tmp_path / "run")]) == 0
    bare = nextframe.fit(own, out=tmp_path / "bare", mask=False, **TINY)
    assert not bare.manifest.mask


@pytest.mark.parametrize("name", [row.name for row in baselines()])
@pytest.mark.slow
def test_every_baseline_issues_forecasts(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pysteps")
    path, out = composite(tmp_path / "echo.nc", unit="dBZ" if name == "steps" else "mm/h"), tmp_path / "f.nc"
    options = ["--members"] if name in ("steps", "climatology") else []
    assert main(["forecast", name, "--input", str(path), "--lead-times=2", *options, "--out", str(out)]) == 0
    assert "2 frames from" in capsys.readouterr().out
    with xr.open_dataset(out) as made:
        variable = "rain_rate" if name == "steps" else "rain"
        assert made[variable].shape == (2, 37, 53)
        assert float(made[variable].min()) >= 0
        assert made.attrs["forecaster"] == name
        assert f"{variable}_member" in made or not options
        if name == "steps":
            assert made.attrs["seed"] == 0
            assert "brought from dBZ to mm/h" in made.attrs["comment"]


def test_baselines_say_what_they_lack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = composite(tmp_path / "short.nc", minutes=(0,))
    for arguments, said in (
        (["extrapolation", "--input", str(short)], "fewer frames in a row than extrapolation takes"),
        (["persistence"], "has none to forecast from; name some: --input"),
        (["persistence", "--input", str(short), "--tile", "16"], "of trained models"),
        (["persistence", "--input", str(short), "--exceed", "1"], "knows no probabilities"),
    ):
        assert main(["forecast", *arguments, "--out", str(tmp_path / "f.nc")]) == 2
        assert said in capsys.readouterr().err


def test_a_single_forecast_is_told_who_knows_its_uncertainty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    radar, out = str(composite(tmp_path / "radar.nc")), str(tmp_path / "f.nc")
    assert main(["forecast", "extrapolation", "--input", radar, "--members", "--out", out]) == 2
    said = capsys.readouterr().err
    assert "take steps" in said
    assert "train with" not in said


@pytest.mark.parametrize(("slip", "meant"), [("anvill", "anvil"), ("persistance", "persistence"), ("vide", "video")])
def test_a_slip_in_a_name_is_told(slip: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", slip, "--input", "radar.nc"]) == 2
    assert f"did you mean {meant!r}?" in capsys.readouterr().err


def test_a_name_is_a_baseline_and_a_path_is_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = composite(tmp_path / "rain.nc")
    call = ["--input", str(path), "--lead-times=1", "--out", "f.npy"]
    (tmp_path / "persistence").mkdir()
    assert main(["forecast", "persistence", *call]) == 0
    assert "persistence: the baseline, not the folder of this name, which is ./persistence" in capsys.readouterr().out
    assert main(["forecast", "./persistence", *call]) == 2
    assert "holds no model.json" in capsys.readouterr().err
    source = HOME / "squares-stacked"
    for part in source.iterdir():
        (tmp_path / "persistence" / part.name).write_bytes(part.read_bytes())
    squares = ["--input", "squares:movies=1,frames=8,size=16", "--lead-times=1", "--out", "f.npy"]
    assert main(["forecast", "persistence", *squares]) == 0
    assert "persistence: the run folder of this name, not the baseline" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dwd-feldberg-2008-06-02.nc", "cpol-darwin-2006-11-16.nc"])
def test_radars_of_other_countries(name: str) -> None:
    path = DATA / "radar-more" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    said: list[str] = []
    with pytest.warns(NextframeWarning) if "cpol" in name else nullcontext():
        made, past, _ = forecast_file("radar-rain", path, lead_times=2, start=20, tell=said.append)
    assert made.values.shape[2:] == past.shape[2:] == nextframe.open_source(path).sequences[0].shape[2:]
    seen = np.isfinite(past.read(0, len(past))).any(axis=0)
    for values in made.values:
        np.testing.assert_array_equal(np.isfinite(values), seen)
        assert np.nanmin(values) >= 0


CLIP = np.random.default_rng(0).integers(0, 256, (40, 10, 14), np.uint8)


@pytest.fixture(scope="module")
def of_bytes(tmp_path_factory: pytest.TempPathFactory) -> nextframe.ModelForecaster:
    """A model of pictures of bytes."""
    run = tmp_path_factory.mktemp("bytes") / "run"
    model = nextframe.fit(CLIP, out=run, **{**TINY, "normalisation": "standard"})
    assert isinstance(model, nextframe.ModelForecaster)
    return model


@pytest.mark.parametrize(("dtype", "brightest"), [("float32", 1), ("uint16", 65535), ("float32", 255)])
def test_pictures_of_another_depth_are_the_same_brightness(
    of_bytes: nextframe.ModelForecaster, tmp_path: Path, dtype: str, brightest: int
) -> None:
    pictures = (CLIP[-5:].astype(np.float64) * brightest / 255).astype(dtype)
    np.save(tmp_path / "other.npy", pictures[:3])
    np.save(tmp_path / "longer.npy", pictures)
    forecast, said = of_bytes.forecast(CLIP[-5:-2], lead_times=2), f"brought from values up to {brightest} to"
    for source in (tmp_path / "other.npy", pictures[:3]):
        other = of_bytes.forecast(source, lead_times=2)
        assert other.members is not None
        assert forecast.members is not None
        np.testing.assert_allclose(other.values / brightest, forecast.values / 255, atol=1e-4)
        np.testing.assert_allclose(other.members / brightest, forecast.members / 255, atol=1e-4)
        assert (said in str(other.attributes.get("comment", ""))) == (brightest != 255)
    assert of_bytes.run is not None
    issued, past, truth = forecast_file(of_bytes.run, tmp_path / "longer.npy", start=3, lead_times=2)
    np.testing.assert_allclose(issued.values / brightest, forecast.values / 255, atol=1e-4)
    np.testing.assert_allclose(past.read(0, 3)[:, 0], pictures[:3], rtol=1e-6)
    assert truth is not None
    np.testing.assert_allclose(truth.read(0, 2)[:, 0], pictures[3:], rtol=1e-6)


def test_shares_of_the_brightest_are_forecast_from_bytes() -> None:
    squares = np.asarray(nextframe.open_source("squares:movies=1,frames=7,size=16,seed=3").sequences[0].read(0, 7))
    expected = nextframe.forecast("squares-stacked", squares[:, 0], lead_times=2)
    from_bytes = nextframe.forecast("squares-stacked", (255 * squares[:, 0]).astype(np.uint8), lead_times=2)
    np.testing.assert_allclose(from_bytes.values / 255, expected.values, atol=1e-5)


def test_a_baseline_leaves_no_range_that_the_frames_cannot_leave() -> None:
    rows = np.arange(32)[:, None] + 0.0 * np.arange(40)
    film = np.stack([np.clip(250 + 60 * np.sin((rows + 3 * n) / 3), 0, 255) for n in range(6)]).astype(np.uint8)
    colours = np.stack([film, film[:, ::-1], film[:, :, ::-1]], axis=-1)
    made = nextframe.forecast("anvil", colours, lead_times=4)
    assert made.values.shape == (4, 3, 32, 40)
    assert 0 <= np.nanmin(made.values) <= np.nanmax(made.values) <= 255


def test_values_beyond_the_training_are_no_pictures_to_forecast(of_bytes: nextframe.ModelForecaster) -> None:
    past = np.linspace(0, 9000, 3 * 140, dtype=np.float32).reshape(1, 3, 1, 10, 14)
    with pytest.raises(DataError, match=r"trained on values from 0 to 255 \(received values from 0 to 9000\)"):
        of_bytes.predict(past, 2)
