"""`python -m lab training`, `forward`, `backward`, `inference`, `streaming` and `sweep`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from lab.console import table, told
from lab.place import this_command
from lab.speed.picture import save_picture
from lab.speed.results import Measured, rows, save, threads_text
from lab.speed.run import measure
from lab.speed.work import Accelerator, Task
from nextframe.cli.options import WHOLE_NUMBERS


def sweep(arguments: Sequence[str]) -> None:
    """Measure a training step over sizes."""
    main("training", ["--sweep", *arguments])


def main(task: Task, arguments: Sequence[str]) -> None:
    """Measure a task, with the options that follow its name."""
    app = App(name=f"python -m lab {task}", help_flags=["--help", "-h"], version_flags=[])

    @app.default
    def speed(
        *,
        steps: int = 5,
        threads: Annotated[tuple[int, ...], WHOLE_NUMBERS, Parameter(show_default=False)] = (),
        kernel: int = 3,
        sweep: Annotated[bool, Parameter(negative=())] = False,
        accelerator: Accelerator = "cpu",
        keras_python: Path | None = None,
        out: Path | None = None,
        progress: Annotated[bool, Parameter(show_default=False)] = True,
    ) -> None:
        """Measure how fast this machine does the tutorial's work, next to the usual loop in PyTorch and to Keras.

        Each contender runs in a process of its own, and they take turns. Keras is measured where it is installed. The
        work is a training step on the tutorial's batches (training), its forward or its backward pass alone, a forecast
        of one movie (inference), or one new frame of one movie (streaming, the mean of twenty in a row).

        Args:
            steps: Steps measured for each contender, after three that are not.
            threads: Threads to compute with; several counts are measured one after the other. By default as many as
                there are cores.
            kernel: Height and width of the ConvLSTM kernels.
            sweep: Measure one layer over frame sizes and numbers of filters instead.
            accelerator: Where to compute.
            keras_python: Interpreter that has Keras on TensorFlow or JAX, to measure these beside a torch that has
                neither.
            out: Write the results to this JSON file, and a picture of them beside it.
            progress: Say what is being measured.
        """
        measured = measure(
            task,
            steps=steps,
            threads=threads,
            kernel=kernel,
            sweep=sweep,
            accelerator=accelerator,
            keras_python=keras_python,
            progress=told(progress),
        )
        _show(task, steps, measured)
        if out is not None:
            save(measured, out, this_command())
            save_picture(measured.results, picture := out.with_suffix(".png"), sweep=sweep)
            print(f"wrote {out} and {picture}")

    app(arguments, exit_on_error=False, print_error=False, result_action="return_value")


def _show(task: Task, steps: int, measured: Measured) -> None:
    """Print a table for each work and thread count."""
    titles, lines = rows(measured.results)
    console = Console()
    console.print(f"{task}: median of {steps} steps")
    shown = [title for title in titles if title not in ("model", "threads")]
    for (label, count), group in groupby(lines, key=lambda line: (line[0], line[2])):
        cells = [[line[1], *line[3:]] for line in group]
        console.print(table(shown, cells, range(1, len(shown)), f"{label}, {threads_text(int(count))}"))
    peaks = ", ".join(sorted({f"{result.peak / 1e9:.0f}" for result in measured.results}, key=float))
    console.print(
        "\ntime: seconds a step, nextframe's being 1. conv peak: arithmetic of direct convolutions done in this time, "
        f"as a share of what this machine's direct convolution reaches at that size and thread count ({peaks} GFLOP/s)."
    )
    print(*measured.left_out, sep="\n", end="\n" if measured.left_out else "")
