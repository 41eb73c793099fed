"""`nextframe benchmark`."""

from __future__ import annotations

import shlex
import sys
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from nextframe.cli.options import WHOLE_NUMBERS


def benchmark(
    task: Literal["training", "forward", "backward", "inference", "streaming"] = "training",
    /,
    *,
    steps: int = 5,
    threads: Annotated[tuple[int, ...], WHOLE_NUMBERS] = (),
    kernel: int = 3,
    sweep: Annotated[bool, Parameter(negative=())] = False,
    accelerator: Literal["cpu", "cuda"] = "cpu",
    keras_python: Path | None = None,
    out: Path | None = None,
    progress: Annotated[bool, Parameter(show_default=False)] = True,
) -> None:
    """Measure how fast this machine does the tutorial's work, next to the usual loop in PyTorch and to Keras.

    Each contender runs in a process of its own, and they take turns. Keras is measured where it is installed.

    Args:
        task: A training step on the tutorial's batches, its forward or its backward pass alone, a forecast of one
            movie, or one new frame of one movie (the mean of twenty in a row).
        steps: Steps measured for each contender, after three that are not.
        threads: Threads to compute with; several counts are measured one after the other. By default as many as there
            are cores.
        kernel: Height and width of the ConvLSTM kernels.
        sweep: Measure a training step of one layer over frame sizes and numbers of filters instead.
        accelerator: Where to compute.
        keras_python: Interpreter that has Keras on TensorFlow or JAX, to measure these beside a torch that has neither.
        out: Write the results to this JSON file, and a picture of them beside it.
        progress: Say what is being measured.
    """
    from rich.console import Console
    from rich.table import Table

    from nextframe.benchmark.picture import save_picture
    from nextframe.benchmark.results import rows, save, threads_text
    from nextframe.benchmark.run import benchmark as measure

    def say(line: str) -> None:
        if progress:
            print(line, file=sys.stderr)

    measured = measure(
        task,
        steps=steps,
        threads=threads,
        kernel=kernel,
        sweep=sweep,
        accelerator=accelerator,
        keras_python=keras_python,
        progress=say,
    )
    peaks = ", ".join(sorted({f"{result.peak / 1e9:.0f}" for result in measured.results}, key=float))
    caption = (
        "time: seconds a step, nextframe's being 1. conv peak: arithmetic of direct convolutions done in this time, "
        f"as a share of what this machine's direct convolution reaches at that size and thread count ({peaks} GFLOP/s)."
    )
    titles, lines = rows(measured.results)
    console = Console()
    console.print(f"{task}: median of {steps} steps")
    for (label, count), group in groupby(lines, key=lambda line: (line[0], line[2])):
        table = Table(title=f"\n{label}, {threads_text(int(count))}", title_justify="left", box=None, pad_edge=False)
        for n, title in enumerate(titles):
            if title not in ("model", "threads"):
                table.add_column(title, justify="left" if n < 2 else "right")
        for line in group:
            table.add_row(line[1], *line[3:])
        console.print(table)
    console.print(f"\n{caption}")
    print(*measured.left_out, sep="\n", end="\n" if measured.left_out else "")
    if out is not None:
        save(measured, out, shlex.join(["nextframe", *sys.argv[1:]]))
        save_picture(measured.results, picture := out.with_suffix(".png"), sweep=sweep)
        print(f"wrote {out} and {picture}")
