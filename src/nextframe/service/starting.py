"""Uploaded frames as a model was trained to see them, and its forecast back on their own grid."""

from __future__ import annotations

import warnings
from dataclasses import replace

from nextframe.forecasting.adapt import Adapted, Prepared, adapt
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.sequence import FrameSequence


def adapted_to(model: TrainedForecaster, frames: FrameSequence) -> Adapted:
    """Frames of a file as `nextframe forecast` brings them to what the training's were; plain numbers as they are.

    Raises:
        NextframeError: frames that cannot be brought there.
    """
    if is_plain(frames):
        return Adapted((frames,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what was done to the frames stands in the forecast's comment
        return adapt(model.manifest, frames, {})


def is_plain(frames: FrameSequence) -> bool:
    """True for numbers without a unit and a place."""
    return frames.grid is None and all(unit == "1" for unit in frames.units)


def start_from(model: TrainedForecaster, adapted: Adapted, past: FrameSequence, lead_times: int) -> Prepared:
    """The start of a forecast from the last frames of a past.

    Args:
        model: what forecasts.
        adapted: how its frames were brought to what the training's were.
        past: frames in the unit of the training, on their own grid.
        lead_times: number of frames to forecast.

    Raises:
        NextframeError: frames that nothing can be forecast from.
    """
    reach = model.config.data.past
    if is_plain(past):
        return Prepared.plain(past[max(0, len(past) - reach) :])
    return replace(adapted, sequences=(past,)).prepared(past, len(past), past=reach, lead_times=lead_times)


def forecast_from(
    model: TrainedForecaster, name: str, prepared: Prepared, lead_times: int, *, members: bool = False
) -> Forecast:
    """A forecast by a model under the name that it has here.

    Raises:
        NextframeError: frames that the model cannot forecast from.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return replace(model.forecast_prepared(prepared, lead_times, members=members), forecaster=name)
