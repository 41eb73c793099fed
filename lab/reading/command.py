"""`python -m lab reading`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console

from lab.console import table, told
from lab.place import this_command
from lab.reading.archives import ARCHIVES
from lab.reading.measure import Setting, measure, memory_table, reading_table, save, training_sentence
from lab.reading.picture import save_picture
from nextframe.cli.options import NUMBERS
from nextframe.errors import ConfigError

app = App(name="python -m lab reading", help_flags=["--help", "-h"], version_flags=[])


@app.default
def reading(
    *,
    steps: int = 5,
    frames: int | None = None,
    gigabytes: Annotated[tuple[float, ...] | None, NUMBERS] = None,
    only: str = "",
    out: Path | None = None,
    progress: Annotated[bool, Parameter(show_default=False)] = True,
) -> None:
    """Measure how fast windows are read from files, beside how fast they are trained on, and the memory of a training.

    Archives of every kind are written to a temporary folder of up to 6 GB, or what --gigabytes says.

    Args:
        steps: Training steps measured, after two that are not.
        frames: Frames of 128 x 128 pixels in an archive that is read. [default: 20000]
        gigabytes: Sizes of the archives that are trained on, each 10^9 bytes of values; 0 for none. [default: 1.5,6]
        only: Archives whose names begin with one of these words, "GRIB,RADOLAN". [default: all]
        out: Write the results to this JSON file, and a picture of them beside it.
        progress: Say what is being measured.
    """
    asked: dict[str, Any] = {"steps": steps}
    if frames is not None:
        asked["frames"] = frames
    if gigabytes is not None:
        asked["gigabytes"] = tuple(size for size in gigabytes if size != 0)
    chosen = [row for row in ARCHIVES if not only or row.name.startswith(tuple(only.split(",")))]
    if not chosen:
        raise ConfigError("unknown", where="only", expected=", ".join(row.name for row in ARCHIVES), received=only)
    measured = measure(Setting(**asked), archives=chosen, progress=told(progress))
    console = Console()
    tables = [("windows a second, and over those of a training", reading_table(measured))]
    if measured.memory:
        tables.append(("the most memory that a training takes, by the archive's size", memory_table(measured)))
    for title, (titles, rows) in tables:
        console.print(table(titles, rows, range(1, len(titles)), title))
    console.print(f"\n{training_sentence(measured)}")
    if out is not None:
        save(measured, out, this_command())
        save_picture(measured, picture := out.with_suffix(".png"))
        print(f"wrote {out} and {picture}")


def main(arguments: Sequence[str]) -> None:
    """Measure, with the options that follow the task's name."""
    app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
