"""`nextframe benchmark`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from nextframe.cli.options import NAMES, NUMBERS, WHOLE_NUMBERS
from nextframe.errors import ConfigError


def benchmark(
    task: Literal["training", "forward", "backward", "inference", "streaming", "reading", "quality"] = "training",
    /,
    *,
    steps: int = 5,
    threads: Annotated[tuple[int, ...], WHOLE_NUMBERS, Parameter(show_default=False)] = (),
    kernel: int = 3,
    sweep: Annotated[bool, Parameter(negative=())] = False,
    accelerator: Literal["cpu", "cuda"] = "cpu",
    keras_python: Path | None = None,
    frames: int | None = None,
    gigabytes: Annotated[tuple[float, ...] | None, NUMBERS] = None,
    trials: Annotated[tuple[str, ...], NAMES, Parameter(show_default=False)] = (),
    out: Path | None = None,
    progress: Annotated[bool, Parameter(show_default=False)] = True,
) -> None:
    """Measure how fast this machine does the tutorial's work, next to the usual loop in PyTorch and to Keras.

    Each contender runs in a process of its own, and they take turns. Keras is measured where it is installed. Reading
    is measured by archives of every kind, in a temporary folder of up to 6 GB, or what --gigabytes says. Quality is
    measured by whole trainings, which take hours together; each is kept in --out as soon as it ends.

    Args:
        task: A training step on the tutorial's batches, its forward or its backward pass alone, a forecast of one
            movie, or one new frame of one movie (the mean of twenty in a row); or how fast windows are read from
            files, beside how fast they are trained on, and how much memory that takes by the archive's size; or how
            long trainings take until their forecasts are good.
        steps: Steps measured for each contender, after three that are not.
        threads: Threads to compute with; several counts are measured one after the other. By default as many as there
            are cores.
        kernel: Height and width of the ConvLSTM kernels.
        sweep: Measure a training step of one layer over frame sizes and numbers of filters instead.
        accelerator: Where to compute.
        keras_python: Interpreter that has Keras on TensorFlow or JAX, to measure these beside a torch that has neither.
        frames: Frames of 128 x 128 pixels in an archive that is read. [default: 20000]
        gigabytes: Sizes of the archives that are trained on, each 10^9 bytes of values; 0 for none. [default: 1.5,6]
        trials: Trainings whose quality is measured; by default all, those in Keras where it is installed.
        out: Write the results to this JSON file, and a picture of them beside it.
        progress: Say what is being measured.
    """
    given = {
        "steps": steps != 5,
        "threads": bool(threads),
        "kernel": kernel != 3,
        "sweep": sweep,
        "accelerator": accelerator != "cpu",
        "keras-python": keras_python is not None,
        "frames": frames is not None,
        "gigabytes": gigabytes is not None,
        "trials": bool(trials),
    }
    taken = {
        "reading": ("steps", "frames", "gigabytes"),
        "quality": ("keras-python", "trials"),
    }.get(task, ("steps", "threads", "kernel", "sweep", "accelerator", "keras-python"))
    for option, is_given in given.items():
        if is_given and option not in taken:
            raise ConfigError(f"has no meaning for {task}", where=f"--{option}", hint="leave it out")
    if task == "reading":
        _reading(steps, frames, gigabytes, out, progress=progress)
        return
    if task == "quality":
        _quality(trials, keras_python, out, progress=progress)
        return

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


def _quality(trials: tuple[str, ...], keras_python: Path | None, out: Path | None, *, progress: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from nextframe.benchmark import quality
    from nextframe.benchmark.picture import save_quality_picture

    command = shlex.join(["nextframe", *sys.argv[1:]])

    def keep(curve: quality.Curve) -> None:
        if out is not None:
            quality.save([curve], out, command)
            save_quality_picture(quality.load(out), out.with_suffix(".png"))

    some = quality.chosen(trials, keras_python)
    if out is not None:
        quality.check_writable(out)
    curves = quality.measure(some, keras_python=keras_python, progress=_told(progress), done=keep)
    titles, lines = quality.rows(curves)
    table = Table(box=None, pad_edge=False)
    for n, title in enumerate(titles):
        table.add_column(title, justify="right" if n in quality.NUMBERS else "left")
    for line in lines:
        table.add_row(*line)
    Console().print(table)
    if out is not None:
        print(f"wrote {out} and {out.with_suffix('.png')}")


def _told(progress: bool) -> Callable[[str], None]:
    """What takes a line on the way: the standard error stream, or nothing."""
    return (lambda line: print(line, file=sys.stderr)) if progress else (lambda _: None)
