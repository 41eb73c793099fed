"""Where the time of a training step goes, by PyTorch's profiler, for the tutorial's two models.

    python -m lab step-profile [--steps 10]

writes lab/results/profile.json and the table between the marks in docs/engine.md. Run it on an idle machine.
"""

import json
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from lab.options import parser
from lab.pages.marked import fill
from lab.place import DOCS, RESULTS
from lab.speed.ours import nextframe_step
from lab.speed.work import TRAINING, Work
from nextframe.files import write_text
from nextframe.machine import describe_machine
from nextframe.malloc import keep_freed_memory

RESULT = RESULTS / "profile.json"
PAGE = DOCS / "engine.md"

# Operators, by what their names contain, and what they do in the step; the first that fits counts.
PARTS = {
    "ConvLSTM layers, forward": ("convlstm_forward",),
    "ConvLSTM layers, backward": ("convlstm_backward",),
    "3-D convolution, forward": ("readout_forward",),
    "3-D convolution, backward": ("readout_backward",),
    "1x1 convolution": ("conv",),
    "batch normalisation": ("batch_norm",),
    "loss": ("binary_cross_entropy", "sigmoid", "mean", "clamp", "log"),
    "optimiser": ("_foreach", "optimizer", "sqrt", "addcdiv", "addcmul"),
}
REST = "the rest: copies, sums, zeros"


def measured(work: Work, steps: int) -> dict[str, float]:
    """Milliseconds of a step by part; "step" is the whole."""
    movie = (torch.rand(work.batch, work.past + work.future, 1, work.size, work.size) > 0.9).float()
    step = nextframe_step(work, "training", movie)
    for _ in range(2):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(steps):
            step()
    parts: defaultdict[str, float] = defaultdict(float)
    for event in found.key_averages():
        name = event.key.lower()
        part = next((part for part, signs in PARTS.items() if any(sign in name for sign in signs)), REST)
        parts[part] += event.self_cpu_time_total / steps / 1000
    whole = sum(parts.values())
    return {part: round(time, 2) for part, time in parts.items()} | {"step": round(whole, 2)}


def products(work: Work, *, training: bool = True) -> float:
    """Operations of the engine's matrix products in a training step (forward, by the inputs, by the weights), or where
    one frame of each movie is read.
    """
    tiles = work.batch * math.ceil(work.size / (7 - work.kernel)) ** 2
    frames = work.past + work.future - 1 if training else 1
    total = 0.0
    for channels, filters in zip((1, *work.filters[:-1]), work.filters, strict=True):
        wanted = filters + (channels if channels > 1 else 0)  # nobody asks for the movie's gradient
        factors = 2 * (channels + filters) + wanted if training else channels + filters
        total += 2.0 * 36 * tiles * frames * 4 * filters * factors
    return total


def matrix_peak() -> float:
    """Operations a second of a large matrix product in float32."""
    a, b = torch.rand(2, 2048, 2048)
    taken = []
    for _ in range(8):
        started = time.perf_counter()
        a @ b
        taken.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(taken)


def bound(content: dict[str, Any]) -> str:
    """What the engine's products alone take at the machine's peak, in words."""
    rate = content["matrix_gflops"]
    parts = [
        f"{amount} GFLOP ({amount / rate * 1000:.0f} ms) of the {name} step"
        for name, amount in content["products_gflop"].items()
    ]
    return (
        f"The engine's matrix products alone are {' and '.join(parts)}, at the {rate} GFLOP/s of a large product of "
        "matrices here: what remains is transforms, gates, and memory."
    )


def table(models: dict[str, dict[str, float]]) -> str:
    names = list(models)
    lines = [f"| part of the step | {' | '.join(names)} |", "|---" + "|---:" * len(names) + "|"]
    for part in [*PARTS, REST]:
        cells = [models[name].get(part, 0.0) for name in names]
        if any(cell >= 0.05 for cell in cells):
            texts = [
                f"{cell:.1f} ms ({cell / models[name]['step']:.0%})" if cell >= 0.05 else "-"
                for name, cell in zip(names, cells, strict=True)
            ]
            lines.append(f"| {part} | {' | '.join(texts)} |")
    wholes = " | ".join(f"{models[name]['step']:.0f} ms" for name in names)
    lines.append(f"| **whole step** | {wholes} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    options = parser("step-profile", __doc__)
    options.add_argument("--steps", type=int, default=10)
    steps = options.parse_args(arguments).steps
    keep_freed_memory()
    models = {work.label: measured(work, steps) for work in TRAINING}
    content: dict[str, Any] = {
        "models": models,
        "products_gflop": {work.label: round(products(work) / 1e9, 1) for work in TRAINING},
        "matrix_gflops": round(matrix_peak() / 1e9),
        "steps": steps,
        "command": f"python -m lab step-profile --steps {steps}",
        "machine": describe_machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": date.today().isoformat(),
    }
    write_text(RESULT, json.dumps(content, indent=1) + "\n")
    note = f"{content['machine']}, torch {content['torch']}, {content['date']}: `{content['command']}`."
    said = f"\n{table(models)}\n\n{bound(content)}\n\n{note}\n\n"
    write_text(PAGE, fill(PAGE.read_text(encoding="utf-8"), "profile", said))
    print(table(models))
