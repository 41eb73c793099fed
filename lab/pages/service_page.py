"""`python -m lab service-page`: the picture of the service's page in docs/live.md."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import nextframe
from lab.live.serve import wait_for
from lab.options import parser

PORT = 8231
PICTURE = Path("docs/assets/service.png")


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
            page = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
            page.set_viewport_size({"width": 1000, "height": 1100})
            page.goto(f"http://127.0.0.1:{PORT}/")
            page.wait_for_selector("#model option", state="attached")
            for box in ("[value=persistence]", "#check", "#probability"):
                page.check(box)
            page.set_input_files("#file", clip)
            page.wait_for_selector("#player .screen canvas")
            page.locator("#player .frame").fill("10")
            page.locator("#player canvas").nth(1).hover(position={"x": 90, "y": 110})
            page.wait_for_selector("#doctor:visible")
            page.screenshot(path=PICTURE, full_page=True)
    finally:
        server.terminate()
        server.wait()
    print(f"wrote {PICTURE}")
