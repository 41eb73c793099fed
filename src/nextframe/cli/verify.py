"""`nextframe verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Unpack

from cyclopts import Parameter

from nextframe.cli.face import command_line
from nextframe.cli.inspect import RUN_FILES
from nextframe.cli.options import NAMES, NUMBERS, WHOLE_NUMBERS, reading_options
from nextframe.errors import ConfigError
from nextframe.forecasting.baselines import DEFAULT
from nextframe.forecasting.baselines import baselines as rows
from nextframe.words import joined

_OF_RAIN = [row.name for row in rows() if "rain" in row.needs]
BASELINES = Parameter(
    help=f"Forecasters to verify beside the model, separated by commas: {joined([row.name for row in rows()])} "
    f"({joined(_OF_RAIN)} are for rain); `none` for the model alone.",
    show_default=",".join,
)
FORECAST_FILES = (".nc", ".nc4", ".zarr")


def verify(
    run: Path,
    /,
    *,
    data: str | None = None,
    baselines: Annotated[tuple[str, ...], NAMES, BASELINES] = DEFAULT,
    thresholds: Annotated[tuple[float, ...] | None, NUMBERS] = None,
    scales: Annotated[tuple[int, ...], WHOLE_NUMBERS, Parameter(show_default="5,15".format)] = (5, 15),
    lead_times: int | None = None,
    limit: int | None = None,
    matched: Annotated[bool, Parameter(negative=())] = False,
    tile: int | None = None,
    overlap: int | None = None,
    conventions: Annotated[bool, Parameter(negative=())] = False,
    out: Path | None = None,
    examples: int = 3,
    progress: Annotated[bool, Parameter(show_default=False)] = True,
    **options: Any,
) -> None:
    """Say how good forecasts are, by lead time, beside those of simple baselines.

    Prints a table, and writes verification.json and report.html.

    Args:
        run: Run folder of a model, the name of a shipped one (`nextframe inspect --models`), or a forecast file
            (NetCDF, Zarr) to be graded against --data.
        data: True frames: a SOURCE; by default the test part of the run's own data, or the held-out frames of a shipped
            model.
        baselines: Forecasters to verify beside the model.
        thresholds: Values from which on a pixel is an event, for CSI, in source units; by default the run's own.
        scales: Neighbourhoods of the fractions skill score, in pixels along each side, separated by commas.
        lead_times: Number of frames to forecast; by default as many as the run was trained for.
        limit: Verify at most this many windows, evenly spread.
        matched: Lead with the forecast that is given the distribution of values of the last frame seen, which sharpens
            it; the model as it is stands beside it.
        tile: Forecast in tiles of this many pixels along both axes, for grids that do not fit into memory at once.
        overlap: Pixels that neighbouring tiles share, in which they are blended; by default twice the reach of the
            model, but at most half a tile.
        conventions: Print the scores as published tables have them, too: summed over a frame's pixels, and so on.
        out: Folder to write to; by default the run folder. A shipped model has none, and is verified without writing.
        examples: Forecasts that the report animates, evenly spread.
        progress: Show a progress bar.
        options: How to read the true frames; by default as the run did, and whole for a forecast file.
    """
    from rich.console import Console

    from nextframe.report.tables import convention_tables, score_tables

    console = Console()

    if run.suffix in FORECAST_FILES and not any((run / name).is_file() for name in RUN_FILES):
        from nextframe.api import grade_file

        ignored = {
            "--baselines": baselines != DEFAULT,
            "--lead-times": lead_times is not None,
            "--limit": limit is not None,
            "--matched": matched,
            "--tile": tile is not None,
            "--overlap": overlap is not None,
        }
        if any(ignored.values()):
            named = ", ".join(name for name, given in ignored.items() if given)
            raise ConfigError("is for runs, not for forecast files", where=named, hint="leave it out")
        if data is None:
            raise ConfigError("needs the true frames", where=run, hint="name them with --data SOURCE")
        skill = grade_file(run, data, thresholds=thresholds or None, scales=scales, command=command_line(), **options)
        console.print(score_tables(skill))
        if conventions:
            console.print(convention_tables(skill))
        if out is not None:
            skill.to_json(out / "verification.json")
            print(f"wrote {out / 'verification.json'}")
        return

    from nextframe.api import verify_run
    from nextframe.runs.shipped import shipped_name

    skill = verify_run(
        run,
        data=data,
        baselines=() if baselines == ("none",) else baselines,
        thresholds=thresholds or None,
        scales=scales,
        lead_times=lead_times,
        limit=limit,
        matched=matched,
        tile=tile,
        overlap=overlap,
        out=out,
        examples=examples,
        command=command_line(),
        progress=progress,
        **options,
    )
    console.print(score_tables(skill))
    if conventions:
        console.print(convention_tables(skill))
    folder = out if out is not None or shipped_name(run) is not None else run
    if folder is not None:
        print(f"wrote {folder / 'verification.json'} and {folder / 'report.html'}")


verify.__annotations__["options"] = Unpack[reading_options()]
