"""Trainings in a call: from a source and options to a run folder and its forecaster."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from nextframe.config import RunConfig
from nextframe.errors import ConfigError
from nextframe.training.presets import Preset, preset_config

if TYPE_CHECKING:
    from torch import nn

    from nextframe.forecasting.trained import TrainedForecaster
    from nextframe.frames.sequence import FrameSource
    from nextframe.frames.source import Source
    from nextframe.options import Options


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
