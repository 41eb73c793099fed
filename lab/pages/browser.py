"""Write what docs/in-the-browser.md needs beside it: shipped models as step graphs, and ONNX Runtime for the web.

    python -m lab browser [--runtime] --out site/assets/browser

`make docs` does it; with `--runtime`, for `make browser`, the runtime comes alone. ONNX Runtime comes from npm
(`npm pack`), or from the folder that NEXTFRAME_ONNXRUNTIME_WEB names, the `dist` of the package onnxruntime-web. What
cannot be had is told in `ready.json`, and by the page.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lab.options import parser
from nextframe.errors import ConfigError, NextframeError, first_line
from nextframe.exports.export import export
from nextframe.exports.formats import format_of, require
from nextframe.files import write_text
from nextframe.forecasting.load import load_run
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.source import open_source

PACKAGE = "onnxruntime-web@1.22.0"
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""Files of the runtime that the page loads: the processor's path alone."""
FOLDER = "NEXTFRAME_ONNXRUNTIME_WEB"
READY = "ready.json"
_PATIENCE = 300  # seconds that npm is waited for


@dataclass(frozen=True)
class Shown:
    """A model of the page."""

    name: str
    """Name of the shipped model."""
    title: str
    """What the page calls it."""
    draws: str
    """What is drawn for it: "squares" or "digits"."""
    source: str
    """Movies that are drawn for the visitor."""
    high: float
    """Value of what is white, in source units."""


MODELS = (
    Shown("squares-stacked", "Moving squares", "squares", "squares:movies=6,frames=7,seed=20000", 1.0),
    Shown("moving-mnist", "Moving digits", "digits", "moving-mnist:movies=6,frames=10,seed=1000,part=test", 255.0),
)


def runtime(folder: Path) -> None:
    """Put ONNX Runtime for the web into a folder.

    Raises:
        ConfigError: npm is not there, or does not bring it.
    """
    given = os.environ.get(FOLDER)
    if given:
        _copied(Path(given), folder)
        return
    npm = shutil.which("npm")
    if npm is None:
        raise ConfigError("npm is not installed", hint=f"install it, or name the runtime's folder in {FOLDER}")
    with tempfile.TemporaryDirectory() as place:
        command = [npm, "pack", PACKAGE, "--silent", "--pack-destination", place]
        try:
            subprocess.run(command, cwd=place, capture_output=True, check=True, timeout=_PATIENCE)
            (packed,) = Path(place).glob("*.tgz")
            with tarfile.open(packed) as archive:
                archive.extractall(place, filter="data")
        except (OSError, ValueError, subprocess.SubprocessError, tarfile.TarError) as error:
            raise ConfigError(f"npm does not bring {PACKAGE}", received=type(error).__name__) from error
        _copied(Path(place) / "package" / "dist", folder)


def _copied(source: Path, folder: Path) -> None:
    try:
        for name in FILES:
            shutil.copyfile(source / name, folder / name)
    except OSError as error:
        raise ConfigError("is not the runtime's folder", where=source, received=first_line(error)) from error


def write_model(model: TrainedForecaster, shown: Shown, folder: Path) -> dict[str, object]:
    """Export a model into a folder, and what the page is to know of it."""
    export(model, folder / f"{shown.name}.onnx")
    past, height, width = model.config.data.past, model.manifest.height, model.manifest.width
    movies = []
    for movie in open_source(shown.source).sequences:
        pixels = np.clip(movie.read(0, past)[..., :height, :width] / shown.high, 0, 1) * 255
        movies.append(base64.b64encode(pixels.astype(np.uint8).tobytes()).decode())  # a byte a pixel
    return {**asdict(shown), "description": f"{shown.name}.json", "movies": movies}


def write(folder: Path) -> str | None:
    """Write all that the page needs; what is missing, in a sentence, or None."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = None
    content: dict[str, object] = {}
    try:
        require(format_of("model.onnx"))
        runtime(folder)
        content = {"runtime": PACKAGE, "models": [write_model(load_run(row.name), row, folder) for row in MODELS]}
    except NextframeError as error:
        missing = " ".join(str(error).split())
        content = {"missing": missing}
    write_text(folder / READY, json.dumps(content))
    return missing


def main(arguments: Sequence[str]) -> None:
    options = parser("browser", __doc__)
    options.add_argument("--out", type=Path, required=True, help="folder to write to")
    options.add_argument("--runtime", action="store_true", help="the runtime alone, without the models")
    given = options.parse_args(arguments)
    if given.runtime:
        given.out.mkdir(parents=True, exist_ok=True)
        runtime(given.out)
        print(f"wrote {given.out}")
        return
    missing = write(given.out)
    print(f"wrote {given.out}" if missing is None else f"{given.out}: the page goes without its models: {missing}")
