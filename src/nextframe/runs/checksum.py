"""Checksums in the files of a run: a changed number, by a disk or by hand, would give another forecast without a word.

A file without one, as earlier versions wrote it, is read as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

KEY = "checksum"


def sealed(description: Mapping[str, Any]) -> dict[str, Any]:
    """A description that is to be written as JSON, with its checksum, in place of one that it had.

    >>> sealed({"a": 1})["checksum"]
    '015abd7f5cc57a2d'
    """
    plain = {name: value for name, value in description.items() if name != KEY}
    return {**plain, KEY: _of_text(plain)}


def hold_sealed(path: Path, description: Any) -> None:
    """Hold what was read from a file of JSON to the checksum in it, where it has one.

    Raises:
        CheckpointError: it was changed since it was written.
    """
    if isinstance(description, dict) and KEY in description:
        _hold(path, description[KEY], _of_text({name: v for name, v in description.items() if name != KEY}))


def of_weights(weights: Mapping[str, Tensor]) -> str:
    """The checksum of weights, whatever order they are kept in."""
    import torch  # a manifest is read without

    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:_LENGTH]


def hold_weights(path: Path, weights: Mapping[str, Tensor], checksum: str) -> None:
    """Hold weights to the checksum that stands beside them, where one does.

    Raises:
        CheckpointError: they were changed since they were written.
    """
    if checksum:
        _hold(path, checksum, of_weights(weights))


def of_array(values: NDArray[Any]) -> str:
    """The checksum of an array; empty of an empty one."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:_LENGTH] if values.size else ""


def hold_array(path: Path, values: NDArray[Any], checksum: str) -> None:
    """Hold an array that was read to its checksum; an empty one holds to nothing.

    Raises:
        CheckpointError: it was changed since it was written.
    """
    if checksum:
        _hold(path, checksum, of_array(values))


def _hold(path: Path, written: object, received: str) -> None:
    if written != received:
        raise CheckpointError(
            "was changed since it was written",
            where=path,
            expected=f"checksum {written}",
            received=received,
            hint="bring the file back, or train the model again; if you changed it on purpose, take its checksum out",
        )


_LENGTH = 16  # against accidents, not against enemies


def _of_text(description: Mapping[str, Any]) -> str:
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]
