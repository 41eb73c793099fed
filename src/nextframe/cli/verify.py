"""`nextframe verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nextframe.cli.options import NAMES, NUMBERS, WHOLE_NUMBERS
from nextframe.errors import ConfigError

FORECAST_FILES = (".nc", ".nc4", ".zarr")


def verify(
    run: Path,
    /,
    *,
    data: str | None = None,
    baselines: Annotated[tuple[str, ...], NAMES, Parameter(show_default=",".join)] = ("persistence", "extrapolation"),
    thresholds: Annotated[tuple[float, ...] | None, NUMBERS] = None,
    lead_times: int | None = None,
    limit: int | None = None,
    crop: Annotated[tuple[int, ...], WHOLE_NUMBERS] = (),
    coarsen: int = 1,
    grey: Annotated[bool, Parameter(negative=())] = False,
    variable: Annotated[tuple[str, ...], NAMES] = (),
    out: Path | None = None,
    progress: Annotated[bool, Parameter(show_default=False)] = True,
) -> None:
    """Say how good forecasts are, by lead time, beside those of simple baselines.

    Prints a table, and writes verification.json and report.html.

    Args:
        run: Run folder of a model, or a forecast file (NetCDF, Zarr) to be graded against --data.
        data: True frames: a SOURCE; by default the test part of the run's own data.
        baselines: Forecasters to verify beside the model, separated by commas; `none` for the model alone.
        thresholds: Values from which on a pixel is an event, for CSI, in source units; by default the run's own.
        lead_times: Number of frames to forecast; by default as many as the run was trained for.
        limit: Verify at most this many windows, evenly spread.
        crop: For a forecast file: cut the true frames to top, left, height and width, as the run's were.
        coarsen: For a forecast file: average the true frames over blocks of this many pixels, as the run's were.
        grey: For a forecast file: read true frames in colour as grey.
        variable: For a forecast file: variables of the true frames to grade by.
        out: Folder to write to; by default the run folder.
        progress: Show a progress bar.
    """
    from nextframe.report.tables import print_table

    if run.suffix in FORECAST_FILES:
        from nextframe.api import grade_file

        if data is None:
            raise ConfigError("needs the true frames", where=run, hint="name them with --data SOURCE")
        skill = grade_file(
            run, data, thresholds=thresholds or None, crop=crop, coarsen=coarsen, grey=grey, variable=variable
        )
        print_table(skill)
        if out is not None:
            skill.to_json(out / "verification.json")
            print(f"wrote {out / 'verification.json'}")
        return

    from nextframe.api import verify_run

    skill = verify_run(
        run,
        data=data,
        baselines=() if baselines == ("none",) else baselines,
        thresholds=thresholds or None,
        lead_times=lead_times,
        limit=limit,
        out=out,
        progress=progress,
    )
    print_table(skill)
    folder = run if out is None else out
    print(f"wrote {folder / 'verification.json'} and {folder / 'report.html'}")
