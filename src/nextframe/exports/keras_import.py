"""`import_keras`: a network of Keras as a run folder, which forecasts, is verified and trained on as any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nextframe.config import RunConfig
from nextframe.data.normalise import Normaliser
from nextframe.data.seen import Seen
from nextframe.errors import CheckpointError, ConfigError
from nextframe.exports.keras_plan import KerasPlan, fill
from nextframe.exports.keras_reader import read_plan
from nextframe.models.causality import check_causal
from nextframe.runs.folder import build_network, save_config, save_model
from nextframe.runs.lock import claim
from nextframe.runs.manifest import Manifest
from nextframe.runs.seen import SEEN, write_seen

DATA = ("data", "past", "future")
"""Options that say what the run is for, and that no Keras file tells."""


def import_keras(path: str | Path, out: str | Path, *, tell: Callable[[str], None], **options: Any) -> Path:
    """Make a run folder of a Keras file; nothing is written where a layer has no counterpart here.

    Args:
        path: a `.keras` file, or a `.weights.h5` one with its architecture among the options.
        out: the run folder to make.
        tell: takes what is to be said: what the network is, and if it sees its answer.
        **options: `data`, `past` and `future` of the run; for weights alone `model`, `temporal_padding`,
            `gate_activation`, `cell_activation`, `output`.

    Raises:
        CheckpointError: a file that cannot be read, or layers that do not map: all are named.
        ConfigError: a folder that holds a run already, or options that do not belong to the file.
    """
    path, run = Path(path), Path(out)
    if not path.is_file():
        raise CheckpointError("is not there", where=path)
    if any((run / name).exists() for name in ("config.yaml", "model.json")):
        raise ConfigError("already holds a run", where=run, hint="choose another {out}")
    plan = read_plan(path, {name: value for name, value in options.items() if name not in DATA})
    manifest = _manifest(plan, {name: value for name, value in options.items() if name in DATA})
    network = build_network(manifest)
    fill(network, plan)
    with claim(run):
        save_model(run, network.eval(), manifest)
        save_config(run, manifest.config)
        write_seen(run / SEEN, Seen())  # the file does not tell what it was trained on, and not on the default data
    parameters = sum(parameter.numel() for parameter in network.parameters())
    tell(f"{path.name}: {manifest.config.model.model}, filters {_listed(manifest)}, {parameters:,} parameters")
    tell(check_causal(network, shape=(1, 6, manifest.channels, 12, 12)).sentence)
    return run


def _manifest(plan: KerasPlan, data: Mapping[str, Any]) -> Manifest:
    channels = plan.channels
    loss = {"loss": "bce" if plan.output == "sigmoid" else "mse"}
    config = RunConfig().replace({**plan.options, **loss, **data})
    height, width = (size or 64 for size in plan.size)
    scale = tuple(plan.scale) * (channels // len(plan.scale) if plan.scale else 0)
    shift = tuple(plan.shift) * (channels // len(plan.shift) if plan.shift else 0)
    if plan.scale:  # y = x scale + shift is (x - offset) / width
        normaliser = Normaliser(
            method="range",
            offset=tuple(-b / a for a, b in zip(scale, shift, strict=True)),
            scale=tuple(1 / a for a in scale),
        )
    else:
        normaliser = Normaliser(method="identity", offset=(0.0,) * channels, scale=(1.0,) * channels)
    middle = normaliser.invert(_half(channels))[0, 0, 0]
    return Manifest(
        config=config,
        normaliser=normaliser,
        threshold=float(middle),
        channels=channels,
        height=height,
        width=width,
        variables=("brightness",) if channels == 1 else tuple(f"channel {n}" for n in range(channels)),
        units=("1",) * channels,
    )


def _half(channels: int) -> Any:
    import numpy as np

    return np.full((channels, 1, 1), 0.5, np.float32)


def _listed(manifest: Manifest) -> str:
    return "-".join(map(str, manifest.config.model.filters))
