"""`nextframe forecast`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Unpack

from cyclopts import Parameter

from nextframe.cli.options import NUMBERS, reading_options
from nextframe.outputs.writers import suffixes
from nextframe.words import joined

OUT = Parameter(help=f"Where to write, by suffix: {joined(suffixes(), 'or')}.")
COVERAGE = Parameter(
    help="Write the bounds of the central interval of so much probability, for example 0.9 "
    f"({joined(suffixes('interval'))} only)."
)
MEMBERS = Parameter(
    help=f"Write the members that the probabilities stand on ({joined(suffixes('members'))} only).", negative=()
)


def forecast(
    run: Path,
    /,
    *,
    source: Annotated[str | None, Parameter(name="--input")] = None,
    lead_times: int | None = None,
    start: int | None = None,
    matched: Annotated[bool, Parameter(negative=())] = False,
    tile: int | None = None,
    overlap: int | None = None,
    exceed: Annotated[tuple[float, ...], NUMBERS, Parameter(show_default=False)] = (),
    coverage: Annotated[float | None, COVERAGE] = None,
    members: Annotated[bool, MEMBERS] = False,
    out: Annotated[Path, OUT] = Path("forecast.gif"),
    **options: Any,
) -> None:
    """Forecast the frames that follow, with a trained model.

    Args:
        run: Run folder of the model, or the name of a shipped one (`nextframe inspect --models`).
        source: Frames to start from: a SOURCE; the first sequence of several is taken. By default the first frames that
            the model was not trained on: the held-out ones of a shipped model, or the test part of a run's own data.
        lead_times: Number of frames to forecast, any; by default as many as the run was trained for.
        start: Forecast the frames from this index on, from those before it, and show the truth beside them where the
            frames hold it for all lead times; by default the frames after the last one of --input.
        matched: Give the forecast the distribution of values of the last frame seen, which sharpens it (probabilities
            and intervals stay as they are).
        tile: Forecast in tiles of this many pixels along both axes, for grids that do not fit into memory at once.
        overlap: Pixels that neighbouring tiles share, in which they are blended; by default twice the reach of the
            model, but at most half a tile.
        exceed: Give the probability of at least so much, too, for each of these thresholds in source units, separated
            by commas.
        coverage: Write the bounds of the central interval of so much probability, for example 0.9.
        members: Write the members that the probabilities stand on.
        out: Where to write.
        options: How to read the frames; by default as the run did.
    """
    from nextframe.api import forecast_file
    from nextframe.files import check_writable
    from nextframe.outputs.writers import check_output, save_forecast
    from nextframe.words import minute

    writer = check_output(out, exceed=exceed, coverage=coverage, members=members)  # before the work, not after it
    check_writable(out)
    made, past, truth = forecast_file(
        run,
        source,
        lead_times=lead_times,
        start=start,
        matched=matched,
        members=members or coverage is not None or len(exceed) > 0,
        tile=tile,
        overlap=overlap,
        **options,
    )
    save_forecast(
        made,
        out,
        past=past.read(0, len(past)),
        truth=None if truth is None else truth.read(0, len(truth)),
        exceed=exceed,
        coverage=coverage,
        members=members,
    )
    beside = "" if truth is None or "truth" not in writer.holds else ", beside the truth"
    if truth is None and start is not None:
        beside = f" (no truth beside it: the frames hold fewer than {made.lead_times} from {start} on)"
    when = "" if made.valid_time is None else f", valid {minute(made.valid_time[0])} to {minute(made.valid_time[-1])}"
    print(f"wrote {out}: {made.lead_times} frames from {len(past)} of {past.name}{when}{beside}")


forecast.__annotations__["options"] = Unpack[reading_options()]
