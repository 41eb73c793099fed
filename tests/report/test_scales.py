"""Scales of colours with the numbers that they are read by, and places with coordinates and a graticule."""

import builtins
from typing import Any

import numpy as np
import pytest

from nextframe.frames.grid import CoordinateField, Grid
from nextframe.report.font import font
from nextframe.report.palette import ErrorScale, Palette, ProbabilityScale, round_numbers
from nextframe.report.place import edges_of, graticule_of
from nextframe.report.rain_colours import rain_colours


def field(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, 1, 1, -1)


@pytest.mark.parametrize("unit", ["mm/h", "mm h-1", "mm/hr", "kg m-2 h-1"])
def test_rain_has_the_classes_of_a_radar_map(unit: str) -> None:
    palette = Palette(field(0.0, 0.05, 0.1, 7.0, 300.0), unit=unit)
    assert palette.needs_bar
    assert [text for _, text in palette.ticks()] == ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "50", "100"]
    dry, drizzle, light, heavy, most = palette.frame(field(0.0, 0.05, 0.1, 7.0, 300.0)[0])[0].astype(int)
    assert dry.tolist() == drizzle.tolist() == [255, 255, 255]
    assert light[2] > light[0]  # bluish
    assert heavy[0] > 200
    assert heavy[2] < 100  # yellow
    bar = palette.bar(100)[:, 0]
    np.testing.assert_array_equal(bar[0], most)
    np.testing.assert_array_equal(bar[-1], light)
    for (share, text), (after, _) in zip(palette.ticks()[:-1], palette.ticks()[1:], strict=True):
        colour = palette.frame(field(float(text) * 1.01)[0])[0, 0]
        np.testing.assert_array_equal(bar[99 - round(99 * (share + after) / 2)], colour)


def test_amounts_of_minutes_and_reflectivity_have_classes_of_their_own() -> None:
    small, large = rain_colours("mm", 3.0), rain_colours("mm", 30.0)
    assert small is not None
    assert large is not None
    assert (small.levels[0], large.levels[0]) == (0.01, 0.1)
    echo = rain_colours("dBZ", 60.0)
    assert echo is not None
    assert echo.levels[0] == 10.0
    assert [rain_colours(unit, 1.0) for unit in ("K", "1", "m s-1", "inch/h")] == [None] * 4


def test_films_are_grey_or_in_their_colours_whatever_is_forecast_of_them() -> None:
    seen, ahead = field(20.0, 90.0, 160.0), field(20.3, 90.2, 159.7)
    assert not Palette(seen, ahead).needs_bar
    assert Palette(ahead).needs_bar, "whole numbers tell bytes, and there are none"
    still = np.full((2, 3, 4, 4), 90.0, np.float32)
    assert np.unique(Palette(still, still + 0.2).frame(still[0])).tolist() == [90]


def test_errors_are_scaled_by_themselves_with_numbers() -> None:
    errors = np.random.default_rng(0).normal(0, 0.1, (4, 1, 30, 30)).astype(np.float32)
    scale = ErrorScale(errors)
    assert 0.25 <= scale.reach <= 0.5  # of values that may reach to 300
    assert [text for _, text in scale.ticks()][1:-1] == [f"-{scale.reach / 2:.3g}", "0", f"+{scale.reach / 2:.3g}"]
    assert scale.beyond
    assert scale.ticks()[-1][1].startswith("≥+")
    low, right, high = scale.frame(field(-0.5, 0.0, 0.5)[0])[0].astype(int)
    assert low[2] > low[0]
    assert right.min() > 240
    assert high[0] > high[2]
    assert ErrorScale(np.zeros((2, 1, 3, 3), np.float32)).reach == 1.0
    assert ErrorScale(np.full((2, 1, 3, 3), np.nan, np.float32)).reach == 1.0


def test_probabilities_have_their_own_bar() -> None:
    scale = ProbabilityScale()
    np.testing.assert_array_equal(scale.bar(5)[0, 0], scale.frame(field(1.0)[0])[0, 0])
    assert [text for _, text in scale.ticks()] == ["0", "25 %", "50 %", "75 %", "100 %"]


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.2, 7.9), (1013.2, 1013.9), (1e-5, 3e-5), (-40.0, -39.0)])
def test_ticks_are_round_and_within(low: float, high: float) -> None:
    ticks = round_numbers(low, high)
    assert 3 <= len(ticks) <= 7
    assert all(low - 1e-9 <= value <= high + 1e-9 and float(text) == pytest.approx(value) for value, text in ticks)


def test_the_font_has_the_sign() -> None:
    missing = font(20).getmask("\uffff\uffff")
    sign = font(20).getmask("≥≥")
    assert bytes(sign) != bytes(missing)
    assert sign.size != (0, 0)


def stereographic(rows: int = 40, columns: int = 50) -> Grid:
    """A polar stereographic grid about the North Pole's meridian 0, 10 km a pixel."""
    return Grid(
        y=-3_400_000 - 10_000.0 * np.arange(rows, dtype=np.float64),
        x=10_000.0 * np.arange(columns, dtype=np.float64),
        y_attributes={"units": "m", "standard_name": "projection_y_coordinate"},
        x_attributes={"units": "m", "standard_name": "projection_x_coordinate"},
        mapping={
            "grid_mapping_name": "polar_stereographic",
            "straight_vertical_longitude_from_pole": 0.0,
            "latitude_of_projection_origin": 90.0,
            "standard_parallel": 60.0,
            "false_easting": 0.0,
            "false_northing": 0.0,
        },
    )


def test_coordinates_stand_at_their_places() -> None:
    edges = edges_of(stereographic())
    assert edges is not None
    assert edges.unit == "km"
    by_text = {text: share for share, text in edges.below}
    assert by_text["100"] == pytest.approx((10 + 0.5) / 50)  # the middle of the eleventh pixel
    assert [share for share, _ in edges.left] == sorted(share for share, _ in edges.left)
    assert float(edges.left[0][1]) > float(edges.left[-1][1])  # north is at the top
    assert edges_of(Grid(y=np.arange(4.0), x=np.arange(4.0))) is None
    assert edges_of(None) is None


def test_a_projection_gives_a_graticule() -> None:
    pyproj = pytest.importorskip("pyproj", reason="the extra radar is not installed")
    grid = stereographic()
    found = graticule_of(grid)
    assert found is not None
    crs = pyproj.CRS.from_cf(dict(grid.mapping or {}))
    to = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    west, north = to.transform(grid.x[0] - 5_000, grid.y[0] + 5_000)
    assert (found.longitude[0, 0], found.latitude[0, 0]) == pytest.approx((west, north))
    lines = found.lines(400, 500)
    assert 0.002 < lines.mean() < 0.1
    for row, column, text in found.labels(400, 500):
        assert lines[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].any(), text
    picture = np.full((400, 500, 3), 255, np.uint8)
    assert ((found.draw(picture) < 255).any(-1) == lines).all()


def test_without_pyproj_there_are_coordinates_only(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "pyproj":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert graticule_of(stereographic()) is None
    assert edges_of(stereographic()) is not None


def test_latitudes_and_longitudes_need_no_projection() -> None:
    degrees = {"units": "degrees_north"}, {"units": "degrees_east"}
    south_up = Grid(
        y=np.linspace(50, 58, 33),
        x=np.linspace(-10, 2, 49),
        y_name="lat",
        y_attributes=degrees[0],
        x_attributes=degrees[1],
    )
    found, edges = graticule_of(south_up), edges_of(south_up)
    assert found is not None
    assert edges is not None
    assert found.latitude[0, 0] > found.latitude[-1, 0]  # as the picture is turned
    assert {text for _, text in edges.left} >= {"52°N", "54°N"}
    assert "5°W" in {text for _, text in edges.below}
    longitude, latitude = np.meshgrid(np.linspace(3, 7, 20), np.linspace(54, 50, 16))
    fields = {
        "lat": CoordinateField(values=latitude, attributes=degrees[0]),
        "lon": CoordinateField(values=longitude, attributes=degrees[1]),
    }
    curved = graticule_of(Grid(y=np.arange(16.0) * 2, x=np.arange(20.0) * 2, fields=fields))
    assert curved is not None
    half = 4 / 15 / 2  # a picture ends at the outer edges of its pixels
    np.testing.assert_allclose(curved.latitude[:, 3], np.linspace(54 + half, 50 - half, 16))
