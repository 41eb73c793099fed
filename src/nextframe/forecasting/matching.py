"""Matching: a forecast with a distribution of values that was observed.

A network trained on squared errors blurs what it does not know, and forecasts too little of the strong and too much of
the weak. Where events at a threshold count, its pattern is worth more than its amounts. Squared errors grow by it.

- By the last frame: the largest value of a forecast frame is replaced by the largest of the last frame seen, the second
  by the second, and so on (E. Ebert 2001, doi 10.1175/1520-0493(2001)129<2461:AOAPMS>2.0.CO;2, for ensembles). It holds
  where as much comes as there was. That frame is moved on first, pixel by pixel: what has left the frame by then no
  longer counts, and no value is blurred, as interpolation would.
- By the validation part: values are mapped as calibration found that they should have been (`quantile_map`). It holds
  where the model errs as it did there.

Axes: B batch, T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from nextframe.config import Matched
from nextframe.data.limits import Limits
from nextframe.data.motion import motion_field, trajectories
from nextframe.data.sampling import inside
from nextframe.errors import ConfigError
from nextframe.forecasting.forecast import Forecaster
from nextframe.forecasting.quantile_map import QuantileMap
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.words import joined


def way(matched: Matched | bool | None) -> Matched | None:
    """The way in which a forecast is matched; True stands for the last frame.

    Raises:
        ConfigError: another one.

    >>> way(True), way(False), way("validation")
    ('last', None, 'validation')
    """
    chosen = "last" if matched is True else matched or None
    if chosen is not None and chosen not in get_args(Matched):
        expected = joined(get_args(Matched), "or")
        raise ConfigError("is no distribution to match to", where="matched", expected=expected, received=chosen)
    return chosen


def arriving(past: FloatArray, lead_times: int) -> FloatArray:
    """The last frame of a past (T, C, H, W) moved on, each pixel with the value of the nearest that it comes from,
    (K, C, H, W). Where nothing known arrives, and where there is no motion, its value stands.
    """
    motion, last = motion_field(past[-2:]), past[-1]
    frames = np.repeat(last[None], lead_times, axis=0)
    if motion is None:
        return frames
    for frame, (rows, columns) in zip(frames, trajectories(motion, lead_times), strict=True):
        there = inside(rows, columns, last.shape[-2:])
        arrived = last[:, np.rint(rows[there]).astype(int), np.rint(columns[there]).astype(int)]
        frame[:, there] = np.where(np.isfinite(arrived), arrived, frame[:, there])
    return frames


def match_distribution(forecast: FloatArray, past: FloatArray) -> FloatArray:
    """Every frame of a forecast (K, C, H, W) with the values that arrive of the last frame of a past (T, C, H, W), in
    the forecast's order.

    Values that are missing on either side stay as they are in the forecast.
    """
    return with_values(forecast, arriving(past, len(forecast)))


def with_values(forecast: FloatArray, others: FloatArray) -> FloatArray:
    """Every frame of a forecast (K, C, H, W) with the values of another of that shape, in the forecast's order.

    Values that are missing on either side stay as they are in the forecast.

    >>> with_values(np.array([[[[0.1, 0.3, 0.2]]]]), np.array([[[[7.0, 5.0, 9.0]]]])).tolist()
    [[[[5.0, 9.0, 7.0]]]]
    """
    matched_forecast = forecast.copy()
    for frame, other in zip(matched_forecast, others, strict=True):
        for values, seen in zip(frame, other, strict=True):
            both = np.isfinite(values) & np.isfinite(seen)
            matched = np.empty(int(both.sum()), values.dtype)
            matched[np.argsort(values[both], kind="stable")] = np.sort(seen[both])
            values[both] = matched
    return matched_forecast


class ProbabilityMatched(Forecaster):
    """Another forecaster's forecast, matched to the last frame seen. A single forecast, without members.

    Args:
        inner: whose forecast.
    """

    def __init__(self, inner: Forecaster) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        return f"{self.inner.name}, matched"

    def knowing(self, pasts: Sequence[FrameSequence]) -> Forecaster:
        return ProbabilityMatched(self.inner.knowing(pasts))

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """The inner forecaster's forecast, matched, (B, K, C, H, W)."""
        forecast = self.inner.predict(past, lead_times)
        return np.stack([match_distribution(f, movie) for f, movie in zip(forecast, past, strict=True)])


class QuantileMapped(Forecaster):
    """Another forecaster's forecast, with the distribution of the validation part. A single forecast, without members.

    Args:
        inner: whose forecast.
        known: the map of its values.
        limits: limits of the values, if any.
    """

    def __init__(self, inner: Forecaster, known: QuantileMap, limits: Limits | None) -> None:
        self.inner, self.known, self.limits = inner, known, limits

    @property
    def name(self) -> str:
        return f"{self.inner.name}, matched to validation"

    def knowing(self, pasts: Sequence[FrameSequence]) -> Forecaster:
        return QuantileMapped(self.inner.knowing(pasts), self.known, self.limits)

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """The inner forecaster's forecast, mapped, (B, K, C, H, W)."""
        forecast = self.inner.predict(past, lead_times)
        return np.stack([mapped(each, self.known, self.limits) for each in forecast])


def mapped(forecast: FloatArray, known: QuantileMap, limits: Limits | None) -> FloatArray:
    """A forecast (K, C, H, W) with the distribution of the validation part, within the limits of the values."""
    values = known.apply(forecast)
    return values if limits is None else limits.hold(values)
