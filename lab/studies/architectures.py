"""The architectures side by side, each trained for as long: skill by lead time, parameters, operations, seconds.

    python -m lab architectures [NAME ...] [--on squares,moving-mnist,radar] [--seconds 90] [--data FOLDER]
    python -m lab architectures --page

Each is trained with its default preset, on squares and Moving MNIST for one epoch of new movies, on radar for as many
epochs of the archive as fit. How many steps fit is found out first, by a short training. Results are merged into
lab/results/architectures.json as each training ends, and one that is there is not run again (but for --again):
the benchmark can be stopped and goes on where it was. `--page` writes them to docs/results/architectures.md. FOLDER
holds the public samples, by default ../shared/data.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import nextframe
from lab.options import parser
from lab.place import DOCS, RESULTS, ROOT
from lab.ship import typed
from nextframe.api import verify_run
from nextframe.config import RunConfig
from nextframe.data.split import split_as
from nextframe.data.windows import cut_windows
from nextframe.files import write_text
from nextframe.frames.source import open_as
from nextframe.machine import describe_machine
from nextframe.models.build import build_model
from nextframe.models.network import Network
from nextframe.models.rollout import rollout
from nextframe.runs.metrics import read_metrics
from nextframe.training.presets import preset_config

RESULT = RESULTS / "architectures.json"
PAGE = DOCS / "results" / "architectures.md"
WARM_UP = 20
"""Steps that tell what a step takes."""
MISSED = 0.08
"""Share of the seconds by which a training may miss them; one that misses more is done again."""
VALIDATION = 40
"""Movies validated on, of generated ones."""

ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "stacked ConvLSTM": ("stacked", {}),
    "stacked ConvLSTM, peepholes": ("stacked", {"peepholes": True}),
    "stacked ConvLSTM, 5x5 kernels": ("stacked", {"kernel_size": 5, "filters": (24, 24, 24)}),
    "ConvGRU": ("convgru", {}),
    "TrajGRU": ("trajgru", {}),
    "PredRNN": ("predrnn", {}),
    "multi-scale ConvLSTM": ("multiscale", {}),
    "SimVP": ("simvp", {}),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Frames to train and to verify on."""

    title: str
    size: int
    """Height and width of the frames, after cropping and coarsening."""
    past: int
    future: int
    simvp: int
    """Features of SimVP, whose parameters grow with the number of frames; about as many parameters as the others."""
    options: dict[str, Any] = field(default_factory=dict)
    threshold: float = 0.5
    """What counts as an event, in source units."""
    by: Literal["csi", "mse"] = "csi"
    """What the table is ordered by; by MSE where it is in units that make it large."""
    baselines: tuple[str, ...] = ("persistence",)
    generated: str | None = None
    """A source of movies, as many new ones as are trained on; None where there is an archive."""
    held_out: str | None = None
    """Movies to verify on; None for the archive's test part."""
    path: str = ""
    """The archive below the data folder."""


CASES = {
    "squares": Case(
        title="Moving squares, 40 x 40: 8 frames from 7, trained on cuts of 24",
        size=40,
        past=7,
        future=8,
        simvp=16,
        generated="squares:movies={},frames=15,seed={}",
        held_out="squares:movies=200,frames=15,seed=1000",
    ),
    "moving-mnist": Case(
        title="Moving MNIST, 64 x 64: 10 frames from 10, event 127.5; patches of 4 (not SimVP), half on the rollout",
        size=64,
        past=10,
        future=10,
        simvp=12,
        options={"train_crop": None, "patch": 4, "rollout_training": 0.5, "batch_size": 8},
        threshold=127.5,
        by="mse",
        generated="moving-mnist:movies={},frames=20,seed={}",
        held_out="moving-mnist:movies=100,frames=20,seed=1000,part=test",
    ),
    "radar": Case(
        title="Radar rain, the Netherlands (KNMI), 104 x 104 at 4 km: 6 frames from 4, event 1 mm/h",
        size=104,
        past=4,
        future=6,
        simvp=26,
        options={
            "rain_unit": "mm/h",
            "crop": (220, 160, 416, 416),
            "coarsen": 4,
            "validation": 0.12,
            "test": 0.42,
            "coordinates": "lagrangian",
            "output": "linear",
            "residual": True,
            "loss": "mse",
            "train_crop": 64,
            "batch_size": 8,
            "learning_rate": 2e-3,
        },
        threshold=1.0,
        baselines=("persistence", "extrapolation"),
        path="radar/knmi-2010-08-26",
    ),
}


def configured(name: str, case: Case, data: Path, seed: int, steps: int) -> RunConfig:
    """The default preset on a data set; of generated movies so many that an epoch has the steps asked for."""
    kind, own = ARCHITECTURES[name]
    preset = preset_config(kind)
    options = {"past": case.past, "future": case.future, "seed": seed, **own, **case.options}
    if kind == "simvp":  # always trained on what it is to forecast, and on a grid of its own that is as coarse
        options |= {"filters": (case.simvp,) * len(preset.model.filters), "patch": 1, "rollout_training": 0.0}
    if case.generated is None:
        options["data"] = str(data / case.path)
    else:
        movies = steps * case.options.get("batch_size", preset.training.batch_size) + VALIDATION
        options |= {"data": case.generated.format(movies, seed + 1), "validation": VALIDATION / movies, "test": 0.0}
    return preset.replace(options)


def steps_of_epoch(config: RunConfig) -> int:
    parts = split_as(open_as(config.data), config.data)
    windows = len(cut_windows(parts.train, past=config.data.past, future=config.data.future, stride=config.data.stride))
    return windows // config.training.batch_size


def train(config: RunConfig, out: Path) -> list[float]:
    """Train; the seconds of each epoch, without its validation."""
    options = {name: value for section in config.to_dict().values() for name, value in section.items()}
    nextframe.fit(out=out, progress=False, **options)
    return [row["seconds"] for row in read_metrics(out)]


def run(name: str, on: str, seconds: float, data: Path, seed: int) -> dict[str, Any]:
    """Train for so long, and verify."""
    case = CASES[on]
    with tempfile.TemporaryDirectory() as folder:
        config = configured(name, case, data, seed, WARM_UP)
        steps = steps_of_epoch(config)
        # The first epoch is longer: buffers are made, and windows are moved to Lagrangian coordinates.
        epochs = 1 + ceil(WARM_UP / steps)
        # Of the epochs that are counted as many steps are on the rollout as of the training.
        rollouts = config.training.rollout_training * (epochs - 1) / epochs
        first, *others = train(
            config.replace({"epochs": epochs, "rollout_training": rollouts}), Path(folder) / "warm-up"
        )
        each = sum(others) / (len(others) * steps)
        for attempt in ("run", "again"):
            if case.generated is not None:
                config, epochs = configured(name, case, data, seed, max(round(seconds / each), 1)), 1
            else:
                epochs = 1 + max(round((seconds - first) / (each * steps)), 0)
            config = config.replace({"epochs": epochs})
            steps = steps_of_epoch(config)
            out = Path(folder) / attempt
            taken = train(config, out)
            if case.generated is None:
                break
            each = sum(taken) / steps  # the warm-up may have been faster or slower than the training
            if abs(sum(taken) / seconds - 1) < MISSED:
                break
        asked: dict[str, Any] = {"thresholds": [case.threshold], "out": Path(folder) / "skill", "progress": False}
        found = verify_run(out, data=case.held_out, baselines=case.baselines, examples=0, **asked)
    event = f"csi_{case.threshold:g}"
    return {
        "architecture": name,
        "on": on,
        "seed": seed,
        "asked_seconds": seconds,
        "seconds": round(sum(taken), 1),
        "steps": steps * epochs,
        "epochs": epochs,
        "seconds_per_step": round(each, 5),
        "seconds_per_1000_windows": round(1000 * each / config.training.batch_size, 3),
        "parameters": sum(p.numel() for p in built(config).parameters()),
        "gflop_per_frame": float(f"{operations(config, case.size) / 1e9:.4g}"),
        "forecasts": found.count,
        "scores": {
            who: {metric: [float(f"{value:.6g}") for value in found.scores[who][metric]] for metric in (event, "mse")}
            for who in ("model", *case.baselines)
        },
        "machine": describe_machine(),
        "threads": torch.get_num_threads(),
        "versions": {"nextframe": nextframe.__version__, "torch": torch.__version__},
        "date": str(date.today()),
    }


def built(config: RunConfig) -> Network:
    """The untrained network."""
    return build_model(config.model, 1, past=config.data.past, future=config.data.future)


def operations(config: RunConfig, size: int) -> float:
    """Floating-point operations of a whole forecast, reading included, over its frames.

    Those of convolutions are counted, as direct ones, a multiplication and an addition as two: by far the most of all.
    """
    model = built(config).double().eval()  # in float64 on PyTorch's operations, which are counted
    past = torch.zeros(1, config.data.past, 1, size, size, dtype=torch.float64)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        rollout(model, past, config.data.future)
    return float(counter.get_total_flops()) / config.data.future


def load() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    return content


def write_page() -> None:
    content = load()
    lines = [
        "# Architectures side by side",
        "",
        "Each architecture with its default preset, but for what stands above a table, and about 300,000 parameters,",
        "trained for about the same time (a column tells), with the one-cycle schedule over as many steps as fit.",
        "ConvLSTM layers without peepholes run on the engine, all else on PyTorch's operations: this is what an",
        "architecture is worth in this package on a CPU. The recipe is that of the stacked ConvLSTM for all of them:",
        "only it and the encoder-decoder had one searched, so that an architecture that fares badly here, or diverges",
        "as the ConvGRU does on Moving MNIST, may do better with its own.",
        "",
        "Skill is that of the free rollout on held-out frames: the mean over all lead times and, after it, some of",
        "them. Operations are those of a whole forecast over its frames; convolutions are counted, as direct ones, a",
        "multiplication and an addition as two. Seconds of training leave out validation. Differences of one or two",
        "hundredths in CSI say little where there is one seed; so none of the architectures can be said to be better",
        "than the stack at this size and time, which is why it stays the default. Of radar, a forecast starts at every",
        "frame of the test part, so that neighbours share most of their frames.",
        "",
        "Seconds for 1,000 windows are an epoch of so many; on radar those of the first epoch, in which windows",
        "are moved to Lagrangian coordinates, are left out. MSE is that of a pixel in the data's own unit. Digits",
        "are blurs yet after so short a time, which seldom reach the threshold, so that persistence is ahead by",
        "CSI: by MSE they are ordered, beside that of frames that are all black. (Times 4096 / 65025 it is the MSE",
        "of [Moving MNIST beside OpenSTL](moving-mnist.md), summed over frames of 0..1.)",
        "",
    ]
    for on, case in CASES.items():
        found = [result for result in content.values() if result["on"] == on]
        if found:
            lines += [f"## {case.title}", "", *_table(case, found), ""]
            if case.options:
                options = ((f"--{name.replace('_', '-')}", value) for name, value in case.options.items())
                words = (option if value is True else f"{option} {typed(value)}" for option, value in options)
                lines += [f"Other than the presets: `{' '.join(words)}`.", ""]
            for made in sorted({_made(result) for result in found}):
                lines += [made, ""]
    lines += [
        "```console",
        "$ python -m lab architectures",
        "$ python -m lab architectures --page",
        "```",
        "",
    ]
    write_text(PAGE, "\n".join(lines))
    print(f"wrote {PAGE.relative_to(ROOT)}")


def _table(case: Case, found: list[dict[str, Any]]) -> list[str]:
    """A row for each architecture, the best first, and one for each baseline; seeds are averaged over."""
    event = f"csi_{case.threshold:g}"
    leads = sorted({1, (case.future + 1) // 2, case.future})
    shown = ", ".join(f"{lead}" for lead in leads)

    def skill(scores: list[dict[str, list[float]]]) -> list[str]:
        cells = []
        for metric, form in ((event, ".3f"), ("mse", ".3g" if case.by == "csi" else ".0f")):
            means = [sum(each) / len(each) for each in zip(*(one[metric] for one in scores), strict=True)]
            at_leads = " / ".join(f"{means[lead - 1]:{form}}" for lead in leads)
            cells += [f"{sum(means) / len(means):{form}}", at_leads]
        return cells

    rows = []
    for name in dict.fromkeys(result["architecture"] for result in found):
        runs = [result for result in found if result["architecture"] == name]
        scores = [result["scores"]["model"] for result in runs]

        def average(key: str, runs: list[dict[str, Any]] = runs) -> float:
            return float(sum(result[key] for result in runs)) / len(runs)

        seeds = "" if len(runs) == 1 else f" ({len(runs)} seeds)"
        cells = [f"{name}{seeds}", f"{runs[0]['parameters']:,}", f"{runs[0]['gflop_per_frame']:.3g}"]
        cells += [f"{average('seconds_per_1000_windows'):.3g}", f"{average('seconds'):.0f}", f"{average('steps'):.0f}"]
        rows.append([*cells, *skill(scores)])
    rows.sort(key=lambda cells: -float(cells[6]) if case.by == "csi" else float(cells[8]))
    for who in case.baselines:
        rows.append([who, "", "", "", "", "", *skill([found[0]["scores"][who]])])
    if case.by == "mse":
        rows.append(["black frames", "", "", "", "", "", *skill([_black(case)])])
    titles = ["architecture", "parameters", "GFLOP a frame", "s / 1000 windows", "seconds", "steps"]
    titles += ["CSI", f"lead times {shown}", "MSE", f"lead times {shown}"]
    table = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return [f"| {' | '.join(cells)} |" for cells in table]


def _black(case: Case) -> dict[str, list[float]]:
    """Scores of frames without any event, on the held-out movies."""
    assert case.held_out is not None
    future = [sequence.read(case.past, len(sequence)) for sequence in nextframe.open_source(case.held_out).sequences]
    mse = np.square(np.stack(future)).mean((0, 2, 3, 4))
    return {f"csi_{case.threshold:g}": [0.0] * len(mse), "mse": mse.tolist()}


def _made(result: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    threads = f"{result['threads']} threads"
    return f"{result['forecasts']} forecasts; {result['machine']}, {threads}, {versions}, {result['date']}."


def main(arguments: Sequence[str]) -> None:
    options = parser("architectures", __doc__)
    options.add_argument("names", nargs="*", help="architectures; by default all")
    options.add_argument("--on", default=",".join(CASES), help="data sets; by default all")
    options.add_argument("--seconds", type=float, default=90.0, help="of training, validation left out")
    options.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of real data")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--again", action="store_true", help="also run what has a result already")
    options.add_argument("--page", action="store_true", help="only write docs/results/architectures.md")
    given = options.parse_args(arguments)
    if given.page:
        write_page()
        return
    for on, name in product(given.on.split(","), given.names or ARCHITECTURES):
        key = f"{name} on {on}, seed {given.seed}"
        if load().get(key, {}).get("asked_seconds") == given.seconds and not given.again:
            print(f"{key}: there already", flush=True)
            continue
        result = run(name, on, given.seconds, given.data, given.seed)
        content = load()  # read again: another process may have added its own
        content[key] = result
        write_text(RESULT, json.dumps(content, indent=1) + "\n")
        csi, *_ = result["scores"]["model"].values()
        print(f"{key}: CSI {sum(csi) / len(csi):.3f}, {result['seconds']:.0f} s of training", flush=True)
