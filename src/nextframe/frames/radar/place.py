"""Grids of radar composites: from PROJ's text and the corners of a header to coordinates and CF's grid mapping."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nextframe.errors import DataError, first_line
from nextframe.frames.geography import grid_mapping
from nextframe.frames.grid import Grid
from nextframe.plugins import projections, pyproj_first

NAMES = {"metre": "m", "meter": "m", "kilometre": "km", "kilometer": "km", "degree": "degrees"}
"""Units of coordinates as PROJ calls them -> as CF does."""


def grid_within(
    edges: tuple[float, float, float, float],
    shape: tuple[int, int],
    unit: str,
    projection: str,
    *,
    north_up: bool = True,
) -> Grid:
    """Centres of pixels between the outer edges of a frame.

    Args:
        edges: x of the left and right edge, y of the lower and upper one.
        shape: (H, W).
        unit: unit of the edges: "m", "km", "degrees".
        projection: how PROJ writes the projection.
        north_up: whether the first row is the uppermost.

    >>> grid = grid_within((0, 4, 0, 2), (2, 4), "km", "")
    >>> grid.x.tolist(), grid.y.tolist()
    ([0.5, 1.5, 2.5, 3.5], [1.5, 0.5])
    """
    rows, columns = shape
    left, right, lower, upper = edges
    y = lower + (np.arange(rows) + 0.5) * (upper - lower) / rows
    x = left + (np.arange(columns) + 0.5) * (right - left) / columns
    degrees = unit == "degrees"
    named = ("latitude", "longitude") if degrees else ("projection_y_coordinate", "projection_x_coordinate")
    units = ("degrees_north", "degrees_east") if degrees else (unit, unit)
    return Grid(
        y=y[::-1].copy() if north_up else y,
        x=x,
        y_name="latitude" if degrees else "y",
        x_name="longitude" if degrees else "x",
        y_attributes={"standard_name": named[0], "axis": "Y", "units": units[0]},
        x_attributes={"standard_name": named[1], "axis": "X", "units": units[1]},
        mapping=mapping(projection) if projection else None,
    )


def mapping(projection: str) -> dict[str, object]:
    """The CF grid mapping of a PROJ string; the string itself where pyproj is not installed or does not take it."""
    pyproj_first()
    try:
        from pyproj import CRS
        from pyproj.exceptions import CRSError
    except ImportError:
        return {"proj4": projection}
    try:
        return dict(grid_mapping(CRS.from_user_input(projection)))
    except CRSError:  # some centres write strings that PROJ does not take
        return {"proj4": projection}


def projected(
    path: Path, projection: str, corners: Mapping[str, tuple[float, float]]
) -> tuple[dict[str, tuple[float, float]], str]:
    """Corners in the plane of a projection, and its unit.

    Args:
        path: the file, for messages.
        projection: how PROJ writes the projection.
        corners: name of each corner -> longitude and latitude, in degrees.

    Raises:
        ConfigError: pyproj is not installed.
        DataError: PROJ takes the projection or the corners for none.
    """
    pyproj = projections(path)
    try:
        plane = pyproj.Proj(projection)
        axes: list[Any] = pyproj.CRS.from_user_input(projection).axis_info
        placed = {name: plane(*place, errcheck=True) for name, place in corners.items()}
    except (pyproj.exceptions.CRSError, pyproj.exceptions.ProjError) as error:
        raise DataError(
            "has a projection that PROJ does not take", where=path, received=f"{projection} ({first_line(error)})"
        ) from error
    unit = axes[0].unit_name if axes else "metre"
    return placed, NAMES.get(unit, unit)
