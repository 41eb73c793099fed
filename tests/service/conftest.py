"""A model with random weights, and frames that come to a folder as files."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from nextframe.data.normalise import Normaliser
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.frames.sequence import FloatArray
from nextframe.models.build import build_model
from nextframe.runs.folder import save_config, save_model
from nextframe.runs.manifest import Manifest
from nextframe.training.presets import preset_config

STEP = np.timedelta64(5, "m")
BEGIN = np.datetime64("2016-07-11T21:00", "ns")
FRAMES = np.random.default_rng(0).random((24, 12, 10)).astype(np.float32) * 10


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder; its network has random weights, which is as good as any to follow a folder with."""
    folder = tmp_path_factory.mktemp("run")
    config = preset_config("stacked").replace({"filters": (4, 4), "past": 4, "future": 3, "missing": "mask"})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_model(config.model, 1, past=4, future=3)
    manifest = Manifest(
        config=config,
        normaliser=Normaliser(method="range", offset=(0.0,), scale=(10.0,)),
        threshold=1.0,
        channels=1,
        height=16,
        width=16,
        variables=("rain",),
        units=("mm/h",),
        time_step=300.0,
    )
    save_config(folder, config)
    save_model(folder, network, manifest)
    return folder


@pytest.fixture
def model(run: Path) -> ModelForecaster:
    return ModelForecaster.load(run)


@pytest.fixture
def arrives(tmp_path: Path) -> Callable[..., Path]:
    """Puts frame n into the folder "incoming": a whole file, which was renamed into its place."""
    folder = tmp_path / "incoming"
    folder.mkdir()

    def put(n: int, frame: FloatArray | None = None, name: str | None = None) -> Path:
        values = FRAMES[n] if frame is None else frame
        height, width = values.shape
        field = xr.Dataset(
            {"rain": (("time", "y", "x"), values[None], {"units": "mm/h"})},
            coords={"time": [BEGIN + n * STEP], "y": np.arange(height) * 1000.0, "x": np.arange(width) * 1000.0},
        )
        path = folder / (name or f"rain{n:03}.nc")
        field.to_netcdf(path.with_suffix(".tmp"))
        os.utime(path.with_suffix(".tmp"), (time.time() - 60, time.time() - 60 + n))
        path.with_suffix(".tmp").replace(path)
        return path

    return put
