"""A forecast of rain on a grid, for the tests of output formats."""

from dataclasses import replace

import numpy as np

from nextframe.forecasting.forecast import Forecast
from nextframe.frames.grid import Grid
from nextframe.frames.radar.place import grid_within, mapping

STEREO = "+proj=stere +lat_0=90 +lon_0=0 +lat_ts=60 +a=6378140 +b=6356750 +x_0=0 +y_0=0 +units=m"
"""KNMI's projection."""


def stereographic(height: int = 12, width: int = 16, *, north_up: bool = True) -> Grid:
    """Pixels of 20 km over the Netherlands."""
    edges = (100.0, 100.0 + 20 * width, -4100.0, -4100.0 + 20 * height)
    grid = grid_within(edges, (height, width), "km", STEREO, north_up=north_up)
    return replace(grid, mapping=mapping(STEREO))


def degrees(height: int = 12, width: int = 16, *, north_up: bool = True) -> Grid:
    """Pixels of a tenth of a degree."""
    return grid_within(
        (4.0, 4 + width / 10, 50.0, 50 + height / 10), (height, width), "degrees", "+proj=longlat +datum=WGS84",
        north_up=north_up,
    )  # fmt: skip


def westward(grid: Grid) -> Grid:
    """The same pixels in columns that run west."""
    return replace(grid, x=grid.x[::-1].copy())


def rain(
    grid: Grid | None = None, *, leads: int = 3, members: int = 20, seed: int = 0, hour: int = 12, unit: str = "mm/h"
) -> Forecast:
    """Rain of several members, with a pixel of which nothing is known."""
    grid = stereographic() if grid is None else grid
    draw = np.random.default_rng(seed)
    shape = (members, leads, 1, len(grid.y), len(grid.x))
    drawn = np.where(draw.random(shape) < 0.4, 0, draw.gamma(0.7, 4.0, shape)).astype(np.float32)
    drawn[..., 2, 3] = np.nan
    return Forecast(
        values=drawn.mean(0),
        members=drawn,
        forecaster="model",
        init_time=np.datetime64("2020-06-01", "ns") + np.timedelta64(hour, "h"),
        time_step=np.timedelta64(5, "m"),
        variables=("rain_rate",),
        units=(unit,),
        variable_attributes=({"standard_name": "rainfall_rate", "long_name": "rain rate"},),
        grid=grid,
        source="radar",
        attributes={"institution": "a service"},
    )
