"""The page that forecasts in the browser: drawn in Chromium, its numbers are those of the model."""

import base64
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from lab.pages import browser
from lab.pages.browser import FOLDER, READY, Shown
from lab.place import DOCS
from nextframe.files import write_text
from nextframe.forecasting.load import load_run
from tests.exports.small import RANGE, small_model
from tests.report.test_browser import CHROMIUM, Browser

RUNTIME = os.environ.get(FOLDER)
SHOWN = Shown("small", "Small", "squares", "squares:movies=2,frames=4,size=24,seed=3", 1.0)


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder, with nothing said of them."""

    def guess_type(self, path: Any) -> str:
        """Types that a browser insists on."""
        types = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}
        return types.get(Path(path).suffix) or super().guess_type(path)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def page(folder: Path) -> Path:
    """The page as a site has it, without its text; the folder of its models and runtime."""
    text = (DOCS / "in-the-browser.md").read_text(encoding="utf-8")
    found = re.search(r'<div id="model-in-page">.*</script>', text, re.DOTALL)
    assert found is not None
    (folder / "page").mkdir()
    beside = folder / "assets" / "browser"
    beside.mkdir(parents=True)
    write_text(folder / "page" / "index.html", f'<!doctype html><meta charset="utf-8"><title>page</title>{found[0]}')
    shutil.copy(DOCS / "assets" / "in-the-browser.js", folder / "assets")
    return beside


@contextmanager
def opened(folder: Path, profile: Path) -> Iterator[Browser]:
    """The page, served and opened."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        chromium = Browser(profile)
        try:
            chromium.call("Page.navigate", url=f"http://127.0.0.1:{server.server_port}/page/")
            chromium.wait("document.readyState === 'complete' && location.pathname === '/page/'")
            yield chromium
        finally:
            chromium.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


STATUS = "document.querySelector('[role=status]').textContent"
MODULE = "import('/assets/in-the-browser.js')"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to look at the page with")
@pytest.mark.parametrize("there", [True, False])
def test_a_site_without_the_models_says_so(there: bool, tmp_path: Path) -> None:
    beside = page(tmp_path)
    if there:
        write_text(beside / READY, json.dumps({"missing": "npm is not installed"}))
    with opened(tmp_path, tmp_path / "profile") as chromium:
        chromium.wait(f"{STATUS}.includes('was built without')")
        assert chromium.ask(f"{STATUS}.includes({json.dumps('npm is not installed' if there else READY)})")
        assert chromium.ask("document.querySelector('#model-in-page form').hidden")


def test_what_is_missing_is_written_for_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv(FOLDER, str(tmp_path / "nowhere"))
    missing = browser.write(tmp_path / "out")
    assert missing is not None
    assert "is not the runtime's folder" in missing
    monkeypatch.delenv(FOLDER)
    monkeypatch.setenv("PATH", "")
    assert "npm is not installed" in (browser.write(tmp_path / "out") or "")
    assert "npm is not installed" in json.loads((tmp_path / "out" / READY).read_text())["missing"]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to look at the page with")
@pytest.mark.skipif(not RUNTIME, reason=f"{FOLDER} names no folder of onnxruntime-web")
@pytest.mark.parametrize("architecture", ["stacked", "encoder-decoder"])
def test_forecasts_in_the_browser_are_those_of_the_model(architecture: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = small_model(architecture)
    beside = page(tmp_path)
    browser.runtime(beside)
    shown = browser.write_model(model, SHOWN, beside)
    write_text(beside / READY, json.dumps({"models": [shown]}))
    with opened(tmp_path, tmp_path / "profile") as chromium:
        chromium.wait(f"{MODULE}.then(page => page.ready)")
        chromium.ask("document.querySelector('[name=example]').click()")
        movie = np.array(chromium.ask(f"{MODULE}.then(page => page.movie.map(frame => [...frame]))"), np.float32)
        assert movie.shape == (4, 20 * 24)
        assert (movie.max(), movie.min()) == (1, 0)
        chromium.ask(f"{MODULE}.then(page => page.forecast(5))")
        after = np.array(chromium.ask(f"{MODULE}.then(page => page.movie.map(frame => [...frame]))"), np.float32)
        expected = model.predict(movie.reshape(1, 4, 1, 20, 24), 5)[0]
        assert np.abs(after[4:].reshape(expected.shape) - expected).max() < 1e-4 * RANGE
        assert "5 frames forecast from 4" in chromium.ask(STATUS)

        # A square that is drawn moves the way that the pointer went, by a pixel a frame.
        chromium.ask("document.querySelector('[name=clear]').click()")
        left, top, width, height = chromium.box("#model-in-page canvas")
        chromium.mouse("Pressed", left + width / 4, top + height / 2)
        chromium.mouse("Moved", left + width / 2, top + height / 2)
        chromium.mouse("Released", left + width / 2, top + height / 2)
        drawn = np.array(chromium.ask(f"{MODULE}.then(page => page.movie.map(frame => [...frame]))")).reshape(4, 20, 24)
        assert drawn[0].sum() == 36
        assert all((drawn[n] == np.roll(drawn[0], n, axis=1)).all() for n in range(4))


STROKES = {"squares": [(0.3, 0.5), (0.6, 0.5)], "digits": [(0.4, 0.35), (0.65, 0.35), (0.5, 0.7)]}
"""Ways of the pointer, in shares of the picture's sides: a square that goes to the right, and a seven."""


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to look at the page with")
@pytest.mark.skipif(not RUNTIME, reason=f"{FOLDER} names no folder of onnxruntime-web: `make browser` has one")
def test_what_is_drawn_with_the_mouse_moves_on_as_the_shipped_models_have_it(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    assert browser.write(page(tmp_path)) is None
    movie = f"{MODULE}.then(page => page.movie.map(frame => [...frame]))"
    with opened(tmp_path, tmp_path / "profile") as chromium:
        chromium.wait(f"{MODULE}.then(page => page.ready)")
        for n, shown in enumerate(browser.MODELS):
            model = load_run(shown.name)
            past, sides = model.config.data.past, (model.manifest.height, model.manifest.width)
            choice = "document.querySelector('[name=model]')"
            chromium.ask(f"{choice}.selectedIndex = {n}, {choice}.dispatchEvent(new Event('change')), 0")
            chromium.wait(f"{STATUS}.startsWith({json.dumps(f'{shown.title}: {past} frames')})")
            assert f"{' x '.join(map(str, sides))} pixels" in chromium.ask(STATUS)

            left, top, width, height = chromium.box("#model-in-page canvas")
            points = [(left + x * width, top + y * height) for x, y in STROKES[shown.draws]]
            chromium.mouse("Pressed", *points[0])
            for point in points[1:]:
                chromium.mouse("Moved", *point)
            chromium.mouse("Released", *points[-1])
            assert "1 drawn" in chromium.ask(STATUS)
            drawn = np.array(chromium.ask(movie), np.float32).reshape(1, past, 1, *sides)
            assert set(np.unique(drawn)) == {0, 1}
            assert drawn[0, -1].sum() > 30
            step = (0, 1) if shown.draws == "squares" else (2, 2)  # as the training's move: rows, columns
            np.testing.assert_array_equal(drawn[0, -1], np.roll(drawn[0, -2], step, axis=(-2, -1)))

            chromium.ask("document.querySelector('[name=forecast]').click()")
            chromium.wait(f"{STATUS}.includes('frames forecast from {past}')")
            forecast = np.array(chromium.ask(movie), np.float32).reshape(-1, 1, *sides)[past:]
            assert len(forecast) == 20
            expected = model.predict(drawn * shown.high, 3)[0] / shown.high
            np.testing.assert_allclose(forecast[:3], expected, rtol=0, atol=1e-4)
            assert expected[0].max() > 0.5  # something is there still


def test_movies_of_the_page_are_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "export", lambda *_: None)
    shown = browser.write_model(small_model("stacked"), SHOWN, tmp_path)
    movies: Any = shown["movies"]
    assert [len(base64.b64decode(movie)) for movie in movies] == [4 * 20 * 24] * 2
