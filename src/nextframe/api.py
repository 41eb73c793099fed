"""The package in a few calls: fit, load, forecast, verify, inspect.

Each imports the rooms that it uses when it is called, so that a forecast loads nothing of the training and an
inspection no torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextframe.config import DataConfig, RunConfig
from nextframe.forecasting.baselines import DEFAULT as BASELINES
from nextframe.training.presets import Preset, preset_config
from nextframe.verification.additive import SCALES
from nextframe.words import Face, in_python, python_call

if TYPE_CHECKING:
    from rich.console import Console

    from nextframe.forecasting.calibration import Calibration
    from nextframe.forecasting.forecast import Forecast, Forecaster
    from nextframe.forecasting.trained import TrainedForecaster
    from nextframe.frames.sequence import FrameSequence
    from nextframe.frames.source import Source
    from nextframe.inspection.result import Inspection
    from nextframe.verification.evaluate import Example
    from nextframe.verification.result import Verification

_LONGEST_NAME = 100  # characters of the name of a run folder that is made from the name of its data


def resolve(model: str = "stacked", preset: Preset = "default", **options: Any) -> RunConfig:
    """The configuration of a preset with some options changed.

    Raises:
        ConfigError: an unknown model, preset or option, or a value out of range.
    """
    return preset_config(model, preset).replace(options)


def fit(
    source: Source | None = None,
    model: str = "stacked",
    *,
    preset: Preset = "default",
    out: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
    tell: Callable[[str], None] | None = None,
    **options: Any,
) -> TrainedForecaster:
    """Train a model, or an ensemble (`members=5`), calibrate its uncertainty on the validation part (see
    `calibrate_run`), and return it as a forecaster.

    Args:
        source: frames: "squares", a path, an array, or whatever `open_source` takes; by default the preset's moving
            squares.
        model: name of an architecture (`nextframe.architectures`).
        preset: "default" or "tutorial".
        out: the run folder; by default a new one under `runs/`.
        resume: go on with an interrupted run in `out`.
        progress: show a progress bar and a line for each epoch.
        tell: takes the lines that are to be said; by default they stand above the progress bar.
        **options: any field of `nextframe.config.RunConfig`'s sections, by its name: `epochs=3`, `filters=(64, 64)`.

    Raises:
        ConfigError: options that do not make sense, or a folder that is in use or holds another run.
        DataError, ShapeError: frames that cannot be read or trained on.
        TrainingError: a loss that is not finite, or a run folder that is removed during the training.
    """
    from nextframe.errors import DataError
    from nextframe.forecasting.calibrate import calibrate_run
    from nextframe.forecasting.load import load_run
    from nextframe.frames.source import name_of, open_as, open_source
    from nextframe.runs.lock import claim, claim_new
    from nextframe.training.fit import default_tell, train, train_ensemble

    if source is not None:
        options["data"] = name_of(source)
    config = resolve(model, preset, **options)
    tell = default_tell(tell, progress)
    name = "-".join([model, *re.findall(r"\w+", _stem(config.data.data))])[:_LONGEST_NAME]
    with ExitStack() as stack:
        if out is None:
            run = stack.enter_context(claim_new("runs", name))
        else:
            run = Path(out)
            stack.enter_context(claim(run))
        opened = open_as(config.data) if source is None else open_source(source, config.data)
        work = train if config.training.members == 1 else train_ensemble
        work(opened, config, run, resume=resume, progress=progress, tell=tell)
        try:
            calibrate_run(run, opened)
        except DataError as error:  # the weights are there, and good for forecasts without intervals
            tell(f"{run} is not calibrated: {error}")
        return load_run(run)


def load_run(run: str | Path) -> TrainedForecaster:
    """Load a trained model, or an ensemble, from its run folder, or one of those that come with the package; arguments
    and errors of `nextframe.forecasting.load.load_run`.
    """
    from nextframe.forecasting.load import load_run as load

    return load(run)


def calibrate_run(run: str | Path) -> Calibration:
    """Measure a run's errors on its validation part, so that its forecasts have intervals and probabilities; arguments
    and errors of `nextframe.forecasting.calibrate.calibrate_run`.
    """
    from nextframe.forecasting.calibrate import calibrate_run as calibrate

    return calibrate(run)


def forecast_file(
    run: str | Path,
    source: Source | None = None,
    *,
    lead_times: int | None = None,
    start: int | None = None,
    matched: bool = False,
    members: bool = True,
    tile: int | None = None,
    overlap: int | None = None,
    **reading: Any,
) -> tuple[Forecast, FrameSequence, FrameSequence | None]:
    """Forecast from a file with a trained model.

    Args:
        run: the run folder, or the name of a shipped model (`load_run`).
        source: what to forecast from; its first sequence is taken. By default the first frames that were held out:
            those that a shipped model was measured on, or the test part of the run's own data.
        lead_times: number of frames to forecast; by default as many as the run was trained for.
        start: forecast the frames from this index on, from those before it; by default those beyond the end, and of
            held-out frames the first ones that can be.
        matched: give the forecast the distribution of the last frame seen (`forecasting.matching`).
        members: whether the forecast is to know its uncertainty.
        tile: forecast in tiles of so many pixels along both axes (`forecasting.tiles`), for grids beyond memory.
        overlap: pixels that tiles share; by default as `TrainedForecaster.tiled` chooses.
        **reading: how to read the source where it differs from the run's own data: `variable`, `grey`, `crop`,
            `rain_unit`, `coarsen`, `missing`, `damaged`.

    Returns:
        The forecast, the frames that it started from, none of them from before a gap in time, and the true frames where
        the file has them all.

    Raises:
        ConfigError: a start without a frame before it, or no frames to start from.
    """
    from nextframe.forecasting.load import load_run
    from nextframe.forecasting.matching import match_distribution
    from nextframe.forecasting.start import start_at
    from nextframe.frames.source import open_as
    from nextframe.verification.held_out import first_held_out

    model = load_run(run)
    lead_times = model.config.data.future if lead_times is None else lead_times
    if source is None:
        sequence, first = first_held_out(run, model.config.data, reading=reading)
    else:
        sequence = open_as(replace(model.config.data, **reading), source).sequences[0]
        first = len(sequence)
    begin = start_at(sequence, first if start is None else start, past=model.config.data.past, lead_times=lead_times)
    past = begin.past
    forecast = model.forecast(past, lead_times, members=members, tile=tile, overlap=overlap)
    if matched:
        values = match_distribution(forecast.values, past.read(len(past) - 1, len(past))[0])
        forecast = replace(forecast, values=values, forecaster=f"{forecast.forecaster}, matched")
    return forecast, past, begin.truth


def verify(
    forecasters: Forecaster | Sequence[Forecaster],
    source: Source,
    *,
    past: int = 7,
    lead_times: int = 8,
    baselines: Sequence[str] = BASELINES,
    thresholds: Sequence[float] | None = None,
    scales: Sequence[int] = SCALES,
    stride: int = 1,
    limit: int | None = None,
    out: str | Path | None = None,
    examples: int = 3,
    title: str | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Verification:
    """Verify forecasters on every window of a source, next to baselines.

    Args:
        forecasters: one or several.
        source: what `open_source` takes.
        past: frames that each forecast starts from.
        lead_times: frames to forecast.
        baselines: names of baselines to verify beside them.
        thresholds: in source units, for CSI; chosen from the data by default.
        scales: neighbourhoods of the fractions skill score, in pixels along each side.
        stride: frames between the starts of two windows.
        limit: verify at most this many windows, evenly spread.
        out: folder to write `verification.json` and `report.html` to.
        examples: forecasts that the report animates, evenly spread.
        title: title of the report.
        command: how the scores were made, for the record; by default this call.
        progress: show a progress bar.
    """
    from nextframe.data.split import whole_spans
    from nextframe.forecasting.forecast import Forecaster
    from nextframe.frames.source import open_source
    from nextframe.verification.evaluate import check_numbers, evaluate

    check_numbers(limit=limit, examples=examples)
    _check_folder(out)
    everyone = [forecasters] if isinstance(forecasters, Forecaster) else list(forecasters)
    opened = open_source(source)
    verification, shown = evaluate(
        everyone,
        whole_spans(opened),
        opened.name,
        past=past,
        lead_times=lead_times,
        baselines=baselines,
        thresholds=thresholds,
        scales=scales,
        stride=stride,
        limit=limit,
        examples=0 if out is None else examples,
        command=command
        or python_call("nextframe.verify", [f.name for f in everyone], opened.name, past=past, lead_times=lead_times),
        progress=progress,
    )
    _write(verification, shown, out, title or f"Forecasts of {opened.name}")
    return verification


def verify_run(
    run: str | Path,
    *,
    data: str | Path | None = None,
    baselines: Sequence[str] = BASELINES,
    thresholds: Sequence[float] | None = None,
    scales: Sequence[int] = SCALES,
    lead_times: int | None = None,
    limit: int | None = None,
    matched: bool = False,
    tile: int | None = None,
    overlap: int | None = None,
    out: str | Path | None = None,
    examples: int = 3,
    command: str | None = None,
    progress: bool = True,
    **reading: Any,
) -> Verification:
    """Verify a run on the test part of its own data, or on all of another source; write the scores and the report.

    A shipped model (`load_run`) is verified on the held-out frames of its card, and nothing is written but to `out`.

    With `matched`, the forecast with the distribution of the last frame seen leads, and the model as it is stands
    beside it. `tile` and `overlap` are those of `forecast_file`. `reading` says how to read another source where it
    differs from the run's own: `variable`, `grey`, `crop`, `rain_unit`, `coarsen`, `missing`, `damaged`.
    `scales` are the neighbourhoods of the fractions skill score, in pixels along each side.

    Raises:
        ConfigError: the run held out no test part, and no other data was named.
        ShapeError, DataError: data of another kind, or in another unit, than the run was trained on.
    """
    from nextframe.forecasting.load import load_run
    from nextframe.forecasting.trained import in_tiles
    from nextframe.runs.shipped import shipped_name
    from nextframe.verification.evaluate import check_numbers
    from nextframe.verification.run import evaluate_run

    out = out if out is not None or shipped_name(run) is not None else run
    check_numbers(limit=limit, examples=examples)
    _check_folder(out)
    verification, shown = evaluate_run(
        in_tiles(load_run(run), tile, overlap),
        run,
        data=data,
        reading=reading,
        lead_times=lead_times,
        matched=matched,
        baselines=baselines,
        thresholds=thresholds,
        scales=scales,
        limit=limit,
        examples=0 if out is None else examples,
        command=command
        or python_call(
            "nextframe.api.verify_run",
            str(run),
            data=None if data is None else str(data),
            baselines=tuple(baselines),
            lead_times=lead_times,
            limit=limit,
            matched=matched or None,
            tile=tile,
            **reading,
        ),
        progress=progress,
    )
    _write(verification, shown, out, f"{Path(run).name}: forecast skill")
    return verification


def _check_folder(out: str | Path | None) -> None:
    """Find out before the work whether scores and report can be written."""
    from nextframe.files import check_writable

    if out is not None:
        check_writable(Path(out) / "verification.json")


def _write(verification: Verification, examples: Sequence[Example], out: str | Path | None, title: str) -> None:
    """Write the scores and the report, where they are wanted."""
    from nextframe.report.html import write_report

    if out is not None:
        verification.to_json(Path(out) / "verification.json")
        write_report(Path(out) / "report.html", verification, examples=examples, title=title)


def grade_file(
    forecast: str | Path,
    observation: Source,
    *,
    thresholds: Sequence[float] | None = None,
    scales: Sequence[int] = SCALES,
    command: str | None = None,
    **options: Any,
) -> Verification:
    """Grade a NetCDF or Zarr forecast file, whoever made it, against observations.

    Args:
        forecast: the file; lead times along its first axis.
        observation: what `open_source` takes.
        thresholds: in source units, for CSI; chosen from the observations by default.
        scales: neighbourhoods of the fractions skill score, in pixels along each side.
        command: how the scores were made, for the record; by default this call.
        **options: how to read the observations: `crop`, `rain_unit`, `coarsen`, `grey`, `variable`, `missing`.

    Raises:
        DataError: a forecast that cannot be read, or that the observations do not cover.
        ShapeError: grids of different sizes.
    """
    from nextframe.frames.source import name_of, open_source
    from nextframe.verification.evaluate import evaluate_file

    config = DataConfig(data=name_of(observation), **options)
    return evaluate_file(
        forecast,
        open_source(observation, config),
        config,
        thresholds=thresholds,
        scales=scales,
        command=command or python_call("nextframe.api.grade_file", str(forecast), name_of(observation), **options),
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


def inspect_path(path: Source, *, face: Face = in_python, **options: Any) -> Inspection:
    """Find out what is in a source, what is wrong with it, and what there is to beat."""
    from nextframe.data.static import read_static
    from nextframe.frames.source import name_of, open_source
    from nextframe.inspection.inspect import inspect_as

    config = DataConfig(data=name_of(path), **options)
    source = open_source(path, config)
    read_static(config, source.sequences[0])  # a training would stop at what is wrong with them
    return inspect_as(source, config, face=face)


def _stem(source: str) -> str:
    return Path(source.partition(":")[0]).stem


__all__ = [
    "calibrate_run",
    "fit",
    "forecast_file",
    "grade_file",
    "inspect_path",
    "load_run",
    "print_table",
    "resolve",
    "verify",
    "verify_run",
]
