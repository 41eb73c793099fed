"""`nextframe benchmark`."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from cyclopts import Parameter


def benchmark(
    task: Literal["training", "inference"] = "training",
    /,
    *,
    steps: int = 5,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), show_default=False)] = False,
) -> None:
    """Measure how fast this machine does the tutorial's work, next to the usual loop in PyTorch and to Keras.

    Each contender runs in a process of its own. Keras is measured where it is installed.

    Args:
        task: A training step on the tutorial's batches, or a forecast of one movie.
        steps: Steps measured for each contender, after one that is not.
        as_json: Print the results as JSON.
    """
    from rich.console import Console
    from rich.table import Table

    from nextframe.benchmark.run import benchmark as measure

    results = measure(task, steps=steps)
    if as_json:
        print(json.dumps([result.to_dict() for result in results], indent=2))
        return
    caption = (
        "time: seconds a step, nextframe's being 1. conv peak: arithmetic of direct convolutions done in this time, "
        "as a share of what this machine's direct convolution reaches."
    )
    table = Table(title=f"{task}: median of {steps} steps", caption=caption, box=None, pad_edge=False)
    for column in ("model", "contender"):
        table.add_column(column)
    for column in ("s/step", "frames/s", "memory", "conv peak", "time"):
        table.add_column(column, justify="right")
    ours = {result.work: result.seconds for result in results if result.contender == "nextframe"}
    for result in results:
        ratio = result.seconds / ours[result.work]
        table.add_row(
            result.work.model,
            result.contender,
            f"{result.seconds:.3f}",
            f"{result.frames_per_second:.1f}",
            f"{result.memory / 2**20:.0f} MiB",
            f"{result.peak_share:.0%}",
            f"{ratio:.2f}",
        )
    Console().print(table)
