"""Static fields: on the grid of the frames, standardised, read by the model at every step and never forecast."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import nextframe
from nextframe.config import DataConfig, RunConfig
from nextframe.data.static import read_static
from nextframe.errors import CheckpointError, ConfigError, DataError, NextframeError, ShapeError
from nextframe.frames.grid import Grid
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_source
from nextframe.models.build import build_model
from nextframe.models.causality import check_causal
from nextframe.models.rollout import rollout

Y, X = np.arange(20.0) * 1000, np.arange(24.0) * 1000


def write(path: Path, values: np.ndarray, y: np.ndarray = Y, x: np.ndarray = X) -> Path:
    """A NetCDF file of elevation, and of a mask beside it."""
    fields = {"z": (("y", "x"), values), "land": (("y", "x"), (values > 0).astype(np.float32))}
    xr.Dataset(fields, {"y": y, "x": x}).to_netcdf(path, engine="h5netcdf")
    return path


def frames(y: np.ndarray = Y, x: np.ndarray = X) -> FrameSequence:
    values = np.random.default_rng(0).random((30, 1, len(y), len(x))).astype(np.float32)
    return FrameSequence(values=values, name="rain", grid=Grid(y=y, x=x))


def elevation() -> np.ndarray:
    return np.random.default_rng(1).normal(200, 300, (20, 24)).astype(np.float32)


def test_fields_are_standardised_and_missing_values_are_the_mean(tmp_path: Path) -> None:
    height = elevation()
    height[3, 4] = np.nan
    np.save(tmp_path / "mask.npy", np.arange(480).reshape(20, 24))
    names = (f"{write(tmp_path / 'a.nc', height)}:z", str(tmp_path / "mask.npy"))
    static = read_static(DataConfig(static=names), frames())
    assert static.shape == (2, 20, 24)
    assert static.dtype == np.float32
    known = np.isfinite(height)
    np.testing.assert_allclose(
        static[0][known], (height[known] - height[known].mean()) / height[known].std(), atol=1e-5
    )
    assert static[0, 3, 4] == 0
    assert static[1].mean() == pytest.approx(0, abs=1e-6)
    assert read_static(DataConfig(), frames()).shape == (0, 20, 24)


def test_a_whole_field_is_cropped_and_coarsened_as_the_frames_were(tmp_path: Path) -> None:
    height = elevation()
    path = write(tmp_path / "a.nc", height)
    config = DataConfig(static=(f"{path}:z",), crop=(2, 4, 12, 16), coarsen=4)
    blocks = height[2:14, 4:20].reshape(3, 4, 4, 4).mean((1, 3))
    like = frames(Y[2:14].reshape(3, 4).mean(1), X[4:20].reshape(4, 4).mean(1))
    expected = (blocks - blocks.mean()) / blocks.std()
    np.testing.assert_allclose(read_static(config, like)[0], expected, atol=1e-5)
    ready = write(tmp_path / "b.nc", blocks, like.grid.y, like.grid.x) if like.grid is not None else path
    config = DataConfig(static=(f"{ready}:z",), crop=(2, 4, 12, 16), coarsen=4)
    np.testing.assert_allclose(read_static(config, like)[0], expected, atol=1e-5)


def test_what_cannot_be_a_static_field(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", elevation())
    write(tmp_path / "upside-down.nc", elevation(), Y[::-1])
    write(tmp_path / "other.nc", elevation()[:9], Y[:9])
    write(tmp_path / "flat.nc", np.ones((20, 24), np.float32))
    np.save(tmp_path / "movie.npy", np.zeros((3, 20, 24)))
    moving = xr.Dataset({"z": (("time", "y", "x"), np.zeros((2, 20, 24)))}, {"y": Y, "x": X})
    moving.to_netcdf(tmp_path / "moving.nc", engine="h5netcdf")
    wrong: list[tuple[str, type[NextframeError], str]] = [
        (f"{path}:depth", ConfigError, r"a\.nc: holds no such variable .*z, land.*depth"),
        (str(path), ConfigError, r"a\.nc: holds several variables"),
        (f"{tmp_path}/none.nc:z", DataError, r"static field .*none\.nc:z: is not there"),
        (f"{tmp_path}/upside-down.nc:z", DataError, r"upside-down\.nc:z: lies elsewhere along y than the frames"),
        (f"{tmp_path}/other.nc:z", ShapeError, r"other\.nc:z: is of another grid .*\(20, 24\).*\(9, 24\)"),
        (f"{tmp_path}/flat.nc:z", DataError, r"static field .*flat\.nc:z: is constant"),
        (f"{tmp_path}/movie.npy", ShapeError, r"movie\.npy: is no field .*\(3, 20, 24\)"),
        (f"{tmp_path}/moving.nc", ShapeError, r"moving\.nc: changes with time .*2 steps"),
    ]
    for name, kind, what in wrong:
        with pytest.raises(kind, match=what):
            read_static(DataConfig(static=(name,)), frames())


@pytest.mark.parametrize("kind", ["stacked", "encoder-decoder"])
@pytest.mark.parametrize("residual", [False, True])
def test_a_rollout_reads_them_at_every_step_and_forecasts_only_the_frames(kind: str, residual: bool) -> None:
    config = RunConfig().replace(
        {"model": kind, "filters": (3,), "norm": "layer", "output": "linear", "residual": residual, "loss": "mse"}
    )
    torch.manual_seed(0)
    model = build_model(config.model, 2, 1).eval()
    torch.nn.init.normal_(model.get_parameter("readout.weight"))
    past, static = torch.rand(2, 4, 2, 6, 7), torch.rand(1, 6, 7)
    seen = torch.cat([past, static.expand(2, 4, 1, 6, 7)], dim=2)
    made = rollout(model, seen, 3)
    assert made.shape == (2, 3, 2, 6, 7)
    frame, state = model.begin(seen)
    for step in range(3):  # the same, by hand
        torch.testing.assert_close(made[:, step], frame)
        frame, state = model.step(torch.cat([frame, static.expand(2, 1, 6, 7)], dim=1), state)
    seen[:, :, 2:] += 1
    assert (rollout(model, seen, 3) != made).any(dim=(0, 2, 3, 4)).all()
    assert check_causal(model, shape=(1, 6, 3, 6, 7)).is_causal


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rollout_training": 1.0},
        {"model": "encoder-decoder", "scheduled_sampling": 1.0, "future": 1},
        {"patch": 2},
        {"patch": 3, "rollout_training": 1.0},
    ],
)
def test_a_run_knows_its_static_fields(tmp_path: Path, options: dict[str, Any]) -> None:
    """Rain that falls where it is high, and only there, whatever fell before: nothing but the field can tell."""
    height = elevation()
    path = write(tmp_path / "elevation.nc", height)
    draw = np.random.default_rng(2)
    fallen = (height > 200) * draw.random((60, 1, 1)) * np.ones((60, 20, 24))
    xr.Dataset({"rain": (("time", "y", "x"), fallen.astype(np.float32))}, {"y": Y, "x": X}).to_netcdf(
        tmp_path / "rain.nc", engine="h5netcdf"
    )
    small: dict[str, Any] = {
        "past": 3,
        "future": 2,
        "filters": (4,),
        "norm": "layer",
        "epochs": 1,
        "train_crop": 12,
        "batch_size": 4,
    }
    source = str(tmp_path / "rain.nc")
    run = nextframe.fit(
        source, out=tmp_path / "run", progress=False, static=(f"{path}:z", f"{path}:land"), **{**small, **options}
    )
    assert np.load(tmp_path / "run" / "static.npy").shape == (2, 20, 24)
    path.unlink()  # the run folder holds everything
    again = nextframe.load_run(tmp_path / "run")
    past = open_source(source).sequences[0][:5]
    np.testing.assert_array_equal(again.forecast(past, 4).values, run.forecast(past, 4).values)
    assert again.forecast(past, 4).values.shape == (4, 1, 20, 24)
    with pytest.raises(ShapeError, match=r"static fields of another grid .*\(20, 24\).*\(8, 8\)"):
        again.forecast(open_source(source, crop=(0, 0, 8, 8)).sequences[0][:5])
    with pytest.raises(DataError, match=r"rain: lies elsewhere along x than the static fields .*5000 to 28000"):
        again.forecast(frames(x=X + 5000)[:5])
    again.forecast(frames(np.arange(20.0), np.arange(24.0))[:5])
    kept = (tmp_path / "run" / "static.npy").read_bytes()
    (tmp_path / "run" / "static.npy").write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=r"static\.npy: was changed since it was written"):
        nextframe.load_run(tmp_path / "run")
    (tmp_path / "run" / "static.npy").unlink()
    with pytest.raises(CheckpointError, match=r"static\.npy: cannot be read"):
        nextframe.load_run(tmp_path / "run")


def test_static_fields_do_not_go_with_lagrangian_coordinates() -> None:
    with pytest.raises(ConfigError, match="static: do not move with the frames"):
        DataConfig(static=("a.nc",), coordinates="lagrangian")
