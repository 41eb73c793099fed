"""The service's page in a real browser: a file in, the slider moved, a value read, a stream that moves on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import nextframe
from tests.service.conftest import BEGIN, FRAMES, STEP
from tests.service.test_serve import httpx, npy, served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium to look at the page with"),
]


def test_a_file_is_forecast_and_looked_at(run: Path, tmp_path: Path, arrives: Callable[..., Path]) -> None:
    clip = nextframe.open_source("squares:movies=1,frames=7,seed=9").sequences[0].read(0, 7)[:, 0]
    np.save(tmp_path / "clip.npy", clip)
    expected = nextframe.load_run("squares-stacked").forecast(clip, 8).values
    with served("squares-stacked", str(run)) as (address, _), playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 900, "height": 900})
        troubles: list[str] = []
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda told: troubles.append(told.text) if told.type == "error" else None)
        page.goto(address)
        page.wait_for_selector("#model option", state="attached")
        page.set_input_files("#file", tmp_path / "clip.npy")
        page.wait_for_selector("#player canvas", timeout=60_000)
        assert "8 frames from 7 of clip.npy" in page.text_content("#said")
        canvas = page.locator("#player canvas").first
        box = canvas.bounding_box()
        scale = min(box["width"], box["height"]) / 40
        left = (box["width"] - 40 * scale) / 2
        for lead in (0, 3):
            page.locator("#player .frame").fill(str(7 + lead))
            for row, column in ((5, 7), (20, 30)):
                canvas.hover(position={"x": left + (column + 0.5) * scale, "y": (row + 0.5) * scale})
                told = page.text_content("#player .value")
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
                f"document.querySelector('#player .when').textContent.includes('21:{5 * (n + 1):02}:00Z')"
            )
        assert troubles == []
        browser.close()
