"""A forecast issued from a place in a sequence, with the frames that it started from and those that came."""

from __future__ import annotations

from dataclasses import replace

from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.matching import match_distribution
from nextframe.forecasting.start import start_at
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.sequence import FrameSequence


def issue(
    model: TrainedForecaster,
    sequence: FrameSequence,
    first: int,
    *,
    lead_times: int | None = None,
    matched: bool = False,
    members: bool = True,
    tile: int | None = None,
    overlap: int | None = None,
) -> tuple[Forecast, FrameSequence, FrameSequence | None]:
    """Forecast the frames of a sequence from frame `first` on, from those before it.

    Args:
        model: what forecasts.
        sequence: the frames.
        first: number of the first frame to forecast, which the sequence need not hold.
        lead_times: number of frames to forecast; by default as many as the model was trained for.
        matched: give the forecast the distribution of the last frame seen (`forecasting.matching`).
        members: whether the forecast is to know its uncertainty.
        tile: forecast in tiles of so many pixels along both axes.
        overlap: pixels that tiles share.

    Returns:
        The forecast, the frames that it started from, and the true frames where the sequence has them all.

    Raises:
        ConfigError: no frame before the first one, or fewer than one lead time.
    """
    data = model.config.data
    lead_times = data.future if lead_times is None else lead_times
    begin = start_at(sequence, first, past=data.past, lead_times=lead_times)
    past = begin.past
    forecast = model.forecast(past, lead_times, members=members, tile=tile, overlap=overlap)
    if matched:
        values = match_distribution(forecast.values, past.read(len(past) - 1, len(past))[0])
        forecast = replace(forecast, values=values, forecaster=f"{forecast.forecaster}, matched")
    return forecast, past, begin.truth
