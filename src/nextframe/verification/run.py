"""Verification of a run: on what it held out, or on other frames read as it reads its own."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextframe.data.provenance import reading_in_words
from nextframe.errors import ShapeError
from nextframe.forecasting.baselines import learns
from nextframe.forecasting.matching import ProbabilityMatched
from nextframe.runs.shipped import measured, shipped_name
from nextframe.verification.additive import SCALES
from nextframe.verification.evaluate import Example, evaluate
from nextframe.verification.held_out import held_out, training_part
from nextframe.verification.result import Verification

if TYPE_CHECKING:
    from nextframe.forecasting.trained import TrainedForecaster
    from nextframe.frames.source import Source


def evaluate_run(
    model: TrainedForecaster,
    run: str | Path,
    *,
    data: Source | None = None,
    reading: Mapping[str, Any] | None = None,
    lead_times: int | None = None,
    matched: bool = False,
    baselines: Sequence[str] = (),
    thresholds: Sequence[float] | None = None,
    scales: Sequence[int] = SCALES,
    limit: int | None = None,
    examples: int = 0,
    command: str = "",
    progress: bool = False,
) -> tuple[Verification, list[Example]]:
    """Verify a trained model on the test part of its own data, or on all of another source.

    Args:
        model: what was trained.
        run: its folder, or its name where it comes with the package.
        data: other frames, of which all are taken.
        reading: how to read other frames where it differs from the run's own.
        lead_times: frames to forecast; by default as many as it was trained for.
        matched: let the forecast with the distribution of the last frame seen lead, the model as it is beside it.
        baselines: names of baselines to verify beside it.
        thresholds: what counts as an event, in source units; by default the run's own, or those of its card.
        scales: neighbourhoods of the fractions skill score, in pixels along each side.
        limit: verify at most so many windows, evenly spread.
        examples: windows to keep with everyone's forecast, evenly spread.
        command: how to make the scores again, for the record.
        progress: show a progress bar.

    Raises:
        ConfigError: the run held out no test part, and no other data was named.
        ShapeError, DataError: data of another kind, or in another unit, than the run was trained on.
    """
    from nextframe.forecasting.trained import Uncalibrated  # whoever has a model has loaded torch

    config, reading = model.config.data, reading or {}
    source, spans = held_out(run, config, data, reading=reading)
    if source.frame_shape[0] != model.manifest.channels:
        raise ShapeError(
            "has another number of channels than the model was trained on",
            where=source.name,
            expected=model.manifest.channels,
            received=source.frame_shape[0],
            hint="give it the same kind of frames",
        )
    model.check_kind(source.sequences[0])
    leads = config.future if lead_times is None else lead_times
    # What an ensemble's members say by themselves is verified beside what calibration makes of it.
    calibrated = model.calibration is not None and leads <= model.calibration.lead_times
    apart = [Uncalibrated(model)] if model.knows_uncertainty and calibrated else []
    return evaluate(
        [*([ProbabilityMatched(model)] if matched else []), model, *apart],
        spans,
        source.name,
        past=config.past,
        lead_times=leads,
        baselines=baselines,
        training=training_part(config) if learns(baselines) else (),
        thresholds=_own_thresholds(run, model) if thresholds is None else thresholds,
        scales=scales,
        stride=config.stride,
        limit=limit,
        examples=examples,
        about={**reading_in_words(replace(config, **reading)), "trained by": _trained_by(run)},
        command=command,
        progress=progress,
    )


def _own_thresholds(run: str | Path, model: TrainedForecaster) -> Sequence[float]:
    """Thresholds of a shipped model's card; else that of the training."""
    name = shipped_name(run)
    return [model.manifest.threshold] if name is None else measured(name).thresholds


def _trained_by(run: str | Path) -> str:
    """The command that trains a run again."""
    if shipped_name(run) is not None:
        return "the command on its card"
    return shlex.join(["nextframe", "train", "--config", str(Path(run) / "config.yaml")])
