"""Forecasts that are always issued: by the model, else by extrapolation, else by persistence; and why.

A function of the frames alone: the same frames give the same forecast, whenever and in whatever order they came.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

from nextframe.errors import NextframeError
from nextframe.forecasting.adapt import Prepared
from nextframe.forecasting.baselines import make_baseline
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.trained import TrainedForecaster

FALLBACK = "nextframe_fallback"
"""Attribute of a forecast that the model did not make: what made it, and why."""
LEADS_ON = ("extrapolation", "persistence")
"""What stands in, in this order."""


def issue_always(
    model: TrainedForecaster,
    prepared: Prepared,
    *,
    lead_times: int,
    members: bool = False,
    ready: Callable[[TrainedForecaster], TrainedForecaster] = lambda model: model,
) -> tuple[Forecast, str]:
    """Forecast the frames that follow, from those since the last gap.

    Args:
        model: what forecasts, where it can.
        prepared: the last frames, as the model sees them and as they are.
        lead_times: number of frames to forecast.
        members: whether the forecast is to know its uncertainty, where the model does.
        ready: gives the model what else it reads, which may not be there.

    Returns:
        The forecast, and why it is not the model's; empty where it is.

    Raises:
        DataError: frames that nothing can be forecast from.
    """
    past, needed = prepared.start.past, model.config.data.past
    why = ""
    if len(prepared.frames) < needed:
        why = f"{len(past)} of the {needed} frames that it starts from are there without a gap"
    if not why:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what was done to the frames stands in the product's comment
                return ready(model).forecast_prepared(prepared, lead_times, members=members), ""
        except NextframeError as error:
            why = str(error)
    for name in LEADS_ON:
        if name == "extrapolation" and len(past) < 2:
            continue
        try:
            made = make_baseline(name).forecast(past, lead_times, members=False)
        except NextframeError:
            continue
        note = f"{name} in place of the model: {why}"
        return replace(made, attributes={**made.attributes, FALLBACK: note}), note
    made = make_baseline(LEADS_ON[-1]).forecast(past, lead_times, members=False)  # which says what is wrong
    return made, why
