"""The package in a few calls: fit, load, forecast, verify, inspect. The command line calls these and nothing below
them.
"""

from __future__ import annotations

import math
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from nextframe.config import DataConfig, RunConfig
from nextframe.data.coverage import coverage
from nextframe.data.normalise import choose_threshold, fit_normaliser
from nextframe.data.provenance import provenance, reading_in_words
from nextframe.data.split import Span, split_as
from nextframe.data.static import read_static
from nextframe.data.statistics import measure_spans
from nextframe.data.windows import Window, cut_windows, windows_with_past
from nextframe.errors import CheckpointError, ConfigError, DataError, ShapeError
from nextframe.files import check_writable
from nextframe.forecasting.baselines import DEFAULT as BASELINES
from nextframe.forecasting.baselines import learns, make_baselines
from nextframe.forecasting.calibration import Calibration
from nextframe.forecasting.ensemble import EnsembleForecaster
from nextframe.forecasting.forecast import Forecast, Forecaster
from nextframe.forecasting.matching import ProbabilityMatched, match_distribution
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.forecasting.trained import CALIBRATION, TrainedForecaster, Uncalibrated, in_tiles
from nextframe.frames.formats.gridded import open_dataset
from nextframe.frames.generated import GENERATED
from nextframe.frames.sequence import FrameSequence, FrameSource
from nextframe.frames.source import open_as, open_source
from nextframe.inspection.inspect import inspect_source
from nextframe.inspection.result import Inspection
from nextframe.report.html import Example, write_report
from nextframe.runs.folder import member_folders
from nextframe.runs.shipped import find_run, measured, shipped_name
from nextframe.training.fit import train, train_ensemble
from nextframe.training.presets import Preset, preset_config
from nextframe.verification.grade import grade
from nextframe.verification.result import Verification
from nextframe.verification.statistics import SCALES
from nextframe.verification.verify import verify as verify_windows
from nextframe.words import Face, in_python


def resolve(model: str = "stacked", preset: Preset = "default", **options: Any) -> RunConfig:
    """The configuration of a preset with some options changed.

    Raises:
        ConfigError: an unknown model, preset or option, or a value out of range.
    """
    return preset_config(model, preset).replace(options)


def fit(
    source: FrameSource | str | Path | None = None,
    model: str = "stacked",
    *,
    preset: Preset = "default",
    out: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
    **options: Any,
) -> TrainedForecaster:
    """Train a model, or an ensemble (`members=5`), calibrate its uncertainty on the validation part (see
    `calibrate_run`), and return it as a forecaster.

    Args:
        source: frames: an open source, "squares", or a path; by default the preset's moving squares.
        model: name of an architecture (`nextframe.architectures`).
        preset: "default" or "tutorial".
        out: the run folder; by default a new one under `runs/`.
        resume: go on with an interrupted run in `out`.
        progress: show a progress bar and a line for each epoch.
        **options: any field of `nextframe.config.RunConfig`'s sections, by its name: `epochs=3`, `filters=(64, 64)`.

    Raises:
        ConfigError: options that do not make sense, or a folder that holds another run.
        DataError, ShapeError: frames that cannot be read or trained on.
    """
    if source is not None:
        options["data"] = source.name if isinstance(source, FrameSource) else str(source)
    config = resolve(model, preset, **options)
    opened = source if isinstance(source, FrameSource) else open_as(config.data)
    run = (
        Path(out)
        if out is not None
        else _free_folder(Path("runs"), "-".join([model, *re.findall(r"\w+", _stem(config.data.data))]))
    )
    (train if config.training.members == 1 else train_ensemble)(opened, config, run, resume=resume, progress=progress)
    try:
        _calibrate(run, load_run(run), opened)
    except DataError as error:  # the weights are there, and good for forecasts without intervals
        print(f"{run} is not calibrated: {error}")
    return load_run(run)


def load_run(run: str | Path) -> TrainedForecaster:
    """A trained model, or an ensemble, from its run folder, or one of those that come with the package.

    Args:
        run: a run folder; or the name of a shipped model, where the working directory holds no folder of that name.

    Raises:
        CheckpointError: no such folder or model, no weights in it, damaged files, or files of another version.
    """
    folder = find_run(run)
    return EnsembleForecaster.load(folder) if member_folders(folder) else ModelForecaster.load(folder)


def calibrate_run(run: str | Path) -> Calibration:
    """Measure a run's errors on its validation part and write them to its `calibration.json`, from which its forecasts
    then have intervals and probabilities. `fit` does this at its end.

    Raises:
        ConfigError: a shipped model, which is not to be changed.
        CheckpointError: no such run.
        DataError: its data are not there any more, or cannot be read.
    """
    if shipped_name(run) is not None:
        raise ConfigError(
            "comes with the package, is calibrated, and is not to be changed",
            where=run,
            hint="to calibrate on other frames, train a run of your own",
        )
    path = Path(run) / CALIBRATION
    try:
        if path.is_file():
            Calibration.load(path)
    except CheckpointError:
        path.unlink()  # it is to be written again, and no run loads with a damaged one
    model = load_run(run)
    return _calibrate(run, model, open_as(model.config.data))


def _calibrate(run: str | Path, model: TrainedForecaster, source: FrameSource) -> Calibration:
    data = model.config.data
    parts = split_as(source, data)
    windows = windows_with_past(cut_windows(parts.validation, past=data.past, future=data.future, stride=data.stride))
    if not windows:
        raise DataError("its validation part holds no value to start a forecast from", where=source.name)
    calibration = Calibration.fit(model, windows)
    calibration.save(Path(run) / CALIBRATION)
    return calibration


def forecast_file(
    run: str | Path,
    source: str | Path | None = None,
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
    model = load_run(run)
    lead_times = model.config.data.future if lead_times is None else lead_times
    if source is None:
        sequence, first = _first_held_out(run, model, reading)
    else:
        sequence = open_as(replace(model.config.data, **reading), source).sequences[0]
        first = len(sequence)
    start = first if start is None else start
    if not 1 <= start <= len(sequence):
        where, hint = "start", f"see {sequence.name if source is None else source}"
        raise ConfigError(f"frame {start} cannot be forecast", where=where, expected=f"1 to {len(sequence)}", hint=hint)
    begin, end = next((a, b) for a, b in sequence.segments() if a < start <= b)
    past = sequence[max(begin, start - model.config.data.past) : start]
    known = end - start >= lead_times
    forecast = model.forecast(past, lead_times, members=members, tile=tile, overlap=overlap)
    if matched:
        values = match_distribution(forecast.values, past.read(len(past) - 1, len(past))[0])
        forecast = replace(forecast, values=values, forecaster=f"{forecast.forecaster}, matched")
    return forecast, past, sequence[start : start + lead_times] if known else None


def _first_held_out(run: str | Path, model: TrainedForecaster, reading: Mapping[str, Any]) -> tuple[FrameSequence, int]:
    """A sequence that a run has held out, and the first frame of it that can be forecast from a whole past."""
    source, spans = _held_out(run, model, None, reading, "source")
    data = model.config.data
    windows = cut_windows(spans, past=data.past, future=data.future, stride=data.stride)
    window = next((window for window in windows if windows_with_past([window])), None)
    if window is None:
        raise DataError("its test part holds no value to start a forecast from", where=source.name)
    return window.sequence, window.start + window.past


def _held_out(
    run: str | Path, model: TrainedForecaster, data: str | Path | None, reading: Mapping[str, Any], option: str
) -> tuple[FrameSource, Sequence[Span]]:
    """What to verify a run on: other data where such are named, else what it has held out."""
    config = model.config.data
    if data is None and reading:
        raise ConfigError(
            "only for reading other data",
            where=", ".join(reading),
            hint=f"name it with {{{option}=SOURCE}}, or leave this out",
        )
    name = shipped_name(run)
    chosen = data if data is not None or name is None else measured(name).held_out
    own = config.data if chosen is None else str(chosen)
    if data is None and name is not None and own.partition(":")[0] not in GENERATED and not Path(own).exists():
        raise ConfigError(
            "the frames that it was measured on do not come with the package",
            where=name,
            expected=own,
            hint=f"name frames of your own with {{{option}=SOURCE}}",
        )
    source = open_as(replace(config, **reading), chosen)
    if chosen is not None:
        return source, [Span(sequence, 0, len(sequence)) for sequence in source.sequences]
    spans = split_as(source, config).test
    if not spans:
        raise ConfigError("the run held out no test part", where=run, hint=f"name frames with {{{option}=SOURCE}}")
    return replace(source, name=f"{source.name}, test part"), spans


def verify(
    forecasters: Forecaster | Sequence[Forecaster],
    source: FrameSource | str | Path,
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
        source: an open source, or what `open_source` takes.
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
        command: how the scores were made; by default the program's own command line.
        progress: show a progress bar.
    """
    opened = source if isinstance(source, FrameSource) else open_source(source)
    spans = [Span(sequence, 0, len(sequence)) for sequence in opened.sequences]
    return _verify_spans(
        [forecasters] if isinstance(forecasters, Forecaster) else list(forecasters),
        spans,
        opened.name,
        past=past,
        lead_times=lead_times,
        baselines=baselines,
        thresholds=thresholds,
        scales=scales,
        stride=stride,
        limit=limit,
        out=out,
        examples=examples,
        title=title,
        command=command,
        progress=progress,
    )


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
    model = in_tiles(load_run(run), tile, overlap)
    config = model.config.data
    source, spans = _held_out(run, model, data, reading, "data")
    if source.frame_shape[0] != model.card.channels:
        raise ShapeError(
            "has another number of channels than the model was trained on",
            where=source.name,
            expected=model.card.channels,
            received=source.frame_shape[0],
            hint="give it the same kind of frames",
        )
    model.check_kind(source.sequences[0])
    # What an ensemble's members say by themselves is verified beside what calibration makes of it.
    leads = config.future if lead_times is None else lead_times
    calibrated = model.calibration is not None and leads <= model.calibration.lead_times
    apart = [Uncalibrated(model)] if model.knows_uncertainty and calibrated else []
    return _verify_spans(
        [*([ProbabilityMatched(model)] if matched else []), model, *apart],
        spans,
        source.name,
        past=config.past,
        lead_times=leads,
        baselines=baselines,
        thresholds=thresholds if thresholds is not None else _own_thresholds(run, model),
        scales=scales,
        stride=config.stride,
        limit=limit,
        out=out if out is not None or shipped_name(run) is not None else run,
        examples=examples,
        title=f"{Path(run).name}: forecast skill",
        command=command,
        progress=progress,
        training=_training_part(config) if learns(baselines) else (),
        about={**reading_in_words(replace(config, **reading)), "trained by": _trained_by(run)},
    )


def _own_thresholds(run: str | Path, model: TrainedForecaster) -> Sequence[float]:
    """Those of a shipped model's card; else that of the training."""
    name = shipped_name(run)
    return [model.card.threshold] if name is None else measured(name).thresholds


def _trained_by(run: str | Path) -> str:
    """The command that trains a run again."""
    if shipped_name(run) is not None:
        return f"the command on its card: nextframe inspect --models {run}"
    return shlex.join(["nextframe", "train", "--config", str(Path(run) / "config.yaml")])


def _training_part(config: DataConfig) -> Sequence[Span]:
    """What a run was trained on."""
    return split_as(open_as(config), config).train


def grade_file(
    forecast: str | Path,
    observation: str | Path,
    *,
    thresholds: Sequence[float] | None = None,
    scales: Sequence[int] = SCALES,
    **options: Any,
) -> Verification:
    """Grade a NetCDF or Zarr forecast file, whoever made it, against observations.

    Args:
        forecast: the file; lead times along its first axis.
        observation: what `open_source` takes.
        thresholds: in source units, for CSI; chosen from the observations by default.
        scales: neighbourhoods of the fractions skill score, in pixels along each side.
        **options: how to read the observations: `crop`, `rain_unit`, `coarsen`, `grey`, `variable`, `missing`.

    Raises:
        DataError: a forecast that cannot be read, or that the observations do not cover.
        ShapeError: grids of different sizes.
    """
    config = DataConfig(data=str(observation), **options)
    source = open_as(config)
    spans = [Span(sequence, 0, len(sequence)) for sequence in source.sequences]
    if thresholds is None:
        thresholds = [_threshold(spans)]
    with open_dataset(Path(forecast)) as dataset:
        found = grade(dataset, source, thresholds=thresholds, scales=scales, data=source.name, command=_command())
    about = {
        **provenance([Span(sequence, 0, len(sequence)) for sequence in source.sequences]),
        **reading_in_words(config),
    }
    return replace(found, notes=tuple(_unreached(found)), provenance=about)


def inspect_path(path: str | Path, *, face: Face = in_python, **options: Any) -> Inspection:
    """Find out what is in a source, what is wrong with it, and what there is to beat."""
    config = DataConfig(data=str(path), **options)
    source = open_as(config)
    read_static(config, source.sequences[0])  # a training would stop at what is wrong with them
    return inspect_source(
        source,
        past=config.past,
        future=config.future,
        validation=config.validation,
        test=config.test,
        gap=config.gap,
        stride=config.stride,
        normalisation=config.normalisation,
        by=config.split,
        test_from=None if config.test_from is None else datetime.fromisoformat(config.test_from),
        face=face,
    )


def _verify_spans(
    forecasters: Sequence[Forecaster],
    spans: Sequence[Span],
    data: str,
    *,
    past: int,
    lead_times: int,
    baselines: Sequence[str],
    thresholds: Sequence[float] | None,
    scales: Sequence[int],
    stride: int,
    limit: int | None,
    out: str | Path | None,
    examples: int,
    title: str | None,
    command: str | None,
    progress: bool,
    training: Sequence[Span] = (),
    about: Mapping[str, str] | None = None,
) -> Verification:
    if limit is not None and limit < 1:
        raise ConfigError("is too small", where="limit", expected="at least 1", received=limit)
    if examples < 0:
        raise ConfigError("is negative", where="examples", expected="0 or more", received=examples)
    if out is not None:
        check_writable(Path(out) / "verification.json")
    windows: Sequence[Window] = cut_windows(spans, past=past, future=lead_times, stride=stride)
    if limit is not None and limit < len(windows):
        windows = [windows[i * len(windows) // limit] for i in range(limit)]
    chosen, windows = len(windows), windows_with_past(windows)
    if chosen and not windows:
        raise DataError(f"none of its {chosen} windows starts from a frame with a value: all is missing", where=data)
    everyone = [*forecasters, *make_baselines(baselines, training)]
    verification = verify_windows(
        everyone,
        windows,
        thresholds=thresholds if thresholds is not None else [_threshold(spans)],
        scales=scales,
        data=data,
        command=command or _command(),
        progress=progress,
    )
    damage = spans[0].sequence.damage
    notes = [coverage(spans, past=past, future=lead_times, stride=stride).sentence]
    if len(windows) < chosen:
        notes.append(f"{chosen - len(windows)} of {chosen} windows start from frames without a value")
    notes += [damage.sentence if damage is not None else "", *_unreached(verification)]
    verification = replace(
        verification, notes=tuple(filter(None, notes)), provenance={**provenance(spans), **(about or {})}
    )
    if out is not None:
        verification.to_json(Path(out) / "verification.json")
        number = min(examples, len(windows))
        shown = [_example(everyone, windows[i * len(windows) // number]) for i in range(number)]
        write_report(Path(out) / "report.html", verification, examples=shown, title=title or f"Forecasts of {data}")
    return verification


def _unreached(verification: Verification) -> Iterator[str]:
    """Thresholds that no observed value reaches, each in a sentence."""
    scores = next(iter(verification.scores.values()))
    for threshold in verification.thresholds:
        if not any(map(math.isfinite, scores[f"pod_{threshold:g}"])):
            yield f"no observed value reaches the threshold {threshold:g}: choose a lower one, its scores say nothing"


def _command() -> str:
    """The program's own command line."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _threshold(spans: Sequence[Span]) -> float:
    """What counts as an event where nobody says; in frames that are all the same, dry ones, nothing tells it."""
    statistics = measure_spans(spans)
    if statistics.constant:
        return 0.5
    return choose_threshold(spans, fit_normaliser(spans, statistics=statistics))


def _example(forecasters: Sequence[Forecaster], window: Window) -> Example:
    """One window with everyone's forecast, for the report's animation."""
    past, truth = window.read()
    sequence = window.sequence[window.start : window.start + window.past]
    return Example(
        past=past, truth=truth, forecasts=[forecaster.forecast(sequence, window.future) for forecaster in forecasters]
    )


def _stem(source: str) -> str:
    return Path(source.partition(":")[0]).stem


def _free_folder(parent: Path, name: str) -> Path:
    """A folder of this name that is not there yet, numbered if need be."""
    folder, number = parent / name, 1
    while folder.exists():
        number += 1
        folder = parent / f"{name}-{number}"
    return folder


__all__ = [
    "calibrate_run",
    "fit",
    "forecast_file",
    "grade_file",
    "inspect_path",
    "load_run",
    "resolve",
    "verify",
    "verify_run",
]
