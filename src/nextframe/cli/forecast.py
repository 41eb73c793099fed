"""`nextframe forecast`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Unpack

from cyclopts import Parameter

from nextframe.cli.options import COVARIATES, FUTURE_COVARIATES, MATCHED, NUMBERS, reading_options
from nextframe.config import Matched
from nextframe.forecasting.baselines import names
from nextframe.outputs.patterns import FIELDS
from nextframe.outputs.writers import suffixes
from nextframe.words import joined

_NAMED = 6
"""Files that are named one by one."""
OUT = Parameter(
    help=f"Where to write, by suffix: {joined(suffixes(), 'or')}; several times for several files. A name may be a "
    f"pattern of {joined([f'{{{field}}}' for field in FIELDS], 'and')}: archive/{{init}}.nc, or a file of each lead "
    "time with next-{lead}.tif. [default: forecast.gif]",
    negative=(),
    show_default=False,
    json_list=False,  # "[1].nc" is a name
)
RUN = Parameter(
    help="Run folder of the model, the name of a shipped one (`nextframe inspect --models`), or that of a baseline: "
    f"{joined(names(), 'or')}."
)
COVERAGE = Parameter(
    help="Write the bounds of the central interval of so much probability, for example 0.9 "
    f"({joined(suffixes('interval'))} only)."
)
QUANTILES = Parameter(
    help="Write these quantiles, levels between 0 and 1 separated by commas, for example 0.1,0.5,0.9 "
    f"({joined(suffixes('quantiles'))} only)."
)
MEMBERS = Parameter(
    help=f"Write the members that the probabilities stand on ({joined(suffixes('members'))} only).", negative=()
)
POINTS = Parameter(
    help=f"Write the forecast of the places of this CSV table: name, lat, lon ({joined(suffixes('points'))} only)."
)
AREAS = Parameter(
    help="Write mean, maximum and probabilities over the polygons of this GeoJSON file "
    f"({joined(suffixes('areas'))} only)."
)


def forecast(
    run: Annotated[str, RUN],
    /,
    *,
    source: Annotated[str | None, Parameter(name="--input")] = None,
    lead_times: int | None = None,
    start: int | None = None,
    matched: Annotated[Matched | bool, MATCHED] = False,
    tile: int | None = None,
    overlap: int | None = None,
    covariates: Annotated[list[str] | None, COVARIATES] = None,
    future_covariates: Annotated[list[str] | None, FUTURE_COVARIATES] = None,
    exceed: Annotated[tuple[float, ...], NUMBERS, Parameter(show_default=False)] = (),
    coverage: Annotated[float | None, COVERAGE] = None,
    quantiles: Annotated[tuple[float, ...], NUMBERS, QUANTILES, Parameter(show_default=False)] = (),
    members: Annotated[bool, MEMBERS] = False,
    points: Annotated[Path | None, POINTS] = None,
    areas: Annotated[Path | None, AREAS] = None,
    out: Annotated[list[Path] | None, OUT] = None,
    **options: Any,
) -> None:
    """Forecast the frames that follow, with a trained model or a baseline.

    Args:
        run: Run folder of the model, or a name.
        source: Frames to start from: a SOURCE; the first sequence of several is taken. By default the first frames that
            the model was not trained on: the held-out ones of a shipped model, or the test part of a run's own data.
        lead_times: Number of frames to forecast, any; by default as many as the run was trained for, or 8.
        start: Forecast the frames from this index on, from those before it, and show the truth beside them where the
            frames hold it for all lead times; by default the frames after the last one of --input.
        matched: Give the forecast another distribution of values, which sharpens it (probabilities and intervals stay
            as they are): that of the `last` frame seen (which `--matched` alone means), or that of the `validation`
            part.
        tile: Forecast in tiles of this many pixels along both axes, for grids that do not fit into memory at once.
        overlap: Pixels that neighbouring tiles share, in which they are blended; by default twice the reach of the
            model, but at most half a tile.
        covariates: Covariates of these frames.
        future_covariates: Covariates that are known for the future.
        exceed: Give the probability of at least so much, too, for each of these thresholds in source units, separated
            by commas.
        coverage: Write the bounds of the central interval of so much probability, for example 0.9.
        quantiles: Write these quantiles.
        members: Write the members that the probabilities stand on.
        points: Write the forecast of these places.
        areas: Write the forecast of these areas.
        out: Where to write.
        options: How to read the frames; by default as the run did, as far as they are of the same kind: a cut goes to
            the same grid alone (--crop none for none), unit and pixels are brought to those of the training.
    """
    from nextframe.api import forecast_file
    from nextframe.outputs.asked import Asked
    from nextframe.outputs.writers import check_places, save_forecast, writer_for
    from nextframe.words import minute

    outs = out or [Path("forecast.gif")]
    asked = Asked(exceed=exceed, quantiles=quantiles, coverage=coverage, members=members, points=points, areas=areas)
    check_places(outs, asked)  # before the work, not after it
    product, past, truth = forecast_file(
        run,
        source,
        lead_times=lead_times,
        start=start,
        matched=matched,
        members=asked.uncertainty,
        tile=tile,
        overlap=overlap,
        covariates=covariates,
        future_covariates=future_covariates,
        tell=print,
        **options,
    )
    written = save_forecast(
        product,
        outs,
        past=past.read(0, len(past)),
        truth=None if truth is None else truth.read(0, len(truth)),
        exceed=exceed,
        quantiles=quantiles,
        coverage=coverage,
        members=members,
        points=points,
        areas=areas,
    )
    shows = truth is not None and any("truth" in writer_for(one).holds for one in outs)
    beside = ", beside the truth" if shows else ""
    if truth is None and start is not None:
        beside = f" (no truth beside it: the frames hold fewer than {product.lead_times} from {start} on)"
    when = (
        ""
        if product.valid_time is None
        else f", valid {minute(product.valid_time[0])} to {minute(product.valid_time[-1])}"
    )
    names = joined(
        [str(file) for file in (written if len(written) <= _NAMED else [*written[:1], f"{len(written) - 1} more"])]
    )
    print(f"wrote {names}: {product.lead_times} frames from {len(past)} of {past.name}{when}{beside}")


forecast.__annotations__["options"] = Unpack[reading_options()]
