"""The run folder: configuration, weights and what is needed to use them.

config.yaml         the resolved configuration; reruns the run
metrics.csv         one row for each epoch
checkpoints/        last.ckpt and best.ckpt, for resuming (Lightning)
model.safetensors   the best weights so far
model.json          what these weights are: configuration, normalisation, frames, threshold, format version
static.npy          static fields in the model's range (S, H, W), where it was trained with such
calibration.json    quantiles of its errors on the validation part
member-1 ...        in place of weights, a run folder for each member of an ensemble
verification.json, report.html    written by `nextframe verify`
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import yaml
from torch import nn

from nextframe.config import RunConfig
from nextframe.data.normalise import Normaliser
from nextframe.errors import CheckpointError, ConfigError, first_line
from nextframe.files import replacing, write_text
from nextframe.frames.sequence import FloatArray
from nextframe.models.build import build_model
from nextframe.models.network import Network

FORMAT = 1
STATIC = "static.npy"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Facts that a weights file needs beside it to be used."""

    config: RunConfig
    """The configuration it was trained with."""
    normaliser: Normaliser
    """Normalisation of frames to the model's range, and of forecasts out of it."""
    threshold: float
    """Threshold of an event in these data, in source units."""
    channels: int
    """Channels of the frames."""
    height: int
    """Height of the frames that it was trained on."""
    width: int
    """Width of the frames that it was trained on."""
    variables: tuple[str, ...]
    """Name of each channel."""
    units: tuple[str, ...]
    """Unit of each channel."""
    grid: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """Coordinates of rows and columns, where static fields hold it to their place."""
    time_step: float | None = None
    """Seconds between two frames; None where the frames had no times."""
    epoch: int = 0
    """Epochs trained when these weights were taken."""


def save_model(run: Path, model: nn.Module, card: ModelCard) -> None:
    """Write `model.safetensors` and `model.json` into the run folder."""
    description = {
        "format": FORMAT,
        "nextframe": version("nextframe"),
        "parameters": sum(p.numel() for p in model.parameters()),
        **{k: v for k, v in asdict(card).items() if k not in ("config", "normaliser")},
        "config": card.config.to_dict(),
        "normaliser": card.normaliser.to_dict(),
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with replacing(run / "model.safetensors") as temporary:
        # The epoch in both files tells a pair that a crash has torn apart.
        # Written by Python, so that others may read the file as they may the ones beside it.
        temporary.write_bytes(safetensors.torch.save(weights, metadata={"epoch": str(card.epoch)}))
    write_text(run / "model.json", json.dumps(description, indent=2) + "\n")


def save_static(run: Path, static: FloatArray) -> None:
    """Write the static fields (S, H, W) of a model, in its range, into the run folder; nothing where there are none."""
    if len(static):
        with replacing(run / STATIC) as temporary, temporary.open("wb") as file:
            np.save(file, static)


def load_static(run: str | Path, card: ModelCard) -> FloatArray:
    """The static fields (S, H, W) of a run's model, in its range.

    Raises:
        CheckpointError: fields that are missing or damaged.
    """
    path, count = Path(run) / STATIC, len(card.config.data.static)
    if not count:
        return np.empty((0, card.height, card.width), np.float32)
    try:
        static: FloatArray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CheckpointError("cannot be read", where=path, received=error, hint="train the model again") from error
    if static.shape != (count, card.height, card.width) or static.dtype != np.float32:
        expected = (count, card.height, card.width)
        raise CheckpointError("holds something else", where=path, expected=expected, received=static.shape)
    return static


def load_model(run: str | Path) -> tuple[Network, ModelCard]:
    """Read a run folder's model, in `eval()` mode, and its card.

    Raises:
        CheckpointError: no such folder, no weights in it, damaged files, or files of another version.
    """
    run = Path(run)
    if not run.is_dir():
        raise CheckpointError("is not a run folder", where=run, hint="train one first")
    card_path, weights_path = run / "model.json", run / "model.safetensors"
    for path in (card_path, weights_path):
        if not path.is_file():
            what = f"holds no {path.name}: its training has not finished an epoch"
            hint = "train it; if it was interrupted, go on with {resume=True}"
            raise CheckpointError(
                what if (run / "config.yaml").is_file() else f"holds no {path.name}", where=run, hint=hint
            )
    try:
        description = json.loads(card_path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            "cannot be read", where=card_path, received=error, hint="train the model again"
        ) from error
    found = description.get("format") if isinstance(description, dict) else None
    if found != FORMAT:
        raise CheckpointError(
            "is of another version of nextframe",
            where=card_path,
            expected=f"format {FORMAT}",
            received=f"format {found}",
            hint="use the nextframe version that wrote it, or train the model again",
        )
    try:
        card = ModelCard(
            config=RunConfig.from_dict(description["config"]),
            normaliser=Normaliser.from_dict(description["normaliser"]),
            threshold=description["threshold"],
            channels=description["channels"],
            height=description["height"],
            width=description["width"],
            variables=tuple(description["variables"]),
            units=tuple(description["units"]),
            grid=None if (grid := description.get("grid")) is None else (tuple(grid[0]), tuple(grid[1])),
            time_step=description.get("time_step"),
            epoch=description["epoch"],
        )
    except (AttributeError, KeyError, TypeError, ValueError, ConfigError) as error:
        raise CheckpointError("is damaged", where=card_path, received=error, hint="train the model again") from error
    data = card.config.data
    model = build_model(card.config.model, card.channels, len(data.static), past=data.past, future=data.future)
    try:
        with safetensors.safe_open(weights_path, framework="pt") as file:
            epoch = (file.metadata() or {}).get("epoch")
        model.load_state_dict(safetensors.torch.load_file(weights_path))
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        what = "does not hold the weights that model.json describes"
        raise CheckpointError(
            what, where=weights_path, received=first_line(error), hint="train the model again"
        ) from error
    if epoch != str(card.epoch):
        raise CheckpointError(
            "is of another epoch than model.json", where=weights_path, received=epoch, hint="resume the training"
        )
    return model.eval(), card


def member_folders(run: str | Path) -> list[Path]:
    """The run folders of an ensemble's members, in their order; none for a single model."""
    folders = [path for path in Path(run).glob("member-*") if path.is_dir() and path.name[7:].isdecimal()]
    return sorted(folders, key=lambda path: int(path.name[7:]))


def save_config(run: Path, config: RunConfig) -> None:
    """Write `config.yaml`."""
    write_text(run / "config.yaml", yaml.safe_dump(config.to_dict(), sort_keys=False))


def load_config(path: str | Path, base: RunConfig | None = None) -> RunConfig:
    """Read a YAML configuration; what it leaves out stays as in `base`.

    Raises:
        ConfigError: a file that is not there, is not YAML, or names unknown options.
    """
    return RunConfig.from_dict(read_yaml(path), base)


def read_yaml(path: str | Path) -> Mapping[str, Any]:
    """Read a YAML file that holds options.

    Raises:
        ConfigError: a file that is not there or does not hold a mapping.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).replace("\n", " ")
        raise ConfigError("cannot be read as a configuration", where=path, received=reason) from error
    if not isinstance(content, dict):
        raise ConfigError("is not a configuration", where=path, expected="lines of `option: value`")
    return content


def append_metrics(run: Path, row: Mapping[str, float]) -> None:
    """Add an epoch's row to `metrics.csv`, replacing rows of that epoch and later ones (left by a killed run)."""
    path = run / "metrics.csv"
    rows = [old for old in read_metrics(run) if old["epoch"] < row["epoch"]] if path.exists() else []
    rows.append(dict(row))
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        writer.writeheader()
        writer.writerows(rows)


def read_metrics(run: Path) -> list[dict[str, float]]:
    """The rows of `metrics.csv`, numbers as numbers."""
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
