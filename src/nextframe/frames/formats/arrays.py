"""NumPy files: NPY, memory-mapped, and NPZ."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.config import Missing, Reading
from nextframe.errors import ConfigError, DataError, ShapeError, first_line
from nextframe.frames.damage import Damage
from nextframe.frames.mapped import Mapped, WholeFile
from nextframe.frames.sequence import FrameSequence

_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    SyntaxError,
    RuntimeError,  # a compression or an encryption that zipfile does not know
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

MOVING_MNIST = "mnist_test_seq.npy"
"""The published Moving MNIST test set, whose axes are (time, movie, height, width)."""


def open_arrays(name: str, files: Sequence[Path], reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Open NumPy files (`frames.format.Open`).

    Raises:
        ConfigError: a choice of a variable that the file does not have.
        DataError, ShapeError: as `open_array`.
    """
    path, variable = files[0], reading.variable
    if len(variable) > 1 or (variable and path.suffix.lower() == ".npy"):
        raise ConfigError("takes no such choice", where=f"variable, for {path}", received=", ".join(variable))
    return open_array(path, variable[0] if variable else None)


def open_array(path: Path, variable: str | None = None, *, missing: Missing = "error") -> tuple[FrameSequence, ...]:
    """Open an NPY file, which is mapped to memory, or an NPZ file, which is compressed and has to fit there.

    Axes: (T, H, W); (T, C, H, W) or (N, T, H, W), told apart by the second axis (at most 4 is taken for channels);
    (N, T, C, H, W). The file `mnist_test_seq.npy` is read as (T, N, H, W). How an array was read stands in the
    sequences' attribute `axes`.

    Args:
        path: the file.
        variable: which array of an NPZ file; by default the only one.
        missing: what NaN means.

    Raises:
        DataError: a damaged or empty file, or an array that does not hold numbers.
        ConfigError: an NPZ with several arrays of which none was named.
        ShapeError: an array with another number of axes, or with colours along the last one.
    """
    array = _load(path, variable)
    if array.dtype.kind not in "biuf":
        raise DataError("does not hold real numbers", where=path, received=f"type {array.dtype}")
    if array.ndim in (4, 5) and array.shape[-1] in (3, 4) and array.shape[-2] > 4 and array.shape[-3] > 4:
        raise ShapeError(
            "seems to hold colours along its last axis",
            where=path,
            expected="channels before height and width",
            received=array.shape,
            hint="save it as numpy.moveaxis(array, -1, -3)",
        )
    if path.name == MOVING_MNIST and array.ndim == 4:
        array, axes = array.swapaxes(0, 1)[:, :, None], "(time, movie, height, width), as Moving MNIST is published"
    elif array.ndim == 3:
        array, axes = array[None, :, None], "(time, height, width)"
    elif array.ndim == 4 and array.shape[1] <= 4:
        array, axes = array[None], "(time, channel, height, width)"
    elif array.ndim == 4:
        array, axes = array[:, :, None], "(movie, time, height, width)"
    elif array.ndim == 5:
        axes = "(movie, time, channel, height, width)"
    else:
        raise ShapeError(
            "has another number of axes than frames have",
            where=path,
            expected="(time, height, width), (time, channel, height, width) or a batch of either",
            received=array.shape,
        )
    if array.size == 0:
        raise DataError("is empty", where=path, received=f"shape {array.shape}")
    file = WholeFile(path) if isinstance(array, np.memmap) else None
    return tuple(
        FrameSequence(
            values=movie if file is None else Mapped(movie, file),
            name=str(path) if len(array) == 1 else f"{path}[{n}]",
            missing=missing,
            attributes={"axes": axes},
        )
        for n, movie in enumerate(array)
    )


def _load(path: Path, variable: str | None) -> NDArray[Any]:
    try:
        if path.suffix.lower() == ".npz" and not zipfile.is_zipfile(path):
            raise ValueError("not a zip archive")
        loaded = np.load(path, mmap_mode="r" if path.suffix.lower() == ".npy" else None, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            array: NDArray[Any] = loaded
            return array
        with loaded:
            names = loaded.files
            if variable is None and len(names) > 1:
                listed = ", ".join(names)
                raise ConfigError("holds several arrays", where=path, received=listed, hint="name one with {variable}")
            if variable is not None and variable not in names:
                raise ConfigError("holds no such array", where=path, expected=", ".join(names), received=variable)
            if not names:
                raise DataError("is empty", where=path)
            array = loaded[variable or names[0]]
            return array
    except _UNREADABLE as error:
        raise DataError(
            "cannot be read as a NumPy file", where=path, received=first_line(error), hint="the file may be truncated"
        ) from error
