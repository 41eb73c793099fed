"""Measure a ConvLSTM layer with and without the engine over small and large sizes, beside what the dispatch chooses.

    python -m lab dispatch

writes lab/results/dispatch.json, and prints where the dispatch chose the slower path.
"""

import json
import time
from collections.abc import Callable, Sequence
from datetime import date
from itertools import product
from typing import Any

import torch

from lab.options import parser
from lab.place import RESULTS
from nextframe import engine
from nextframe.files import write_text
from nextframe.machine import describe_machine
from nextframe.malloc import keep_freed_memory
from nextframe.models import recurrence
from nextframe.models.convlstm import ConvLSTM2d

RESULT = RESULTS / "dispatch.json"
STEPS = 5
SIZES = (1, 2, 3, 4, 5, 6, 8, 9, 12, 16, 24)
FILTERS = (1, 4, 8, 16, 40, 64, 128)


def fastest(work: Callable[[], object], repeats: int = 4) -> float:
    """Milliseconds of the fastest run, after one that is not counted."""
    work()
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return 1000 * min(taken)


def with_engine(enabled: bool, layer: ConvLSTM2d, frames: torch.Tensor, training: bool) -> float:
    weights = (layer.weight_x, layer.weight_h, layer.bias)
    scan = engine.scan if enabled else recurrence.scan

    def step() -> None:
        if training:
            scan(frames, *weights)[0].sum().backward()
        else:
            with torch.inference_mode():
                scan(frames.detach(), *weights)

    return fastest(step)


def main(arguments: Sequence[str]) -> None:
    parser("dispatch", __doc__).parse_args(arguments)
    keep_freed_memory()
    rows: list[dict[str, Any]] = []
    for kernel, filters, size, batch in product((3, 5), FILTERS, SIZES, (1, 8)):
        if kernel == 5 and (filters not in (8, 40) or batch == 1):
            continue
        layer = ConvLSTM2d(filters, filters, kernel)
        frames = torch.rand(STEPS, batch, filters, size, size, requires_grad=True)
        for training in (True, False):
            native = with_engine(True, layer, frames, training)
            plain = with_engine(False, layer, frames, training)
            chosen = engine.pays(frames, layer.weight_h, training=training)
            rows.append(
                {
                    "kernel": kernel,
                    "filters": filters,
                    "size": size,
                    "batch": batch,
                    "training": training,
                    "engine_ms": round(native, 3),
                    "plain_ms": round(plain, 3),
                    "chosen": "engine" if chosen else "plain",
                    "loss": round((native if chosen else plain) / min(native, plain), 3),
                }
            )
    wrong = [row for row in rows if row["loss"] > 1.1]
    content = {
        "command": "python -m lab dispatch",
        "steps": STEPS,
        "machine": describe_machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": date.today().isoformat(),
        "rows": rows,
    }
    write_text(RESULT, json.dumps(content, indent=1) + "\n")
    for row in wrong:
        print(*(f"{name} {value}" for name, value in row.items()), sep="  ")
    print(f"{len(rows) - len(wrong)} of {len(rows)} chosen within a tenth of the faster path")
