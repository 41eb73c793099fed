"""Facts of frames beside their values (times, units, grid) as JSON has them, and frames that have them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nextframe.frames.grid import Grid
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.words import seconds


def told_of(sequence: FrameSequence) -> dict[str, Any]:
    """Facts of frames beside their values, for JSON."""
    grid = sequence.grid
    return {
        "times": None if sequence.times is None else [str(t) for t in sequence.times.astype("datetime64[ns]")],
        "time_step": None if sequence.time_step is None else _nanoseconds(sequence.time_step),
        "variables": list(sequence.variables),
        "units": list(sequence.units),
        "accumulation": [
            None if length is None else int(length.astype("timedelta64[ns]").astype(np.int64))  # NaT, too, has a number
            for length in sequence.accumulation
        ],
        "grid": None
        if grid is None
        else {
            "y": grid.y.tolist(),
            "x": grid.x.tolist(),
            "y_name": grid.y_name,
            "x_name": grid.x_name,
            "y_attributes": _plain(grid.y_attributes),
            "x_attributes": _plain(grid.x_attributes),
            "mapping": None if grid.mapping is None else _plain(grid.mapping),
        },
    }


def sequence_from(values: FloatArray, told: Mapping[str, Any], *, name: str = "the file") -> FrameSequence:
    """Frames (T, C, H, W) of which `told_of` has told the rest."""
    times, step, grid = told["times"], told["time_step"], told["grid"]
    return FrameSequence(
        values=values,
        name=name,
        times=None if times is None else np.array(times, "datetime64[ns]"),
        time_step=None if step is None else np.timedelta64(step, "ns"),
        variables=tuple(told["variables"]),
        units=tuple(told["units"]),
        accumulation=tuple(None if length is None else np.timedelta64(length, "ns") for length in told["accumulation"]),
        grid=None if grid is None else Grid(**{**grid, "y": np.array(grid["y"]), "x": np.array(grid["x"])}),
        missing="mask",
    )


def _nanoseconds(step: np.timedelta64) -> int:
    return round(seconds(step) * 1e9)


def _plain(attributes: Any) -> dict[str, Any]:
    """Attributes that JSON can hold: texts, numbers and lists of them; of others nothing is needed to place a grid."""
    each = {str(name): _told(value) for name, value in attributes.items()}
    return {name: value for name, value in each.items() if isinstance(value, (str, int, float, list))}


def _told(value: Any) -> Any:
    """A value as JSON has it; None for what it has no word for."""
    plain = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    if isinstance(plain, list):
        each = [_told(part) for part in plain]
        return None if None in each else each
    if isinstance(plain, bytes):
        return plain.decode("utf-8", "replace")
    return plain if isinstance(plain, (str, int, float)) else None
