"""`nextframe benchmark`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def benchmark(
    task: Literal["training", "inference", "streaming"] = "training",
    /,
    *,
    steps: int = 5,
    threads: int | None = None,
    keras_python: Path | None = None,
    out: Path | None = None,
    progress: Annotated[bool, Parameter(show_default=False)] = True,
) -> None:
    """Measure how fast this machine does the tutorial's work, next to the usual loop in PyTorch and to Keras.

    Each contender runs in a process of its own, and they take turns. Keras is measured where it is installed.

    Args:
        task: A training step on the tutorial's batches, a forecast of one movie, or one new frame of one movie.
        steps: Steps measured for each contender, after one that is not.
        threads: Threads to compute with; by default as many as there are cores.
        keras_python: Interpreter that has Keras on TensorFlow or JAX, to measure these beside a torch that has neither.
        out: Write the results to this JSON file.
        progress: Say what is being measured.
    """
    from rich.console import Console
    from rich.table import Table

    from nextframe.benchmark.run import benchmark as measure
    from nextframe.benchmark.run import ratios, save

    def say(line: str) -> None:
        if progress:
            print(line, file=sys.stderr)

    results = measure(task, steps=steps, threads=threads, keras_python=keras_python, progress=say)
    caption = (
        "time: seconds a step, nextframe's being 1. conv peak: arithmetic of direct convolutions done in this time, "
        "as a share of what this machine's direct convolution reaches."
    )
    table = Table(title=f"{task}: median of {steps} steps", caption=caption, box=None, pad_edge=False)
    for column in ("model", "contender"):
        table.add_column(column)
    for column in ("s/step", "min", "max", "frames/s", "memory", "conv peak", "time"):
        table.add_column(column, justify="right")
    for result, ratio in zip(results, ratios(results), strict=True):
        table.add_row(
            result.work.model,
            result.contender,
            f"{result.seconds:.4g}",
            f"{result.fastest:.4g}",
            f"{result.slowest:.4g}",
            f"{result.frames_per_second:.1f}",
            f"{result.memory / 2**20:.0f} MiB",
            f"{result.peak_share:.0%}",
            f"{ratio:.2f}",
        )
    Console().print(table)
    if out is not None:
        save(results, out, shlex.join(["nextframe", *sys.argv[1:]]))
        print(f"wrote {out}")
