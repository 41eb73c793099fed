"""Verification of runs: on what they held out, or on other frames read as they read their own."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextframe.config import Matched
from nextframe.data.provenance import reading_in_words
from nextframe.errors import ShapeError
from nextframe.forecasting.baselines import learns
from nextframe.forecasting.forecast import Forecaster
from nextframe.forecasting.matching import ProbabilityMatched, QuantileMapped, way
from nextframe.frames.sequence import FrameSource
from nextframe.runs.shipped import measured, shipped_name
from nextframe.verification.entrants import Entrant, Entrants, common_data
from nextframe.verification.evaluate import evaluate
from nextframe.verification.held_out import held_out, training_part
from nextframe.verification.leave_out import Chosen, choose_frames
from nextframe.verification.protocols import named
from nextframe.verification.result import Verification
from nextframe.verification.scales import SCALES
from nextframe.verification.thresholds import Thresholds

if TYPE_CHECKING:
    from nextframe.forecasting.trained import TrainedForecaster
    from nextframe.frames.source import Source


def evaluate_entrants(
    entrants: Entrants,
    *,
    data: Source | None = None,
    reading: Mapping[str, Any] | None = None,
    lead_times: int | None = None,
    matched: Matched | bool = False,
    tile: int | None = None,
    overlap: int | None = None,
    covariates: Sequence[Source] | None = None,
    future_covariates: Sequence[Source] | None = None,
    baselines: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    scales: Sequence[int] = SCALES,
    protocol: str | None = None,
    limit: int | None = None,
    examples: int = 0,
    seen: bool = False,
    command: str = "",
    progress: bool = False,
) -> Verification:
    """Verify a run, or several on the same windows: on the test part of the first one's data, or on those frames of
    another source that none of them has seen in its training.

    Of several each has its own name, sees as many frames of the past as it was trained with, and is judged beside those
    that follow; a single one is called "model", and what an ensemble's members say by themselves stands beside it.

    Args:
        entrants: runs, and baselines that were named among them.
        data: other frames.
        reading: how to read other frames where it differs from the runs' own.
        lead_times: frames to forecast; by default as many as all of them were trained for.
        matched: let the forecast with the distribution of the last frame seen ("last", or True) or of the validation
            part lead, the model as it is beside it.
        tile: forecast in tiles of so many pixels along both axes.
        overlap: pixels that tiles share.
        covariates: sources of the observed covariates beside other data, in the order of each training's.
        future_covariates: sources of those known for the future, likewise.
        baselines: names of further baselines to verify beside them.
        thresholds: what counts as an event, in source units; by default the first run's own, or those of its card.
        scales: neighbourhoods of the fractions skill score, in pixels along each side.
        protocol: published protocol to score by as well; where it has a stride, windows are cut by that.
        limit: verify at most so many windows, evenly spread.
        examples: windows to keep with everyone's forecast, evenly spread.
        seen: verify on frames that a run was trained on, too, and name them; where no other data are named, on all of
            the first one's own.
        command: how to make the scores again, for the record.
        progress: show a progress bar.

    Raises:
        ConfigError: the run held out no test part, and no other data was named; runs that read frames differently; one
            that knows no distribution to be matched to.
        ShapeError, DataError: data of another kind, or in another unit, than a run was trained on.
    """
    from nextframe.forecasting.trained import all_with_given, in_tiles  # whoever has a model has loaded torch

    reading = reading or {}
    models = all_with_given(entrants.models, covariates, future_covariates, own=data is None)
    (first, model), *others = models.items()
    config = common_data(entrants, reading)
    source, spans = held_out(entrants.runs[first], config, data, reading=reading, manifest=model.manifest, whole=seen)
    for each in models.values():
        _hold_to_kind(each, source)
    chosen = Chosen(spans=spans)
    if seen or data is not None:
        chosen = choose_frames(spans, models, source.name, seen=seen)
    elif others:  # what the first one holds out, others may have seen
        chosen = choose_frames(spans, dict(others), source.name)
    past, leads = config.past, min(each.config.data.future for each in models.values())
    everyone: list[Forecaster] = [in_tiles(model, tile, overlap)]
    if others:
        everyone = [Entrant(in_tiles(each, tile, overlap), name) for name, each in models.items()]
        past = max(each.config.data.past for each in models.values())
    leads = leads if lead_times is None else lead_times
    names = tuple(dict.fromkeys((*entrants.baselines, *baselines)))
    return evaluate(
        [
            *(
                each
                for one, model in zip(everyone, models.values(), strict=True)
                for each in _with_matched(one, model, way(matched), leads)
            ),
            *([] if others else _apart(model, leads)),
        ],
        chosen,
        source.name,
        past=past,
        lead_times=leads,
        baselines=names,
        training=training_part(config) if learns(names) else (),
        thresholds=_own_thresholds(entrants.runs[first]) if thresholds is None else thresholds,
        usual=model.manifest.threshold,
        scales=scales,
        protocol=protocol,
        stride=config.stride if protocol is None or not named(protocol).data.stride else None,
        limit=limit,
        examples=examples,
        judged=len(everyone) * (2 if matched else 1) if others else 1,
        about={**reading_in_words(replace(config, **reading)), **_trainings(entrants)},
        command=command,
        progress=progress,
    )


def _with_matched(
    one: Forecaster, model: TrainedForecaster, matched: Matched | None, lead_times: int
) -> list[Forecaster]:
    """A forecaster, after what is matched of it."""
    if matched is None:
        return [one]
    if matched == "last":
        return [ProbabilityMatched(one), one]
    return [QuantileMapped(one, model.quantile_map(lead_times), model.door.limits), one]


def _apart(model: TrainedForecaster, lead_times: int) -> list[Forecaster]:
    """Members of an ensemble by themselves, beside what calibration makes of it."""
    from nextframe.forecasting.trained import Uncalibrated

    calibrated = model.calibration is not None and lead_times <= model.calibration.lead_times
    return [Uncalibrated(model)] if model.knows_uncertainty and calibrated else []


def _trainings(entrants: Entrants) -> dict[str, str]:
    """The commands that train the runs again, for the record."""
    if len(entrants.runs) == 1:
        return {"trained by": _trained_by(next(iter(entrants.runs.values())))}
    return {f"{name} trained by": _trained_by(run) for name, run in entrants.runs.items()}


def _hold_to_kind(model: TrainedForecaster, source: FrameSource) -> None:
    """Hold frames to the kind that a model was trained on."""
    if source.frame_shape[0] != model.manifest.channels and not model.config.model.channelwise:
        raise ShapeError(
            "has another number of channels than the model was trained on",
            where=source.name,
            expected=model.manifest.channels,
            received=source.frame_shape[0],
            hint="give it the same kind of frames",
        )
    for sequence in {sequence.origin: sequence for sequence in reversed(source.sequences)}.values():
        model.check_kind(sequence)


def _own_thresholds(run: str | Path) -> Sequence[float] | None:
    """Thresholds of a shipped model's card; None for other runs."""
    name = shipped_name(run)
    return None if name is None else measured(name).thresholds


def _trained_by(run: str | Path) -> str:
    """The command that trains a run again."""
    if shipped_name(run) is not None:
        return "the command on its card"
    if not Path(run).is_dir():
        return "its run, before it was exported"
    return shlex.join(["nextframe", "train", "--config", str(Path(run) / "config.yaml")])
