"""The table of tasks: `python -m lab NAME`, what it does, and where it lives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from nextframe.plugins import Late


@dataclass(frozen=True)
class Task:
    """One task of the laboratory."""

    name: str
    """What the command line calls it."""
    does: str
    """What it does, in a clause."""
    main: Callable[[Sequence[str]], None]
    """Does it, with the arguments that follow its name."""


_SPEED = Late("lab.speed.command:main")

MEASURED = (
    Task(
        "training",
        "seconds of a training step on the tutorial's batches, beside PyTorch's usual loop and Keras",
        partial(_SPEED, "training"),
    ),
    Task("forward", "its forward pass alone", partial(_SPEED, "forward")),
    Task("backward", "its backward pass alone", partial(_SPEED, "backward")),
    Task("inference", "a forecast of one movie", partial(_SPEED, "inference")),
    Task("streaming", "one new frame of one movie", partial(_SPEED, "streaming")),
    Task(
        "sweep", "a training step of one layer over frame sizes and numbers of filters", Late("lab.speed.command:sweep")
    ),
    Task(
        "reading",
        "windows a second from archives of every kind, and the memory of a training",
        Late("lab.reading.command:main"),
    ),
    Task("live", "how soon a forecast is there, and how many at once", Late("lab.live.command:main")),
    Task("quality", "how long trainings take until their forecasts are good", Late("lab.quality.command:main")),
)
"""How fast and how good, beside others."""

STUDIES = (
    Task("any-clip", "the shipped model of any clip on clips that it never saw", Late("lab.studies.any_clip:main")),
    Task(
        "appending",
        "adding a forecast to a Zarr store, by how many it holds",
        Late("lab.studies.appending:main"),
    ),
    Task("architectures", "architectures trained for as long, side by side", Late("lab.studies.architectures:main")),
    Task(
        "batch-norm",
        "a tutorial run with its batch norm's statistics estimated again",
        Late("lab.studies.batch_norm:main"),
    ),
    Task(
        "dispatch",
        "the engine and the plain path over sizes, and what the dispatch chose",
        Late("lab.studies.dispatch:main"),
    ),
    Task("frame-profile", "where the time of one streamed frame goes", Late("lab.studies.frame_profile:main")),
    Task(
        "matching",
        "forecasts of rain matched to the last frame, or to the validation part",
        Late("lab.studies.matching:main"),
    ),
    Task("members", "members that are fields, beside one error everywhere", Late("lab.studies.members:main")),
    Task(
        "moving-mnist",
        "Moving MNIST beside OpenSTL's ConvLSTM at equal training time",
        Late("lab.studies.moving_mnist:main"),
    ),
    Task("own-data", "clips and events, each trained on with no option", Late("lab.studies.own_data:main")),
    Task("patches", "the encoder-decoder on patches of pixels", Late("lab.studies.patches:main")),
    Task("radar", "one radar network left out, in turn, of a general model", Late("lab.radar.command:main")),
    Task("radar-tried", "what was tried for the general radar model, and lost", Late("lab.radar.tried:main")),
    Task("real-data", "runs on public data, from training to report", Late("lab.studies.real_data:main")),
    Task("recipes", "variants of the training recipes at equal steps", Late("lab.studies.recipes:main")),
    Task("recompute", "time and memory of recomputed segments", Late("lab.studies.recompute:main")),
    Task(
        "runtimes",
        "a further frame by nextframe, ONNX Runtime, OpenVINO and PyTorch's exports",
        Late("lab.studies.runtimes:main"),
    ),
    Task(
        "served-memory",
        "the memory of a training on a Zarr archive on a server, by its size",
        Late("lab.studies.served_memory:main"),
    ),
    Task("squares-errors", "what is wrong in the forecasts of moving squares", Late("lab.studies.squares_errors:main")),
    Task("startup", "what commands cost beside the imports that they need", Late("lab.studies.startup:main")),
    Task("step-profile", "where the time of a training step goes", Late("lab.studies.step_profile:main")),
    Task("tuning", "the shipped radar model tuned to radars that it never saw", Late("lab.studies.tuning:main")),
)
"""Single questions; each keeps its answer in lab/results."""

PAGES = (
    Task("pages", "the documentation's lists, from the tables of the code", Late("lab.pages.tables:main")),
    Task("browser", "models and runtime of docs/in-the-browser.md, into a built site", Late("lab.pages.browser:main")),
    Task("readme", "README's tables of results", Late("lab.pages.readme:main")),
    Task("quality-page", "docs/results/quality.md", Late("lab.pages.quality:main")),
    Task("reading-page", "the tables of reading in docs/data.md", Late("lab.pages.reading:main")),
    Task("marks", "the marks and what was reached in docs/engine.md", Late("lab.pages.marks:main")),
    Task("service-page", "the picture of the service in docs/live.md", Late("lab.pages.service_page:main")),
    Task("tutorial-tables", "docs/results/tutorial.md", Late("lab.pages.tutorial_tables:main")),
    Task("ship", "a trained run into the package, its card, and docs/shipped-models.md", Late("lab.ship:main")),
)
"""Pages, and models, that are written from results."""

SECTIONS = (("Measured beside others", MEASURED), ("Studies", STUDIES), ("Pages and models", PAGES))
TASKS = {task.name: task for _, tasks in SECTIONS for task in tasks}
