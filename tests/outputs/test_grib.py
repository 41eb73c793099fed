"""GRIB2: read back by ecCodes and cfgrib with the same values, at the same places and times."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest

from nextframe.errors import ConfigError
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.geography import Geography
from nextframe.frames.grid import Grid
from nextframe.frames.radar.place import grid_within
from nextframe.frames.source import open_source
from nextframe.outputs.writers import save_forecast
from tests.outputs.made import degrees, rain, stereographic, westward

eccodes = pytest.importorskip("eccodes")

LAEA = "+proj=laea +lat_0=55 +lon_0=10 +x_0=1950000 +y_0=-2100000 +units=m +ellps=WGS84"
LCC = "+proj=lcc +lat_1=63.3 +lat_2=63.3 +lat_0=63.3 +lon_0=15 +R=6371000 +units=m"
SPHERE = "+proj=stere +lat_0=90 +lon_0=10 +lat_ts=60 +R=6370040 +units=m"
GRIDS = {
    "stereographic": grid_within((-500, -180, -4600, -4360), (12, 16), "km", SPHERE),
    "degrees": degrees(),
    "degrees, rows running north": degrees(north_up=False),
    "degrees, columns running west": westward(degrees()),
    "equal area": grid_within((1500, 1820, -2400, -2160), (12, 16), "km", LAEA),
    "equal area, columns running west": westward(grid_within((1500, 1820, -2400, -2160), (12, 16), "km", LAEA)),
    "conformal": grid_within((-300, 20, -400, -160), (12, 16), "km", LCC),
}


def messages(path: Path) -> list[dict[str, Any]]:
    """Some keys, and values (H, W) with NaN where missing, of every message."""
    found = []
    keys = ("shortName", "discipline", "parameterCategory", "parameterNumber", "validityDate", "validityTime",
            "productDefinitionTemplateNumber", "gridType", "dataDate", "dataTime", "jScansPositively")  # fmt: skip
    with path.open("rb") as stream:
        while (message := eccodes.codes_grib_new_from_file(stream)) is not None:
            about = {key: eccodes.codes_get(message, key) for key in keys}
            shape = (12, 16)
            missing = eccodes.codes_get(message, "missingValue")
            values = eccodes.codes_get_values(message).reshape(shape)
            about["values"] = np.where(values == missing, np.nan, values)
            about["lat"] = eccodes.codes_get_array(message, "latitudes").reshape(shape)
            about["lon"] = eccodes.codes_get_array(message, "longitudes").reshape(shape)
            for key in ("percentileValue", "perturbationNumber", "scaledValueOfLowerLimit", "scaleFactorOfLowerLimit"):
                if eccodes.codes_is_defined(message, key):
                    about[key] = eccodes.codes_get(message, key)
            found.append(about)
            eccodes.codes_release(message)
    return found


@pytest.mark.parametrize("grid", GRIDS.values(), ids=list(GRIDS))
def test_values_stand_at_their_places_and_times(tmp_path: Path, grid: Grid) -> None:
    made = rain(grid)
    save_forecast(made, tmp_path / "f.grib2")
    read = messages(tmp_path / "f.grib2")
    assert [(m["validityDate"], m["validityTime"]) for m in read] == [(20200601, n) for n in (1205, 1210, 1215)]
    longitude, latitude = Geography(grid).lonlat()
    for lead, message in enumerate(read):
        turned = (message["lat"][0, 0] > message["lat"][-1, 0]) == grid.rows_run_north
        order = (slice(None, None, -1 if turned else 1), slice(None, None, -1 if grid.x[0] > grid.x[-1] else 1))
        values, lat, lon = (message[key][order] for key in ("values", "lat", "lon"))
        largest = float(np.nanmax(made.values[lead]))
        np.testing.assert_allclose(values * 3600, made.values[lead, 0], atol=largest * 1e-6)
        np.testing.assert_allclose(lat, latitude, atol=2e-4)
        np.testing.assert_allclose((lon - longitude + 180) % 360, 180, atol=2e-4)
        assert message["shortName"] == "tprate"


@pytest.mark.parametrize("grid", GRIDS.values(), ids=list(GRIDS))
def test_what_was_written_is_read_at_the_same_places(tmp_path: Path, grid: Grid) -> None:
    save_forecast(rain(grid), tmp_path / "f.grib2")
    (sequence,) = open_source(tmp_path / "f.grib2").sequences
    assert sequence.grid is not None
    there, here = Geography(grid), Geography(sequence.grid)
    assert here.kilometres == pytest.approx(there.kilometres, rel=1e-4)
    for found, expected in zip(here.lonlat(), there.lonlat(), strict=True):
        np.testing.assert_allclose(np.sort(found, axis=None), np.sort(expected, axis=None), atol=1e-4)


def test_an_ellipsoid_is_that_of_the_grid(tmp_path: Path) -> None:
    grid = stereographic()  # ecCodes itself has coordinates of these on spheres alone
    save_forecast(rain(grid, leads=1), tmp_path / "f.grib2")
    with (tmp_path / "f.grib2").open("rb") as stream:
        message = eccodes.codes_grib_new_from_file(stream)
        get = {key: eccodes.codes_get(message, key) for key in (
            "shapeOfTheEarth", "scaledValueOfEarthMajorAxis", "scaledValueOfEarthMinorAxis", "LaDInDegrees",
            "latitudeOfFirstGridPointInDegrees", "longitudeOfFirstGridPointInDegrees", "DxInMetres",
        )}  # fmt: skip
        eccodes.codes_release(message)
    assert (get["shapeOfTheEarth"], get["LaDInDegrees"], get["DxInMetres"]) == (7, 60, 20_000)
    axes = [get[f"scaledValueOfEarth{axis}Axis"] / 100 for axis in ("Major", "Minor")]
    plane = pyproj.Proj(f"+proj=stere +lat_0=90 +lon_0=0 +lat_ts=60 +a={axes[0]} +b={axes[1]}")
    x, y = plane(get["longitudeOfFirstGridPointInDegrees"], get["latitudeOfFirstGridPointInDegrees"])
    assert (x, y) == (pytest.approx(110_000, abs=1), pytest.approx(-4_090_000, abs=1))


def test_probabilities_quantiles_and_members_have_templates_of_their_own(tmp_path: Path) -> None:
    made = rain(GRIDS["degrees"], leads=1)
    save_forecast(made, tmp_path / "f.grib2", exceed=(0.5,), quantiles=(0.9,), members=True)
    read = messages(tmp_path / "f.grib2")
    assert [m["productDefinitionTemplateNumber"] for m in read] == [0, 5, 6, *[1] * 20]
    np.testing.assert_allclose(read[1]["values"], made.probability(0.5)[0, 0] * 100, atol=1e-4)
    limit = read[1]["scaledValueOfLowerLimit"] * 10.0 ** -read[1]["scaleFactorOfLowerLimit"]
    assert limit * 3600 == pytest.approx(0.5, rel=1e-4)
    assert read[2]["percentileValue"] == 90
    np.testing.assert_allclose(read[2]["values"] * 3600, made.quantile(0.9)[0, 0], atol=1e-4)
    assert [m["perturbationNumber"] for m in read[3:]] == list(range(1, 21))
    np.testing.assert_allclose(read[-1]["values"] * 3600, made.require_members()[-1, 0, 0], atol=1e-4)


def test_amounts_have_their_interval(tmp_path: Path) -> None:
    cfgrib = pytest.importorskip("cfgrib")
    made = replace(
        rain(GRIDS["degrees"], unit="mm"), accumulation=(np.timedelta64(1, "h"),), time_step=np.timedelta64(1, "h")
    )
    save_forecast(made, tmp_path / "f.grb2")
    read = messages(tmp_path / "f.grb2")
    assert [(m["productDefinitionTemplateNumber"], m["validityTime"]) for m in read] == [
        (8, 1300),
        (8, 1400),
        (8, 1500),
    ]
    assert {(m["discipline"], m["parameterCategory"], m["parameterNumber"]) for m in read} == {(0, 1, 52)}
    dataset = cfgrib.open_dataset(str(tmp_path / "f.grb2"), indexpath="")
    (variable,) = dataset.data_vars.values()
    np.testing.assert_allclose(variable.values, made.values[:, 0], atol=1e-4)
    assert variable.attrs["units"] == "kg m**-2"
    np.testing.assert_array_equal(dataset["valid_time"].values, made.valid_time)


def test_temperature_and_reflectivity_have_codes(tmp_path: Path) -> None:
    warm = replace(rain(GRIDS["degrees"], unit="K"), variables=("t2m",), variable_attributes=({},))
    save_forecast(warm, tmp_path / "t.grib2")
    assert {m["shortName"] for m in messages(tmp_path / "t.grib2")} == {"t"}
    save_forecast(replace(rain(GRIDS["degrees"], unit="dBZ"), variable_attributes=({},)), tmp_path / "z.grib2")
    assert messages(tmp_path / "z.grib2")[0]["parameterCategory"] == 16


@pytest.mark.parametrize(
    ("made", "options", "message"),
    [
        (rain(unit="1"), {}, "no GRIB code"),
        (rain(unit="degC"), {}, "no GRIB code"),
        (replace(rain(), grid=None), {}, "needs evenly spaced pixels"),
        (replace(rain(), init_time=None, time_step=None), {}, "has no times"),
        (rain(), {"coverage": 0.85}, "whole per cents"),
        (rain(grid_within((0, 320, 0, 240), (12, 16), "km", "+proj=somerc +lat_0=46.95 +lon_0=7.44 +k_0=1 +units=m")),
         {}, "projection that is not written as GRIB"),
    ],
)  # fmt: skip
def test_what_grib_has_no_code_for_is_refused(
    tmp_path: Path, made: Forecast, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        save_forecast(made, tmp_path / "f.grib2", **options)
    assert not list(tmp_path.iterdir())
