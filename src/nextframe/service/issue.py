"""Forecasts that are always issued: by the model, else by extrapolation, else by persistence; and why.

A function of the frames alone: the same frames give the same forecast, whenever and in whatever order they came.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from nextframe.errors import NextframeError
from nextframe.forecasting.adapt import Prepared
from nextframe.forecasting.baselines import make_baseline
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.service.limits import said

FALLBACK = "nextframe_fallback"
"""Attribute of a forecast that the model did not make: what made it, and why."""
LEADS_ON = ("extrapolation", "persistence")
"""What stands in, in this order."""


class Issued(NamedTuple):
    """A forecast that was issued."""

    forecast: Forecast
    """The forecast."""
    why: str
    """Why it is not the model's; empty where it is."""
    graded: Callable[[], Forecast]
    """The same forecast with what it is graded by: where its members are not issued, they are brought to its grid when
    they are asked for, so that the forecast need not wait for them."""


def issue_always(
    model: TrainedForecaster,
    prepared: Prepared,
    *,
    lead_times: int,
    members: bool = False,
    graded: bool = False,
    ready: Callable[[TrainedForecaster], TrainedForecaster] = lambda model: model,
    because: str = "",
) -> Issued:
    """Forecast the frames that follow, from those since the last gap.

    Args:
        model: what forecasts, where it can.
        prepared: the last frames, as the model sees them and as they are.
        lead_times: number of frames to forecast.
        members: whether the forecast is to know its uncertainty, where the model does.
        graded: whether it is to be known afterwards, to grade it.
        ready: gives the model what else it reads, which may not be there.
        because: why there are no more frames, where that is known.

    Raises:
        DataError: frames that nothing can be forecast from.
    """
    past, needed = prepared.start.past, model.config.data.past
    why = ""
    if len(prepared.frames) < needed:
        why = because or f"{len(past)} of the {needed} frames that it starts from are there without a gap"
    if not why:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what was done to the frames stands in the product's comment
                drawn = ready(model).forecast(prepared.frames, lead_times, members=members or graded)
        except NextframeError as error:
            why = said(error)
        else:
            shown = model.on_own_grid(prepared, drawn if members else replace(drawn, members=None))
            if members or not graded:
                return _alone(shown, "")
            return Issued(shown, "", partial(model.on_own_grid, prepared, drawn, as_fields=False))
    for name in LEADS_ON:
        if name == "extrapolation" and len(past) < 2:
            continue
        try:
            forecast = make_baseline(name).forecast(past, lead_times, members=False)
        except NextframeError:
            continue
        note = f"{name} in place of the model: {why}"
        return _alone(replace(forecast, attributes={**forecast.attributes, FALLBACK: note}), note)
    forecast = make_baseline(LEADS_ON[-1]).forecast(past, lead_times, members=False)  # which says what is wrong
    return _alone(forecast, why)


def _alone(forecast: Forecast, why: str) -> Issued:
    """A forecast that is graded as it is."""
    return Issued(forecast, why, lambda: forecast)
