"""Small models of every kind, to be exported."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nextframe.config import RunConfig
from nextframe.data.limits import Limits
from nextframe.data.normalise import Normaliser
from nextframe.forecasting.ensemble import EnsembleForecaster
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.models.own import facts_of, home_of
from nextframe.runs.folder import build_network
from nextframe.runs.manifest import Manifest

RANGE = 40.0


def small_model(
    architecture: str | nn.Module,
    *,
    channels: int = 1,
    seed: int = 0,
    static: NDArray[np.float32] | None = None,
    mask: bool = False,
    limits: Limits | None = None,
    **options: Any,
) -> ModelForecaster:
    """A model of few filters with random weights, or of a network of the user's, for values from 10 to 50."""
    torch.manual_seed(seed)
    size = (
        {"height": 20, "width": 24} if static is None else dict(zip(("height", "width"), static.shape[1:], strict=True))
    )
    chosen: dict[str, Any] = {
        "filters": (5,) if architecture == "encoder-decoder" else (4, 4),
        "norm": "none" if architecture == "predrnn" else "batch",
        "past": 4,
        "future": 3,
    }
    module, own = None, None
    if isinstance(architecture, nn.Module):
        module, architecture = architecture, home_of(architecture)
        chosen = {"filters": (), "past": 3, "future": 3}
        own = facts_of(module, past=3, channels=channels, further=0, quantiles=1, size=(20, 24))
    chosen["data"] = "elsewhere.nc"
    fields = () if static is None else tuple(f"field-{n}.npy" for n in range(len(static)))
    config = RunConfig().replace({"model": architecture, **chosen, "static": fields, **options})
    linear = config.model.output == "linear"
    shared = config.model.channelwise
    fitted = 1 if shared else channels
    columns = {"offset": (10.0,) * fitted, "scale": (RANGE,) * fitted}
    if linear and not config.model.residual:
        columns = {"offset": (0.5,) * fitted, "scale": (1.5,) * fitted, "bend": (2.0,) * fitted}
    manifest = Manifest(
        config=config,
        mask=mask,
        limits=limits,
        normaliser=Normaliser.from_dict(
            {"method": "log" if "bend" in columns else "range", "bend": (), "shared": shared, **columns}
        ),
        threshold=20.0,
        channels=channels,
        **size,
        variables=tuple(f"v{n}" for n in range(channels)),
        units=("K",) * channels,
        time_step=300.0,
        own=own,
    )
    network = build_network(manifest, module)
    with torch.no_grad():  # a readout that starts at zero would hide what is before it
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05)
    return ModelForecaster(network, manifest, static=static)


def small_ensemble(architecture: str, **options: Any) -> EnsembleForecaster:
    """Two of them."""
    models = [small_model(architecture, seed=seed, **options) for seed in (1, 2)]
    return EnsembleForecaster(models, models[0].config.replace({"members": 2}))


def past_frames(batch: int, channels: int, height: int, width: int, count: int = 5) -> NDArray[np.float32]:
    """Frames with a few gaps."""
    frames = np.random.default_rng(3).uniform(10, 50, (batch, count, channels, height, width)).astype(np.float32)
    frames[0, 1, :, :3, :2] = np.nan
    return frames
