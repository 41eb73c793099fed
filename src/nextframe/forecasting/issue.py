"""Forecasts issued from a source by whoever is named, a run or a baseline, with the frames that they started from and
those that came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nextframe.config import Matched, Reading
from nextframe.data.limits import Limits, limits_by_kind
from nextframe.data.split import Span
from nextframe.errors import ConfigError, DataError
from nextframe.forecasting.adapt import Adapted, Prepared, adapt
from nextframe.forecasting.baselines import Baseline, make_baseline
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.matching import mapped, match_distribution, way
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.convert import convert_units
from nextframe.frames.rain import kind_of_rain
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import Source, open_source

Issued = tuple[Forecast, FrameSequence, FrameSequence | None]
"""A forecast, the frames that it started from, and the true frames where the sequence has them all."""
Tell = Callable[[str], None]

LEAD_TIMES = 8
"""Frames that a baseline forecasts where nobody says how many."""


def issue(
    model: TrainedForecaster,
    source: Source,
    first: int | None = None,
    *,
    reading: Mapping[str, Any],
    tell: Tell,
    lead_times: int | None = None,
    matched: Matched | bool = False,
    members: bool = True,
    tile: int | None = None,
    overlap: int | None = None,
) -> Issued:
    """Forecast the frames of a source's first sequence from frame `first` on, from those before it.

    Args:
        model: what forecasts.
        source: the frames; a sequence is taken as it is, others as `adapt` reads them.
        first: number of the first frame to forecast; by default the one after the last.
        reading: options of how to read the source, where it is no sequence.
        tell: takes what was done to the frames, a sentence each.
        lead_times: number of frames to forecast; by default as many as the model was trained for.
        matched: give the forecast the distribution of the last frame seen ("last", or True), or of the validation part
            (`forecasting.matching`).
        members: whether the forecast is to know its uncertainty.
        tile: forecast in tiles of so many pixels along both axes.
        overlap: pixels that tiles share.

    Raises:
        ConfigError: no frame before the first one, fewer than one lead time, or a run that knows no distribution.
        DataError: frames that the model cannot forecast from.
    """
    data = model.config.data
    lead_times = data.future if lead_times is None else lead_times
    how = way(matched)
    quantile_map = model.quantile_map(lead_times) if how == "validation" else None
    adapted = Adapted((source,)) if isinstance(source, FrameSequence) else adapt(model.manifest, source, reading)
    sequence = adapted.sequences[0]
    prepared = adapted.prepared(
        sequence, len(sequence) if first is None else first, past=data.past, lead_times=lead_times
    )
    forecast = model.forecast_prepared(prepared, lead_times, members=members, tile=tile, overlap=overlap)
    if quantile_map is not None:
        share = np.float32(prepared.share)
        values = mapped(forecast.values * share, quantile_map, model.door.limits) / share
        forecast = replace(forecast, values=values, forecaster=f"{forecast.forecaster}, matched to validation")
    return _issued(forecast, prepared, tell, matched=how == "last")


def issue_baseline(
    baseline: Baseline,
    source: Source | None,
    first: int | None = None,
    *,
    reading: Mapping[str, Any],
    tell: Tell,
    lead_times: int | None = None,
    matched: Matched | bool = False,
    members: bool = True,
) -> Issued:
    """Forecast with a baseline; arguments and errors of `issue`. What it learns from, if it does, are the frames before
    the first that it forecasts.

    Raises:
        ConfigError: no source, or a baseline whose library is not installed.
        DataError: fewer frames than it takes.
    """
    how = way(matched)
    if how == "validation":
        raise ConfigError(
            "has no validation part", where=baseline.name, hint="leave {matched} out, or give {matched=last}"
        )
    if source is None:
        raise ConfigError(
            "was trained on no frames, and has none to forecast from", where=baseline.name, hint="name some: {source}"
        )
    opened = open_source(source, Reading().but(reading))
    sequence = opened.sequences[0]
    notes: tuple[str, ...] = ()
    if "rain" in baseline.needs and all(kind_of_rain(unit) == "reflectivity" for unit in sequence.units):
        rates = convert_units(sequence, ("mm/h",) * len(sequence.units))
        if rates is not None:
            notes = (f"{opened.name}: brought from {sequence.units[0]} to mm/h, since {baseline.name} is of rain",)
            sequence = rates
    lead_times = LEAD_TIMES if lead_times is None else lead_times
    first = len(sequence) if first is None else first
    prepared = Adapted((sequence,), notes=notes).prepared(sequence, first, past=baseline.frames, lead_times=lead_times)
    if len(prepared.frames) < baseline.frames:
        raise DataError(
            f"holds fewer frames in a row than {baseline.name} takes",
            where=sequence.name,
            expected=f"{baseline.frames} or more before frame {first}",
            received=len(prepared.frames),
        )
    forecaster = make_baseline(baseline.name, [Span(sequence, 0, first)])
    limits = limits_by_kind(sequence.units, eight_bit=sequence.values.dtype == np.uint8)
    forecast = prepared.back(_within(limits, forecaster.forecast(prepared.frames, lead_times, members=members)), limits)
    if forecast.members is None and members:
        forecast = replace(forecast, no_members="take steps, an ensemble, or a model that knows its uncertainty")
    return _issued(forecast, prepared, tell, matched=how == "last")


def _within(limits: Limits, forecast: Forecast) -> Forecast:
    members = None if forecast.members is None else limits.hold(forecast.members)
    return replace(forecast, values=limits.hold(forecast.values), members=members)


def _issued(forecast: Forecast, prepared: Prepared, tell: Tell, *, matched: bool) -> Issued:
    past = prepared.start.past
    if matched:
        values = match_distribution(forecast.values, past.read(max(len(past) - 2, 0), len(past)))
        forecast = replace(forecast, values=values, forecaster=f"{forecast.forecaster}, matched")
    for note in prepared.notes:
        tell(note)
    return forecast, past, prepared.start.truth
