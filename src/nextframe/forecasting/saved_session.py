"""Sessions on disk: frames, times, unit and grid, and what the networks remember, in one safetensors file; no pickle.

The file holds the frames that are kept and one memory, the earliest since the last gap; what came after it is read
again, which gives the same state to the last bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from nextframe.errors import CheckpointError, first_line
from nextframe.files import replacing
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.frames.told import sequence_from, told_of
from nextframe.models.network import Network

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Saved:
    """Contents of a session's file."""

    frames: FloatArray
    """Frames that are kept, (N, C, H, W)."""
    times: NDArray[np.datetime64] | None
    """Valid time of each; None where nobody said."""
    begins: tuple[bool, ...]
    """True for frames with which the past begins anew."""
    time_step: np.timedelta64 | None
    """Time between frames."""
    seen: NDArray[np.bool_]
    """True where any frame of the memory had a value, (C, H, W)."""
    place: int
    """Number of the frame after which the memory is; -1 without one."""
    memory: tuple[torch.Tensor, ...]
    """Tensors of the memory."""
    like: FrameSequence | None = None
    """A frame with the variables, the unit and the grid of all; None where nobody said."""


def save(path: str | Path, saved: Saved, networks: Sequence[Network]) -> None:
    """Write a session, whole or not at all.

    Raises:
        ConfigError: a place that cannot be written to.
    """
    tensors = {f"memory_{n:03}": tensor.contiguous().cpu() for n, tensor in enumerate(saved.memory)}
    tensors["frames"] = torch.from_numpy(np.ascontiguousarray(saved.frames))
    tensors["seen"] = torch.from_numpy(np.ascontiguousarray(saved.seen))
    state = {
        "version": VERSION,
        "model": fingerprint(networks),
        "times": None if saved.times is None else [str(time) for time in saved.times.astype("datetime64[ns]")],
        "begins": list(saved.begins),
        "time_step": None if saved.time_step is None else int(saved.time_step.astype("timedelta64[ns]").astype(int)),
        "place": saved.place,
        "like": None if saved.like is None else {**told_of(saved.like), "times": None},
    }
    content = safetensors.torch.save(tensors, metadata={"session": json.dumps(state)})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def load(path: str | Path, networks: Sequence[Network]) -> Saved:
    """Read a session.

    Raises:
        CheckpointError: no such file, a damaged one, or a session of another model.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            state: dict[str, Any] = json.loads((file.metadata() or {})["session"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        if state["version"] != VERSION:
            raise CheckpointError("is of another version", where=path, expected=VERSION, received=state["version"])
        times, step = state["times"], state["time_step"]
        saved = Saved(
            frames=tensors.pop("frames").numpy(),
            seen=tensors.pop("seen").numpy(),
            times=None if times is None else np.array(times, "datetime64[ns]"),
            begins=tuple(map(bool, state["begins"])),
            time_step=None if step is None else np.timedelta64(step, "ns"),
            place=int(state["place"]),
            memory=tuple(tensors[name] for name in sorted(tensors)),
        )
        if state.get("like") is not None:
            saved = replace(saved, like=sequence_from(saved.frames[-1:], state["like"], name="session"))
        model = state["model"]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            "cannot be read", where=path, received=first_line(error), hint="it holds no session, or is damaged"
        ) from error
    if model != fingerprint(networks):
        raise CheckpointError("is a session of another model", where=path, hint="begin a new one")
    return saved


def fingerprint(networks: Sequence[Network]) -> str:
    """Digest of the weights of some networks."""
    digest = hashlib.sha256()
    for network in networks:
        for name, tensor in sorted(network.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
