"""CSV of points and areas: the right pixels, weights and probabilities, and what lies nowhere."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyproj import Transformer

from nextframe.cli import main
from nextframe.errors import DataError, NextframeError
from nextframe.frames.geography import Geography
from nextframe.frames.grid import CoordinateField, Grid
from nextframe.outputs.places import Area, weights_of
from nextframe.outputs.writers import save_forecast
from tests.outputs.made import STEREO, degrees, rain, stereographic


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def table(path: Path, *places: tuple[str, float, float]) -> Path:
    path.write_text("name,lat,lon\n" + "".join(f"{name},{lat},{lon}\n" for name, lat, lon in places))
    return path


def polygons(path: Path, **rings: list[tuple[float, float]]) -> Path:
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        for name, ring in rings.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.mark.parametrize("grid", [stereographic(), stereographic(north_up=False), degrees()], ids=["", "south", "deg"])
def test_a_point_has_the_value_of_its_pixel(tmp_path: Path, grid: Grid) -> None:
    made = rain(grid)
    places = [(4, 9), (0, 0), (11, 15)]
    if grid.y_name == "latitude":
        spots = [(float(grid.y[row]), float(grid.x[column])) for row, column in places]
    else:
        back = Transformer.from_crs(STEREO, "OGC:CRS84", always_xy=True)
        spots = [back.transform(grid.x[c] * 1000 + 9000, grid.y[r] * 1000 - 9000)[::-1] for r, c in places]
    points = table(tmp_path / "places.csv", *((f"place {n}", *spot) for n, spot in enumerate(spots)))
    save_forecast(made, tmp_path / "f.csv", points=points, exceed=(1.0,), quantiles=(0.5,), coverage=0.8, members=True)
    found = rows(tmp_path / "f.csv")
    assert len(found) == 3 * 3
    for number, (row, column) in enumerate(places):
        for lead in range(3):
            line = found[3 * number + lead]
            assert np.float32(line["value"]) == made.values[lead, 0, row, column]
            assert np.float32(line["probability_1"]) == made.probability(1.0)[lead, 0, row, column]
            assert np.float32(line["quantile_0.5"]) == made.quantile(0.5)[lead, 0, row, column]
            assert np.float32(line["quantile_0.9"]) == made.interval(0.8)[1][lead, 0, row, column]
            assert np.float32(line["member_20"]) == made.require_members()[19, lead, 0, row, column]
            assert (line["unit"], line["valid_time"]) == ("mm/h", f"2020-06-01T12:{5 * lead + 5:02d}:00Z")
            assert (line["lead_time"], line["lead_time_unit"]) == (str(5 * lead + 5), "min")


def test_a_missing_value_is_an_empty_cell(tmp_path: Path) -> None:
    grid = degrees()
    points = table(tmp_path / "p.csv", ("gap", float(grid.y[2]), float(grid.x[3])))
    save_forecast(rain(grid), tmp_path / "f.csv", points=points)
    assert [line["value"] for line in rows(tmp_path / "f.csv")] == ["", "", ""]


def test_an_area_has_mean_maximum_and_probabilities(tmp_path: Path) -> None:
    grid = degrees()
    made = rain(grid)
    west, east, south, north = 4.4, 5.0, 50.3, 50.8  # whole pixels: columns 4 to 9, rows 4 to 8
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    areas = polygons(tmp_path / "a.geojson", basin=ring)
    save_forecast(made, tmp_path / "f.csv", areas=areas, exceed=(8.0,), quantiles=(0.5,))
    weight = np.cos(np.deg2rad(grid.y[4:9]))[:, None] * np.ones(6)
    drawn = made.require_members()[:, :, 0, 4:9, 4:10]
    for lead, line in enumerate(rows(tmp_path / "f.csv")):
        inside = made.values[lead, 0, 4:9, 4:10]
        assert float(line["mean"]) == pytest.approx(np.average(inside, weights=weight), rel=1e-5)
        assert np.float32(line["maximum"]) == inside.max()
        means = np.array([np.average(member, weights=weight) for member in drawn[:, lead]])
        assert float(line["probability_8"]) == pytest.approx((drawn[:, lead].max((1, 2)) >= 8).mean())
        assert float(line["probability_mean_8"]) == pytest.approx((means >= 8).mean())
        assert float(line["quantile_0.5"]) == pytest.approx(np.quantile(means, 0.5, method="weibull"), rel=1e-5)
        assert line["known"] == "1"


def test_holes_islands_and_areas_smaller_than_a_pixel() -> None:
    grid = degrees()
    square = np.array([(4.0, 50.0), (5.6, 50.0), (5.6, 51.2), (4.0, 51.2)])
    hole = np.array([(4.4, 50.3), (5.0, 50.3), (5.0, 50.8), (4.4, 50.8)])
    tiny = np.array([(4.51, 50.51), (4.52, 50.51), (4.52, 50.52)])
    whole, ring, one = weights_of([Area("", (square,)), Area("", (square, hole)), Area("", (tiny,))], grid, where="r")
    assert (whole > 0).all()
    assert (ring == 0).sum() == 6 * 5
    assert [tuple(np.argwhere(one)[0]), one.max()] == [(6, 5), 1.0]
    turned = replace(grid, x=grid.x + 360)
    np.testing.assert_array_equal(weights_of([Area("", (square, hole))], turned, where="r")[0], ring)


def test_a_grid_of_latitudes_and_longitudes_alone(tmp_path: Path) -> None:
    plane = stereographic()
    longitude, latitude = Geography(plane).lonlat()
    fields = {
        "lat": CoordinateField(values=latitude, attributes={"units": "degrees_north"}),
        "lon": CoordinateField(values=longitude, attributes={"units": "degrees_east"}),
    }
    grid = Grid(y=np.arange(12.0), x=np.arange(16.0), fields=fields)
    geography = Geography(grid)
    for row, column in ((0, 0), (5, 6), (11, 15)):
        assert geography.pixel(latitude[row, column] + 0.02, longitude[row, column] - 0.02) == (row, column)
    assert geography.pixel(latitude[0, 0] + 1, longitude[0, 0]) is None
    assert geography.pixel(-40, 100) is None


def test_points_and_areas_outside_of_the_grid_are_named(tmp_path: Path) -> None:
    grid = degrees()
    points = table(tmp_path / "p.csv", ("De Bilt", 52.1, 5.18), ("inside", 50.5, 4.5), ("Darwin", -12.4, 130.9))
    with pytest.raises(
        DataError, match=r"De Bilt \(52.1, 5.18\), Darwin .* outside of the grid of radar .*latitude 50.0"
    ):
        save_forecast(rain(grid), tmp_path / "f.csv", points=points)
    areas = polygons(tmp_path / "a.json", far=[(100, 1), (101, 1), (101, 2), (100, 1)])
    with pytest.raises(DataError, match="far: lies outside of the grid"):
        save_forecast(rain(grid), tmp_path / "f.csv", areas=areas)
    with pytest.raises(DataError, match="does not say where its pixels lie"):
        save_forecast(replace(rain(), grid=None), tmp_path / "f.csv", points=points)
    assert not (tmp_path / "f.csv").exists()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.csv", "name,lat\nx,3\n", "has no column lon"),
        ("p.csv", "", "has no column name"),
        ("p.csv", "name,lat,lon\n", "holds no point"),
        ("p.csv", "name,lat,lon\nx,north,4\n", "line 2 is no place"),
        ("p.csv", "name,lat,lon\nx,95,4\n", "nowhere on the Earth"),
        ("p.csv", f"name,lat,lon\n{'x' * 200_000},3,4\n", "cannot be read as a table of points"),
        ("a.json", "{", "cannot be read as GeoJSON"),
        ("a.json", "[" * 100_000, "cannot be read as GeoJSON"),
        ("a.json", '{"type": "Polygon", "coordinates": [[[1], [2], [3]]]}', "is no polygon"),
        ("a.json", '{"type": "Point", "coordinates": [1, 2]}', "holds no polygon"),
        ("a.json", '{"type": "Polygon", "coordinates": [[[1, 2], "x"]]}', "is no polygon"),
        ("a.json", "[1, 2]", "holds no polygon"),
    ],
)
def test_files_of_places_that_are_none_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    options: dict[str, Any] = {"points" if name == "p.csv" else "areas": tmp_path / name}
    with pytest.raises(NextframeError, match=message):
        save_forecast(rain(degrees()), tmp_path / "f.csv", **options)
    assert not (tmp_path / "f.csv").exists()


def test_a_table_of_points_in_other_words_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(
        "\ufeffStation;Height;Longitude;Latitude\nUccle;100;4.36;50.8\n\n", encoding="utf-8"
    )
    save_forecast(rain(degrees()), tmp_path / "f.csv", points=tmp_path / "p.csv")
    assert {line["name"] for line in rows(tmp_path / "f.csv")} == {"Uccle"}


def test_the_command_line_says_what_a_csv_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "squares-stacked", "--out", str(tmp_path / "f.csv")]) == 2
    assert "CSV is for points and areas; name them with --points FILE or --areas FILE" in capsys.readouterr().err
    points = table(tmp_path / "p.csv", ("here", 1, 2))
    assert main(["forecast", "squares-stacked", "--out", str(tmp_path / "f.nc"), "--points", str(points)]) == 2
    assert "NetCDF has no place for points; leave out --points" in capsys.readouterr().err
    assert main(["forecast", "squares-stacked", "--out", str(tmp_path / "f.csv"), "--points", str(points)]) == 2
    assert "does not say where its pixels lie on the Earth" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.csv"]
