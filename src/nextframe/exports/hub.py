"""Folders of the Hugging Face Hub: `config.json`, `model.safetensors` and a model card; written, and read from there.

Weights are safetensors, never pickles. `config.json` holds the SHA-256 of the weights, and whoever reads them compares.
Of an ensemble, the weights of member n bear the prefix "member-n."; static fields are the tensor "static".
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
import yaml
from torch import Tensor

from nextframe.config import RunConfig
from nextframe.errors import CheckpointError, ConfigError, first_line
from nextframe.exports.graph import members_of
from nextframe.exports.portable import portable, portable_manifest, without_folders
from nextframe.files import cannot_be_written
from nextframe.forecasting.calibration import Calibration
from nextframe.forecasting.ensemble import EnsembleForecaster
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.runs.exported import HUB_CONFIG as CONFIG
from nextframe.runs.exported import HUB_SCHEME
from nextframe.runs.folder import WEIGHTS, build_network
from nextframe.runs.manifest import Manifest
from nextframe.runs.shipped import card_content, shipped_name
from nextframe.words import count

CARD, SCORES = "README.md", "verification.json"
KIND = "nextframe hub folder"
FORMAT = 1
_FILES = (CONFIG, WEIGHTS, CARD, SCORES)
_DAMAGE = (KeyError, TypeError, ValueError, AttributeError, RuntimeError)
_REFUSALS = (
    ("RevisionNotFoundError", "is no revision that the Hub has of this model"),
    ("RepositoryNotFoundError", "is no model that the Hub shows: there is none of this name, or it is private"),
)
"""Errors of huggingface-hub that say what is wrong with an address, and what that is."""
_ADDRESS = re.compile(HUB_SCHEME + r"/?(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)(@(?P<revision>[\w./-]+))?")


def write(model: TrainedForecaster, folder: Path) -> tuple[list[Path], None]:
    """Write the folder; one that is there already is to be empty, or an earlier one of this kind.

    Raises:
        ConfigError: a folder that holds something else, or a place that cannot be written to.
    """
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and _kind_of(folder / CONFIG) != KIND)):
        raise ConfigError("holds something else", where=folder, hint="choose a new folder")
    if model.manifest.own is not None:
        raise ConfigError(
            "is a network of your own, whose class the Hub's folder does not hold",
            where=model.manifest.config.model.model,
            hint="export it to .onnx or .pt2, which hold the network itself",
        )
    members = members_of(model)
    tensors: dict[str, Tensor] = {}
    for n, member in enumerate(members, start=1):
        prefix = "" if len(members) == 1 else f"member-{n}."
        for name, tensor in member.model.state_dict().items():
            tensors[prefix + name] = tensor.detach().cpu().contiguous()
    if members[0].door.static is not None:
        tensors["static"] = torch.from_numpy(members[0].door.static)
    content = safetensors.torch.save(tensors, metadata={"format": "pt"})
    config = {
        "kind": KIND,
        "format": FORMAT,
        "nextframe": version("nextframe"),
        "model_type": model.manifest.config.model.model,
        "weights": {"file": WEIGHTS, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)},
        "members": [portable_manifest(member.manifest).to_dict() for member in members],
        "config": portable(model.config).to_dict(),
        "calibration": None if model.calibration is None else asdict(model.calibration),
    }
    scores = _scores(model)
    contents = {
        CONFIG: (json.dumps(config, indent=2) + "\n").encode(),
        WEIGHTS: content,
        CARD: _card(model, scores).encode(),
        **({} if scores is None else {SCORES: (json.dumps(scores, indent=2) + "\n").encode()}),
    }
    _put(folder, contents)
    return [folder / name for name in contents], None


def _put(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder's files: a new folder is there whole or not at all, and an earlier one keeps nothing that is not
    of this model.

    Raises:
        ConfigError: a place that cannot be written to.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder.parent) as temporary:
            whole = Path(temporary) / "whole"
            whole.mkdir()
            for name, content in contents.items():
                (whole / name).write_bytes(content)
            if not folder.exists():
                whole.rename(folder)
                return
            for name in _FILES:
                if name in contents:
                    (whole / name).replace(folder / name)
                else:
                    (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_be_written(folder, error) from error


def _kind_of(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("kind")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None


def _scores(model: TrainedForecaster) -> dict[str, Any] | None:
    """Its scores: those of its card, or what `verify` has left in the run folder."""
    if model.run is None:
        return None
    name = shipped_name(model.run.name)
    if name is not None:
        skill: dict[str, Any] = card_content(name)["skill"]
        return skill
    try:
        scores = json.loads((model.run / SCORES).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(scores, dict) or not isinstance(scores.get("scores"), dict):
        return None
    data, command = (str(scores.get(key, "")) for key in ("data", "command"))
    parts = command.split()
    return {**scores, "data": without_folders(data), "command": " ".join(map(without_folders, parts))}


def _card(model: TrainedForecaster, scores: Mapping[str, Any] | None) -> str:
    """The model card: front matter as the Hub reads it, and what the model is in words."""
    name = None if model.run is None else shipped_name(model.run.name)
    card = {} if name is None else card_content(name)
    title = name or (model.run.name if model.run is not None else model.name)
    manifest, data = model.manifest, portable(model.config).data
    front: dict[str, Any] = {
        "license": "other" if name is None else "apache-2.0",
        "library_name": "nextframe",
        "pipeline_tag": "other",
        "tags": ["convlstm", "forecasting", "next-frame-prediction", "video", manifest.config.model.model],
        "datasets": [data.data],
        "metrics": sorted(_own(scores)) if scores else [],
    }
    if name is None:
        front["license_name"] = "unknown"
    if scores:
        scored = str(scores.get("data") or data.data)  # a run may have been verified on other data than its own
        results = [
            {"type": metric, "name": f"{metric}, mean over lead times", "value": float(sum(v) / len(v))}
            for metric, v in sorted(_own(scores).items())
        ]
        front["model-index"] = [
            {
                "name": title,
                "results": [
                    {
                        "task": {"type": "other", "name": "forecasting of image sequences"},
                        "dataset": {"name": scored, "type": scored},
                        "metrics": results,
                    }
                ],
            }
        ]
    about = [
        f"# {title}",
        card.get("title", f"Forecasts the next frames of {', '.join(manifest.variables)}.").rstrip(".") + ".",
        f"A {manifest.config.model.model} model of nextframe: {count(len(members_of(model)), 'network')}, from "
        f"{data.past} frames to {data.future}, in {', '.join(manifest.units)}.",
        "```python\nimport nextframe\n\n"
        'model = nextframe.load_run("hf://OWNER/NAME@REVISION")\n'
        f"forecast = model.forecast(frames, lead_times={data.future})\n```",
    ]
    if card:
        limits = "\n".join(f"- {limit}" for limit in card["limits"])
        about += [f"Trained on {card['data']}", f"Licence: {card['licence']}", f"What it cannot do:\n\n{limits}"]
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n" + "\n\n".join(about) + "\n"


def _own(scores: Mapping[str, Any]) -> dict[str, list[float]]:
    """The model's own scores with a value at each lead time."""
    own = next(iter(scores["scores"].values()))
    return {
        metric: values
        for metric, values in own.items()
        if isinstance(values, list) and values and all(isinstance(v, (int, float)) and v == v for v in values)
    }


def open_address(address: str | Path) -> TrainedForecaster:
    """A model by its address on the Hub, `hf://owner/name@revision`, downloaded once and kept in the Hub's own cache.

    Raises:
        ConfigError: an address that is none, or huggingface-hub is not installed.
        CheckpointError: no such model, no connection, or files that are missing, damaged or of another checksum.
    """
    address = f"{HUB_SCHEME}/{str(address).removeprefix(HUB_SCHEME).lstrip('/')}"  # a path has lost one of its slashes
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        raise ConfigError(
            "is no address on the Hub", where=address, expected="hf://owner/name or hf://owner/name@revision"
        )
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise ConfigError(
            "needs huggingface-hub, which is not installed", where=address, hint="pip install 'nextframe[hub]'"
        ) from error
    try:
        folder = huggingface_hub.snapshot_download(
            f"{parts['owner']}/{parts['name']}",
            revision=parts["revision"],
            allow_patterns=list(_FILES),
            max_workers=1,  # several at once hide the error of one behind that of another
        )
    except Exception as error:  # of many types, those of the libraries that it downloads by among them
        for name, what in _REFUSALS:
            if isinstance(error, getattr(errors, name)):
                raise CheckpointError(what, where=address) from error
        raise CheckpointError("cannot be had from the Hub", where=address, received=first_line(error)) from error
    return open_folder(folder, name_in_errors=address)


def open_folder(folder: str | Path, *, name_in_errors: str | None = None) -> TrainedForecaster:
    """A model from a folder that `write` has made.

    Raises:
        CheckpointError: files that are missing, damaged or of another checksum.
    """
    place = Path(folder)
    where = name_in_errors or place
    for name in (CONFIG, WEIGHTS):
        if not (place / name).is_file():
            raise CheckpointError(f"holds no {name}", where=where, expected=f"{CONFIG} and {WEIGHTS}")
    try:
        config = json.loads((place / CONFIG).read_text(encoding="utf-8"))
        if config["kind"] != KIND or config["format"] != FORMAT:
            raise ValueError(f"it is {config['kind']!r}, format {config['format']}")
        promised = config["weights"]["sha256"]
        content = (place / WEIGHTS).read_bytes()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"has a {CONFIG} that nextframe did not write", where=where, received=_why(error)
        ) from error
    received = hashlib.sha256(content).hexdigest()
    # In the Hub's cache a large file is a link to one that has its checksum for a name.
    named = (place / WEIGHTS).resolve().name
    for expected in (promised, *([named] if re.fullmatch(r"[0-9a-f]{64}", named) else [])):
        if expected != received:
            raise CheckpointError(
                "has another checksum than it should (SHA-256)",
                where=f"{where}, {WEIGHTS}",
                expected=expected,
                received=received,
                hint="download it again",
            )
    try:
        return _build(config, safetensors.torch.load(content))
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        RuntimeError,
        ConfigError,
        safetensors.SafetensorError,
    ) as error:
        raise CheckpointError("is damaged", where=where, received=_why(error)) from error


def _build(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> TrainedForecaster:
    static = tensors["static"].numpy() if "static" in tensors else None
    manifests = [Manifest.from_dict(description) for description in config["members"]]
    if not manifests:
        raise ValueError("it names no network")
    if any(manifest.own is not None for manifest in manifests):
        raise ValueError("its network is a class that is not in it")  # and nothing that it names is imported
    models = []
    for n, manifest in enumerate(manifests, start=1):
        prefix = "" if len(manifests) == 1 else f"member-{n}."
        weights = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        weights.pop("static", None)
        network = build_network(manifest)
        network.load_state_dict(weights)
        models.append(ModelForecaster(network, manifest, static=static))
    model: TrainedForecaster = models[0]
    if len(models) > 1:
        model = EnsembleForecaster(models, RunConfig.from_dict(config["config"]))
    if config["calibration"] is not None:
        model.calibration = Calibration.from_dict(config["calibration"])
    return model


def _why(error: BaseException) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else first_line(error)
