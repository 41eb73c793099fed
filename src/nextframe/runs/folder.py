"""The run folder: configuration, weights and what is needed to use them.

config.yaml         the resolved configuration; reruns the run
metrics.csv         one row for each epoch
checkpoints/        last.ckpt and best.ckpt, for resuming (Lightning)
model.safetensors   the best weights so far
model.json          what these weights are: configuration, normalisation, frames, threshold, format version
seen.npz            which frames it was trained on and chosen by, so that a verification leaves them out
static.npy          static fields in the model's range (S, H, W), where it was trained with such
calibration.json    quantiles of its errors on the validation part
member-1 ...        in place of weights, a run folder for each member of an ensemble
verification.json, report.html    written by `nextframe verify`
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
import yaml
from torch import Tensor, nn

from nextframe.config import RunConfig
from nextframe.errors import CheckpointError, ConfigError, first_line
from nextframe.files import ARCHIVE_ERRORS, replacing, write_array, write_text
from nextframe.frames.sequence import FloatArray
from nextframe.models.build import build_model
from nextframe.models.network import Network
from nextframe.models.own import built, shapes, wrapped
from nextframe.runs.checksum import hold_array, hold_weights, of_weights
from nextframe.runs.manifest import MANIFEST, Manifest, read_manifest, write_manifest
from nextframe.runs.seen import SEEN

STATIC = "static.npy"
WEIGHTS = "model.safetensors"
_OF_A_RUN = (
    "config.yaml",
    "metrics.csv",
    WEIGHTS,
    MANIFEST,
    STATIC,
    SEEN,
    "calibration.json",
    "verification.json",
    "report.html",
)


def save_model(run: Path, model: nn.Module, manifest: Manifest) -> None:
    """Write `model.safetensors` and `model.json` into the run folder.

    Raises:
        ConfigError: a place that cannot be written to.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if manifest.own is not None:  # whose weights may share their memory
        weights = {name: tensor.clone() for name, tensor in weights.items()}
    with replacing(run / WEIGHTS) as temporary:
        # The epoch in both files tells a pair that a crash has torn apart.
        # Written by Python, so that others may read the file as they may the ones beside it.
        temporary.write_bytes(safetensors.torch.save(weights, metadata={"epoch": str(manifest.epoch)}))
    manifest = replace(manifest, weights_checksum=of_weights(weights))
    write_manifest(run, manifest, parameters=sum(p.numel() for p in model.parameters()))


def save_static(run: Path, static: FloatArray) -> None:
    """Write the static fields (S, H, W) of a model, in its range, into the run folder; nothing where there are none."""
    if len(static):
        with replacing(run / STATIC) as temporary, temporary.open("wb") as file:
            write_array(file, static)


def load_static(run: str | Path, manifest: Manifest) -> FloatArray:
    """The static fields (S, H, W) of a run's model, in its range.

    Raises:
        CheckpointError: fields that are missing or damaged.
    """
    path, count = Path(run) / STATIC, len(manifest.config.data.static)
    if not count:
        return np.empty((0, manifest.height, manifest.width), np.float32)
    try:
        static: FloatArray = np.load(path, allow_pickle=False)
    except ARCHIVE_ERRORS as error:
        raise CheckpointError("cannot be read", where=path, received=error, hint="train the model again") from error
    if static.shape != (count, manifest.height, manifest.width) or static.dtype != np.float32:
        expected = (count, manifest.height, manifest.width)
        raise CheckpointError("holds something else", where=path, expected=expected, received=static.shape)
    hold_array(path, static, manifest.static_checksum)
    return static


def load_model(run: str | Path, module: nn.Module | None = None) -> tuple[Network, Manifest]:
    """Read a run folder's model, in `eval()` mode, and its manifest.

    Args:
        run: the run folder.
        module: the network of one's own that the weights are of, where its class is not to be imported; it is left as
            it is.

    Raises:
        ConfigError: a module for a run of another network.
        CheckpointError: no such folder, no weights in it, damaged files, or files of a later version.
    """
    run = Path(run)
    if not run.is_dir():
        raise CheckpointError("is not a run folder", where=run, hint="train one first")
    path = run / WEIGHTS
    for part in (run / MANIFEST, path):
        if not part.is_file():
            what = f"holds no {part.name}: its training has not finished an epoch"
            hint = "train it; if it was interrupted, go on with {resume=True}"
            raise CheckpointError(
                what if (run / "config.yaml").is_file() else f"holds no {part.name}", where=run, hint=hint
            )
    manifest = read_manifest(run / MANIFEST)
    epoch, weights = _read_weights(path)
    if module is not None and manifest.own is None:
        raise ConfigError(
            "is of an architecture of its own",
            where=run,
            received=manifest.config.model.model,
            hint="leave {module} out",
        )
    try:
        model = None if manifest.own is None else build_network(manifest, module)
    except ConfigError as error:
        raise CheckpointError(f"cannot be loaded here: {error}", where=run) from error
    _check_shapes(path, weights, manifest, model)
    model = model or build_network(manifest)
    model.load_state_dict(weights)
    if epoch != str(manifest.epoch):
        raise CheckpointError(
            "is of another epoch than model.json", where=path, received=epoch, hint="resume the training"
        )
    hold_weights(path, weights, manifest.weights_checksum)
    return model.eval(), manifest


def _read_weights(path: Path) -> tuple[str | None, dict[str, Tensor]]:
    """The epoch that a weights file names, and its tensors."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            epoch = (file.metadata() or {}).get("epoch")
        return epoch, safetensors.torch.load_file(path)
    except (OSError, RuntimeError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise _other_weights(path, first_line(error)) from error


def _check_shapes(path: Path, weights: Mapping[str, Tensor], manifest: Manifest, own: Network | None) -> None:
    """Hold weights to what the manifest describes before any memory is taken for that, or to a network of the user's
    that is built already.
    """
    try:
        with torch.device("meta"):
            described = shapes(own or build_network(manifest))
    except (RuntimeError, ConfigError) as error:
        where = path.with_name(MANIFEST)
        raise CheckpointError(
            "describes no network", where=where, received=first_line(error), hint="train the model again"
        ) from error
    stored = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    differing = sorted(name for name in described.keys() | stored.keys() if described.get(name) != stored.get(name))
    if differing:
        name = differing[0]
        told = f"{name} {stored.get(name, 'missing')}, not {described.get(name, 'there')}"
        raise _other_weights(path, told)
    kept = None if own is None else dict(own.named_parameters())  # its buffers may hold what they like
    for name, tensor in weights.items():
        if kept is not None and name not in kept:
            continue
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(
                "holds weights that are not finite", where=path, received=name, hint="train the model again"
            )


def build_network(manifest: Manifest, module: nn.Module | None = None) -> Network:
    """The network that a manifest describes, with weights as they are drawn, or as those of a module of the user's.

    Raises:
        ConfigError: options that the architecture does not take, values that do not go together, or a class that cannot
            be imported or built.
    """
    data = manifest.config.data
    if manifest.own is not None:
        model = manifest.config.model
        return wrapped(
            built(model.model, manifest.own.arguments) if module is None else module,
            manifest.own,
            manifest.channels,
            past=data.past,
            output=model.output,
            residual=model.residual,
            quantiles=model.quantiles,
            static_channels=manifest.further_channels,
            masked=manifest.mask,
        )
    return build_model(
        manifest.config.model,
        manifest.channels,
        manifest.further_channels,
        masked=manifest.mask,
        past=data.past,
        future=data.future,
    )


def _other_weights(path: Path, why: str) -> CheckpointError:
    what = "does not hold the weights that model.json describes"
    return CheckpointError(what, where=path, received=why, hint="train the model again")


def member_folders(run: str | Path) -> list[Path]:
    """The run folders of an ensemble's members, in their order; none for a single model."""
    folders = [path for path in Path(run).glob("member-*") if path.is_dir() and path.name[7:].isdecimal()]
    return sorted(folders, key=lambda path: int(path.name[7:]))


def clear_run(run: Path, *, but: Path | None = None) -> None:
    """Remove what makes a folder a run, as the list above has it; what else lies in it stays.

    Args:
        run: the run folder.
        but: a folder in it that is to stay.
    """
    for name in _OF_A_RUN:
        (run / name).unlink(missing_ok=True)
    for folder in (run / "checkpoints", run / "tensorboard", *member_folders(run)):
        if folder != but:
            shutil.rmtree(folder, ignore_errors=True)


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
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = str(error).replace("\n", " ")
        raise ConfigError("cannot be read as a configuration", where=path, received=reason) from error
    if not isinstance(content, dict):
        raise ConfigError("is not a configuration", where=path, expected="lines of `option: value`")
    return content
