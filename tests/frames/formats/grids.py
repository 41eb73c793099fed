"""Gridded files as people have them, written by h5netcdf, so that every attribute stands as it is given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np

STEPS, SIDE = 12, 8
HOURS = {"units": "hours since 2020-01-01"}

Attributes = Mapping[str, Any]
Coordinates = Mapping[str, tuple[tuple[str, ...], Any, Attributes]]


def rain(steps: int = STEPS) -> np.ndarray:
    """Frames (T, H, W) of a square that moves, dry elsewhere."""
    frames = np.zeros((steps, SIDE, SIDE), np.float32)
    for t in range(steps):
        frames[t, 2:5, t % 5 : t % 5 + 3] = 2.0 + t % 4
    return frames


def write(
    path: Path,
    values: np.ndarray | None = None,
    attributes: Attributes | None = None,
    *,
    dims: tuple[str, ...] = ("time", "y", "x"),
    time: tuple[Any, Attributes] | None = (np.arange(STEPS), HOURS),
    others: Coordinates | None = None,
    group: str = "",
    name: str = "rain",
) -> Path:
    """A NetCDF-4 file of one field, its time, and other variables by name."""
    data = rain() if values is None else values
    with h5netcdf.File(path, "a") as file:
        place = file.create_group(group) if group else file
        sizes = dict(zip(dims, data.shape, strict=True))
        for _, (along, array, _) in (others or {}).items():
            sizes |= dict(zip(along, np.shape(array), strict=True))
        place.dimensions = sizes
        variables: dict[str, tuple[tuple[str, ...], Any, Attributes]] = {name: (dims, data, attributes or {})}
        if time is not None:
            variables["time"] = ((dims[0],), time[0], time[1])
        for label, (along, array, said) in (variables | dict(others or {})).items():
            numbers = np.asarray(array)
            variable = place.create_variable(label, along, numbers.dtype)
            variable[...] = numbers
            for key, value in said.items():
                variable.attrs[key] = value
    return path
