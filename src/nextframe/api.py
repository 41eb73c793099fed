"""The package in a few calls: fit, load, forecast, verify, inspect. It calls the rooms in order and decides nothing.

Each call imports the rooms that it uses when it is made, so that a forecast loads nothing of the training and an
inspection no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from nextframe.config import Matched, RunConfig
from nextframe.errors import ConfigError
from nextframe.forecasting.baselines import DEFAULT as BASELINES
from nextframe.training.presets import Preset, preset_config
from nextframe.verification.additive import SCALES
from nextframe.words import Face, in_python, joined, nobody, python_call

if TYPE_CHECKING:
    from rich.console import Console
    from torch import nn

    from nextframe.data.plain import PlainWindows
    from nextframe.exports.export import Exported
    from nextframe.forecasting.calibration import Calibration
    from nextframe.forecasting.called import Function
    from nextframe.forecasting.forecast import Forecast, Forecaster
    from nextframe.forecasting.trained import TrainedForecaster
    from nextframe.frames.sequence import FrameSequence, FrameSource
    from nextframe.frames.source import One, Source
    from nextframe.inspection.result import Inspection
    from nextframe.inspection.side_by_side import SideBySide
    from nextframe.options import DataOptions, Options, ReadingOptions
    from nextframe.verification.result import Verification
    from nextframe.verification.thresholds import Thresholds


def resolve(model: str | None = None, preset: Preset = "default", **options: Unpack[Options]) -> RunConfig:
    """The configuration of a preset, or of the model that is to be started `from_`, with some options changed.

    Args:
        model: name of an architecture; by default that of the model to start from, else "stacked".
        preset: "default" or "tutorial".
        **options: fields of the configuration by their names.

    Raises:
        ConfigError: an unknown model, preset or option, or a value out of range.
        CheckpointError: no model to start from.
    """
    from nextframe.frames.together import as_options

    changed = as_options(options)
    start = options.get("from_")
    if start is not None:
        from nextframe.training.start import tuned

        if preset != "default":
            raise ConfigError(
                "has a recipe of its own", where="from_", received=f"preset={preset!r}", hint="leave {preset} out"
            )
        return tuned(str(start), model, changed)
    model = model or "stacked"
    return preset_config(model, preset).replace(changed)


def fit(
    source: Source | None = None,
    model: str | nn.Module | None = None,
    *,
    preset: Preset = "default",
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    tell: Callable[[str], None] | None = None,
    **options: Unpack[Options],
) -> TrainedForecaster:
    """Train a model, or an ensemble (`members=5`), calibrate its uncertainty on the validation part (see
    `calibrate_run`), and return it as a forecaster.

    Args:
        source: frames: "squares", a path, an array, or whatever `open_source` takes; by default the preset's moving
            squares.
        model: name of an architecture (`nextframe.architectures`); by default "stacked", or that of the model which
            the training starts `from_`. Or a network of your own, any `torch.nn.Module` that holds to the contract of
            `nextframe.models.own`: a copy of it is trained, from its weights on.
        preset: name of a recipe (`nextframe.training.presets`).
        out: the run folder; by default a new one under `runs/`.
        resume: go on with an interrupted run in `out`.
        overwrite: replace the run that `out` holds. It goes when the frames and the options have been found good, just
            before the training begins; what is no part of a run stays.
        progress: show a progress bar and a line for each epoch.
        tell: takes the lines that are to be said; by default they stand above the progress bar.
        **options: any field of `nextframe.config.RunConfig`'s sections, by its name: `epochs=3`, `filters=(64, 64)`;
            `covariates` and `future_covariates` may be in memory, too.

    Raises:
        ConfigError: options that do not make sense, or a folder that is in use or holds another run.
        DataError, ShapeError: frames that cannot be read or trained on, or a network whose outputs do not fit them.
        TrainingError: a loss that is not finite, or a run folder that is removed during the training.
    """
    from nextframe.architectures import architecture
    from nextframe.data.covariate_frames import held_in, timed
    from nextframe.forecasting.calibrate import calibrate_or_tell
    from nextframe.forecasting.load import load_run
    from nextframe.frames.listed import listed
    from nextframe.frames.source import are_named, name_of, open_as, open_source
    from nextframe.frames.together import as_options
    from nextframe.runs.lock import claim_for
    from nextframe.training.clock import Clock
    from nextframe.training.fit import default_tell, train, train_ensemble
    from nextframe.training.recipe import begin

    source = listed(source)
    if source is not None:
        options["data"] = source if are_named(source) else name_of(source)  # type: ignore[typeddict-item]
    named, held = held_in(options)
    options = as_options(named)  # type: ignore[assignment]
    module = None
    if model is not None and not isinstance(model, str):
        from nextframe.training.start import for_module

        module, model, options = for_module(model, options)  # type: ignore[assignment]
    elif isinstance(model, str) and architecture(model).own:
        from nextframe.training.start import for_class

        options = for_class(model, options)  # type: ignore[assignment]
    config = resolve(model, preset, **options)
    tell = default_tell(tell, progress)
    clock = Clock(config.training.minutes)
    with claim_for(out, config.model.model, config.data.data) as run, clock.bar(progress):

        def opened_as(config: RunConfig) -> FrameSource:
            return open_as(config.data) if source is None or config.data.sources else open_source(source, config.data)

        opened, choice = begin(opened_as, config, options, run=run, resume=resume, overwrite=overwrite, preset=preset)
        if opened.several and opened.sequences[0].units == ("mm/h",):  # whatever is forecast from is brought to it, too
            choice = dataclasses.replace(choice, config=choice.config.replace({"rain_unit": "mm/h"}))
        work = train if config.training.members == 1 else train_ensemble
        held = timed(held, opened.sequences)
        work(
            opened,
            choice.config,
            run,
            resume=resume,
            overwrite=overwrite,
            progress=progress,
            tell=tell,
            clock=clock,
            given=options,
            statistics=choice.statistics,
            notes=choice.notes,
            module=module,
            covariates=held,
        )
        clock.show("calibrating")
        calibrate_or_tell(run, opened, tell, limit=clock.calibration, module=module, covariates=held)
        return load_run(run, module)


def load_run(run: str | Path, module: nn.Module | None = None) -> TrainedForecaster:
    """Load a trained model, or an ensemble, from its run folder, or one of those that come with the package; arguments
    and errors of `nextframe.forecasting.load.load_run`.
    """
    from nextframe.forecasting.load import load_run as load

    return load(run, module)


def export(model: TrainedForecaster | str | Path, path: str | Path) -> Exported:
    """Write a trained model as a file that runs without nextframe, and compare the two; arguments and errors of
    `nextframe.exports.export.export`, and in place of the model what `load_run` takes.
    """
    from nextframe.exports.export import export as write
    from nextframe.exports.formats import format_of

    format_of(path)  # before anything is read
    return write(load_run(model) if isinstance(model, (str, Path)) else model, path)


def calibrate_run(run: str | Path) -> Calibration:
    """Measure a run's errors on its validation part, so that its forecasts have intervals and probabilities; arguments
    and errors of `nextframe.forecasting.calibrate.calibrate_run`.
    """
    from nextframe.forecasting.calibrate import calibrate_run as calibrate

    return calibrate(run)


def forecast(
    run: str | Path,
    source: Source | None = None,
    *,
    lead_times: int | None = None,
    start: int | None = None,
    matched: Matched | bool = False,
    members: bool = True,
    tile: int | None = None,
    overlap: int | None = None,
    covariates: Sequence[Source] | None = None,
    future_covariates: Sequence[Source] | None = None,
    **reading: Unpack[ReadingOptions],
) -> Forecast:
    """Forecast from a source with a trained model or a baseline; arguments and errors of `forecast_file`.

    >>> forecast("squares-stacked", lead_times=3).values.shape
    (3, 1, 40, 40)
    """
    options: Any = {"lead_times": lead_times, "start": start, "matched": matched, "members": members, **reading}
    options |= {"covariates": covariates, "future_covariates": future_covariates}
    return forecast_file(run, source, tile=tile, overlap=overlap, **options)[0]


def forecast_file(
    run: str | Path,
    source: Source | None = None,
    *,
    lead_times: int | None = None,
    start: int | None = None,
    matched: Matched | bool = False,
    members: bool = True,
    tile: int | None = None,
    overlap: int | None = None,
    covariates: Sequence[Source] | None = None,
    future_covariates: Sequence[Source] | None = None,
    tell: Callable[[str], None] | None = None,
    **reading: Unpack[ReadingOptions],
) -> tuple[Forecast, FrameSequence, FrameSequence | None]:
    """Forecast from a source with a trained model or a baseline, and return what it started from and what came, too.

    Args:
        run: the run folder, the name of a shipped model (`load_run`), or that of a baseline ("anvil").
        source: what to forecast from; its first sequence is taken. By default the first frames that were held out:
            those that a shipped model was measured on, or the test part of the run's own data.
        lead_times: number of frames to forecast; by default as many as the run was trained for.
        start: forecast the frames from this index on, from those before it; by default those beyond the end, and of
            held-out frames the first ones that can be.
        matched: give the forecast the distribution of the last frame seen ("last", or True), or that of the validation
            part ("validation"); see `forecasting.matching`.
        members: whether the forecast is to know its uncertainty.
        tile: forecast in tiles of so many pixels along both axes (`forecasting.tiles`), for grids beyond memory.
        overlap: pixels that tiles share; by default as `TrainedForecaster.tiled` chooses.
        covariates: sources of the model's observed covariates, in the order of the training's; those of the training
            themselves where no source is named.
        future_covariates: sources of those that are known for the future, likewise.
        tell: takes what was done to the frames (unit, pixels, missing frames), a sentence each.
        **reading: how to read the source where it differs from what the run and the metadata tell.

    Returns:
        The forecast, the frames that it started from, none of them from before a long gap in time, and the true
        frames where the file has them all.

    Raises:
        ConfigError: a start without a frame before it, or no frames to start from.
    """
    from nextframe.forecasting.baselines import named
    from nextframe.forecasting.issue import issue, issue_baseline
    from nextframe.forecasting.load import load_run
    from nextframe.forecasting.trained import hold_bare, hold_untiled, with_given
    from nextframe.verification.held_out import first_held_out

    tell = tell or nobody
    common: Any = {
        "reading": reading,
        "tell": tell,
        "lead_times": lead_times,
        "matched": matched,
        "members": members,
    }
    baseline = named(run, tell)
    if baseline is not None:
        hold_untiled(baseline.name, tile, overlap)
        hold_bare(baseline.name, covariates, future_covariates)
        return issue_baseline(baseline, source, start, **common)
    model = with_given(load_run(run), covariates, future_covariates, own=source is None)
    if source is None:
        source, first = first_held_out(run, model.config.data, reading=reading)
        start = first if start is None else start
    return issue(model, source, start, tile=tile, overlap=overlap, **common)


def windows(
    source: Source, *, past: int = 7, future: int = 8, stride: int = 1, **reading: Unpack[ReadingOptions]
) -> PlainWindows:
    """Windows of a source as a dataset of torch, for a training loop of one's own: `len`, items of a past (T, C, H, W)
    and a future (K, C, H, W), and their `times`.

    Args:
        source: what `open_source` takes.
        past: frames T that are seen.
        future: frames K that follow them.
        stride: frames between the starts of two windows.
        **reading: how to read the source; by default as it is.

    Raises:
        ConfigError: a length or stride below 1.
        DataError: no stretch without a gap is long enough for one window.

    >>> pairs = windows("squares:movies=2,frames=10,size=16", past=4, future=3)
    >>> len(pairs), pairs[0][0].shape, pairs[0][1].shape
    (8, torch.Size([4, 1, 16, 16]), torch.Size([3, 1, 16, 16]))
    """
    from nextframe.data.plain import PlainWindows
    from nextframe.frames.source import open_source

    return PlainWindows(open_source(source, **reading), past=past, future=future, stride=stride)


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


def inspect(
    source: Source, *, measure: bool = False, face: Face = in_python, **options: Unpack[DataOptions]
) -> Inspection:
    """Find out what is in a source, what is wrong with it, and what there is to beat.

    Args:
        source: what `open_source` takes.
        measure: measure the simple forecasts that a training would choose from, too, which takes up to ten seconds.
        face: how options are written in what is said to be wrong.
        **options: how it is read, and how a training would divide it.

    >>> inspect("squares:movies=2,frames=20,size=16").frames
    40
    """
    from nextframe.data.covariate_frames import held_in
    from nextframe.frames.listed import listed
    from nextframe.frames.source import name_of, open_source
    from nextframe.frames.together import as_options
    from nextframe.inspection.inspect import inspect_as
    from nextframe.training.recipe import choose_for

    source = listed(source)
    named, held = held_in(options)
    config = preset_config("stacked").replace(as_options({**named, "data": name_of(source)}))
    opened, choice = choose_for(lambda config: open_source(source, config.data), config, options, measure=measure)
    return inspect_as(
        opened,
        choice.config.data,
        held=held,
        output=choice.config.model.output,
        asked="normalisation" in options,
        recipe=choice.notes,
        face=face,
    )


def compare_sources(many: Sequence[One], *, face: Face = in_python, **options: Unpack[DataOptions]) -> SideBySide:
    """Several sources side by side, as a training on all of them would read them: how large, wet and fast each is, and
    what does not fit.

    Args:
        many: what `open_source` takes a list of.
        face: how options are written in what does not fit.
        **options: how they are read, what beside them, and how windows are cut.

    >>> len(compare_sources(["squares:movies=2,frames=20,size=16", "squares:movies=2,frames=20,size=24"]).sides)
    2
    """
    from nextframe.data.covariate_frames import held_in
    from nextframe.frames.listed import listed
    from nextframe.frames.source import open_source
    from nextframe.frames.together import as_options
    from nextframe.inspection.covariates import look_beside
    from nextframe.inspection.side_by_side import side_by_side

    named, held = held_in(options)
    config = RunConfig().replace(as_options(named)).data
    opened = open_source(listed(list(many)), config)
    return side_by_side(opened, config, beside=look_beside(opened, config, held, face))


inspect_path = inspect
"""Its name of version 0.1."""


__all__ = [
    "calibrate_run",
    "compare_sources",
    "export",
    "fit",
    "forecast",
    "forecast_file",
    "grade_file",
    "inspect",
    "inspect_path",
    "load_run",
    "print_table",
    "resolve",
    "verify",
    "verify_run",
    "windows",
]
