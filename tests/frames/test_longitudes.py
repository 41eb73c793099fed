"""Longitudes that go on over 360 or over the date line, and coordinates without an order."""

import numpy as np
import pytest

from nextframe.frames.geography import Geography
from nextframe.frames.grid import CoordinateField, Grid
from nextframe.report.place import edges_of

NORTH = {"units": "degrees_north"}
EAST = {"units": "degrees_east"}
LATITUDES = np.linspace(60, 52, 9)
OVER_GREENWICH = (np.arange(353, 364) % 360).astype(np.float64)  # 353 ... 359, 0 ... 3
OVER_THE_DATE_LINE = np.where(np.arange(175, 186) > 179, np.arange(175, 186) - 360.0, np.arange(175, 186))


def grid(x: np.ndarray, y: np.ndarray = LATITUDES) -> Grid:
    return Grid(y=y, x=x, y_name="lat", x_name="lon", y_attributes=NORTH, x_attributes=EAST)


@pytest.mark.parametrize("x", [OVER_GREENWICH, OVER_THE_DATE_LINE, OVER_GREENWICH[::-1]])
def test_pixels_are_evenly_spaced_over_a_full_turn(x: np.ndarray) -> None:
    steps = Geography(grid(x)).steps
    assert steps is not None
    np.testing.assert_allclose(steps, (-1.0, 1.0 if x[1] > x[0] else -1.0))


@pytest.mark.parametrize("x", [OVER_GREENWICH, OVER_THE_DATE_LINE, OVER_GREENWICH[::-1]])
def test_a_place_lies_in_the_pixel_of_its_longitude(x: np.ndarray) -> None:
    geography = Geography(grid(x))
    for column, longitude in enumerate(x):
        for turn in (0.0, 360.0, -360.0):
            if -180 <= longitude + turn < 360:
                assert geography.pixel(56.2, longitude + turn + 0.3) == (4, column)
    assert geography.pixel(56.2, 90.0) is None


def test_blocks_lie_between_their_pixels_over_a_full_turn() -> None:
    np.testing.assert_allclose(grid(OVER_GREENWICH).coarsened(2).x, [353.5, 355.5, 357.5, 359.5, 1.5])
    np.testing.assert_allclose(grid(OVER_THE_DATE_LINE).coarsened(2).x, [175.5, 177.5, 179.5, -178.5, -176.5])
    longitudes = CoordinateField(values=np.tile(OVER_GREENWICH, (9, 1)), attributes=EAST)
    latitudes = CoordinateField(values=np.tile(LATITUDES[:, None], (1, 11)), attributes=NORTH)
    curved = Grid(y=np.arange(9.0), x=np.arange(11.0), fields={"lat": latitudes, "lon": longitudes}).coarsened(2)
    np.testing.assert_allclose(curved.fields["lon"].values[0], [353.5, 355.5, 357.5, 359.5, 1.5])
    np.testing.assert_allclose(curved.fields["lat"].values[:, 0], [59.5, 57.5, 55.5, 53.5])


def test_pictures_name_longitudes_within_a_full_turn() -> None:
    edges = edges_of(grid(OVER_GREENWICH))
    assert edges is not None
    names = [name for _, name in edges.below]
    assert names == ["352.5°E", "355°E", "357.5°E", "0°", "2.5°E"]
    places = [place for place, _ in edges.below]
    np.testing.assert_allclose(places, (np.array([352.5, 355, 357.5, 360, 362.5]) - 352.5) / 11, atol=1e-9)


@pytest.mark.parametrize(
    ("y", "x"),
    [
        (np.r_[np.nan, LATITUDES[1:]], OVER_GREENWICH),
        (np.zeros(9), OVER_GREENWICH),
        (LATITUDES, np.full(11, np.nan)),
        (LATITUDES, np.array([0.0, 1, 2, 3, 4, 5, -5, -4, -3, -2, -1])),
    ],
)
def test_coordinates_without_an_order_name_no_places(y: np.ndarray, x: np.ndarray) -> None:
    assert edges_of(grid(x, y)) is None
    assert Geography(grid(x, y)).steps is None
    assert Geography(grid(x, y)).pixel(56.2, 2.0) is None
