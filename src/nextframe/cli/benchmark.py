"""`nextframe benchmark`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from nextframe.cli.options import NUMBERS, WHOLE_NUMBERS
from nextframe.errors import ConfigError


def benchmark(
    task: Literal["training", "forward", "backward", "inference", "streaming", "reading"] = "training",
    /,
    *,
    steps: int = 5,
    threads: Annotated[tuple[int, ...], WHOLE_NUMBERS] = (),
    kernel: int = 3,
    sweep: Annotated[bool, Parameter(negative=())] = False,
    accelerator: Literal["cpu", "cuda"] = "cpu",
    keras_python: Path | None = None,
    frames: int | None = None,
    gigabytes: Annotated[tuple[float, ...] | None, NUMBERS] = None,
    out: Path | None = None,
    progress: Annotated[bool, Parameter(show_default=False)] = True,
) -> None:
    """Measure how fast this machine does the tutorial's work, next to the usual loop in PyTorch and to Keras.

    Each contender runs in a process of its own, and they take turns. Keras is measured where it is installed. Reading
    is measured by archives of every kind, in a temporary folder of up to 6 GB, or what --gigabytes says.

    Args:
        task: A training step on the tutorial's batches, its forward or its backward pass alone, a forecast of one
            movie, or one new frame of one movie (the mean of twenty in a row); or how fast windows are read from
            files, beside how fast they are trained on, and how much memory that takes by the archive's size.
        steps: Steps measured for each contender, after three that are not.
        threads: Threads to compute with; several counts are measured one after the other. By default as many as there
            are cores.
        kernel: Height and width of the ConvLSTM kernels.
        sweep: Measure a training step of one layer over frame sizes and numbers of filters instead.
        accelerator: Where to compute.
        keras_python: Interpreter that has Keras on TensorFlow or JAX, to measure these beside a torch that has neither.
        frames: Frames of 128 x 128 pixels in an archive that is read. [default: 20000]
        gigabytes: Sizes of the archives that are trained on, each 10^9 bytes of values; 0 for none. [default: 1.5,6]
        out: Write the results to this JSON file, and a picture of them beside it.
        progress: Say what is being measured.
    """
    if task == "reading":
        for option, is_given in {
            "threads": bool(threads),
            "kernel": kernel != 3,
            "sweep": sweep,
            "accelerator": accelerator != "cpu",
            "keras-python": keras_python is not None,
        }.items():
            if is_given:
                raise ConfigError("has no meaning for reading", where=f"--{option}", hint="leave it out")
        _reading(steps, frames, gigabytes, out, progress=progress)
        return
    if frames is not None or gigabytes is not None:
        option = "--gigabytes" if frames is None else "--frames"
        raise ConfigError("is for reading alone", where=option, received=task, hint="nextframe benchmark reading")

    from rich.console import Console
    from rich.table import Table

    from nextframe.benchmark.picture import save_picture
    from nextframe.benchmark.results import rows, save, threads_text
    from nextframe.benchmark.run import benchmark as measure

    measured = measure(
        task,
        steps=steps,
        threads=threads,
        kernel=kernel,
        sweep=sweep,
        accelerator=accelerator,
        keras_python=keras_python,
        progress=_told(progress),
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


def _reading(
    steps: int, frames: int | None, gigabytes: tuple[float, ...] | None, out: Path | None, *, progress: bool
) -> None:
    from rich.console import Console
    from rich.table import Table

    from nextframe.benchmark import reading
    from nextframe.benchmark.picture import save_reading_picture

    asked: dict[str, Any] = {"steps": steps}
    if frames is not None:
        asked["frames"] = frames
    if gigabytes is not None:
        asked["gigabytes"] = tuple(size for size in gigabytes if size != 0)
    measured = reading.measure(reading.Setting(**asked), progress=_told(progress))
    console = Console()
    tables = [("windows a second, and over those of a training", reading.reading_table(measured))]
    if measured.memory:
        tables.append(("the most memory that a training takes, by the archive's size", reading.memory_table(measured)))
    for title, (titles, rows) in tables:
        table = Table(title=f"\n{title}", title_justify="left", box=None, pad_edge=False)
        for n, column in enumerate(titles):
            table.add_column(column, justify="right" if n else "left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print(f"\n{reading.training_sentence(measured)}")
    if out is not None:
        reading.save(measured, out, shlex.join(["nextframe", *sys.argv[1:]]))
        save_reading_picture(measured, picture := out.with_suffix(".png"))
        print(f"wrote {out} and {picture}")


def _told(progress: bool) -> Callable[[str], None]:
    """What takes a line on the way: the standard error stream, or nothing."""
    return (lambda line: print(line, file=sys.stderr)) if progress else (lambda _: None)
