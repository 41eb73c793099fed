"""`nextframe verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

from cyclopts import Parameter

from nextframe.cli.face import command_line
from nextframe.cli.inspect import RUN_FILES
from nextframe.cli.options import (
    COVARIATES,
    FUTURE_COVARIATES,
    MATCHED,
    NAMES,
    THRESHOLDS,
    WHOLE_NUMBERS,
    by_variable,
    reading_options,
)
from nextframe.config import Matched
from nextframe.errors import ConfigError
from nextframe.files import check_writable
from nextframe.forecasting.baselines import DEFAULT
from nextframe.forecasting.baselines import baselines as rows
from nextframe.verification.protocols import protocol_names
from nextframe.words import joined

if TYPE_CHECKING:
    from nextframe.verification.result import Verification

_OF_RAIN = [row.name for row in rows() if "rain" in row.needs]
BASELINES = Parameter(
    help=f"Forecasters to verify beside the model, separated by commas: {joined([row.name for row in rows()])} "
    f"({joined(_OF_RAIN)} are for rain); `none` for the model alone.",
    show_default=",".join,
)
PROTOCOL = Parameter(
    help=f"Published protocol to score by as well: {joined(protocol_names(), 'or')}; of one that is made for several "
    "data sets, the set after a colon (diffcast:meteonet). Its thresholds, pooling, tables and scores of frames; "
    "windows are cut by its stride, where it has one."
)
FORECAST_FILES = (".nc", ".nc4", ".zarr")


def verify(
    *runs: Annotated[Path, Parameter(name="RUN")],
    data: Annotated[list[str] | None, Parameter(negative=(), metavar="SOURCE")] = None,
    baselines: Annotated[tuple[str, ...], NAMES, BASELINES] = DEFAULT,
    thresholds: Annotated[tuple[str, ...] | None, THRESHOLDS] = None,
    scales: Annotated[tuple[int, ...], WHOLE_NUMBERS, Parameter(show_default="5,15".format)] = (5, 15),
    protocol: Annotated[str | None, PROTOCOL] = None,
    lead_times: int | None = None,
    limit: int | None = None,
    matched: Annotated[Matched | bool, MATCHED] = False,
    tile: int | None = None,
    overlap: int | None = None,
    covariates: Annotated[list[str] | None, COVARIATES] = None,
    future_covariates: Annotated[list[str] | None, FUTURE_COVARIATES] = None,
    conventions: Annotated[bool, Parameter(negative=())] = False,
    seen: Annotated[bool, Parameter(negative=())] = False,
    csv: Path | None = None,
    latex: Path | None = None,
    out: Path | None = None,
    examples: int = 3,
    progress: Annotated[bool, Parameter(show_default=False)] = True,
    **options: Any,
) -> None:
    """Say how good forecasts are, by lead time, beside those of simple baselines.

    Prints a verdict for each reference and a table, and writes verification.json and report.html. Frames that a run was
    trained on are left out.

    Args:
        runs: Run folder of a model, or the name of a shipped one (`nextframe inspect --models`); several, and baselines
            by name among them, to compare in one table on the same windows (`runs/a runs/b anvil`). Or a forecast file
            (NetCDF, Zarr) to be graded against --data.
        data: True frames: a SOURCE; by default the test part of the run's own data, or the held-out frames of a shipped
            model. Of several runs, those of the first. Given again for more sources, each graded apart and all
            together.
        baselines: Forecasters to verify beside the model.
        thresholds: Values from which on a pixel is an event, for CSI, in source units, separated by commas; by default
            the run's own, for a video none. Of one variable of several: rain=1,5,temperature=280.
        scales: Neighbourhoods of the fractions skill score, in pixels along each side, separated by commas.
        protocol: Published protocol to score by as well.
        lead_times: Number of frames to forecast; by default as many as the run was trained for.
        limit: Verify at most this many windows, evenly spread.
        matched: Lead with the forecast that is given another distribution of values, which sharpens it: that of the
            `last` frame seen (which `--matched` alone means), or that of the `validation` part; the model as it is
            stands beside it.
        tile: Forecast in tiles of this many pixels along both axes, for grids that do not fit into memory at once.
        overlap: Pixels that neighbouring tiles share, in which they are blended; by default twice the reach of the
            model, but at most half a tile.
        covariates: Covariates of these frames.
        future_covariates: Covariates that are known for the future.
        conventions: Print the scores as published tables have them, too: summed over a frame's pixels, and so on.
        seen: Verify on frames that a run was trained on, too, and name them; without --data, on all of its own.
        csv: File to write all scores to, a row for each forecaster, score and lead time.
        latex: File to write a LaTeX table to: means of the scores that lead, the best in bold.
        out: Folder to write to; by default the run folder. A shipped model has none, nor have several runs, and they
            are verified without writing.
        examples: Forecasts that the report plays, evenly spread.
        progress: Show a progress bar.
        options: How to read the true frames; by default as the run did, and whole for a forecast file.
    """
    from rich.console import Console

    from nextframe.report.tables import convention_tables, score_tables

    console = Console()

    if not runs:
        raise ConfigError("is missing", where="RUN", hint="name a run folder, or a model that comes with nextframe")
    for path in filter(None, (csv, latex)):
        check_writable(path)
    files = [run for run in runs if _is_forecast_file(run)]
    if len(runs) > 1 and files:
        raise ConfigError("is graded by itself", where=files[0], hint="name one forecast file, or runs and baselines")
    if files:
        from nextframe.api import grade_file

        ignored = {
            "--baselines": baselines != DEFAULT,
            "--lead-times": lead_times is not None,
            "--limit": limit is not None,
            "--matched": matched is not False,
            "--tile": tile is not None,
            "--overlap": overlap is not None,
            "--covariates": covariates is not None,
            "--future-covariates": future_covariates is not None,
            "--seen": seen,
        }
        if any(ignored.values()):
            named = ", ".join(name for name, given in ignored.items() if given)
            raise ConfigError("is for runs, not for forecast files", where=named, hint="leave it out")
        if data is None:
            raise ConfigError("needs the true frames", where=files[0], hint="name them with --data SOURCE")
        if len(data) > 1:
            raise ConfigError("is graded against one source", where=files[0], received=", ".join(data))
        skill = grade_file(
            files[0],
            data[0],
            thresholds=by_variable(thresholds),
            scales=scales,
            protocol=protocol,
            command=command_line(),
            **options,
        )
        console.print(score_tables(skill))
        if conventions:
            console.print(convention_tables(skill))
        if out is not None:
            skill.to_json(out / "verification.json")
        _write(skill, csv, latex, [] if out is None else [out / "verification.json"])
        return

    from nextframe.api import verify_run
    from nextframe.forecasting.load import results_folder

    folder = results_folder(runs[0]) if out is None and len(runs) == 1 else out
    skill = verify_run(
        runs,
        data=data[0] if data is not None and len(data) == 1 else data,
        baselines=() if baselines == ("none",) else baselines,
        thresholds=by_variable(thresholds),
        scales=scales,
        protocol=protocol,
        lead_times=lead_times,
        limit=limit,
        matched=matched,
        tile=tile,
        overlap=overlap,
        covariates=covariates,
        future_covariates=future_covariates,
        seen=seen,
        out=out,
        examples=0 if folder is None else examples,
        command=command_line(),
        progress=progress,
        **options,
    )
    console.print(score_tables(skill))
    if conventions:
        console.print(convention_tables(skill))
    _write(skill, csv, latex, [] if folder is None else [folder / "verification.json", folder / "report.html"])


def _is_forecast_file(path: Path) -> bool:
    """True for a file of a forecast; a run folder may be called as such a file is."""
    return path.suffix in FORECAST_FILES and not any((path / name).is_file() for name in RUN_FILES)


def _write(skill: Verification, csv: Path | None, latex: Path | None, written: list[Path]) -> None:
    """Write the tables that are asked for, and say what was written."""
    if csv is not None:
        skill.to_csv(csv)
    if latex is not None:
        skill.to_latex(latex)
    names = [str(path) for path in (*written, csv, latex) if path is not None]
    if names:
        print(f"wrote {joined(names)}")


verify.__annotations__["options"] = Unpack[reading_options()]
