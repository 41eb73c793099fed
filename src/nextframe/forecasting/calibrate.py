"""Calibration of a run: its errors measured on its validation part and kept in its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from torch import nn

from nextframe.data.split import split_as
from nextframe.data.windows import cut_windows, windows_with_past
from nextframe.errors import CheckpointError, ConfigError, DataError
from nextframe.forecasting.calibration import WINDOWS, Calibration
from nextframe.forecasting.load import load_run
from nextframe.forecasting.trained import CALIBRATION, TrainedForecaster
from nextframe.frames.sequence import FrameSource
from nextframe.frames.source import Source, open_as
from nextframe.runs.shipped import shipped_name


def calibrate_run(
    run: str | Path,
    source: FrameSource | None = None,
    *,
    limit: int | None = None,
    module: nn.Module | None = None,
    covariates: Mapping[str, Source] | None = None,
) -> Calibration:
    """Measure a run's errors on its validation part and write them to its `calibration.json`, from which its forecasts
    then have intervals and probabilities. Training does this at its end.

    Args:
        run: the run folder of a model or an ensemble.
        source: its frames, where they are open already.
        limit: forecasts that it stands on, at most; by default as many as usual.
        module: as `load_run` takes it.
        covariates: those of the training that are in memory, by their names.

    Raises:
        ConfigError: a shipped model, which is not to be changed.
        CheckpointError: no such run.
        DataError: its data are not there any more, cannot be read, or have no value to start a forecast from.
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
    model = load_run(run, module)
    data, held = model.config.data, covariates or {}
    named = (data.covariates, data.future_covariates)
    model = model.with_covariates(*([held.get(name, name) for name in names] for names in named))
    calibration = measured(model, source, limit=limit)
    calibration.save(path)
    return calibration


def measured(model: TrainedForecaster, source: FrameSource | None = None, *, limit: int | None = None) -> Calibration:
    """A model's errors on the validation part of its training's frames; arguments and errors of `calibrate_run`.

    All frames that are forecast are of that part; the first of them are forecast from frames before it, since frames
    that a forecast starts from need not be unknown.
    """
    data = model.config.data
    source = source or open_as(data)
    spans = [replace(span, start=max(span.start - data.past, 0)) for span in split_as(source, data).validation]
    windows = windows_with_past(cut_windows(spans, past=data.past, future=data.future, stride=data.stride))
    if not windows:
        raise DataError("its validation part holds no value to start a forecast from", where=source.name)
    return Calibration.fit(
        model,
        windows,
        limit=WINDOWS if limit is None else limit,
        pooled=model.config.model.channelwise,
        limits=model.door.limits,
        motion=model.door.motion if model.door.moves else None,
    )


def calibrate_or_tell(
    run: str | Path,
    source: FrameSource,
    tell: Callable[[str], None],
    *,
    limit: int | None = None,
    module: nn.Module | None = None,
    covariates: Mapping[str, Source] | None = None,
) -> None:
    """`calibrate_run` at the end of a training, whose weights are good for forecasts without intervals, too: where the
    data do not let it be calibrated, that is said.
    """
    try:
        calibrate_run(run, source, limit=limit, module=module, covariates=covariates)
    except DataError as error:
        tell(f"{run} is not calibrated: {error}")
