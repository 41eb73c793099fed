"""Fields that never change, such as elevation: further inputs of a model, which it does not forecast.

Axes: S fields, H height, W width.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nextframe.config import DataConfig
from nextframe.errors import DataError, ShapeError
from nextframe.files import ARCHIVE_ERRORS
from nextframe.frames.readers import coarsen, crop
from nextframe.frames.sequence import FloatArray, FrameSequence


def read_static(config: DataConfig, like: FrameSequence) -> FloatArray:
    """The configuration's static fields (S, H, W), each brought to mean 0 and standard deviation 1; 0 where missing.

    Args:
        config: names the fields; a field of another size than the frames is cropped and coarsened as they were.
        like: a sequence of the frames, as the model sees them.

    Raises:
        DataError: a field that cannot be read, is constant, or lies elsewhere than the frames.
        ShapeError: a field of several steps, or of another grid than the frames have before and after crop and coarsen.
    """
    if not config.static:
        return np.empty((0, *like.shape[2:]), np.float32)
    return np.stack([_standardised(name, _fitted(name, config, like)) for name in config.static])


def _fitted(name: str, config: DataConfig, like: FrameSequence) -> FrameSequence:
    field = _open(name)
    received = field.shape[2:]
    if received != like.shape[2:]:
        try:
            if config.crop:
                field = crop(field, config.crop)
            field = coarsen(field, config.coarsen)
        except ShapeError:
            field = _open(name)
    if field.shape[2:] != like.shape[2:]:
        raise ShapeError(
            "is of another grid than the frames",
            where=name,
            expected=f"{like.shape[2:]}, or the whole grid before crop and coarsen",
            received=received,
        )
    if field.grid is not None and like.grid is not None:
        like.grid.hold_in_place(field.grid, where=name, than="the frames")
    return field


def _open(name: str) -> FrameSequence:
    """A field as a sequence of one frame with one channel."""
    file, _, variable = name.rpartition(":")
    if not file or Path(name).exists():
        file, variable = name, ""
    path = Path(file)
    if not path.is_file() and not path.is_dir():
        raise DataError("is not there", where=f"static field {name}", expected="FILE or FILE:VARIABLE")
    if path.suffix.lower() == ".npy":
        try:
            values = np.load(path, allow_pickle=False)
        except ARCHIVE_ERRORS as error:
            raise DataError("cannot be read as a NumPy file", where=path, received=error) from error
        if values.ndim != 2 or values.dtype.kind not in "biuf":
            raise ShapeError("is no field", where=path, expected="(height, width)", received=values.shape)
        return FrameSequence(values=values[None, None], name=name, missing="mask")
    from nextframe.frames.formats.gridded import open_gridded

    field = open_gridded(name, [path], [variable] if variable else [], missing="mask")
    if field.shape[:2] != (1, 1):
        raise ShapeError("changes with time", where=name, expected="one step", received=f"{len(field)} steps")
    return field


def _standardised(name: str, field: FrameSequence) -> FloatArray:
    values = field.read(0, 1)[0, 0]
    known = np.isfinite(values)
    if not known.any() or values[known].min() == values[known].max():
        raise DataError("is constant or missing everywhere, and says nothing", where=f"static field {name}")
    scaled = (values - values[known].mean(dtype=np.float64)) / values[known].std(dtype=np.float64)
    standardised: FloatArray = np.where(known, scaled, 0).astype(np.float32)
    return standardised


def check_size(static: FloatArray, height: int, width: int, where: object) -> None:
    """Hold frames to the grid of the static fields (S, H, W) that a model was trained with.

    Raises:
        ShapeError: another size.
    """
    if static.shape[1:] != (height, width):
        raise ShapeError(
            "was trained with static fields of another grid",
            where=where,
            expected=static.shape[1:],
            received=(height, width),
            hint="crop and coarsen the frames as in training",
        )
