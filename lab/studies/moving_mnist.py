"""Moving MNIST at equal training time: ours beside the ConvLSTM of OpenSTL (Tan et al. 2023, arXiv 2306.11249).

    git clone https://github.com/chengtan9907/OpenSTL
    python -m lab moving-mnist --openstl OpenSTL [CONTENDER ...] [--seconds 600] [--movies 200]
    python -m lab moving-mnist --trials [TRIAL ...] [--seconds 120]
    python -m lab moving-mnist --page

Every contender trains in a process of its own, with as many threads, on movies that are drawn anew for every step, ten
frames to read and ten to forecast. A warm-up tells the seconds of a step, and so the number of steps that fit; the
learning rate's one cycle is that long. What is compared is the free rollout on movies of digits that nobody was trained
on. The trials are how our configuration was chosen: one thread, the processor's seconds in place of the wall's, since
other programs ran beside them, and other held-out movies, of the training's digits. All results are merged into
lab/results/moving-mnist.json; `--page` writes them to docs/results/moving-mnist.md.

What is taken of OpenSTL, and how, is in `lab/studies/openstl_convlstm.py`.

Axes: B movies, T time, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.data import DataLoader

from lab.options import parser
from lab.place import DOCS, RESULTS, ROOT, environment, this_command
from lab.speed.results import provenance
from lab.studies.openstl_convlstm import OpenSTL
from lab.trainer import bare_trainer
from nextframe.config import RunConfig
from nextframe.data.loading import WindowDataset
from nextframe.data.normalise import Normaliser
from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.engine import subnormals_are_zero
from nextframe.errors import ConfigError
from nextframe.files import replacing, write_text
from nextframe.frames.generated.moving_digits import MovingDigits
from nextframe.malloc import keep_freed_memory
from nextframe.models.build import build_model
from nextframe.models.rollout import rollout
from nextframe.report.figures import COLOURS, png
from nextframe.training.module import ForecastTraining
from nextframe.training.presets import preset_config
from nextframe.verification import ssim
from nextframe.verification.conventions import CONVENTIONS, conventional_scores

RESULT = RESULTS / "moving-mnist.json"
PICTURE = DOCS / "assets" / "moving-mnist.png"
PAGE = DOCS / "results" / "moving-mnist.md"

PAST, FUTURE, SIZE = 10, 10, 64
SEED, TRAINING_SEED, VALIDATION_SEED, HELD_OUT_SEED = 0, 1, 1001, 2001
VALIDATION = 40
"""Movies, of the training's digits, that a training is watched on and that trials are judged by."""
POINTS = 8
"""How often a training is watched."""
TOGETHER = 10
"""Movies forecast at a time."""
WARM_UP, WARM_UP_SECONDS = 2, 10.0
"""At least so many steps, and seconds, are timed before a training, after a step that is not."""

OPENSTL: dict[str, dict[str, Any]] = {"openstl": {}, "openstl, batches of 2": {"batch_size": 2}}
"""Contenders of OpenSTL, and changes to its configuration."""
COMMON: dict[str, Any] = {"past": PAST, "future": FUTURE, "train_crop": None, "seed": SEED}
STACKED = {"model": "stacked", "filters": (64, 64), "patch": 4, "batch_size": 8, "rollout_training": 1.0}
TRIALS: dict[str, dict[str, Any]] = {
    "stacked 64-64": STACKED,
    "stacked 64-64, trained on one-step forecasts": {**STACKED, "rollout_training": 0.0},
    "stacked 64-64, batches of 4": {**STACKED, "batch_size": 4},
    "stacked 64-64, second half on the rollout": {**STACKED, "rollout_training": 0.5},
}
"""Our configurations: what they change of the default recipe."""
CHOSEN = "stacked 64-64, second half on the rollout"
"""The trial that runs as "nextframe"."""

BLACK = "black frames"
"""What a network that has learned nothing forecasts; it tells what a score is worth."""

Points = Callable[[dict[str, Any]], None]


class Ours(ForecastTraining):
    """The training of `nextframe train`."""

    def __init__(self, config: RunConfig) -> None:
        torch.manual_seed(config.training.seed)
        super().__init__(build_model(config.model, 1), config, 0.5)
        self.batch_size = config.training.batch_size

    def forecast(self, past: Tensor) -> Tensor:
        """The free rollout (B, K, C, H, W)."""
        return rollout(self.model, past, FUTURE)


Contender = OpenSTL | Ours


def our_config(trial: str) -> RunConfig:
    """The whole configuration of a trial."""
    options = TRIALS[trial]
    return preset_config(options["model"]).replace({**COMMON, **options})


def score(contender: Contender, movies: Tensor) -> dict[str, list[float]]:
    """Scores by lead time of movies (B, T, C, H, W) in 0..1."""
    contender.eval()
    parts = []
    with torch.inference_mode():
        for some in movies.split(TOGETHER):
            parts.append(contender.forecast(some[:, :PAST]))
    contender.train()
    return scores(torch.cat(parts), movies[:, PAST:])


def scores(forecast: Tensor, truth: Tensor) -> dict[str, list[float]]:
    """MSE and MAE by pixel, and SSIM of forecasts brought to 0..1, by lead time."""
    raw = forecast - truth
    brought = forecast.clamp(0, 1).numpy().astype(np.float32)
    similarity = ssim(brought, truth.numpy(), keep=1)
    return {
        "mse": raw.double().square().mean((0, 2, 3, 4)).tolist(),
        "mae": raw.double().abs().mean((0, 2, 3, 4)).tolist(),
        "ssim": similarity.tolist(),
    }


def held_out(movies: int, *, validation: bool) -> Tensor:
    """Movies (B, T, C, H, W) in 0..1."""
    seed, part = (VALIDATION_SEED, "train") if validation else (HELD_OUT_SEED, "test")
    frames = MovingDigits(movies=movies, seed=seed, part=part).render(0, PAST + FUTURE)  # type: ignore[arg-type]
    return torch.from_numpy(frames).float() / 255


class Watched(Callback):
    """A clock that stands still while quality is measured.

    Args:
        clock: what tells the seconds.
        steps: after which quality is measured.
        look: measures and tells it, given step and seconds.
    """

    def __init__(
        self, clock: Callable[[], float], steps: set[int], look: Callable[[int, float], None] = lambda *_: None
    ) -> None:
        self.clock, self.steps, self.look = clock, steps, look
        self.paused, self.started = 0.0, clock()
        self.times = [0.0]

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any, **__: Any
    ) -> None:
        now = self.clock()
        self.times.append(now - self.started - self.paused)
        if trainer.global_step in self.steps:
            self.look(trainer.global_step, self.times[-1])
            self.paused += self.clock() - now


def fit(contender: Contender, steps: int, watched: Watched) -> None:
    """Train for so many steps, on new movies in each."""
    source = MovingDigits(movies=steps * contender.batch_size, seed=TRAINING_SEED)
    windows = cut_windows([Span(s, 0, PAST + FUTURE) for s in source.sequences()], past=PAST, future=FUTURE)
    data = WindowDataset(windows, Normaliser(method="range", offset=(0.0,), scale=(255.0,)))
    clip = contender.config.training.gradient_clip if isinstance(contender, Ours) else None
    with subnormals_are_zero():
        bare_trainer(steps, clip, [watched]).fit(contender, DataLoader(data, batch_size=contender.batch_size))


def warm_up(make: Callable[[int], Contender], clock: Callable[[], float]) -> float:
    """Seconds of a step, of a contender that is then thrown away."""

    def timed(steps: int) -> float:
        watched = Watched(clock, set())
        fit(make(steps + 1), steps + 1, watched)
        return (watched.times[-1] - watched.times[1]) / steps

    return timed(max(WARM_UP, math.ceil(WARM_UP_SECONDS / timed(1))))


def work(order: dict[str, Any], tell: Points) -> None:
    """Train a contender in this process; points and the result are told as they come."""
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    clock = time.process_time if order["trial"] else time.perf_counter
    name, seconds = order["contender"], order["seconds"]
    keep_freed_memory()

    def make(steps: int, share: float | None = None) -> Contender:
        if name in OPENSTL:
            checkout, shape = Path(order["openstl"]), (1, SIZE, SIZE)
            return OpenSTL(checkout, shape, PAST, FUTURE, steps=steps, seed=SEED, changes=OPENSTL[name])
        config = our_config(name)
        return Ours(config if share is None else config.replace({"rollout_training": share}))

    free = 0.0 if name in OPENSTL else our_config(name).training.rollout_training
    # Steps on the free rollout take longer than those on one-step forecasts.
    shares = [(share, part) for share, part in ((0.0, 1 - free), (1.0, free)) if part]
    step = sum(part * warm_up(lambda n, s=share: make(n, s), clock) for share, part in shares)  # type: ignore[misc]
    steps = max(round(seconds / step), 2)
    contender = make(steps)
    validation = held_out(order["validation"], validation=True)

    def look(step: int, spent: float) -> None:
        found = score(contender, validation)
        tell({"step": step, "seconds": round(spent, 2), **found})

    at = {math.ceil(steps * n / order["points"]) for n in range(1, order["points"] + 1)}
    watched = Watched(clock, at, look)
    fit(contender, steps, watched)
    final = {} if order["trial"] else score(contender, held_out(order["movies"], validation=False))
    result = {
        "steps": steps,
        "batch_size": contender.batch_size,
        "seconds": round(watched.times[-1], 1),
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in contender.model.parameters()),
        "seed": SEED,
        **final,
    }
    tell({"result": result})


def run(order: dict[str, Any], threads: int) -> dict[str, Any]:
    """Train a contender in a process of its own; its result with the curve of its points."""
    command = [sys.executable, "-m", "lab", "moving-mnist", "--work", json.dumps(order)]
    variables = environment() | {"OMP_NUM_THREADS": str(threads)}
    curve: list[dict[str, Any]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if not line.startswith("{"):
                continue
            told = json.loads(line)
            if "result" in told:
                return {**told["result"], "validation": curve}
            curve.append(told)
            print(f"{order['contender']}: step {told['step']}, {told['seconds']} s, MSE {frame(told['mse']):.1f}")
            sys.stdout.flush()
    raise ConfigError("failed", where=f"contender {order['contender']}", received=f"exit code {process.returncode}")


def frame(values: list[float]) -> float:
    """An error by lead time and pixel, summed over a frame's pixels, mean over lead times."""
    return sum(values) / len(values) * SIZE * SIZE


def conventional(result: dict[str, Any]) -> dict[str, float]:
    """MSE and MAE as OpenSTL has them."""
    return conventional_scores(result, (1, SIZE, SIZE), 1.0)["openstl"]


def load() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {"contenders": {}, "trials": {}}
    return content


def keep(section: str, name: str, result: dict[str, Any], given: argparse.Namespace) -> None:
    """Merge a result into the file."""
    content = load()  # read again: another process may have added its own
    command = this_command()
    options = {**OPENSTL, **TRIALS}.get(result.get("trial") or name, {})
    made = {**provenance(command), "options": options, "wanted_seconds": given.seconds, **result}
    if name in OPENSTL:
        made["openstl"] = commit(given.openstl, given.openstl_commit)
    content[section][name] = made
    write_text(RESULT, json.dumps(content, indent=1) + "\n")


def commit(checkout: Path, said: str | None) -> str:
    """The commit of a checkout: as said, or as git tells it."""
    if said:
        return said
    found = subprocess.run(["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


def compare(given: argparse.Namespace) -> None:
    """Train the contenders one after the other, and score persistence."""
    movies = held_out(given.movies, validation=False)
    last, truth = movies[:, PAST - 1 : PAST], movies[:, PAST:]
    for name, still in (("persistence", last), (BLACK, torch.zeros_like(last))):
        keep("contenders", name, {"movies": given.movies, **scores(still.expand_as(truth), truth)}, given)
    for name in given.names or [*OPENSTL, "nextframe"]:
        order = {
            "contender": CHOSEN if name == "nextframe" else name,
            "seconds": given.seconds,
            "movies": given.movies,
            "validation": min(VALIDATION, given.movies),
            "points": POINTS,
            "openstl": str(given.openstl),
            "trial": False,
        }
        result = {"movies": given.movies, "trial": CHOSEN if name == "nextframe" else None, **run(order, given.threads)}
        keep("contenders", name, result, given)
        print(f"{name}: {result['steps']} steps, {result['seconds']} s: {conventional(result)}", flush=True)


def try_out(given: argparse.Namespace) -> None:
    """Run trials of our configurations."""
    for name in given.names or TRIALS:
        order = {"contender": name, "seconds": given.seconds, "validation": VALIDATION, "points": 3, "trial": True}
        result = run(order, 1)
        keep("trials", name, result, given)
        last = result["validation"][-1]
        print(f"{name}: {result['steps']} steps, {result['seconds']} s, MSE {frame(last['mse']):.1f}", flush=True)


def picture(contenders: dict[str, dict[str, Any]]) -> Figure:
    """Squared error by seconds of training, and by lead time at its end."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained", facecolor="white")
    by_time, by_lead = figure.subplots(1, 2)
    for colour, (name, result) in zip(COLOURS, contenders.items(), strict=False):
        style = ".-" if "steps" in result else "--"
        by_lead.plot(range(1, FUTURE + 1), [SIZE * SIZE * value for value in result["mse"]], style, color=colour)
        if points := result.get("validation"):
            errors = [frame(point["mse"]) for point in points]
            by_time.plot([point["seconds"] for point in points], errors, style, color=colour, label=name)
        else:
            by_time.axhline(frame(result["mse"]), linestyle=style, color=colour, label=name)
    by_time.set_title("MSE by training time", fontsize=9, loc="left")
    by_time.set_xlabel("seconds of training", fontsize=8)
    by_time.legend(fontsize=8, frameon=False)
    by_lead.set_title("MSE by lead time, at the end", fontsize=9, loc="left")
    by_lead.set_xlabel("lead time (frames)", fontsize=8)
    for panel in (by_time, by_lead):
        panel.set_ylim(bottom=0)
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    return figure


def rows(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table whose first column is text."""
    marks = ["---", *["---:"] * (len(titles) - 1)]
    return [f"| {' | '.join(line)} |" for line in (titles, marks, *lines)] + [""]


def outcome(contenders: dict[str, dict[str, Any]]) -> str:
    """Who has the smaller error, as a sentence."""
    errors = {name: frame(contenders[name]["mse"]) for name in ("nextframe", *OPENSTL) if name in contenders}
    ours = errors.pop("nextframe")
    said = ", ".join(f"{name} {value:.1f}" for name, value in errors.items())
    ahead = "below" if all(ours < value for value in errors.values()) else "not below"
    return (
        f"After {contenders['nextframe']['seconds']:.0f} s, ours has an MSE of {ours:.1f}, {ahead} OpenSTL's: {said}."
    )


def train_command(result: dict[str, Any]) -> str:
    """The command line that trains what ran as "nextframe", for as many steps."""
    options = {**COMMON, **TRIALS[result["trial"]]}
    model = options.pop("model")
    share = 0.99
    movies = math.ceil(result["steps"] * result["batch_size"] / share)
    words = ["nextframe", "train", model, "--data", f"moving-mnist:movies={movies},seed={TRAINING_SEED}"]
    words += ["--validation", f"{1 - share:.2g}", "--test", "0", "--epochs", "1"]
    for name, value in options.items():
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()
        words += ["--" + name.replace("_", "-"), text]
    return " ".join([*words, "--out", "runs/moving-mnist"])


def write_page() -> None:
    """Write the page and its picture from the results."""
    content = load()
    contenders = {
        n: content["contenders"][n] for n in ("nextframe", *OPENSTL, "persistence", BLACK) if n in content["contenders"]
    }
    ours = contenders["nextframe"]
    with replacing(PICTURE) as temporary:
        temporary.write_bytes(png(picture(contenders), dpi=130))
    table = []
    for name, result in contenders.items():
        errors = conventional(result)
        similarity = sum(result["ssim"]) / FUTURE
        trained = [""] * 4
        if "steps" in result:
            steps, batch = result["steps"], result["batch_size"]
            trained = [f"{result['parameters']:,}", f"{steps:,} x {batch}", f"{result['seconds']:.0f}"]
            trained.append(f"{result['seconds'] / steps:.2g}")
        table.append([name, *trained, f"{errors['mse']:.1f}", f"{errors['mae']:.1f}", f"{similarity:.3f}"])
    leads = [[n, *(f"{SIZE * SIZE * value:.1f}" for value in result["mse"])] for n, result in contenders.items()]
    trials = sorted(content["trials"].items(), key=lambda item: frame(item[1]["validation"][-1]["mse"]))
    tried = [
        [name, f"{t['parameters']:,}", f"{t['steps']:,} x {t['batch_size']}", f"{t['seconds']:.0f}",
         f"{frame(t['validation'][-1]['mse']):.1f}"]
        for name, t in trials
    ]  # fmt: skip
    held_out_name = f"moving-mnist:movies={ours['movies']},seed={HELD_OUT_SEED},part=test"
    theirs = next(contenders[name] for name in OPENSTL if name in contenders)
    text = [
        "# Moving MNIST beside OpenSTL's ConvLSTM",
        "",
        "Ten frames forecast from ten, two digits in 64x64 pixels, at equal training time on a plain CPU:",
        f"{theirs['machine']}, {theirs['threads']} threads.",
        "",
        f"**{outcome(contenders)}**",
        "",
        *rows(["", "parameters", "steps x batch", "seconds", "s/step", "MSE ↓", "MAE ↓", "SSIM ↑"], table),
        "![MSE by training time and by lead time](../assets/moving-mnist.png)",
        "",
        "MSE by lead time:",
        "",
        *rows(["lead time (frames)", *map(str, range(1, FUTURE + 1))], leads),
        f"Convention `openstl`: {CONVENTIONS['openstl']}. SSIM is that of",
        "[verification](../verification.md), of forecasts brought to 0..1, and not comparable with published tables.",
        f"Measured on {ours['movies']} held-out movies (seed {HELD_OUT_SEED}) of digits that are in no training movie.",
        f"Curves by training time are of {VALIDATION} other movies, with the clock stopped; the learning rate falls",
        "to zero at the end, so that a curve on its way is not what a shorter training reaches. One seed each.",
        "",
        "MAE and SSIM reward dark frames, since most of a frame is black: by these, frames that are black altogether",
        "(the last row) are better than a forecast that shows digits where they blur, and OpenSTL's own recipe, which",
        "after so few steps forecasts frames that are nearly black, is ahead of ours. By MSE it is at the level of",
        "black frames.",
        "",
        "## What is compared",
        "",
        f"OpenSTL is commit `{theirs['openstl'][:12]}` of github.com/chengtan9907/OpenSTL: its ConvLSTM as configured",
        "for Moving MNIST, four layers of 128 filters 5x5 on patches of 4x4 pixels, squared error, Adam with",
        "a peak learning rate of 5e-4, one cycle, batches of 16. Cycle and scheduled sampling are fitted to the",
        "number of steps that the time allows, its sampling ending after the same share of the steps as in its own",
        "training of 200 epochs. That is a model for a GPU and for days: here few steps fit. Therefore it",
        "also runs with batches of 2, which is not its recipe but gives it several times as many steps. Its figures",
        "say nothing about what it reaches when trained as long as it was meant to be.",
        "",
        f"Ours is the trial `{ours['trial']}` below; a training as long as the one measured is",
        "",
        "```console",
        f"$ {train_command(ours)}",
        f"$ nextframe verify runs/moving-mnist --data {held_out_name}",
        "```",
        "",
        "What differs is the network's size, the engine, the optimiser and the training on free rollouts, all at once:",
        "the comparison does not tell which of them counts how much.",
        "",
        "## What was tried",
        "",
        f"Short trainings with one thread, by seconds of the processor, judged by the MSE of {VALIDATION} validation",
        "movies. All work on patches of 4 pixels and train on the free rollout with the default recipe (Muon 1e-2,",
        "one-cycle, cross-entropy, layer norm) but for what they say.",
        "",
        *rows(["trial", "parameters", "steps x batch", "seconds", "MSE ↓"], tried),
        "```console",
        f"$ python -m lab moving-mnist --trials --seconds {next(iter(trials))[1]['wanted_seconds']:g}",
        "$ git clone https://github.com/chengtan9907/OpenSTL",
        f"$ python -m lab moving-mnist --openstl OpenSTL --seconds {ours['wanted_seconds']:g}",
        "$ python -m lab moving-mnist --page",
        "```",
        "",
        f"Measured {ours['date']}; `lab/results/moving-mnist.json` has all figures, seeds and versions.",
        "",
    ]  # fmt: skip
    write_text(PAGE, "\n".join(text))
    print(f"wrote {PAGE.relative_to(ROOT)}")


def main(arguments: Sequence[str]) -> None:
    options = parser("moving-mnist", __doc__)
    options.add_argument("names", nargs="*", help="contenders, or trials, to run; by default all")
    options.add_argument("--openstl", type=Path, help="a checkout of OpenSTL")
    options.add_argument("--openstl-commit", help="its commit, where it is no git checkout")
    options.add_argument("--seconds", type=float, default=600, help="of training")
    options.add_argument("--movies", type=int, default=200, help="held-out movies")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--trials", action="store_true", help="try our configurations instead")
    options.add_argument("--page", action="store_true", help="only write docs/results/moving-mnist.md")
    options.add_argument("--work", type=json.loads, help=argparse.SUPPRESS)
    given = options.parse_args(arguments)
    if given.work:
        work(given.work, lambda point: print(json.dumps(point), flush=True))
    elif given.page:
        write_page()
    elif given.trials:
        try_out(given)
    elif given.openstl is None and any(name in OPENSTL for name in given.names or OPENSTL):
        options.error("--openstl: name a checkout of OpenSTL")
    else:
        compare(given)
