"""`python -m lab quality`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from lab.console import table, told
from lab.place import this_command
from lab.quality import curves
from lab.quality.picture import save_picture
from nextframe.cli.options import NAMES

app = App(name="python -m lab quality", help_flags=["--help", "-h"], version_flags=[])


@app.default
def quality(
    *,
    trials: Annotated[tuple[str, ...], NAMES, Parameter(show_default=False)] = (),
    keras_python: Path | None = None,
    out: Path | None = None,
    progress: Annotated[bool, Parameter(show_default=False)] = True,
) -> None:
    """Measure how long trainings take until their forecasts are good: the tutorial's recipes, ours and Keras'.

    These are whole trainings, which take hours together; each is kept in --out as soon as it ends.

    Args:
        trials: Trainings to measure; by default all, those in Keras where it is installed.
        keras_python: Interpreter that has Keras on TensorFlow, to measure it beside a torch that has not.
        out: Write the results to this JSON file, which keeps those of other trials, and a picture of them beside it.
        progress: Say what has been reached.
    """
    picture = None if out is None else out.with_suffix(".png")

    def keep(curve: curves.Curve) -> None:
        if out is not None and picture is not None:
            curves.save([curve], out, this_command())
            save_picture(curves.load(out), picture)

    some = curves.chosen(trials, keras_python)
    if out is not None:
        curves.check_writable(out)
    measured = curves.measure(some, keras_python=keras_python, progress=told(progress), done=keep)
    titles, lines = curves.rows(measured)
    Console().print(table(titles, lines, curves.NUMBERS))
    if out is not None:
        print(f"wrote {out} and {picture}")


def main(arguments: Sequence[str]) -> None:
    """Measure, with the options that follow the task's name."""
    app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
