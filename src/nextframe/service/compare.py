"""A forecast of uploaded frames with what stands beside it: baselines, the truth, probabilities; for the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nextframe.errors import NextframeError
from nextframe.forecasting.adapt import Prepared
from nextframe.forecasting.baselines import make_baseline, names
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.report.player import described, told
from nextframe.service.limits import Limits, Refused, said
from nextframe.service.starting import forecast_from

_DRAWN = 32
"""Members that a forecast is taken to have, to bound what it takes."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Wishes of a request beside the forecast."""

    beside: tuple[str, ...] = ()
    """Names of baselines."""
    check: bool = False
    """Whether the last frames are held back as the truth."""
    threshold: float | None = None
    """Threshold of an event, whose probability is wanted."""
    past: bool = False
    """Whether the frames before it are wanted, too."""
    packed: bool = False
    """Whether frames are to be packed."""

    @property
    def fields(self) -> int:
        """Fields of each lead time that the answer has."""
        return 1 + len(self.beside) + self.check + (self.threshold is not None)

    @classmethod
    def of(cls, query: Any) -> Asked:
        """Wishes that a query states.

        Raises:
            Refused: a baseline that there is not, or a threshold that is no number.
        """
        beside = beside_of(query.get("beside", ""))
        try:
            threshold = float(query["threshold"]) if "threshold" in query else None
        except ValueError as error:
            raise Refused(422, f"threshold is no number: {query['threshold'][:40]}") from error
        if threshold is not None and not math.isfinite(threshold):
            raise Refused(422, "threshold is not finite")
        flags = {name: query.get(name) == "true" for name in ("check", "past", "packed")}
        return cls(beside=beside, threshold=threshold, **flags)


def beside_of(text: str) -> tuple[str, ...]:
    """Names of baselines, separated by commas.

    Raises:
        Refused: a baseline that there is not.

    >>> beside_of("persistence,extrapolation")
    ('persistence', 'extrapolation')
    """
    beside = tuple(dict.fromkeys(filter(None, text.split(","))))
    unknown = [name for name in beside if name not in names()]
    if unknown:
        raise Refused(422, f"there is no baseline {unknown[0][:40]!r}: {', '.join(names())}")
    return beside


def baselines_of(
    wanted: Sequence[str], past: FrameSequence, lead_times: int
) -> tuple[dict[str, FloatArray], Sequence[str]]:
    """Forecasts of baselines by their names, and a sentence for each that cannot forecast."""
    beside: dict[str, FloatArray] = {}
    notes = []
    for name in wanted:
        try:
            beside[name] = make_baseline(name).forecast(past, lead_times, members=False).values
        except NextframeError as error:
            notes.append(f"No {name}: {said(error)}.")
    return beside, notes


def halves(frames: FrameSequence, lead_times: int, *, check: bool) -> tuple[FrameSequence, FloatArray | None]:
    """Frames to start from, and those that are held back as the truth.

    Raises:
        Refused: too few frames to hold some back.
    """
    end = len(frames) - lead_times if check else len(frames)
    if end < 1:
        raise Refused(422, f"none of the {len(frames)} frames is left to start from when {lead_times} are held back")
    return frames[:end], frames.read(end, len(frames)) if check else None


def compared(
    model: TrainedForecaster,
    name: str,
    prepared: Prepared,
    truth: FloatArray | None,
    lead_times: int,
    asked: Asked,
    limits: Limits,
) -> dict[str, Any]:
    """The model's forecast and what is wanted beside it; with the frames before it, all that the player shows.

    Args:
        model: what forecasts.
        name: what it is called here.
        prepared: frames to start from.
        truth: frames that came (K, C, H, W), where they are known.
        lead_times: number of frames to forecast.
        asked: what is wanted beside it.
        limits: of what it may take.

    Raises:
        NextframeError: frames that the model cannot forecast from.
    """
    notes: list[str] = []
    past = prepared.start.past
    _, channels, height, width = past.shape
    room = lead_times * channels * height * width * _DRAWN <= limits.values
    forecast = forecast_from(model, name, prepared, lead_times, members=asked.threshold is not None and room)
    probability: FloatArray | None = None
    if asked.threshold is not None:
        try:
            probability = forecast.probability(asked.threshold)
        except NextframeError as error:
            notes.append(f"No probabilities: {said(error) if room else 'the frames are too large for them here'}.")
    beside, remarks = baselines_of(asked.beside, past, lead_times)
    notes += remarks
    frames: dict[str, Any] = {"truth": truth, "probability": probability, "threshold": asked.threshold}
    if asked.past:
        return described(forecast, past=past.read(0, len(past)), beside=beside, notes=notes, **frames)
    wanted: dict[str, Any] = {"beside": list(beside.items()) or None, **frames}
    there = {name: value for name, value in wanted.items() if value is not None}
    return {**told(forecast), "values": forecast.values, **there, "notes": notes}


def said_of(inspection: Any) -> Sequence[str]:
    """Findings of the doctor in a file, in sentences."""
    said = [f"{inspection.frames} frames of {inspection.height} x {inspection.width} pixels."]
    for channel in inspection.channels:
        unit = "" if channel.unit == "1" else f" {channel.unit}"
        values = "no value" if channel.low is None else f"{channel.low:.4g} to {channel.high:.4g}{unit}"
        said.append(f"{channel.name}: {values}.")
    if inspection.time_span:
        said.append(f"From {' to '.join(inspection.time_span)}, every {inspection.time_step}.")
    if inspection.missing_share:
        said.append(f"{inspection.missing_share:.1%} of the values are missing.")
    said += [each for each in (inspection.lost, inspection.damage, *inspection.notes) if each]
    return said
