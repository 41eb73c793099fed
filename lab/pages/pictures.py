"""Pictures of the documentation, a row for each page that has none of its own: `python -m lab pages --pictures`.

What shows forecasts is made by the models that come with the package, what shows results from lab/results.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console
from rich.text import Text

from lab.pages.drawings import DRAWINGS
from lab.pictures import FASTEST, OTHERS
from lab.place import DOCS, RESULTS, ROOT
from nextframe.files import replacing
from nextframe.report.figures import png

FOLDER = DOCS / "assets" / "pictures"
_COLOURS = 64
"""Colours of a PNG's palette, which makes it a third as large."""
SQUARES, DIGITS = "squares:movies=1,frames=20,seed=1007", "moving-mnist:movies=1,frames=20,seed=1000,part=test"


@dataclass(frozen=True)
class Picture:
    """A picture of a page."""

    page: str
    """Page, from docs/ on."""
    file: str
    """Name of the picture's file."""
    about: str
    """What it shows, for those who do not see it."""
    make: Callable[[], bytes]
    """Makes the file's content."""


def shipped(model: str, source: str, lead_times: int) -> bytes:
    """A forecast by a shipped model beside the truth."""
    import nextframe

    movie = nextframe.open_source(source).sequences[0]
    trained = nextframe.load_run(model)
    past = trained.config.data.past
    forecast = trained.forecast(movie[:past], lead_times)
    figure = forecast.plot(past=movie[past - lead_times : past], truth=movie[past : past + lead_times])
    return _small(png(figure, dpi=80))


def probabilities() -> bytes:
    """A forecast with the chance of a square at each pixel."""
    import nextframe

    movie = nextframe.open_source(SQUARES).sequences[0]
    forecast = nextframe.load_run("squares-stacked").forecast(movie[:7], 8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "forecast.png"
        nextframe.save_forecast(forecast, path, truth=movie.read(7, 15), exceed=[0.5])
        return _small(path.read_bytes())


def scores() -> bytes:
    """Curves of a verification."""
    import nextframe
    from nextframe.report.figures import skill_curves

    skill = nextframe.verify(
        nextframe.load_run("squares-stacked"),
        "squares:movies=12,frames=15,seed=1000",
        past=7,
        lead_times=8,
        thresholds=[0.5],
        progress=False,
    )
    return _small(png(skill_curves(skill, ["csi_0.5", "mse", "ssim"]), dpi=80))


def sources() -> bytes:
    """First frames of what the package draws by itself."""
    import nextframe

    figure = Figure(figsize=(9, 3.4), layout="constrained", facecolor="white")
    panels = figure.subplots(2, 6)
    for line, source in zip(panels, (SQUARES, DIGITS), strict=True):
        movie = nextframe.open_source(source).sequences[0]
        for n, panel in enumerate(line):
            panel.imshow(movie[2 * n][0], cmap="gray", interpolation="nearest")
            panel.set_title(f"{source.partition(':')[0]}, frame {2 * n}", fontsize=8)
            panel.set_axis_off()
    return _small(png(figure, dpi=80))


def terminal(*arguments: str) -> bytes:
    """Output of a command as a terminal shows it."""
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "100"}
    command = [sys.executable, "-m", "nextframe", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(Text(f"$ nextframe {' '.join(arguments)}"))
    console.print(Text.from_ansi(done.stdout))
    text = console.export_svg(title="nextframe", font_aspect_ratio=0.61, unique_id="terminal")
    # rich's own style fetches a font from elsewhere.
    start, end = text.index("@font-face"), text.rindex("@font-face")
    return (text[:start] + text[text.index("}", end) + 1 :]).replace("Fira Code", "monospace").encode()


def bars(values: Sequence[tuple[str, float]], label: str, *, best: Callable[[Sequence[float]], float] = max) -> bytes:
    """A bar for each of some values, the best in colour."""
    figure = Figure(figsize=(7.5, 0.27 * len(values) + 0.8), layout="constrained", facecolor="white")
    axes = figure.subplots()
    winner = best([value for _, value in values])
    colours = [FASTEST if value == winner else OTHERS for _, value in values]
    axes.barh([name for name, _ in values], [value for _, value in values], color=colours)
    axes.invert_yaxis()
    axes.set_xlabel(label, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return _small(png(figure, dpi=80))


def architectures() -> bytes:
    """Architectures on moving squares, by CSI."""
    content = json.loads((RESULTS / "architectures.json").read_text(encoding="utf-8"))
    named: dict[str, list[float]] = {}
    for trial in content.values():
        if trial["on"] == "squares":
            named.setdefault(trial["architecture"], []).append(float(np.mean(trial["scores"]["model"]["csi_0.5"])))
    values = [(name, float(np.mean(csi))) for name, csi in named.items()]
    return bars(values, "CSI at 0.5 on moving squares, mean over lead times and seeds")


def recipes() -> bytes:
    """Recipes tried for the stack, by CSI."""
    trials = json.loads((RESULTS / "recipes-stacked.json").read_text(encoding="utf-8"))["trials"]
    values = [(name[:60], float(trial["csi"])) for name, trial in trials.items()]
    return bars(sorted(values, key=lambda value: -value[1])[:18], "CSI at 0.5 of the rollout, mean over lead times")


def tutorial() -> bytes:
    """CSI by lead time of the tutorial's networks, after their last epoch."""
    figure = Figure(figsize=(6, 3), layout="constrained", facecolor="white")
    axes = figure.subplots()
    names = {"same": "stack, 'same' padding", "causal": "stack, causal", "encoder-decoder": "encoder-decoder"}
    for folder, name in names.items():
        path = RESULTS / "tutorial" / folder / "seed-0" / "verification.json"
        verification = json.loads(path.read_text(encoding="utf-8"))
        metric = next(key for key in verification["scores"]["model"] if key.startswith("csi"))
        csi = verification["scores"]["model"][metric]
        axes.plot(range(1, len(csi) + 1), csi, marker="o", ms=3, label=name)
    axes.set_xlabel("lead time (frames)", fontsize=9)
    axes.set_ylabel("CSI at 0.5, seed 0", fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return _small(png(figure, dpi=80))


def appending() -> bytes:
    """Seconds of appending a forecast to an archive of few and of many."""
    content = json.loads((RESULTS / "appending.json").read_text(encoding="utf-8"))
    values = [("to few", content["seconds_few"]), (f"to {content['earlier']:,}", content["seconds_many"])]
    return bars(values, "seconds to append a forecast to an archive, median", best=min)


def result(name: str) -> bytes:
    """A picture of the laboratory's."""
    return _small((RESULTS / name).read_bytes(), widest=900)


def _small(content: bytes, widest: int = 1100) -> bytes:
    """A PNG with fewer pixels and colours."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    picture.thumbnail((widest, 10 * widest))
    stream = io.BytesIO()
    picture.quantize(_COLOURS).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


PICTURES = (
    Picture(
        "index.md",
        "forecast.png",
        "Ten frames forecast by a model that comes with the package, beside the truth",
        partial(shipped, "squares-encoder-decoder", SQUARES, 10),
    ),
    Picture(
        "getting-started.md",
        "first.png",
        "The forecast of the page's first command, beside the truth",
        partial(shipped, "squares-stacked", SQUARES, 6),
    ),
    Picture(
        "shipped-models.md",
        "digits.png",
        "Moving MNIST, forecast by the shipped model, beside the truth",
        partial(shipped, "moving-mnist", DIGITS, 8),
    ),
    Picture("data.md", "sources.png", "Moving squares and moving digits, drawn by the package", sources),
    Picture(
        "command-line.md",
        "inspect.svg",
        "A terminal: what inspect says of moving squares",
        partial(terminal, "inspect", "squares:movies=20,frames=15"),
    ),
    Picture(
        "uncertainty.md", "probabilities.png", "Truth, forecast, error, and the probability of a square", probabilities
    ),
    Picture("verification.md", "scores.png", "CSI, MSE and SSIM by lead time of a model and two baselines", scores),
    Picture(
        "engine.md", "training.png", "Seconds of a training step, ours and others'", partial(result, "training.png")
    ),
    Picture(
        "lab.md", "streaming.png", "Seconds of a streamed frame, ours and others'", partial(result, "streaming.png")
    ),
    Picture(
        "results/architectures.md", "architectures.png", "CSI of the architectures on moving squares", architectures
    ),
    Picture("results/recipes.md", "recipes.png", "CSI of the best recipes that were tried", recipes),
    Picture("results/tutorial.md", "tutorial.png", "CSI by lead time of the tutorial's networks", tutorial),
    Picture("results/appending.md", "appending.png", "Seconds to append to few forecasts and to many", appending),
    *(Picture(row.page, row.file, row.about, row.svg) for row in DRAWINGS),
)
"""Every picture that a command makes, by page."""


def pictured(text: str, page: Path) -> str:
    """A page with its picture below its title, where it has no picture yet."""
    picture = next((row for row in PICTURES if DOCS / row.page == page), None)
    if picture is None or "![" in text:
        return text
    up = "../" * picture.page.count("/")
    line = f"![{picture.about}]({up}assets/pictures/{picture.file})"
    head, _, rest = text.partition("\n\n")
    return f"{head}\n\n{line}\n\n{rest}"


def make_pictures(names: Sequence[str] = ()) -> None:
    """Make pictures, by default all."""
    FOLDER.mkdir(exist_ok=True)
    for picture in PICTURES:
        if names and picture.file not in names:
            continue
        content, path = picture.make(), FOLDER / picture.file
        with replacing(path) as temporary:
            temporary.write_bytes(content)
        print(f"wrote {path.relative_to(ROOT)}, {len(content):,} bytes")
