"""`python -m lab service-page`: pictures of the service's page in docs/live.md: at a desk, in the dark, on a phone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

import nextframe
from lab.live.serve import wait_for
from lab.options import parser
from lab.place import DOCS

PORT = 8231


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A picture of the page."""

    name: str
    """File in docs/assets."""
    width: int
    """Width of the window in pixels."""
    height: int
    """Height of the window."""
    scheme: Literal["light", "dark"]
    """What the person prefers."""
    shown: int | None = None
    """Height of the picture; by default that of the page."""
    touch: bool = False
    """True for a phone."""


SHOTS = (
    Shot(name="service.png", width=1000, height=1100, scheme="light"),
    Shot(name="service-dark.png", width=1000, height=1100, scheme="dark"),
    Shot(name="service-phone.png", width=390, height=844, scheme="light", shown=1420, touch=True),
)


def main(arguments: Sequence[str]) -> None:
    parser("service-page", __doc__).parse_args(arguments)
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    server = subprocess.Popen([sys.executable, "-m", "nextframe", "serve", "squares-stacked", "--port", str(PORT)])
    try:
        wait_for(f"http://127.0.0.1:{PORT}/healthz")
        with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
            clip = Path(folder) / "squares.npy"
            np.save(clip, nextframe.open_source("squares:movies=1,frames=15,seed=9").sequences[0].read(0, 15)[:, 0])
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for shot in SHOTS:
                take(browser, shot, clip)
    finally:
        server.terminate()
        server.wait()


def take(browser: Any, shot: Shot, movie: Path) -> None:
    """Drop a clip on the page as a person would, and take a picture of what comes of it."""
    size = {"width": shot.width, "height": shot.height}
    page = browser.new_page(viewport=size, color_scheme=shot.scheme, has_touch=shot.touch, is_mobile=shot.touch)
    page.goto(f"http://127.0.0.1:{PORT}/")
    page.wait_for_selector("#model option", state="attached")
    for box in ("[value=persistence]", "#check", "#probability"):
        page.check(box)
    page.set_input_files("#file", movie)
    page.wait_for_selector("#player .screen canvas")
    page.locator("#player .frame").fill("10")
    canvas, place = page.locator("#player canvas").nth(1), {"x": 60, "y": 70}
    if shot.touch:
        canvas.tap(position=place)
    else:
        canvas.hover(position=place)
    page.wait_for_selector("#doctor:visible")
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > shot.width:
        raise SystemExit(f"{shot.name}: the page is {wide} pixels wide, wider than its window")
    picture = DOCS / "assets" / shot.name
    clip = None if shot.shown is None else {"x": 0, "y": 0, "width": shot.width, "height": shot.shown}
    page.screenshot(path=picture, full_page=True, clip=clip)
    page.close()
    print(f"wrote {picture.relative_to(DOCS.parent)}")
