"""Trials behind the default recipe: one change at a time, equal numbers of steps, judged by the free rollout.

    python -m lab recipes [TRIAL ...] [--model stacked] [--steps 150] [--seed 0]

Each trial trains on moving squares and is measured on 100 further movies (40x40, never those that quality is reported
on): mean CSI at 0.5 of 8 (stacked) or 10 (encoder-decoder) forecast frames. Most change options of the package; the
techniques that it does not offer are in `lab/studies/recipe_variants.py`. Results are merged into
lab/results/recipes-MODEL.json as each trial ends; `python -m lab recipes --page` writes them to
docs/results/recipes.md.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from numpy.typing import NDArray

import nextframe
from lab.options import parser
from lab.place import DOCS, RESULTS, this_command
from lab.quality.trials import CAUSAL, ENCODER_DECODER, Goal
from lab.quality.worker import EVENT, fit, measure, prepared
from lab.speed.results import provenance
from lab.studies import recipe_variants as variants
from nextframe.config import RunConfig
from nextframe.files import write_text
from nextframe.frames.generated.squares import MovingSquares
from nextframe.runs.metrics import read_metrics
from nextframe.training.module import ForecastTraining
from nextframe.training.presets import preset_config
from nextframe.training.skill import RolloutSkill

PAGE = DOCS / "results" / "recipes.md"

HELD_OUT = 100
VALIDATED = 20
"""Movies that the package's own fit asks for to validate; nothing is chosen by them here."""

ADAMW = {"optimizer": "adamw", "learning_rate": 3e-3, "schedule": "one-cycle", "gradient_clip": 1.0}

RMSPROP = {"optimizer": "rmsprop", "learning_rate": 1e-3, "schedule": "constant", "gradient_clip": None}

TRIALS: dict[str, dict[str, dict[str, Any]]] = {
    "stacked": {
        "recipe": {},
        "peak learning rate 3e-3": {"learning_rate": 3e-3},
        "peak learning rate 3e-2": {"learning_rate": 3e-2},
        "norm: batch": {"norm": "batch"},
        "norm: group": {"norm": "group"},
        "no gradient clipping": {"gradient_clip": None},
        "constant learning rate": {"schedule": "constant"},
        "squared error for a loss": {"loss": "mse"},
        "last fifth of the steps on the free rollout": {"rollout_training": 0.2},
        "scheduled sampling up to all frames": {"scheduled_sampling": 1.0},
        "5x5 kernels": {"kernel_size": 5},
        "peepholes": {"peepholes": True},
        "batches of 5, twice the steps": {"batch_size": 5},
        "cuts of 16, batches of 22": {"train_crop": 16, "batch_size": 22},
        "whole frames, 0.36 of the steps": {"train_crop": None},
        "change of the last frame, squared error": {"residual": True, "output": "linear", "loss": "mse"},
        "frames moved along their motion (Lagrangian coordinates)": {"coordinates": "lagrangian"},
        "AdamW 3e-3": ADAMW,
        "AdamW 3e-3, norm: batch": {**ADAMW, "norm": "batch"},
        "AdamW 3e-3, norm: group": {**ADAMW, "norm": "group"},
        "AdamW 3e-3, norm: none": {**ADAMW, "norm": "none"},
        "AdamW 1e-3": {**ADAMW, "learning_rate": 1e-3},
        "AdamW 1e-2": {**ADAMW, "learning_rate": 1e-2},
        "AdamW 3e-3, no gradient clipping": {**ADAMW, "gradient_clip": None},
        "AdamW 3e-3, loss from the first frame on": {**ADAMW, "min_seen": 1},
        "AdamW 3e-3, squared error for a loss": {**ADAMW, "loss": "mse"},
        "Adadelta 1.0, constant, as the tutorial": {
            "optimizer": "adadelta",
            "learning_rate": 1.0,
            "schedule": "constant",
            "gradient_clip": None,
        },
        "AdamW 3e-3, last fifth of the steps on the free rollout": {**ADAMW, "rollout_training": 0.2},
    },
    "encoder-decoder": {
        "recipe": {},
        "peak learning rate 3e-3": {"learning_rate": 3e-3},
        "peak learning rate 3e-2": {"learning_rate": 3e-2},
        "no gradient clipping": {"gradient_clip": None},
        "constant learning rate": {"schedule": "constant"},
        "whole frames, 0.36 of the steps": {"train_crop": None},
        "last fifth of the steps on the free rollout": {"rollout_training": 0.2},
        "scheduled sampling up to one half": {"scheduled_sampling": 0.5},
        "64-64 filters": {"filters": (64, 64)},
        "RMSprop 1e-3, constant, as the tutorial": RMSPROP,
        "RMSprop 1e-3, constant, whole frames, 0.36 of the steps": {**RMSPROP, "train_crop": None},
        "RMSprop 1e-3, one-cycle, gradients clipped": {**RMSPROP, "schedule": "one-cycle", "gradient_clip": 1.0},
        "RMSprop 2e-3, one-cycle, gradients clipped": {
            **RMSPROP,
            "learning_rate": 2e-3,
            "schedule": "one-cycle",
            "gradient_clip": 1.0,
        },
        "AdamW 3e-3": ADAMW,
        "AdamW 1e-3": {**ADAMW, "learning_rate": 1e-3},
        "AdamW 3e-3, no gradient clipping": {**ADAMW, "gradient_clip": None},
        "AdamW 3e-3, last fifth of the steps on the free rollout": {**ADAMW, "rollout_training": 0.2},
    },
}


VARIANTS: dict[str, dict[str, tuple[type[ForecastTraining], dict[str, Any]]]] = {
    "stacked": {
        "targets smoothed by 0.01": (variants.SmoothedTargets, {}),
        "sequences grow over the first half of the steps": (variants.GrowingSequences, {}),
        "batches grow from 3 to 10 over the first 0.7 of the steps": (variants.GrowingBatches, {}),
        "truncated backpropagation, after the past": (variants.TruncatedBackpropagation, {}),
        "layer norm in the cell instead": (variants.NormInTheCell, {"norm": "none"}),
        "forget gate's bias zero": (variants.ForgetGateHalfOpen, {}),
        "Muon, the four gates as one matrix": (variants.GatesTogether, {}),
        "state kernels drawn as the others (Glorot), not orthogonal": (variants.GlorotStates, {}),
        "last fifth of the steps on free rollouts that grow": (variants.GrowingRollouts, {"rollout_training": 0.2}),
    },
    "encoder-decoder": {
        "sequences grow over the first half of the steps": (variants.GrowingSequences, {}),
        "last fifth of the steps on free rollouts that grow": (variants.GrowingRollouts, {"rollout_training": 0.2}),
    },
}
"""Model -> what is tried -> the training step that does it, and options."""
AVERAGED = "weights averaged, decay 0.98 a step"


def run_trial(model: str, name: str, steps: int, seed: int) -> dict[str, Any]:
    training, options = VARIANTS[model].get(name) or (ForecastTraining, {} if name == AVERAGED else TRIALS[model][name])
    goal = {"stacked": CAUSAL, "encoder-decoder": ENCODER_DECODER}[model]
    config = preset_config(model).replace({"seed": seed, **options})
    # As many pixels are trained on, whatever the cuts: the frames' 40 where there are none.
    usual = steps * (10 if model == "stacked" else 8)
    movies = int(usual * (24 / (config.training.train_crop or 40)) ** 2 / getattr(training, "used", 1.0))
    # The same movies for all trials; a training of more movies than usual takes them from another seed.
    held_out = MovingSquares(movies=usual + HELD_OUT, frames=goal.frames, seed=seed + 1).render(
        0, goal.frames, slice(usual, None)
    )
    source = MovingSquares(movies=movies, frames=goal.frames, seed=seed + (1 if movies <= usual else 2))
    done = movies // config.training.batch_size
    started = time.perf_counter()
    if config.data.coordinates == "lagrangian":
        found, seconds = moved(config, goal, movies, held_out)
    else:
        module = prepared(config, training)
        fit(module, source, done, [EMAWeightAveraging(decay=0.98)] if name == AVERAGED else [])
        seconds = time.perf_counter() - started
        found = measure(module.model, goal, torch.from_numpy(held_out))
    return {
        "options": {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()},
        "steps": done,
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "seed": seed,
        "csi": round(sum(found["csi"]) / len(found["csi"]), 4),
        "csi_by_lead_time": [round(value, 4) for value in found["csi"]],
        "loss": found["loss"],
    }


def moved(config: RunConfig, goal: Goal, movies: int, held_out: NDArray[np.uint8]) -> tuple[dict[str, Any], float]:
    """Quality and seconds of a training on frames that are moved by optical flow, which the package's own fit does."""
    own = {
        "data": f"squares:movies={movies + VALIDATED},frames={goal.frames},seed={config.training.seed + 1}",
        "validation": VALIDATED / (movies + VALIDATED),
        "test": 0.0,
        "past": goal.past,
        "future": goal.frames - goal.past,
        "epochs": 1,
    }
    options = {name: value for section in config.to_dict().values() for name, value in section.items()}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        trained = nextframe.fit(out=run, progress=False, **{**options, **own})
        seconds = read_metrics(run)[0]["seconds"]
        past, future = held_out[:, : goal.past].astype(np.float32), torch.from_numpy(held_out[:, goal.past :])
        skill = RolloutSkill(future.shape[1], EVENT)
        skill.update(torch.from_numpy(trained.predict(past, future.shape[1])), future, torch.ones_like(future).bool())
    return {"loss": None, "csi": skill.compute()["csi"].tolist()}, seconds


def load(model: str) -> dict[str, Any]:
    path = RESULTS / f"recipes-{model}.json"
    content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"trials": {}}
    return content


def write_page() -> None:
    lines = [
        "# Recipes: what was tried",
        "",
        "Every trial changes the recipe in its first row (Muon 1e-2, one-cycle, gradients clipped at 1, layer",
        "norm, cuts of 24) as it says, and trains on as many pixels of moving squares; seconds may differ. The",
        "figure is the free rollout's CSI at 0.5 on 100 movies of the training's seed that no training has seen,",
        "the mean over all lead times and the last one. One seed a row: differences of one or two hundredths say",
        "little, and what helps a short training need not help a long one. Longer ones were not searched.",
        "",
        "The first row is the default preset of `nextframe train`. Of the stack's trials only 5x5 kernels are",
        "better by more than that; they see further in a step, but have more than twice the weights and take three",
        "and a half times the time. With as many weights and as much time they are among the",
        "[architectures](architectures.md). The encoder-decoder takes over what was found for the stack; tried",
        "with it was what stands in its table: not initialisation, batch size, smoothed targets, truncated",
        "backpropagation, norm in the cell and residuals.",
        "",
    ]
    for model in TRIALS:
        trials = load(model)["trials"]
        if not trials:
            continue
        machines = " and ".join(sorted({trial["machine"] for trial in trials.values()}))
        dates = sorted({trial["date"] for trial in trials.values()})
        lines += [f"## {model}", "", "| trial | steps | CSI | CSI, last lead time |", "|---|---|---|---|"]
        order = sorted(trials, key=lambda name: (name != "recipe", -trials[name]["csi"]))
        for name in order:
            trial = trials[name]
            lines.append(f"| {name} | {trial['steps']} | {trial['csi']:.3f} | {trial['csi_by_lead_time'][-1]:.3f} |")
        lines += ["", f"{machines}, {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}.", ""]
        lines += ["```console", f"$ python -m lab recipes --model {model} --steps {trials['recipe']['steps']}"]
        lines += ["$ python -m lab recipes --page", "```", ""]
    write_text(PAGE, "\n".join(lines))


def main(arguments: Sequence[str]) -> None:
    options = parser("recipes", __doc__)
    options.add_argument("trials", nargs="*", help="trials to run; by default all")
    options.add_argument("--model", choices=list(TRIALS), default="stacked")
    options.add_argument("--steps", type=int, default=150)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--page", action="store_true", help="only write docs/results/recipes.md")
    given = options.parse_args(arguments)
    if given.page:
        write_page()
        return
    known = [*TRIALS[given.model], *VARIANTS[given.model], AVERAGED]
    if unknown := set(given.trials) - set(known):
        options.error(f"no trials of {given.model}: {', '.join(sorted(unknown))}; there are: {'; '.join(known)}")
    for name in given.trials or known:
        result = run_trial(given.model, name, given.steps, given.seed)
        content = load(given.model)  # read again: another process may have added its trials
        content["trials"][name] = {**provenance(this_command()), **result}
        write_text(RESULTS / f"recipes-{given.model}.json", json.dumps(content, indent=1) + "\n")
        print(f"{name}: CSI {result['csi']}, {result['seconds']} s", flush=True)
