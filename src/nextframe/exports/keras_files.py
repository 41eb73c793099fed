"""Files of Keras, read without Keras: `.keras` archives and `.weights.h5`."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nextframe.errors import CheckpointError, first_line
from nextframe.exports.keras_gates import Weights
from nextframe.files import ARCHIVE_ERRORS


@dataclass(frozen=True, kw_only=True)
class KerasLayer:
    """A layer of a model, with its weights."""

    kind: str
    """Its class: "ConvLSTM2D"."""
    name: str
    """Its name in the model."""
    config: Mapping[str, Any]
    reads: tuple[tuple[str, int], ...]
    """Tensors that it reads, in order: the name of the layer, and which of its outputs; its states among them."""
    weights: tuple[Weights, ...]

    @property
    def before(self) -> str | None:
        """Name of the layer whose output it works on; None for an input."""
        return self.reads[0][0] if self.reads else None


@dataclass(frozen=True, kw_only=True)
class KerasFile:
    """Layers of a model; of a chain of them each after the one that it reads."""

    version: str
    """Version of Keras that wrote it."""
    layers: tuple[KerasLayer, ...]


def read_archive(path: Path) -> KerasFile:
    """The layers of a `.keras` file.

    Raises:
        CheckpointError: a file that is none, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            model = json.loads(archive.read("config.json"))
            about = json.loads(archive.read("metadata.json"))
            stored = archive.read("model.weights.h5")
        entries = model["config"]["layers"]
        version = str(about["keras_version"])
        with h5py.File(io.BytesIO(stored)) as file:
            groups = weights_of(file)
    except ARCHIVE_ERRORS as error:
        raise _unreadable(path, error) from error
    counts: dict[str, int] = {}
    layers: list[KerasLayer] = []
    try:
        for entry in entries:
            kind, config = entry["class_name"], entry["config"]
            snake = snake_case(kind)
            number = counts[snake] = counts.get(snake, -1) + 1
            nodes = entry.get("inbound_nodes")
            sequential = [(layers[-1].name, 0)] if layers else []
            layers.append(
                KerasLayer(
                    kind=kind,
                    name=str(config["name"]),
                    config=config,
                    reads=tuple(sequential if nodes is None else _reads(nodes)),
                    weights=groups.get(snake if number == 0 else f"{snake}_{number}", ()),
                )
            )
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise _unreadable(path, error) from error
    return KerasFile(version=version, layers=tuple(_in_chains(layers)))


def _in_chains(layers: Sequence[KerasLayer]) -> list[KerasLayer]:
    """Layers in the order in which they work: of several inputs, all that follows one of them after each other, and
    first what begins with no state of another. Keras stores them by their distance from the output.
    """
    by_name = {layer.name: layer for layer in layers}

    def way(layer: KerasLayer) -> list[str]:
        names = [layer.name]
        while layer.before is not None and layer.before in by_name and layer.before not in names:
            layer = by_name[layer.before]
            names.append(layer.name)
        return names

    ways = {layer.name: way(layer) for layer in layers}
    given = {ways[layer.name][-1] for layer in layers if len(layer.reads) > 1}
    roots = sorted(dict.fromkeys(names[-1] for names in ways.values()), key=lambda root: root in given)
    return sorted(layers, key=lambda layer: (roots.index(ways[layer.name][-1]), len(ways[layer.name])))


def read_weights(path: Path) -> dict[str, tuple[Weights, ...]]:
    """The weights of a `.weights.h5` file by the names of its groups: "conv_lstm2d_1".

    Raises:
        CheckpointError: a file that is none, or is damaged.
    """
    try:
        with h5py.File(path) as file:
            return weights_of(file)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise _unreadable(path, error) from error


def weights_of(file: h5py.File) -> dict[str, tuple[Weights, ...]]:
    """Weights of each layer of a file as Keras 3 lays it out: `layers/NAME/.../vars/0, 1, ...`."""
    groups: dict[str, dict[tuple[str, int], Weights]] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            parts = name.split("/")
            if (
                parts[0] in ("layers", "_layer_checkpoint_dependencies")
                and parts[-2] == "vars"
                and "seed_generator" not in name
            ):
                key = ("/".join(parts[2:-2]), int(parts[-1]))
                groups.setdefault(parts[1], {})[key] = np.asarray(item, np.float32)

    file.visititems(visit)
    if not groups:
        raise ValueError("it holds no layers as Keras 3 stores them")
    return {name: tuple(group[key] for key in sorted(group)) for name, group in groups.items()}


def snake_case(name: str) -> str:
    """The name that Keras gives to the weights of a class.

    >>> snake_case("ConvLSTM2D"), snake_case("BatchNormalization"), snake_case("TimeDistributed")
    ('conv_lstm2d', 'batch_normalization', 'time_distributed')
    """
    parted = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", parted).lower()


def _reads(nodes: Any) -> list[tuple[str, int]]:
    """Layers, and which of their outputs, that inbound nodes name, as Keras 3 and Keras 2 write them."""
    reads: list[tuple[str, int]] = []

    def look(node: Any) -> None:
        if isinstance(node, Mapping):
            history = node.get("keras_history")
            if isinstance(history, list):
                reads.append((str(history[0]), int(history[2])))
                return
            for value in node.values():
                look(value)
        elif isinstance(node, list):
            if len(node) >= 3 and isinstance(node[0], str) and isinstance(node[1], int) and isinstance(node[2], int):
                reads.append((node[0], node[2]))
                look(node[3:])
            else:
                for value in node:
                    look(value)

    look(nodes)
    return reads


def _unreadable(path: Path, error: BaseException) -> CheckpointError:
    return CheckpointError(
        "cannot be read as a file of Keras 3",
        where=path,
        received=first_line(error),
        hint="save it again with Keras 3: model.save('model.keras')",
    )
