"""Forecasts in tiles: those of the whole grid where tiles overlap enough, without seams where they do not."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from torch.utils._python_dispatch import TorchDispatchMode

from nextframe.config import RunConfig
from nextframe.data.normalise import Normaliser
from nextframe.errors import ConfigError
from nextframe.forecasting.calibration import Calibration
from nextframe.forecasting.ensemble import EnsembleForecaster
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.forecasting.tiles import Tiling, forecast_in_tiles
from nextframe.models.build import build_model
from nextframe.models.convlstm import ConvLSTM2d
from nextframe.runs.manifest import Manifest


@given(
    size=st.integers(1, 200),
    tile=st.integers(1, 60),
    overlap=st.none() | st.integers(0, 59),
    reach=st.none() | st.integers(0, 20),
    stride=st.sampled_from([1, 2, 4]),
)
@pytest.mark.slow
def test_tiles_cover_the_grid_and_their_weights_add_up(
    size: int, tile: int, overlap: int | None, reach: int | None, stride: int
) -> None:
    if overlap is not None:
        overlap = min(overlap, tile - 1)
    tiling = Tiling(tile=tile, overlap=overlap)
    shared = overlap if overlap is not None else tile // 2 if reach is None else min(2 * reach, tile // 2)
    if tile < size and tile // stride * stride - shared < stride:
        if overlap is not None:
            with pytest.raises(ConfigError, match=r"tile, overlap: leave no room"):
                tiling.along(size, reach=reach, stride=stride)
        return
    stretches = tiling.along(size, reach=reach, stride=stride)
    total = np.zeros(size)
    for start, stop, weights in stretches:
        assert 0 <= start < stop <= size
        assert stop - start <= tile
        assert start % stride == 0
        assert stop == size or stop % stride == 0
        assert weights.min() >= 0
        total[start:stop] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)
    for one, other in pairwise(stretches):
        assert one.start < other.start
        assert one.stop - other.start >= shared - stride
    if reach is not None and (overlap is None or overlap >= 2 * reach) and shared >= 2 * reach:
        for start, stop, weights in stretches:
            assert start == 0 or not weights[:reach].any()
            assert stop == size or not weights[len(weights) - reach :].any()


def blurred(frames: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """A forecast that reads so many pixels away, beyond the border zeros."""
    found: NDArray[np.float32] = uniform_filter(frames, 2 * reach + 1, mode="constant", axes=(-2, -1))
    return found


@pytest.mark.parametrize("size", [(50, 73), (20, 100), (7, 9)])
@pytest.mark.parametrize(("tile", "overlap"), [(20, 8), (20, 13), (20, None), (9, 8), (200, 0)])
def test_it_is_the_whole_forecast_where_the_overlap_covers_the_receptive_field(
    size: tuple[int, int], tile: int, overlap: int | None
) -> None:
    frames = np.random.default_rng(0).random((2, 3, *size), np.float32)
    reach, calls = 4, []

    def forecast(rows: slice, columns: slice) -> NDArray[np.float32]:
        calls.append((rows.stop - rows.start, columns.stop - columns.start))
        return blurred(frames[..., rows, columns], reach)

    found = forecast_in_tiles(forecast, size, Tiling(tile=tile, overlap=overlap), reach=reach)
    np.testing.assert_allclose(found, blurred(frames, reach), atol=1e-6)
    assert max(max(call) for call in calls) <= tile
    assert len(calls) > 1 or max(size) <= tile


def test_away_from_the_seams_nothing_is_blended() -> None:
    frames = np.random.default_rng(0).random((40, 40), np.float32)
    found = forecast_in_tiles(lambda r, c: frames[r, c].copy(), (40, 40), Tiling(tile=24, overlap=8), reach=None)
    np.testing.assert_array_equal(found[:16, :16], frames[:16, :16])
    np.testing.assert_allclose(found, frames, atol=1e-6)


@pytest.mark.parametrize("overlap", [8, 16, 24])
def test_there_is_no_seam_where_tiles_disagree(overlap: int) -> None:
    """Every tile says another number; from one to the next it takes half the overlap."""
    draw = np.random.default_rng(0)

    def forecast(rows: slice, columns: slice) -> NDArray[np.float32]:
        return np.full((rows.stop - rows.start, columns.stop - columns.start), draw.random(), np.float32)

    found = forecast_in_tiles(forecast, (100, 130), Tiling(tile=48, overlap=overlap), reach=30)
    assert np.ptp(found) > 0.3
    for axis in (0, 1):
        assert np.abs(np.diff(found, axis=axis)).max() <= 1 / (overlap // 2)


def trained(
    size: tuple[int, int], channels: int = 1, *, seed: int = 0, static: int = 0, **options: Any
) -> ModelForecaster:
    """A model with random weights that matter, in the place of a trained one."""
    torch.manual_seed(seed)
    usual: dict[str, Any] = {"filters": (6, 5), "norm": "layer", "output": "linear", "loss": "mse"}
    config = RunConfig().replace({**usual, "static": tuple("abc"[:static]), **options})
    model = build_model(config.model, channels, static)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    manifest = Manifest(
        config=config,
        normaliser=Normaliser(method="standard", offset=(3.0,) * channels, scale=(2.0,) * channels),
        threshold=4.0,
        channels=channels,
        height=size[0],
        width=size[1],
        variables=("rain",) * channels,
        units=("mm",) * channels,
    )
    fields = np.random.default_rng(7).standard_normal((static, *size)).astype(np.float32)
    return ModelForecaster(model, manifest, static=fields)


def movie(size: tuple[int, int], channels: int = 1, frames: int = 3) -> NDArray[np.float32]:
    """Smooth fields on the move, with a hole."""
    field = np.random.default_rng(1).random((channels, size[0] + 8, size[1] + 8))
    field = 30 * uniform_filter(field, 5, axes=(-2, -1))
    past = np.stack([field[:, 4 - t : 4 - t + size[0], 4 - t : 4 - t + size[1]] for t in range(frames)])[None]
    past[..., 5:9, 7:12] = np.nan
    return past.astype(np.float32)


SIZE = (70, 83)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"model": "encoder-decoder", "residual": True},
        {"patch": 2, "kernel_size": 3, "filters": (6,)},
        {"model": "encoder-decoder", "patch": 4, "filters": (6,), "residual": True},
        {"quantiles": 3, "loss": "quantile"},
        {"coordinates": "lagrangian"},
        {"norm": "batch", "temporal_padding": "same"},
    ],
    ids=lambda options: ",".join(f"{k}={v}" for k, v in options.items()) or "stacked",
)
def test_a_model_s_tiled_forecast_is_that_of_the_whole_grid(options: dict[str, Any]) -> None:
    whole = trained(SIZE, 2, **options)
    past, leads = movie(SIZE, 2), 2
    reach = whole.model.reach(past.shape[1], leads)
    assert reach is not None
    tiled = whole.tiled(2 * reach + 12, 2 * reach)
    assert whole.tiling is None
    expected, members = whole.distribution(past, leads)
    found, found_members = tiled.distribution(past, leads)
    assert found.shape == (1, leads, 2, *SIZE)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-4)
    np.testing.assert_allclose(found_members, members, atol=2e-4)
    asked = whole.forecast(past[0], leads, tile=2 * reach + 12, overlap=2 * reach)
    np.testing.assert_array_equal(asked.values, found[0])
    np.testing.assert_allclose(whole.forecast(past[0], leads, tile=4 * reach).values, expected[0], atol=2e-4)


@pytest.mark.slow
def test_static_fields_are_cut_with_the_frames() -> None:
    whole = trained(SIZE, 1, static=2)
    past = movie(SIZE)
    expected = whole.predict(past, 2)
    np.testing.assert_allclose(whole.tiled(40, 18).predict(past, 2), expected, atol=2e-4)
    assert whole.door.static is not None
    whole.door = replace(whole.door, static=whole.door.static[:, ::-1].copy())
    assert np.nanmax(np.abs(whole.predict(past, 2) - expected)) > 0.01


@pytest.mark.slow
def test_an_ensemble_and_a_calibration_work_in_tiles() -> None:
    members = [trained(SIZE, seed=seed) for seed in (0, 1)]
    whole = EnsembleForecaster(members, members[0].config)
    past, leads = movie(SIZE), 2
    expected, drawn = whole.distribution(past, leads)
    tiled = whole.tiled(40, 18)
    found, found_drawn = tiled.distribution(past, leads)
    assert found_drawn.shape[1] == 2
    np.testing.assert_allclose(found, expected, atol=2e-4)
    np.testing.assert_allclose(found_drawn, drawn, atol=2e-4)

    errors = [[[np.linspace(-1, 1, 19).tolist()]] * leads]
    known = Calibration(edges=[[[]] * leads], errors=errors, windows=1)
    for forecaster in (whole, tiled):
        forecaster.calibration = known
    calibrated = tiled.forecast(past[0], leads)
    assert calibrated.members is not None
    assert len(calibrated.members) == 19
    np.testing.assert_allclose(calibrated.interval(0.9)[1], whole.forecast(past[0], leads).interval(0.9)[1], atol=2e-4)
    without = tiled.forecast(past[0], leads, members=False)
    assert without.members is None
    np.testing.assert_array_equal(without.values, calibrated.values)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"norm": "group"}])
def test_less_overlap_makes_no_seam(options: dict[str, Any]) -> None:
    """Tiles that disagree near their edges: the forecast is no rougher across them than elsewhere."""
    whole = trained(SIZE, **options)
    past = movie(SIZE)
    past[np.isnan(past)] = 15
    expected, found = whole.predict(past, 3), whole.tiled(32, 12).predict(past, 3)
    hard = whole.tiled(32, 0).predict(past, 3)
    seam = np.s_[..., 31:33]  # columns on both sides of an edge, where nothing overlaps
    jump, hard_jump = (np.abs(np.diff(made[seam] - expected[seam])).mean() for made in (found, hard))
    assert hard_jump > 0.02
    assert jump < 0.2 * hard_jump
    assert np.abs(found - expected).mean() < 0.5 * np.abs(hard - expected).mean()


class Largest(TorchDispatchMode):
    """The largest tensor that any operation of torch makes, in values."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.values = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for made in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(made, torch.Tensor):
                self.values = max(self.values, made.numel())
        return result


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["stacked", "encoder-decoder"])
def test_states_are_those_of_one_tile(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the grid takes four times as many tiles, and tensors of the same size."""
    scanned: list[int] = []
    scan = ConvLSTM2d.scan

    def noting(self: ConvLSTM2d, frames: torch.Tensor, state: Any = None) -> Any:
        hidden, after = scan(self, frames, state)
        scanned.append(after.cell.numel())
        return hidden, after

    monkeypatch.setattr(ConvLSTM2d, "scan", noting)
    largest, tiles = [], []
    for side in (60, 120, 240):
        forecaster = trained((side, side), model=kind, filters=(12,)).tiled(32, 8)
        scanned.clear()
        with Largest() as made:
            forecaster.predict(movie((side, side)), 2)
        assert max(scanned) == 12 * 32 * 32
        largest.append(made.values)
        tiles.append(len(scanned))
    assert largest[0] == largest[1] == largest[2]
    assert tiles[0] < tiles[1] < tiles[2]
    whole = trained((240, 240), model=kind, filters=(12,))
    with Largest() as made:
        whole.predict(movie((240, 240)), 2)
    assert made.values > 40 * largest[0]


def test_tiles_that_make_no_sense() -> None:
    with pytest.raises(ConfigError, match="tile: is too small"):
        Tiling(tile=0)
    for overlap in (-1, 32):
        with pytest.raises(ConfigError, match=r"overlap: does not fit the tiles \(expected 0 to 31"):
            Tiling(tile=32, overlap=overlap)
    forecaster = trained(SIZE, patch=4)
    with pytest.raises(ConfigError, match=r"no room for a step of 4 pixels.*tiles of 6 pixels that overlap by 2"):
        forecaster.forecast(movie(SIZE)[0], 2, tile=6)
    with pytest.raises(ConfigError, match="overlap: is of tiles"):
        forecaster.forecast(movie(SIZE)[0], 2, overlap=10)
