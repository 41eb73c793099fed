"""Verifications in a call: of forecasters, of runs, and of forecast files, whoever made them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from nextframe.config import Matched, RunConfig
from nextframe.forecasting.baselines import DEFAULT as BASELINES
from nextframe.verification.scales import SCALES
from nextframe.words import joined, python_call

if TYPE_CHECKING:
    from rich.console import Console

    from nextframe.forecasting.called import Function
    from nextframe.forecasting.forecast import Forecaster
    from nextframe.frames.source import Source
    from nextframe.options import ReadingOptions
    from nextframe.verification.result import Verification
    from nextframe.verification.thresholds import Thresholds


def verify(
    forecasters: Forecaster | Function | str | Path | Sequence[Forecaster | Function | str | Path],
    source: Source,
    *,
    past: int | None = None,
    lead_times: int | None = None,
    baselines: Sequence[str] = BASELINES,
    thresholds: Thresholds | None = None,
    scales: Sequence[int] = SCALES,
    protocol: str | None = None,
    stride: int | None = None,
    limit: int | None = None,
    seen: bool = False,
    out: str | Path | None = None,
    examples: int = 3,
    title: str | None = None,
    command: str | None = None,
    covariates: Sequence[Source] | None = None,
    future_covariates: Sequence[Source] | None = None,
    progress: bool = True,
    **reading: Unpack[ReadingOptions],
) -> Verification:
    """Verify forecasters on every window of a source, beside baselines, without frames that one was trained on; of
    several sources on all of them together, and on each by itself (`Verification.by_source`).

    Args:
        forecasters: one or several: models, and by their names run folders, shipped models and baselines
            (`[a, b, "anvil"]`). Of several models each has the name of its run. Any function from a past (T, C, H, W)
            to the frames that follow it (K, C, H, W), arrays in source units, goes by its `__name__`.
        source: what `open_source` takes.
        past: frames that each forecast starts from; by default as many as the models among them were trained with, and
            7 where there are none.
        lead_times: frames to forecast; by default as many as all the models were trained for, else 8.
        baselines: names of baselines to verify beside them.
        thresholds: in source units, for CSI, or by the name of a variable (`{"rain": [1, 5]}`); by default chosen
            from the data, channel by channel, and none for a video.
        scales: neighbourhoods of the fractions skill score, in pixels along each side.
        protocol: published protocol to score by as well: "earthformer", "cascast", "diffcast", "openstl", with the data
            set after a colon where it is made for several ("diffcast:meteonet").
        stride: frames between the starts of two windows; by default that of the protocol, else 1.
        limit: verify at most this many windows, evenly spread.
        seen: verify on frames that a model was trained on, too, and name them.
        out: folder to write `verification.json` and `report.html` to.
        examples: forecasts that are kept to look at, in the report and in `widget`, evenly spread.
        title: title of the report.
        command: how the scores were made, for the record; by default this call.
        covariates: sources of the observed covariates beside these frames, for the models that read such, in the order
            of their training's; none for models that were given theirs by `with_covariates`.
        future_covariates: sources of those that are known for the future, likewise.
        progress: show a progress bar.
        **reading: how to read the source; by default as it is.
    """
    from nextframe.data.covariate_frames import names_of, timed_each
    from nextframe.data.split import whole_spans
    from nextframe.forecasting.forecast import Forecaster
    from nextframe.frames.source import open_source
    from nextframe.report.folder import check_folder, write_scores
    from nextframe.verification.entrants import together
    from nextframe.verification.evaluate import check_numbers, evaluate
    from nextframe.verification.leave_out import choose_frames

    check_numbers(limit=limit, examples=examples)
    check_folder(out)
    one = isinstance(forecasters, (Forecaster, str, Path)) or callable(forecasters)
    opened = open_source(source, **reading)
    everyone = together(
        [forecasters] if one else list(forecasters),  # type: ignore[list-item, arg-type]
        *(timed_each(given, opened.sequences) for given in (covariates, future_covariates)),
    )
    past, lead_times = past or everyone.past, lead_times or everyone.lead_times
    names = tuple(dict.fromkeys((*everyone.baselines, *baselines)))
    verification = evaluate(
        everyone.forecasters,
        choose_frames(whole_spans(opened), everyone.models, opened.name, seen=seen),
        opened.name,
        past=past,
        lead_times=lead_times,
        baselines=names,
        thresholds=thresholds,
        scales=scales,
        protocol=protocol,
        stride=stride,
        limit=limit,
        examples=examples,
        command=command
        or python_call(
            "nextframe.verify",
            everyone.names,
            opened.name,
            past=past,
            lead_times=lead_times,
            covariates=names_of(covariates),
            future_covariates=names_of(future_covariates),
            protocol=protocol,
        ),
        progress=progress,
    )
    write_scores(out, verification, title=title or f"Forecasts of {opened.name}")
    return verification


def verify_run(
    run: str | Path | Sequence[str | Path],
    *,
    data: Source | None = None,
    baselines: Sequence[str] = BASELINES,
    thresholds: Thresholds | None = None,
    scales: Sequence[int] = SCALES,
    protocol: str | None = None,
    lead_times: int | None = None,
    limit: int | None = None,
    matched: Matched | bool = False,
    tile: int | None = None,
    overlap: int | None = None,
    covariates: Sequence[Source] | None = None,
    future_covariates: Sequence[Source] | None = None,
    seen: bool = False,
    out: str | Path | None = None,
    examples: int = 3,
    command: str | None = None,
    progress: bool = True,
    **reading: Unpack[ReadingOptions],
) -> Verification:
    """Verify a run on the test part of its own data, or on those frames of another source that it was not trained on;
    write the scores and the report.

    A shipped model (`load_run`) is verified on the held-out frames of its card, and nothing is written but to `out`.
    Several runs, with baselines by name among them (`["runs/a", "runs/b", "anvil"]`), are verified in one table on the
    same windows, of the first one's data where no others are named, and nothing is written but to `out`.

    With `seen`, frames that a run was trained on are verified on as well, and named; where no other data are named, the
    whole of its own.

    With `matched`, the forecast with the distribution of the last frame seen ("last", or True) or of the validation
    part ("validation") leads, and the model as it is stands beside it. `tile` and `overlap` are those of
    `forecast_file`. `reading` says how to read another source where it differs from the run's own: `variable`, `grey`,
    `crop`, `rain_unit`, `coarsen`, `missing`, `damaged`.
    `covariates` and `future_covariates` are those of `forecast_file`, for another source than the run's own.
    `scales` are the neighbourhoods of the fractions skill score, in pixels along each side. `protocol` is that of
    `verify`.

    Raises:
        ConfigError: the run held out no test part, and no other data was named.
        ShapeError, DataError: data of another kind, or in another unit, than the run was trained on.
    """
    from nextframe.data.covariate_frames import names_of
    from nextframe.forecasting.load import results_folder
    from nextframe.frames.source import name_of
    from nextframe.report.folder import check_folder, write_scores
    from nextframe.verification.entrants import load_entrants
    from nextframe.verification.evaluate import check_numbers
    from nextframe.verification.run import evaluate_entrants

    runs = [run] if isinstance(run, (str, Path)) else list(run)
    if out is None and len(runs) == 1:
        out = results_folder(runs[0])
    check_numbers(limit=limit, examples=examples)
    check_folder(out)
    entrants = load_entrants(runs)
    verification = evaluate_entrants(
        entrants,
        data=data,
        reading=reading,
        lead_times=lead_times,
        matched=matched,
        tile=tile,
        overlap=overlap,
        covariates=covariates,
        future_covariates=future_covariates,
        baselines=baselines,
        thresholds=thresholds,
        scales=scales,
        protocol=protocol,
        limit=limit,
        examples=examples,
        seen=seen,
        command=command
        or python_call(
            "nextframe.api.verify_run",
            str(runs[0]) if len(runs) == 1 else list(map(str, runs)),
            data=None if data is None else name_of(data),
            baselines=tuple(baselines),
            protocol=protocol,
            lead_times=lead_times,
            limit=limit,
            matched=matched or None,
            tile=tile,
            covariates=names_of(covariates),
            future_covariates=names_of(future_covariates),
            seen=seen or None,
            **reading,
        ),
        progress=progress,
    )
    write_scores(out, verification, title=f"{joined(list(entrants.models))}: forecast skill")
    return verification


def grade_file(
    forecast: str | Path,
    observation: Source,
    *,
    thresholds: Thresholds | None = None,
    scales: Sequence[int] = SCALES,
    protocol: str | None = None,
    command: str | None = None,
    **options: Unpack[ReadingOptions],
) -> Verification:
    """Grade a NetCDF or Zarr forecast file, whoever made it, against observations.

    Args:
        forecast: the file; lead times along its first axis.
        observation: what `open_source` takes.
        thresholds: in source units, for CSI; chosen from the observations by default.
        scales: neighbourhoods of the fractions skill score, in pixels along each side.
        protocol: published protocol to score by as well, as `verify` takes it.
        command: how the scores were made, for the record; by default this call.
        **options: how to read the observations: `crop`, `rain_unit`, `coarsen`, `grey`, `variable`, `missing`.

    Raises:
        DataError: a forecast that cannot be read, or that the observations do not cover.
        ShapeError: grids of different sizes.
    """
    from nextframe.frames.source import name_of, open_source
    from nextframe.verification.evaluate import evaluate_file

    config = RunConfig().replace({**options, "data": name_of(observation)}).data
    return evaluate_file(
        forecast,
        open_source(observation, config),
        config,
        thresholds=thresholds,
        scales=scales,
        protocol=protocol,
        command=command
        or python_call("nextframe.api.grade_file", str(forecast), name_of(observation), protocol=protocol, **options),
    )


def print_table(
    verification: Verification, metrics: Sequence[str] | None = None, *, console: Console | None = None
) -> None:
    """Print scores by lead time, the best of each column in bold.

    Args:
        verification: the scores.
        metrics: which to show; by default CSI, MSE, SSIM, and the CRPS of ensembles.
        console: rich's console to print on; by default standard output.
    """
    from rich.console import Console

    from nextframe.report.tables import score_tables

    (console or Console()).print(score_tables(verification, metrics))
