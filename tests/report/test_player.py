"""What the player shows, described and packed; and the player in a real browser, as the report has it."""

import base64
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextframe.errors import ShapeError
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.grid import Grid
from nextframe.frames.sequence import FloatArray
from nextframe.report import html
from nextframe.report.html import write_report
from nextframe.report.player import described, encoded, packed, script
from nextframe.verification.example import Example
from nextframe.verification.result import Verification
from tests.browser import NEEDED, at, launched, opened

HEIGHT, WIDTH, PAST, LEADS = 12, 16, 3, 4
GRID = Grid(
    y=np.linspace(50, 55.5, HEIGHT),  # the first row is the southernmost
    x=np.linspace(-1, 6.5, WIDTH),
    y_name="lat",
    y_attributes={"units": "degrees_north"},
    x_attributes={"units": "degrees_east"},
)


def rain() -> Example:
    """Rain in mm/h with a missing corner, a forecast of it, and persistence."""
    draw = np.random.default_rng(3)
    frames = (draw.random((PAST + LEADS, 1, HEIGHT, WIDTH)) ** 4 * 30).astype(np.float32)
    frames[..., 0, 0] = np.nan
    past, truth = frames[:PAST], frames[PAST:]
    values = {"model": truth * 0.8 + 1, "persistence": past[-1:].repeat(LEADS, axis=0)}
    forecasts = [
        Forecast(
            values=made,
            forecaster=name,
            source="rain.nc",
            init_time=np.datetime64("2016-07-11T23:50"),
            time_step=np.timedelta64(5, "m"),
            variables=("rain",),
            units=("mm/h",),
            grid=GRID,
        )
        for name, made in values.items()
    ]
    probability = np.where(np.isnan(truth), np.nan, np.clip(truth / 30, 0, 1)).astype(np.float32)
    return Example(past=past, truth=truth, forecasts=forecasts, threshold=2.0, probability=probability)


def unpacked(text: str) -> FloatArray:
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(4, -1)
    return np.ascontiguousarray(planes.T).view("<f4").ravel()


def test_packed_frames_are_right_to_four_digits() -> None:
    draw = np.random.default_rng(0)
    values = (draw.standard_normal(5000) * 10.0 ** draw.integers(-6, 6, 5000)).astype(np.float32)
    values[::7] = np.nan
    values[1::7] = draw.integers(0, 256, len(values[1::7]))
    back = unpacked(packed(values))
    assert (np.isnan(back) == np.isnan(values)).all()
    np.testing.assert_allclose(back, values, rtol=2.0**-13)
    np.testing.assert_array_equal(back[1::7], values[1::7], "bytes are kept as they are")
    assert len(packed(values)) < 0.8 * len(base64.b64encode(values.tobytes()))


def test_large_frames_are_shown_as_means() -> None:
    values = np.random.default_rng(1).random((2, 1, 7, 10)).astype(np.float32)
    values[0, 0, :2, :4] = np.nan
    shown = described(Forecast(values=values, forecaster="a"), largest=4)
    assert (shown["every"], shown["size"], shown["shape"]) == (3, [7, 10], [2, 1, 3, 4])
    for frame in range(2):
        for row in range(3):
            for column in range(4):
                block = values[frame, 0, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
                assert shown["values"][frame, 0, row, column] == pytest.approx(np.nanmean(block))
    assert shown["notes"] == ["Each pixel is the mean of 3 x 3."]


def test_frames_that_do_not_fit_are_refused() -> None:
    forecast = Forecast(values=np.zeros((2, 1, 4, 4), np.float32), forecaster="a")
    wrong = np.zeros((2, 1, 4, 5), np.float32)
    with pytest.raises(ShapeError, match="truth"):
        described(forecast, truth=wrong)
    with pytest.raises(ShapeError, match="past"):
        described(forecast, past=wrong)
    with pytest.raises(ShapeError, match="probability"):
        described(forecast, probability=wrong)
    with pytest.raises(ShapeError, match="other"):
        described(forecast, beside={"other": wrong})


def test_times_scales_and_places_are_described() -> None:
    example = rain()
    first, other = example.forecasts
    shown = described(first, past=example.past, truth=example.truth, beside={"persistence": other.values})
    assert shown["past_time"] == ["2016-07-11T23:40:00Z", "2016-07-11T23:45:00Z", "2016-07-11T23:50:00Z"]
    assert shown["valid_time"][1] == "2016-07-12T00:00:00Z"
    assert shown["lead_labels"] == ["+5 min", "+10 min", "+15 min", "+20 min"]
    assert shown["rows_run_north"]
    assert shown["place"]["latitude"][0][0] > shown["place"]["latitude"][-1][0]
    assert [name for name, _ in shown["scale"]["colours"]] == ["for all eyes", "of a radar map"]
    for _, colours in shown["scale"]["colours"]:
        assert len(base64.b64decode(colours)) == 3 * (1 + len(shown["scale"]["levels"]))
    assert shown["errors"]["high"] == -shown["errors"]["low"] > 0
    lists = encoded(shown, lambda frames: frames.shape)
    assert (lists["values"], lists["past"]) == ((LEADS, 1, HEIGHT, WIDTH), (PAST, 1, HEIGHT, WIDTH))
    assert lists["beside"] == [("persistence", (LEADS, 1, HEIGHT, WIDTH))]


def test_what_is_put_into_a_page_is_one_module() -> None:
    for text in (script("report"), script("widget")):
        assert not re.search(r"^\s*import\b", text, re.MULTILINE)
        names = re.findall(r"^(?:export )?(?:async )?(?:const|let|function|class) (\w+)", text, re.MULTILINE)
        assert len(names) == len(set(names)), "modules that are joined share their names"
        assert "</script" not in text


def test_a_film_does_not_make_the_page_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "_ROOM", 120_000)
    frames = np.random.default_rng(2).random((6, 3, 96, 128)).astype(np.float32)  # noise, which does not pack
    forecast = Forecast(values=frames[2:], forecaster="model")
    scores = {"model": {"mse": [0.1, 0.2, 0.3, 0.4]}}
    verification = Verification(
        scores=scores,
        lead_time=[1.0, 2.0, 3.0, 4.0],
        count=1,
        examples=[Example(past=frames[:2], truth=frames[2:], forecasts=[forecast])],
    )
    write_report(tmp_path / "report.html", verification)
    held = re.search(r'id="data">(.*?)</script>', (tmp_path / "report.html").read_text(encoding="utf-8"), re.DOTALL)
    assert held is not None
    (shown,) = json.loads(held[1])
    assert len(held[1]) <= 120_000
    assert shown["size"] == [96, 128]
    assert 2 <= shown["every"] <= 4


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    scores = {name: {"csi_2": [0.9, 0.8, 0.7, 0.6], "mse": [0.1, 0.2, 0.3, 0.4]} for name in ("model", "persistence")}
    verification = Verification(scores=scores, lead_time=[5.0, 10.0, 15.0, 20.0], count=1, examples=[rain()])
    write_report(path, verification)
    return path.as_uri()


def player(page: Any) -> None:
    """Wait until the player is there, and stop it."""
    page.wait_for_selector(".player .screen canvas")
    page.locator(".player .frame").focus()


@NEEDED
@pytest.mark.slow
def test_values_are_read_with_unit_place_and_times(browser: Any, report: str) -> None:
    example = rain()
    model, other = example.forecasts
    options = {"viewport": {"width": 1200, "height": 1000}, "timezone_id": "Europe/Amsterdam", "locale": "en-GB"}
    with opened(browser, report, **options) as page:
        player(page)
        for lead, row, column in ((0, 3, 4), (2, 11, 15)):
            page.locator(".player .frame").fill(str(PAST + lead))
            told = at(page, row, column, (HEIGHT, WIDTH))
            north = HEIGHT - 1 - row  # the picture has north at its top
            expected = {
                "": model.values,
                "truth ": example.truth,
                "persistence ": other.values,
                "error of model ": model.values - example.truth,
                "error of persistence ": other.values - example.truth,
            }
            assert told.startswith(f"row {north}, column {column}, at ")
            latitude, longitude = re.findall(r"([\d.]+)°", told)
            assert float(latitude) == pytest.approx(GRID.y[north], abs=0.03)
            assert float(longitude) == pytest.approx(abs(GRID.x[column]), abs=0.03)
            values = dict(re.findall(r"(?:: |; )((?:[a-z]+ )*)(-?[\d.e-]+) mm/h", told))
            assert values.keys() == expected.keys()
            for name, frames in expected.items():
                assert float(values[name]) == pytest.approx(frames[lead, 0, north, column], rel=1e-3, abs=2e-3), name
        assert page.text_content(".player .when") == (
            "forecast, lead time 3 (+15 min), valid 2016-07-12 00:05 UTC (here 12 Jul, 02:05 CEST)"
        )
        page.locator(".player .frame").fill("0")
        when = page.text_content(".player .when")
        assert when.startswith("2 before the last frame seen, valid 2016-07-11 23:40 UTC")
        told = at(page, HEIGHT - 1, 0, (HEIGHT, WIDTH))
        assert told.startswith("row 0, column 0")
        assert "missing" in told
        assert "error" not in told


@NEEDED
@pytest.mark.slow
def test_events_are_counted_at_a_threshold_that_is_chosen(browser: Any, report: str) -> None:
    example = rain()
    with opened(browser, report) as page:
        player(page)
        for threshold in (2, 10):
            page.fill(".player .threshold", str(threshold))
            rows = page.locator(".player .events tbody tr")
            assert rows.count() == 2
            came = example.truth >= threshold
            for n, forecast in enumerate(example.forecasts):
                said = forecast.values >= threshold
                expected = (said & came).sum((1, 2, 3)) / (said | came).sum((1, 2, 3))
                told = [float(cell) for cell in rows.nth(n).locator("td").all_text_contents()]
                np.testing.assert_allclose(told, expected, atol=0.006)
        assert page.locator(".player .events thead th").all_text_contents()[1:] == [
            "+5 min",
            "+10 min",
            "+15 min",
            "+20 min",
        ]


def colour(page: Any, row: int, column: int, name: str) -> list[int]:
    """Red, green, blue and opacity of a pixel of the picture of this name."""
    figures = "[...document.querySelectorAll('.player .panels figure')]"
    canvas = f"{figures}.find(figure => figure.textContent.trim() === '{name}').querySelector('canvas')"
    read = f"[...{canvas}.getContext('2d').getImageData({column}, {row}, 1, 1).data]"
    told: list[int] = page.evaluate(read)
    return told


@NEEDED
@pytest.mark.slow
def test_wipe_mask_and_colours_change_the_pictures(browser: Any, report: str) -> None:
    example = rain()
    north = HEIGHT - 1
    truth, seen = example.truth[1, 0, north], example.past[-1, 0, north]
    with opened(browser, report) as page:
        player(page)
        page.locator(".player .frame").fill(str(PAST + 1))
        levels = np.array([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100])
        column = int(np.argmax(np.searchsorted(levels, truth) != np.searchsorted(levels, seen)))
        forecast = colour(page, 0, column, "truth")
        page.locator(".player .wipe").fill("100")
        wiped = colour(page, 0, column, "truth")
        assert wiped != forecast
        page.locator(".player .frame").fill(str(PAST - 1))
        assert colour(page, 0, column, "truth") == wiped, "the last frame seen"
        page.locator(".player .wipe").fill("0")
        page.locator(".player .frame").fill(str(PAST + 1))
        page.select_option(".player .colours", "of a radar map")
        radar = {(208, 231, 251), (157, 201, 243), (90, 160, 230), (43, 111, 208), (31, 158, 75), (247, 224, 38)}
        assert {tuple(colour(page, 0, n, "truth")[:3]) for n in range(WIDTH)} & radar
        page.fill(".player .threshold", "2")
        page.check(".player .mask")
        assert [colour(page, 0, n, "truth")[3] for n in range(WIDTH)] == [255 * (value >= 2) for value in truth]


@NEEDED
@pytest.mark.slow
def test_the_keyboard_reaches_everything_in_order(browser: Any, report: str) -> None:
    with opened(browser, report, reduced_motion="reduce") as page:
        page.wait_for_selector(".player .screen canvas")
        assert page.text_content(".player .play") == "Play", "nothing moves that was not asked to"
        page.locator(".player .example").focus()
        order = []
        for _ in range(12):
            page.keyboard.press("Tab")
            order.append(page.evaluate("(e => e.name || e.className || e.tagName)(document.activeElement)"))
        assert order == [
            *("CANVAS", "play", "frame", "wipe", "threshold", "mask", "colours"),
            *("truth", "error", "persistence", "probability", "wide"),
        ]
        assert not page.evaluate(
            "[...document.querySelectorAll('.player input, .player select, .player button')].filter(e => "
            "!e.labels?.length && !e.getAttribute('aria-label') && !e.textContent.trim()).map(e => e.className)"
        )
        page.locator(".player canvas[tabindex='0']").focus()
        for key in ("Home", "ArrowRight", "End"):
            page.keyboard.press(key)
        assert page.text_content(".player .when").startswith("forecast, lead time 4")
        for key in ("Shift+ArrowRight", "Shift+ArrowUp"):
            page.keyboard.press(key)
        assert page.text_content(".player .value").startswith(f"row {HEIGHT - 1 - 5}, column 9, at")
        assert page.get_attribute(".player .value", "aria-live") == "polite"
        page.uncheck(".player [name=error]")
        captions = page.locator(".player .panels figcaption").all_text_contents()
        assert [text.strip() for text in captions] == ["truth", "model", "persistence", "probability"]


@NEEDED
@pytest.mark.slow
def test_fingers_move_slider_and_wipe_and_read_values(browser: Any, report: str) -> None:
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    with opened(browser, report, **phone) as page:
        page.wait_for_selector(".player .screen canvas")
        touches = page.context.new_cdp_session(page)

        def drag(selector: str, begin: float, end: float) -> None:
            """A finger that is put down, moved along an element from share to share, and lifted."""
            page.locator(selector).first.scroll_into_view_if_needed()
            box = page.locator(selector).first.bounding_box()
            assert box["height"] >= 24, "large enough to be hit"
            places = [
                {"x": box["x"] + box["width"] * share, "y": box["y"] + box["height"] / 2}
                for share in np.linspace(begin, end, 6).tolist()
            ]
            for kind, place in zip(("touchStart", *["touchMove"] * 5), places, strict=True):
                touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [place]})
            touches.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

        drag(".player .frame", 0.05, 0.97)
        page.wait_for_function("document.querySelector('.player .when').textContent.includes('lead time 4')")
        assert page.text_content(".player .play") == "Play"
        drag(".player .wipe", 0.05, 0.5)
        page.wait_for_function("Math.abs(document.querySelector('.player .wipe').value - 50) < 15")
        drag(".player .screen canvas", 0.03, 0.97)
        page.wait_for_function(f"document.querySelector('.player .value').textContent.includes('column {WIDTH - 1}')")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
