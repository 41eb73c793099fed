"""A session of the tutorial's stack beside its network's own step, in turns."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from lab.live.spread import spread
from nextframe.data.normalise import Normaliser
from nextframe.engine import subnormals_are_zero
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.models.build import build_model
from nextframe.runs.manifest import Manifest
from nextframe.training.presets import preset_config

ROUNDS = 300


def measure_session() -> dict[str, Any]:
    """Milliseconds of a step of the network, and of a new frame to the next forecast frame in a session."""
    config = preset_config("stacked", "tutorial").replace({"temporal_padding": "causal"})
    torch.manual_seed(0)
    network = build_model(config.model, 1).eval()
    manifest = Manifest(
        config=config,
        normaliser=Normaliser(method="identity", offset=(0.0,), scale=(1.0,)),
        threshold=0.5,
        channels=1,
        height=40,
        width=40,
        variables=("frame",),
        units=("1",),
    )
    session = ModelForecaster(network, manifest).session()
    frames = (np.random.default_rng(0).random((7, 40, 40)) > 0.9).astype(np.float32)
    tensors = torch.from_numpy(frames)[:, None, None]
    with torch.inference_mode(), subnormals_are_zero():
        _, state = network.begin(tensors[:1])
    for frame in frames:
        session.update(frame)
    step, whole = [], []
    for n in range(ROUNDS + 50):
        started = time.perf_counter()
        with torch.inference_mode(), subnormals_are_zero():
            _, state = network.step(tensors[n % 7], state)
        between = time.perf_counter()
        session.update(frames[n % 7])
        session.forecast(1, members=False)
        ended = time.perf_counter()
        if n >= 50:
            step.append((between - started) * 1e3)
            whole.append((ended - between) * 1e3)
    own, told = spread(step), spread(whole)
    return {"step_ms": own, "session_ms": told, "ratio": round(told["median"] / own["median"], 2)}
