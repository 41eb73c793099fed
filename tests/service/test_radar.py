"""Real radar files: a folder that is followed becomes a stream, and a file is forecast over HTTP."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import nextframe
from nextframe.forecasting.adapt import adapt
from nextframe.service.issue import issue_always
from tests.service.running import hold_problem, httpx, until
from tests.service.test_serve import served

RADAR = Path(__file__).parents[3] / "shared" / "data" / "radar" / "knmi-2010-08-26"
FILES = sorted(RADAR.glob("*.h5"))[:6]
AMSTERDAM = {"lat": "52.37", "lon": "4.9"}
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not FILES, reason=f"{RADAR} has no radar files"),
]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path]]:
    folder = tmp_path_factory.mktemp("radar")
    (folder / "incoming").mkdir()
    for file in FILES:
        half = folder / "incoming" / f"{file.name}.part"
        half.write_bytes(file.read_bytes())
        half.rename(half.with_suffix(""))
    watch = ("--watch", str(folder / "incoming" / "*.h5"), "--out", str(folder / "products"))
    with served("radar-rain", *watch) as (address, _), httpx.Client(base_url=address, timeout=120) as client:
        until(lambda: len(client.get("/streams/watch/forecasts").json()) == len(FILES), 400)
        yield client, folder / "products"


def test_its_products_are_files_and_a_stream(followed: tuple[Any, Path]) -> None:
    client, products = followed
    assert client.get("/streams/watch/forecasts").json()[-1] == "20100826T002500Z"
    answer = client.get("/streams/watch/forecasts/latest.nc")
    with (
        xr.open_dataset(io.BytesIO(answer.content), engine="h5netcdf") as told,
        xr.open_dataset(products / "20100826T002500Z.nc") as written,
    ):
        np.testing.assert_array_equal(told.rain_rate, written.rain_rate)
        assert told.init_time.values == np.datetime64("2010-08-26T00:25", "ns")
        assert "nextframe_fallback" not in written.attrs
    assert client.get("/streams/watch/forecasts/latest.tif").content[:4] in (b"II*\0", b"II+\0")
    assert client.get("/streams/watch/skill").json()["1h"]["forecasts"][0] >= 2
    hold_problem(client.post("/streams/watch/frames", content=FILES[0].read_bytes(), params={"suffix": ".h5"}), 409)


def test_a_product_that_does_not_wait_for_its_members() -> None:
    """What is issued, and what it is graded by, are the forecast and the interval of the model."""
    model = nextframe.load_run("radar-rain")
    adapted = adapt(model.manifest, [FILES[0].parent], {"frames": (8, 12)})
    prepared = adapted.prepared(adapted.sequences[0], 4, past=4, lead_times=3)
    expected = model.forecast_prepared(prepared, 3)
    issued = issue_always(model, prepared, lead_times=3, graded=True)
    assert issued.why == ""
    assert issued.forecast.members is None
    assert issued.forecast.attributes == expected.attributes
    np.testing.assert_array_equal(issued.forecast.values, expected.values)
    for bound, whole in zip(issued.graded().interval(0.9), expected.interval(0.9), strict=True):
        np.testing.assert_array_equal(bound, whole)
    uncertain = issue_always(model, prepared, lead_times=3, members=True)
    np.testing.assert_array_equal(uncertain.forecast.require_members(), expected.require_members())


def test_values_at_a_place_and_over_an_area(followed: tuple[Any, Path]) -> None:
    client, products = followed
    with xr.open_dataset(products / "20100826T002500Z.nc") as written:
        import pyproj

        crs = pyproj.CRS.from_cf(written.crs.attrs)
        to_grid = pyproj.Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
        x, y = to_grid.transform(float(AMSTERDAM["lon"]), float(AMSTERDAM["lat"]))
        assert written.x.units == "km"
        expected = written.rain_rate.sel(x=x / 1000, y=y / 1000, method="nearest").values
        longitudes, latitudes = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform(
            *np.meshgrid(1000 * written.x, 1000 * written.y)
        )
        inside = (longitudes > 4.5) & (longitudes < 5.5) & (latitudes > 52) & (latitudes < 52.8)
        mean = np.nanmean(np.where(inside, written.rain_rate.values, np.nan), axis=(1, 2))
    answer = client.get("/streams/watch/position", params=AMSTERDAM)
    assert answer.headers["content-type"] == "application/prs.coverage+json"
    told = answer.json()
    np.testing.assert_allclose(told["ranges"]["rain_rate"]["values"], expected, rtol=1e-5)
    assert told["domain"]["axes"]["t"]["values"][0] == "2010-08-26T00:30:00Z"
    coords = {"coords": "POINT(4.9 52.37)"}
    assert client.get("/streams/watch/position", params=coords).json()["ranges"] == told["ranges"]
    square = {"coords": "POLYGON((4.5 52, 5.5 52, 5.5 52.8, 4.5 52.8, 4.5 52))"}
    over = client.get("/streams/watch/area", params=square).json()
    np.testing.assert_allclose(over["ranges"]["rain_rate"]["values"], mean, rtol=1e-4)
    hold_problem(client.get("/streams/watch/position", params={"lat": "10", "lon": "100"}), 422)


def test_a_composite_is_forecast_over_http(followed: tuple[Any, Path]) -> None:
    client, products = followed
    file = {"file": (FILES[3].name, FILES[3].read_bytes())}
    found = client.post("/inspect", files=file).json()
    assert found["words"][0] == "1 frames of 765 x 700 pixels."
    assert "mm" in found["words"][1]
    frames = [(FILES[n].name, FILES[n].read_bytes()) for n in range(4)]
    why = []
    for name, content in frames:
        told = client.post("/streams/radar/frames?lead_times=6", files={"file": (name, content)}).json()
        why.append(told["why"].partition(" ")[0])
    assert why == ["persistence", "extrapolation", "extrapolation", ""]
    latest = client.get("/streams/radar/forecasts/latest.npy")
    with xr.open_dataset(products / "20100826T001500Z.nc") as written:
        np.testing.assert_allclose(np.load(io.BytesIO(latest.content))[:, 0], written.rain_rate, atol=1e-5)
