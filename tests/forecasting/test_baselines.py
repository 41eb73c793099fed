"""Baselines: what they forecast where the answer is known, and that they survive any input."""

import builtins
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.errors import CheckpointError, ConfigError
from nextframe.forecasting.baselines import make_baseline
from nextframe.forecasting.extrapolation import Extrapolation
from nextframe.forecasting.load import load_run
from nextframe.forecasting.persistence import Persistence
from nextframe.forecasting.translation import Translation
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_source
from nextframe.verification.verify import verify

RADAR = Path(__file__).parents[3] / "shared" / "data" / "radar" / "bom-brisbane-2020-10-31"


def blob(frames: int, speed: tuple[float, float], size: int = 64) -> np.ndarray:
    """A soft hill that moves by `speed` (rows, columns) pixels a frame, (1, T, 1, H, W)."""
    y, x = np.mgrid[:size, :size]
    t = np.arange(frames)[:, None, None]
    distance = (y - 24 - speed[0] * t) ** 2 + (x - 20 - speed[1] * t) ** 2
    hill: np.ndarray = np.exp(-distance / 60).astype(np.float32)[None, :, None]
    return hill


def test_persistence_repeats_the_last_frame() -> None:
    past = np.random.default_rng(0).random((2, 5, 3, 6, 7)).astype(np.float32)
    past[0, -1, 0, 2, 3] = np.nan
    forecast = Persistence().predict(past, 4)
    assert forecast.shape == (2, 4, 3, 6, 7)
    for lead in range(4):
        np.testing.assert_array_equal(forecast[:, lead], past[:, -1])


@pytest.mark.parametrize("speed", [(1.0, 0.0), (0.0, 2.0), (-1.0, 1.5)])
def test_extrapolation_moves_what_moves(speed: tuple[float, float]) -> None:
    movie = blob(9, speed)
    past, future = movie[:, :5], movie[:, 5:]
    error = ((Extrapolation().predict(past, 4) - future) ** 2).mean((0, 2, 3, 4))
    still = ((Persistence().predict(past, 4) - future) ** 2).mean((0, 2, 3, 4))
    assert (error < 0.2 * still).all()


@pytest.mark.parametrize("speed", [(1.0, 0.0), (0.0, 2.0), (-1.0, 1.5)])
def test_translation_moves_the_frame_as_a_whole(speed: tuple[float, float]) -> None:
    movie = blob(9, speed)
    past, future = movie[:, :5], movie[:, 5:]
    error = ((Translation().predict(past, 4) - future) ** 2).mean((0, 2, 3, 4))
    still = ((Persistence().predict(past, 4) - future) ** 2).mean((0, 2, 3, 4))
    assert (error < 0.1 * still).all()


def test_translation_is_persistence_where_nothing_moves_or_nothing_is_known() -> None:
    draw = np.random.default_rng(0).random((1, 1, 1, 16, 16)).astype(np.float32)
    still = draw.repeat(3, axis=1)
    empty = np.zeros((1, 3, 1, 16, 16), np.float32)
    missing = np.full((1, 3, 1, 16, 16), np.nan, np.float32)
    for past in (still, empty, missing, draw):
        forecast = Translation().predict(past, 2)
        np.testing.assert_allclose(forecast, past[:, -1:].repeat(2, axis=1), atol=1e-6)


def test_extrapolation_of_every_channel_follows_the_common_motion() -> None:
    movie = np.concatenate([blob(7, (0.0, 2.0)), 3 * blob(7, (0.0, 2.0))], axis=2)
    forecast = Extrapolation().predict(movie[:, :4], 3)
    np.testing.assert_allclose(forecast[:, :, 1], 3 * forecast[:, :, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 280.0])
def test_missing_values_neither_move_nor_leak(offset: float) -> None:
    """A hole at rest in frames in motion: what flows out of it is unknown, not zero, and the rest moves on."""
    movie = (blob(8, (0.0, 2.0)) * 20 + offset).astype(np.float32)
    future = movie[:, 4:]
    past = movie[:, :4].copy()
    past[..., 40:52, 10:50] = np.nan
    forecast = Extrapolation().predict(past, 4)
    np.testing.assert_array_equal(np.isnan(forecast), np.isnan(Persistence().predict(past, 4)))
    assert np.nanmin(forecast) >= offset - 1e-3
    error = np.nanmean((forecast - future) ** 2, axis=(0, 2, 3, 4))
    still = np.nanmean((Persistence().predict(past, 4) - future) ** 2, axis=(0, 2, 3, 4))
    assert (error < 0.3 * still).all()


@pytest.mark.slow
def test_on_moving_squares_it_is_far_ahead_of_persistence() -> None:
    source = open_source("squares:movies=8,seed=5,frames=11")
    windows = cut_windows([Span(sequence, 0, 11) for sequence in source.sequences], past=7, future=4)
    scores = verify([Extrapolation(), Persistence()], windows).scores
    gain = np.array(scores["extrapolation"]["csi_0.5"]) - scores["persistence"]["csi_0.5"]
    assert scores["extrapolation"]["csi_0.5"][0] > 0.95
    assert (gain > 0.3).all()


@pytest.mark.slow
@pytest.mark.skipif(not RADAR.exists(), reason="needs shared/data/radar beside the repository")
def test_on_rain_it_is_ahead_of_persistence(tmp_path: Path) -> None:
    for file in sorted(RADAR.glob("*.nc"))[20:32]:
        (tmp_path / file.name).symlink_to(file)
    source = open_source(tmp_path, coarsen=4)
    windows = cut_windows([Span(source.sequences[0], 0, 12)], past=3, future=3, stride=3)
    scores = verify([Extrapolation(), Persistence()], windows, thresholds=(1.0,)).scores
    for lead in range(3):
        assert scores["extrapolation"]["mse"][lead] < scores["persistence"]["mse"][lead]
        assert scores["extrapolation"]["csi_1"][lead] > scores["persistence"]["csi_1"][lead]


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("value", [0.0, 7.5, np.nan])
def test_without_motion_it_is_persistence(frames: int, value: float) -> None:
    past = np.full((1, frames, 1, 20, 20), value, np.float32)
    np.testing.assert_array_equal(Extrapolation().predict(past, 3), Persistence().predict(past, 3))


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 3), st.integers(1, 24), st.integers(1, 24)),
    missing=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_any_input_gives_a_forecast_where_the_last_frame_is_known(
    shape: tuple[int, ...], missing: float, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    past = draw.random(shape).astype(np.float32) * 100
    past[draw.random(shape) < missing] = np.nan
    forecast = Extrapolation().predict(past, 2)
    assert forecast.shape == (shape[0], 2, *shape[2:])
    np.testing.assert_array_equal(np.isnan(forecast), np.isnan(Persistence().predict(past, 2)))


def test_a_forecast_knows_its_times() -> None:
    times = np.datetime64("2020-05-01T12:00", "ns") + np.arange(4) * np.timedelta64(5, "m")
    sequence = FrameSequence(values=np.ones((4, 1, 12, 12), np.float32), name="a", times=times, units=("dBZ",))
    forecast = Persistence().forecast(sequence, lead_times=3)
    assert forecast.init_time == times[-1]
    assert forecast.valid_time is not None
    assert forecast.valid_time[-1] == np.datetime64("2020-05-01T12:30")
    assert forecast.units == ("dBZ",)
    assert Persistence().forecast(np.ones((4, 12, 12)), 2).values.shape == (2, 1, 12, 12)
    with pytest.raises(ConfigError, match="lead_times"):
        Persistence().forecast(sequence, lead_times=0)


def test_nothing_is_announced(capfd: pytest.CaptureFixture[str]) -> None:
    Extrapolation().predict(blob(3, (0.0, 1.0), size=16), 2)
    assert capfd.readouterr() == ("", "")


def test_names() -> None:
    assert make_baseline("persistence").name == "persistence"
    with pytest.raises(
        ConfigError,
        match=r"climatology, steps, anvil, linda, received climate\); did you mean 'climatology'",
    ):
        make_baseline("climate")


def test_without_pysteps_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.startswith("pysteps"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "pysteps.nowcasts.anvil", raising=False)
    with pytest.raises(ConfigError, match=r"nextframe\[pysteps\]"):
        make_baseline("anvil")
    assert make_baseline("extrapolation").predict(blob(3, (0.0, 1.0)), 2).shape == (1, 2, 1, 64, 64)


def test_nothing_is_loaded_of_a_baseline() -> None:
    with pytest.raises(CheckpointError, match=r"anvil: is a baseline.*nextframe.forecast\('anvil', source\)"):
        load_run("anvil")
