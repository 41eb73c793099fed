"""The service's page in a real browser: a file in, the slider moved, a value read, a stream that moves on."""

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

import nextframe
from nextframe.forecasting.model_forecaster import ModelForecaster
from tests.browser import NEEDED, at, launched, opened
from tests.service.conftest import BEGIN, FRAMES, STEP
from tests.service.running import httpx, npy
from tests.service.test_serve import served

pytestmark = [pytest.mark.slow, NEEDED]


@contextmanager
def page_of(*arguments: str, height: int, width: int = 900) -> Iterator[tuple[Any, str]]:
    """The page of a service in a browser, which is to meet no error, and the service's address."""
    with (
        served(*arguments) as (address, _),
        launched() as browser,
        opened(browser, address, viewport={"width": width, "height": height}) as page,
    ):
        yield page, address


def test_a_file_is_forecast_and_looked_at(run: Path, tmp_path: Path, arrives: Callable[..., Path]) -> None:
    clip = nextframe.open_source("squares:movies=1,frames=7,seed=9").sequences[0].read(0, 7)[:, 0]
    np.save(tmp_path / "clip.npy", clip)
    expected = nextframe.load_run("squares-stacked").forecast(clip, 8).values
    with page_of("squares-stacked", str(run), height=900) as (page, address):
        page.wait_for_selector("#model option", state="attached")
        page.set_input_files("#file", tmp_path / "clip.npy")
        page.wait_for_selector("#player canvas", timeout=60_000)
        assert "8 frames from 7 of clip.npy" in page.text_content("#said")
        canvas = page.locator("#player canvas").first
        for lead in (0, 3):
            page.locator("#player .frame").fill(str(7 + lead))
            for row, column in ((5, 7), (20, 30)):
                told = at(page, row, column, (40, 40))
                assert told.startswith(f"row {row}, column {column}: ")
                value = float(told.partition(": ")[2])
                assert value == pytest.approx(expected[lead, 0, row, column], rel=1e-2, abs=1e-4)
        canvas.focus()
        page.keyboard.press("ArrowRight")
        assert page.text_content("#player .when") == "forecast, lead time 5"
        page.keyboard.press("ArrowLeft")
        assert "lead time 4" in canvas.get_attribute("aria-label")

        for n in range(2):
            time = f"{(BEGIN + n * STEP).astype('datetime64[s]')}Z"
            query = {"model": run.name, "time": time, "lead_times": "2"}
            assert httpx.post(f"{address}/streams/radar/frames", params=query, content=npy(FRAMES[n][None])).is_success
            if n == 0:
                page.click("#streams button:has-text('radar')")
            page.wait_for_function(
                f"document.querySelector('#player .when').textContent.includes('21:{5 * (n + 1):02} UTC')"
            )


def test_a_forecast_is_checked_beside_baselines(tmp_path: Path) -> None:
    clip = nextframe.open_source("squares:movies=1,frames=15,seed=9").sequences[0].read(0, 15)[:, 0]
    np.save(tmp_path / "clip.npy", clip)
    with page_of("squares-stacked", height=1400) as (page, _):
        page.wait_for_selector("#model option", state="attached")
        for box in ("[value=persistence]", "#check", "#probability"):
            page.check(box)
        page.set_input_files("#file", tmp_path / "clip.npy")
        page.wait_for_selector("#player figcaption:has-text('probability')", timeout=60_000)
        captions = page.locator("#player .panels figcaption").all_text_contents()
        assert [text.strip() for text in captions] == [
            *("truth", "squares-stacked", "error of squares-stacked", "persistence", "error of persistence"),
            "probability",
        ]
        page.uncheck("#player [name=error]")
        assert page.locator("#player .panels canvas").count() == 4
        page.wait_for_selector("#words:has-text('15 frames of 40 x 40 pixels.')", timeout=60_000)
        rows = page.locator("#player .events tbody tr")
        truth, last = clip[7:] >= 0.5, clip[6] >= 0.5
        page.fill("#player .threshold", "0.5")
        told = [float(cell) for cell in rows.nth(1).locator("td").all_text_contents()]
        np.testing.assert_allclose(told, (truth & last).sum((1, 2)) / (truth | last).sum((1, 2)), atol=0.006)


def test_radar_files_are_dropped_and_a_stream_is_looked_at(
    run: Path, tmp_path: Path, arrives: Callable[..., Path]
) -> None:
    files = [arrives(n) for n in range(10)]
    with page_of(str(run), height=1400) as (page, address):
        page.wait_for_selector("#model option", state="attached")
        page.check("[value=persistence]")
        page.set_input_files("#file", files[:4])
        page.wait_for_selector("#said:has-text('3 frames from 4 of 4 files')", timeout=60_000)
        page.wait_for_selector("#words:has-text('4 frames of 12 x 10 pixels.')", timeout=60_000)
        for file in files[:9]:
            form = {"file": (file.name, file.read_bytes())}
            assert httpx.post(f"{address}/streams/radar/frames", files=form, timeout=60).is_success
        page.wait_for_selector("#streams button:has-text('radar')")
        assert page.locator("#worth").is_hidden()
        page.click("#streams button:has-text('radar')")
        page.wait_for_selector("#worth .events tbody tr", timeout=60_000)
        captions = [text.strip() for text in page.locator("#player .panels figcaption").all_text_contents()]
        assert captions == [run.name, "persistence"]
        assert page.locator("#training").is_hidden()
        rows = page.locator("#worth tbody tr")
        assert [text.strip() for text in rows.locator("th").all_text_contents()] == [
            run.name,
            "persistence",
            "extrapolation",
        ]
        scores = httpx.get(f"{address}/streams/radar/skill").json()["6h"]["scores"]
        expected = next(value for name, value in scores["persistence"].items() if name.startswith("csi_"))
        told = [float(cell) for cell in rows.nth(1).locator("td").all_text_contents()]
        np.testing.assert_allclose(told, expected, atol=0.006)
        page.check("[value=extrapolation]")
        page.wait_for_selector("#player figcaption:has-text('extrapolation')", timeout=60_000)
        with page.expect_download() as download:
            page.click("[data-format=nc]")
        assert download.value.suggested_filename == "forecast.nc"
        assert page.locator("#player figcaption:has-text('truth')").count() == 0
        for minute, come in ((20, 3), (35, 1)):  # of frames up to 21:40
            page.select_option("#when", label=f"2016-07-11 21:{minute} UTC")
            page.wait_for_selector(f"#come:has-text('The truth of {come} of its 3 frames has come.')", timeout=60_000)
            assert page.locator("#player figcaption:has-text('truth')").is_visible()
        page.select_option("#when", "20160711T212000Z")
        page.wait_for_selector("#come:has-text('The truth of 3 of')", timeout=60_000)
        page.locator("#player .frame").fill("5")  # four frames of the past, then 21:25 and 21:30
        read = at(page, 5, 7, (12, 10))
        assert float(read.partition("; truth ")[2].split()[0]) == pytest.approx(FRAMES[6][5, 7], abs=0.01), read
        form = {"file": (files[9].name, files[9].read_bytes())}
        assert httpx.post(f"{address}/streams/radar/frames", files=form, timeout=60).is_success
        page.select_option("#when", "latest")
        page.wait_for_function("document.querySelector('#come').textContent === ''")


def dragged(page: Any, *files: Path) -> Any:
    """Files that are dragged from elsewhere onto the page."""
    script = """(files) => {
        const dragged = new DataTransfer();
        for (const [name, text] of files) {
            dragged.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], name));
        }
        return dragged;
    }"""
    return page.evaluate_handle(script, [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in files])


def test_files_are_dropped_anywhere_and_their_forecast_downloaded(
    run: Path, tmp_path: Path, arrives: Callable[..., Path]
) -> None:
    files = [arrives(n) for n in range(4)]
    with page_of(str(run), height=1400) as (page, _):
        page.wait_for_selector("#model option", state="attached")
        given = {"dataTransfer": dragged(page, *files)}
        where = page.locator("#drop")
        page.dispatch_event("h1", "dragenter", given)
        assert where.get_attribute("class").split() == ["drop", "over"], "where they are to go shows"
        page.dispatch_event("h1", "dragleave", given)
        assert where.get_attribute("class").split() == ["drop"]
        page.dispatch_event("#drop", "dragover", given)
        page.dispatch_event("#drop", "drop", given)
        assert where.get_attribute("class").split() == ["drop"]
        page.wait_for_selector("#said:has-text('3 frames from 4 of 4 files')", timeout=60_000)
        page.wait_for_selector("#words:has-text('4 frames of 12 x 10 pixels.')", timeout=60_000)
        page.dispatch_event("footer", "drop", {"dataTransfer": dragged(page)})  # a text, or nothing
        assert "3 frames from 4 of 4 files" in page.text_content("#said"), "what was there stays"
        for format in ("gif", "npy"):
            with page.expect_download() as download:
                page.click(f"#downloads [data-format={format}]")
            assert download.value.suggested_filename == f"forecast.{format}"
            download.value.save_as(tmp_path / f"forecast.{format}")
        with Image.open(tmp_path / "forecast.gif") as clip:
            assert len(list(ImageSequence.Iterator(clip))) == 4 + 3, "the frames before it, and its own"
        expected = ModelForecaster.load(run).forecast(FRAMES[:4], 3).values
        np.testing.assert_allclose(np.load(tmp_path / "forecast.npy"), expected, atol=1e-4)
        np.save(tmp_path / "clip.npy", FRAMES[4:8])
        page.dispatch_event("footer", "drop", {"dataTransfer": dragged(page, tmp_path / "clip.npy")})
        page.wait_for_selector("#said:has-text('3 frames from 4 of clip.npy')", timeout=60_000)


def test_all_of_the_page_is_reached_by_keyboard_and_has_a_name(run: Path, arrives: Callable[..., Path]) -> None:
    files = [arrives(n) for n in range(8)]
    listed = """() => {
        const kinds = "a[href], button, input, select, textarea, summary, [tabindex]";
        const there = [...document.querySelectorAll(kinds)].filter((one) =>
            one.checkVisibility() && !one.disabled && one.tabIndex >= 0);
        return there.map((one, n) => {
            one.dataset.place = n;
            const labels = [...(one.labels ?? [])].map((label) => label.textContent).join(" ");
            return [one.outerHTML.slice(0, 80), one.tabIndex, one.ariaLabel || labels.trim() || one.textContent.trim()];
        });
    }"""
    with page_of(str(run), height=1400) as (page, _):
        page.wait_for_selector("#model option", state="attached")
        for empty in (True, False):
            if not empty:
                page.check("#check")
                page.set_input_files("#file", files)
                page.wait_for_selector("#player .events tbody tr", timeout=60_000)
                page.wait_for_selector("#words:has-text('frames of')", timeout=60_000)
            there = page.evaluate(listed)
            assert len(there) > (10 if empty else 20)
            for part, order, name in there:
                assert order == 0, f"{part} stands out of order"
                assert name, f"{part} has no name"
            page.evaluate("document.querySelector('[data-place=\"0\"]').focus()")
            reached = [0]
            for _ in there[1:]:
                page.keyboard.press("Tab")
                reached.append(page.evaluate("Number(document.activeElement.dataset.place ?? -1)"))
                style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert style != "none", f"what comes after {there[reached[-2]]} does not show that it is reached"
            assert reached == list(range(len(there))), "as they stand on the page"
            lines = page.evaluate("[...document.querySelectorAll('h1, h2')].map((one) => one.tagName)")
            assert lines[0] == "H1"
            assert lines.count("H1") == 1
            regions = page.evaluate(
                "[...document.querySelectorAll('section, form, nav')].map((one) => one.ariaLabel || "
                "document.getElementById(one.getAttribute('aria-labelledby'))?.textContent)"
            )
            assert all(regions), regions


def test_a_token_is_typed_once(run: Path, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("correct horse\n")
    np.save(tmp_path / "clip.npy", FRAMES[:4])
    with served(str(run), "--token-file", str(secret)) as (address, _), launched() as browser:
        context = browser.new_context()
        page = context.new_page()
        page.goto(address)
        assert page.evaluate("document.activeElement.name") == "token"
        page.get_by_label("Token of this service").fill("wrong horse")
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=alert]:has-text('not the token')")
        assert page.locator("[name=token]").get_attribute("aria-describedby") == "wrong"
        page.get_by_label("Token of this service").fill("correct horse")
        page.get_by_role("button", name="Open the page").click()
        page.wait_for_selector("#model option", state="attached")
        assert page.evaluate("document.cookie") == "", "scripts cannot read it"
        page.set_input_files("#file", tmp_path / "clip.npy")
        page.wait_for_selector("#player canvas", timeout=60_000)
        bearer = {"authorization": "Bearer correct horse"}
        query = {"time": f"{BEGIN.astype('datetime64[s]')}Z"}
        sent = httpx.post(f"{address}/streams/radar/frames", params=query, content=npy(FRAMES[:1]), headers=bearer)
        assert sent.is_success
        page.wait_for_selector("#streams button:has-text('radar')", timeout=60_000)  # the event stream is let in, too
        other = context.new_page()
        with opened_elsewhere(address) as elsewhere:
            other.goto(elsewhere)
            other.wait_for_function("document.title !== ''")
            assert other.title() == "refused", "a page of another port of this host"
        page.reload()
        page.wait_for_selector("#model option", state="attached")
        context.close()


@contextmanager
def opened_elsewhere(address: str) -> Iterator[str]:
    """Another page of this host, at another port, which sends a request with the browser's cookies to an address."""
    script = f"""<!doctype html><script>
const frame = document.createElement("img");
frame.onload = () => document.title = "let in";
frame.onerror = () => document.title = "refused";
frame.src = "{address}/streams/radar/forecasts/latest.png";
</script>"""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(script.encode())

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_nothing_is_wider_than_a_phone(run: Path, arrives: Callable[..., Path]) -> None:
    files = [arrives(n) for n in range(9)]
    with page_of(str(run), height=844, width=390) as (page, _):
        page.wait_for_selector("#model option", state="attached")
        for box in ("[value=persistence]", "[value=extrapolation]", "#check"):
            page.check(box)
        page.set_input_files("#file", files)
        page.wait_for_selector("#player .events tbody tr", timeout=60_000)
        page.wait_for_selector("#words:has-text('frames of')", timeout=60_000)
        assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.long
def test_a_training_is_followed_and_cancelled(tmp_path: Path) -> None:
    clip = nextframe.open_source("squares:movies=1,frames=40,size=16,seed=3").sequences[0].read(0, 40)[:, 0]
    np.save(tmp_path / "clip.npy", clip)
    with page_of("squares-stacked", "--streams", str(tmp_path), height=1600) as (page, address):
        page.wait_for_selector("#model option", state="attached")
        assert page.locator("#training").is_hidden(), "there is no file to train on"
        page.set_input_files("#file", tmp_path / "clip.npy")
        page.wait_for_selector("#player canvas", timeout=60_000)
        page.click("#train")
        page.wait_for_selector("#cancel", timeout=60_000)
        assert page.is_disabled("#train")
        page.wait_for_selector("#curve circle", timeout=120_000)  # the curve is there while the training goes on
        assert page.locator("#curve").is_visible()
        assert page.text_content("#progress").startswith("Training: ")
        assert page.get_attribute("#curve", "aria-label").startswith("Loss by epoch: after ")
        (name,) = httpx.get(f"{address}/trainings").json()
        assert httpx.get(f"{address}/trainings/{name}").json()["state"] == "running"
        page.click("#cancel")
        page.wait_for_selector("#progress:has-text('The training was cancelled.')", timeout=60_000)
        assert page.is_enabled("#train")
        assert page.locator("#cancel").is_hidden()
        assert httpx.get(f"{address}/trainings/{name}").json()["state"] == "cancelled"
        assert page.locator("#model option").all_text_contents() == ["squares-stacked"]


def test_what_is_asked_for_beside_a_forecast() -> None:
    clip = nextframe.open_source("squares:movies=1,frames=15,seed=9").sequences[0].read(0, 15)[:, 0]
    with served("squares-stacked") as (address, _):
        query = {"beside": "persistence", "check": "true", "threshold": "0.5", "past": "true"}
        told = httpx.post(f"{address}/forecast", params=query, content=npy(clip), timeout=60).json()
        np.testing.assert_allclose(np.array(told["truth"])[:, 0], clip[7:], atol=1e-4)
        np.testing.assert_allclose(np.array(told["beside"]["persistence"])[3, 0], clip[6], atol=1e-4)
        share = np.array(told["probability"])
        assert share.shape == tuple(told["shape"])
        assert share.min() >= 0
        assert share.max() <= 1
        found = httpx.post(f"{address}/inspect", content=npy(clip), timeout=60).json()
        assert found["words"][0] == "15 frames of 40 x 40 pixels."
        assert isinstance(found["problems"], list)
        for wrong in ({"beside": "x"}, {"threshold": "x"}, {"check": "true", "lead_times": "15"}):
            assert httpx.post(f"{address}/forecast", params=wrong, content=npy(clip), timeout=60).status_code == 422
