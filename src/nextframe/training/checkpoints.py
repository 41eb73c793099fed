"""Checkpoints: states that a training goes on from, whole or not at all, and never a program."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from nextframe.errors import CheckpointError, first_line
from nextframe.files import replacing

FOLDER, LAST, BEST = "checkpoints", "last.ckpt", "best.ckpt"

Checkpoint = Mapping[str, Any]

_PARTS = {
    "epoch": int,
    "global_step": int,
    "pytorch-lightning_version": str,
    "state_dict": dict,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
}


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints, written beside their place and renamed, and read as numbers alone.

    Lightning's own way writes to TMPDIR and moves; where that is another file system, the move is a copy, which a kill
    leaves cut off. And whether it reads a checkpoint as numbers or runs what is in it, depends on its version.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with replacing(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return dict(read_checkpoint(Path(path)))


@dataclass(frozen=True)
class ResumePoint:
    """A checkpoint to go on from."""

    path: Path
    epochs: int
    """Epochs that have ended."""
    batches: int
    """Batches of the next epoch that were trained on."""
    plan: Mapping[str, Any] | None = None
    """Plan of a training by the clock."""


def find_resume_point(run: Path, tell: Callable[[str], None]) -> ResumePoint | None:
    """The last whole checkpoint of a run folder; None where it holds none at all.

    Args:
        run: the run folder.
        tell: told where the last one is damaged and the best one is taken.

    Raises:
        CheckpointError: it holds damaged ones only.
    """
    damage: CheckpointError | None = None
    for path in (run / FOLDER / LAST, run / FOLDER / BEST):
        if not path.exists():
            continue
        try:
            point = resume_point(path)
        except CheckpointError as error:
            damage = damage or error
            continue
        if damage is not None:
            instead = f"going on from {path.name}, after epoch {point.epochs}"
            tell(f"{damage.where}: {damage.what} ({damage.received}): {instead}")
        elif path.name != LAST:
            tell(f"{run}: holds no {LAST}: going on from {path.name}, after epoch {point.epochs}")
        return point
    if damage is not None:
        raise damage
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, holding every byte to its checksum, and running nothing that is in it.

    Raises:
        CheckpointError: a file that is no checkpoint, is damaged, or holds more than numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        checkpoint: Any = None if damaged else torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _cannot_be_resumed(path, "it holds more than numbers, and nothing of it was run") from error
    except Exception as error:  # what other libraries meet in bytes that are no checkpoint, may be anything
        raise _cannot_be_resumed(path, first_line(error)) from error
    if damaged:
        raise _cannot_be_resumed(path, f"{damaged} has another checksum")
    sound = isinstance(checkpoint, dict) and all(
        isinstance(checkpoint.get(name), kind) for name, kind in _PARTS.items()
    )
    if not sound:
        raise _cannot_be_resumed(path, "it is no checkpoint of a training")
    return dict(checkpoint)


def resume_point(path: Path) -> ResumePoint:
    """Place in the training that a checkpoint goes on from.

    Raises:
        CheckpointError: a file that is no checkpoint, or is damaged.
    """
    checkpoint = read_checkpoint(path)
    loops = checkpoint["loops"]
    try:
        epochs = loops["fit_loop"]["epoch_progress"]["current"]
        batches = loops["fit_loop"]["epoch_loop.batch_progress"]["current"]["processed"]
        within = epochs["started"] > epochs["processed"]
        timing = checkpoint["callbacks"].get("_Timing", {})
        return ResumePoint(path, int(epochs["processed"]), int(batches) if within else 0, timing.get("plan"))
    except (KeyError, TypeError, ValueError) as error:
        raise _cannot_be_resumed(path, "it is no checkpoint of a training") from error


def _cannot_be_resumed(path: Path, why: str) -> CheckpointError:
    return CheckpointError("cannot be resumed", where=path, received=why, hint="train again, into another {out}")
