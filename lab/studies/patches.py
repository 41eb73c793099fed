"""Measure a training step of the encoder-decoder on 100x100 frames with and without space-to-depth.

    python -m lab patches

prints the rows of the table in docs/how-it-works.md and writes lab/results/patches.json. The layers are those of
the tutorial's author for radar of 100x100 pixels: 96-96-32-32 with patches of 4, and 64-48 with patches of 2.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from typing import Any

import torch

from lab.options import parser
from lab.place import RESULTS, environment
from nextframe.files import write_text
from nextframe.machine import describe_machine
from nextframe.malloc import keep_freed_memory
from nextframe.models.build import build_model
from nextframe.training.losses import elementwise_loss
from nextframe.training.module import make_optimizer
from nextframe.training.presets import preset_config

RESULT = RESULTS / "patches.json"
SIDE, PAST, FUTURE, BATCH = 100, 10, 10, 2
CASES = (("96,96,32,32", 1), ("96,96,32,32", 4), ("64,48", 1), ("64,48", 2))
STEPS = 5


def measure(filters: str, patch: int) -> dict[str, Any]:
    """Seconds of each step after one that is not counted, in a process that has done nothing else."""
    keep_freed_memory()
    options = {"filters": tuple(map(int, filters.split(","))), "patch": patch, "train_crop": None}
    config = preset_config("encoder-decoder").replace(options)
    torch.manual_seed(0)
    model = build_model(config.model, 1)
    optimizer = make_optimizer(model, config.training)
    frames = (torch.rand(BATCH, PAST + FUTURE, 1, SIDE, SIDE) > 0.8).float()
    past, future = frames[:, :PAST], frames[:, PAST:]
    seconds = []
    for _ in range(STEPS + 1):
        started = time.perf_counter()
        optimizer.zero_grad()
        elementwise_loss(model.logits(past, future)[0], future, "bce", "sigmoid").mean().backward()
        optimizer.step()
        seconds.append(time.perf_counter() - started)
    return {
        "filters": filters,
        "patch": patch,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": seconds[1:],
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def main(arguments: Sequence[str]) -> None:
    parser("patches", __doc__).parse_args(arguments)
    rows = []
    print("| filters | patch | grid x channels | parameters | s/step | min to max | peak memory |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for filters, patch in CASES:
        command = [sys.executable, "-m", __spec__.name, filters, str(patch)]
        row = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=environment()).stdout)
        rows.append(row)
        grid, seconds = SIDE // patch, row["seconds"]
        print(
            f"| {filters.replace(',', '-')} | {patch} | {grid} x {grid} x {patch**2} | {row['parameters']:,} | "
            f"{statistics.median(seconds):.3g} | {min(seconds):.3g} to {max(seconds):.3g} | "
            f"{row['memory'] / 2**20:.0f} MiB |",
            flush=True,
        )
    setting = {"batch": BATCH, "past": PAST, "future": FUTURE, "side": SIDE, "date": str(date.today())}
    written = {"command": "python -m lab patches", "machine": describe_machine(), **setting, "rows": rows}
    write_text(RESULT, json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":  # one of its own processes
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
