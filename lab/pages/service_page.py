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
            np.save(clip, nextframe.open_source("squares:movies=1,frames=7,seed=9").sequences[0].read(0, 7)[:, 0])
            page = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
            page.set_viewport_size({"width": 760, "height": 800})
            page.goto(f"http://127.0.0.1:{PORT}/")
            page.wait_for_selector("#model option", state="attached")
            page.set_input_files("#file", clip)
            page.wait_for_selector("#player canvas")
            page.locator("#player canvas").first.hover(position={"x": 300, "y": 200})
            page.screenshot(path=PICTURE)
    finally:
        server.terminate()
        server.wait()
    print(f"wrote {PICTURE}")
