"""Quantile map: a forecast's values brought to the distribution that was observed, by lead time.

A network trained on squared errors forecasts heavy rain too seldom. On the validation part, the value that a share of
its forecasts stays below is set against the value that the same share of the observations stays below; a map of the
ones to the others is monotone, so that the forecast keeps its pattern, and has as many events at each threshold as came
(quantile mapping, as in L. Gudmundsson et al. 2012, doi 10.5194/hess-16-3383-2012).

Axes: N values, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nextframe.frames.sequence import FloatArray

LEVELS = (
    *(n / 20 for n in range(1, 19)),
    *(0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.9925, 0.995, 0.9965, 0.998, 0.999, 0.9995, 0.9998, 0.9999),
)
"""Shares of the values, dense where values are large."""
_FEWEST = 20  # values above the highest level that is taken
_DIGITS = 6

Knots = Sequence[Sequence[Sequence[float]]]


@dataclass(frozen=True, kw_only=True)
class QuantileMap:
    """Quantiles of forecasts and of what was observed, at the same levels.

    >>> said = np.linspace(0, 10, 1001, dtype=np.float32)
    >>> known = QuantileMap.fit([[(said, 2 * said)]])
    >>> known.apply(np.array([0, 1, 20], np.float32).reshape(1, 1, 1, 3)).ravel().round(2).tolist()
    [0.0, 2.0, 40.0]
    """

    said: Knots
    """Channel -> lead time -> quantiles of the forecasts, in source units, increasing; of one channel alone where that
    is to hold for any number of them."""
    came: Knots
    """Channel -> lead time -> the observed values that they are brought to, not decreasing."""

    @classmethod
    def fit(cls, pairs: Sequence[Sequence[tuple[FloatArray, FloatArray]]]) -> Self:
        """The map of forecasts to observations (N,), channel by channel and lead time by lead time."""
        tables = [[_knots(*lead) for lead in channel] for channel in pairs]
        return cls(
            said=[[said for said, _ in channel] for channel in tables],
            came=[[came for _, came in channel] for channel in tables],
        )

    @property
    def lead_times(self) -> int:
        """Lead times that it is for."""
        return len(self.said[0])

    def apply(self, forecast: FloatArray) -> FloatArray:
        """A forecast (K, C, H, W), of at most so many lead times, with the observed distribution; NaN stays NaN."""
        mapped = np.array(forecast, np.float32)
        for k, frame in enumerate(mapped):
            for c, plane in enumerate(frame):
                known = c if len(self.said) > 1 else 0
                plane[:] = _mapped(plane, self.said[known][k], self.came[known][k])
        return mapped

    def check(self, channels: int, leads: int) -> None:
        """Hold what was read to the shape of the calibration that it belongs to.

        Raises:
            ValueError: another shape, or values that no map has.
        """
        for table in (self.said, self.came):
            if len(table) != channels or any(len(channel) != leads for channel in table):
                raise ValueError("its quantile map does not fit its tables")
        for said, came in zip(
            (lead for channel in self.said for lead in channel),
            (lead for channel in self.came for lead in channel),
            strict=True,
        ):
            both = np.asarray([said, came], np.float64)
            if both.size == 0 or not np.isfinite(both).all() or (np.diff(both[0]) <= 0).any():
                raise ValueError("its quantile map does not increase")
            if (np.diff(both[1]) < 0).any():
                raise ValueError("its quantile map is not monotone")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`.

        Raises:
            TypeError: other names.
        """
        return cls(**values)


def _knots(forecast: FloatArray, observed: FloatArray) -> tuple[list[float], list[float]]:
    """Quantiles of the forecasts, each once, and what they are brought to."""
    levels = [level for level in LEVELS if (1 - level) * len(forecast) >= _FEWEST] or [0.5]
    said, came = (np.quantile(values.astype(np.float64), levels) for values in (forecast, observed))
    said, came = (np.array([float(f"{value:.{_DIGITS}g}") for value in values]) for values in (said, came))
    values, first, number = np.unique(said, return_index=True, return_counts=True)
    targets = np.array([came[n : n + many].mean() for n, many in zip(first, number, strict=True)])
    if number[0] > 1 and values[0] <= observed.min():  # where it is dry, it stays dry
        targets[0] = values[0]
    return values.tolist(), np.maximum.accumulate(targets).tolist()


def _mapped(values: FloatArray, said: Sequence[float], came: Sequence[float]) -> NDArray[np.float64]:
    """Values between the knots, and beyond them: by the ratio of the outermost where none is negative, so that what is
    dry stays dry; else by their difference.
    """
    mapped = np.interp(values, said, came)
    for outside, knot, target in ((values < said[0], said[0], came[0]), (values > said[-1], said[-1], came[-1])):
        by_ratio = said[0] >= 0 and knot > 0 and target > 0
        mapped = np.where(outside, values * (target / knot) if by_ratio else values + (target - knot), mapped)
    return mapped
