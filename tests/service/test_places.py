"""Values at places and over areas as CoverageJSON: means, largest values, and those of all pixels."""

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("covjson_pydantic")

from nextframe.forecasting.forecast import Forecast
from nextframe.frames.grid import Grid
from nextframe.service.limits import Refused
from nextframe.service.places import area, area_values, position, ring_of

EAST, NORTH = np.arange(4.0, 8.0), np.arange(55.0, 50.0, -1)
"""Centres of the pixels, 4 columns and 5 rows."""
VALUES = np.random.default_rng(0).random((2, 2, 5, 4)).astype(np.float32)
RING = "POLYGON((4.5 51.5, 6.5 51.5, 6.5 53.5, 4.5 53.5, 4.5 51.5))"
"""Rows 2 and 3, columns 1 and 2."""
INSIDE = VALUES[:, :, 2:4, 1:3]


def forecast_on(grid: Grid, **others: Any) -> Forecast:
    known: dict[str, Any] = {"init_time": np.datetime64("2016-07-11T21:00"), "time_step": np.timedelta64(5, "m")}
    known |= {"variables": ("rain", "wind"), "units": ("mm/h", "m/s"), **others}
    return Forecast(values=VALUES, forecaster="x", grid=grid, **known)


REGULAR = Grid(
    y=NORTH,
    x=EAST,
    y_name="latitude",
    x_name="longitude",
    y_attributes={"units": "degrees_north"},
    x_attributes={"units": "degrees_east"},
)


def test_an_area_has_its_mean_and_its_largest_value() -> None:
    told = json.loads(area(forecast_on(REGULAR), ring_of(RING)))
    assert told["domain"]["domainType"] == "PointSeries"
    axes = told["domain"]["axes"]
    assert (axes["x"]["values"], axes["y"]["values"]) == ([5.5], [52.5]), "the closing corner is no further one"
    assert axes["t"]["values"] == ["2016-07-11T21:05:00Z", "2016-07-11T21:10:00Z"]
    assert list(told["ranges"]) == ["rain", "rain_maximum", "wind", "wind_maximum"]
    assert told["parameters"]["rain_maximum"]["unit"] == {"symbol": "mm/h"}
    share = np.cos(np.deg2rad(NORTH[2:4]))[:, None] * np.ones(2)
    for c, name in enumerate(("rain", "wind")):
        means = (INSIDE[:, c] * share).sum((1, 2)) / share.sum()
        np.testing.assert_allclose(told["ranges"][name]["values"], means, rtol=1e-5)
        np.testing.assert_allclose(told["ranges"][f"{name}_maximum"]["values"], INSIDE[:, c].max((1, 2)), rtol=1e-6)
    open_ring = ring_of(RING)[:-1]
    assert json.loads(area(forecast_on(REGULAR), open_ring)) == told


def test_the_values_of_an_area_are_a_grid() -> None:
    told = json.loads(area_values(forecast_on(REGULAR), ring_of(RING), 1000))
    assert told["domain"]["domainType"] == "Grid"
    axes = told["domain"]["axes"]
    assert (axes["x"]["values"], axes["y"]["values"]) == ([5.0, 6.0], [53.0, 52.0])
    for c, name in enumerate(("rain", "wind")):
        found = told["ranges"][name]
        assert (found["axisNames"], found["shape"]) == (["t", "y", "x"], [2, 2, 2])
        np.testing.assert_allclose(np.reshape(found["values"], found["shape"]), INSIDE[:, c], rtol=1e-6)
    triangle = ring_of("POLYGON((4.5 51.5, 6.6 51.5, 4.5 53.6, 4.5 51.5))")
    corner = json.loads(area_values(forecast_on(REGULAR), triangle, 1000))["ranges"]["rain"]["values"][:4]
    assert [value is None for value in corner] == [False, True, False, False], "null outside of the polygon"
    with pytest.raises(Refused, match="16 values, more than 15"):
        area_values(forecast_on(REGULAR), ring_of(RING), 15)


def test_the_values_of_an_area_of_a_projected_grid_are_points() -> None:
    mapping = {
        "grid_mapping_name": "polar_stereographic",
        "latitude_of_projection_origin": 90.0,
        "straight_vertical_longitude_from_pole": 0.0,
        "standard_parallel": 60.0,
        "semi_major_axis": 6378137.0,
        "semi_minor_axis": 6356752.0,
    }
    metres = {"units": "m"}
    grid = Grid(
        y=np.linspace(-4.0e6, -4.2e6, 5),
        x=np.linspace(3.0e5, 4.5e5, 4),
        y_attributes=metres,
        x_attributes=metres,
        mapping=mapping,
    )
    ring = ring_of("POLYGON((0 45, 20 45, 20 60, 0 60, 0 45))")  # all of it
    told = json.loads(area_values(forecast_on(grid), ring, 1000))
    assert told["domain"]["domainType"] == "MultiPointSeries"
    points = told["domain"]["axes"]["composite"]
    assert (points["dataType"], points["coordinates"]) == ("tuple", ["x", "y"])
    found = told["ranges"]["wind"]
    assert (found["axisNames"], found["shape"]) == (["t", "composite"], [2, 20])
    np.testing.assert_allclose(np.reshape(found["values"], (2, 5, 4)), VALUES[:, 1], rtol=1e-6)
    for n, (longitude, latitude) in enumerate(points["values"]):
        at_it = json.loads(position(forecast_on(grid), latitude, longitude))["ranges"]["wind"]["values"]
        np.testing.assert_allclose(at_it, np.reshape(found["values"], (2, 20))[:, n])


def test_missing_values_are_null_and_count_for_nothing() -> None:
    values = VALUES.copy()
    values[0, 0, 2:4, 1:3] = [[np.nan, 3.0], [np.nan, np.nan]]
    values[1, 0, 2:4, 1:3] = np.nan
    forecast = Forecast(**{**vars(forecast_on(REGULAR)), "values": values})
    told = json.loads(area(forecast, ring_of(RING)))["ranges"]
    assert told["rain"]["values"] == [3.0, None]
    assert told["rain_maximum"]["values"] == [3.0, None]
    each = json.loads(area_values(forecast, ring_of(RING), 1000))["ranges"]["rain"]["values"]
    assert each == [None, 3.0, None, None, None, None, None, None]


def test_a_forecast_without_times_is_valid_at_none() -> None:
    with pytest.raises(Refused, match="does not say when it is valid"):
        position(forecast_on(REGULAR, init_time=None), 53.0, 5.0)
