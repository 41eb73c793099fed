"""Quantiles of a forecaster's errors by the value that it forecasts.

Errors of rain grow with its intensity, and those of a picture with its brightness, so they are measured apart for
classes of forecast values. Between the means of two classes they change linearly from the one to the other; a step
where they meet would be in no weather. Beyond the outermost they go on in proportion where no value is negative.

Axes: N class, M level, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nextframe.frames.sequence import FloatArray

LEVELS = 19
"""Quantiles of the errors that are kept: 0.05, 0.10, ..., 0.95."""
CLASSES = (*(n / 10 for n in range(1, 9)), 0.85, 0.9, 0.94, 0.97, 0.985, 0.995, 0.999)
"""Borders of the classes: quantiles of the forecast values."""
_NEAR = 1e-3  # of the range of forecast values that a border may be moved by, and more where there is none
_FEWEST = 200  # errors in a class
_DIGITS = 6

Drawn = Callable[[int | NDArray[np.integer[Any]]], FloatArray]


@dataclass(frozen=True, eq=False)
class ErrorQuantiles:
    """Quantiles of the errors of one channel at one lead time.

    >>> forecast = np.repeat(np.arange(10, dtype=np.float32), 1000)
    >>> truth = forecast * (1 + np.tile(np.linspace(-0.5, 0.5, 1000, dtype=np.float32), 10))
    >>> known = ErrorQuantiles.fit(forecast, truth)
    >>> upper = known.of(np.array([0.0, 4.0, 4.5, 18.0], np.float32), 19)(18)
    >>> upper.astype(float).round(1).tolist()  # in proportion to the forecast: 0.45 of it
    [0.0, 1.8, 2.0, 8.1]
    """

    edges: NDArray[np.float32]
    """Forecast values that divide the classes (N - 1,), in source units, increasing."""
    errors: NDArray[np.float32]
    """Quantiles of truth minus forecast of each class, at the levels m / (LEVELS + 1), (N, LEVELS)."""
    at: NDArray[np.float32] | None = None
    """Mean of the forecast values of each class (N,); None where errors are one for a whole class, as of versions
    before."""

    @classmethod
    def fit(cls, forecast: NDArray[np.float32], truth: NDArray[np.float32]) -> Self:
        """Measure them on pairs (P,)."""
        order = np.argsort(forecast)
        ordered, errors = (values[order].astype(np.float64) for values in (forecast, truth - forecast))
        edges, begins = [], [0]
        for value in np.unique(np.quantile(ordered, CLASSES)):
            edge = np.float32(_between(ordered, value))
            begin = int(np.searchsorted(ordered, edge))
            if min(begin - begins[-1], len(ordered) - begin) >= _FEWEST:
                edges.append(edge)
                begins.append(begin)
        return cls(
            edges=np.array(edges, np.float32),
            errors=np.array([_quantiles(part) for part in np.split(errors, begins[1:])], np.float32),
            at=np.array([part.mean() for part in np.split(ordered, begins[1:])], np.float32),
        )

    @property
    def plain(self) -> tuple[list[float], list[list[float]], list[float]]:
        """Edges, errors and means of the classes as numbers of six digits, ready for JSON."""
        at = () if self.at is None else self.at
        return [*map(_short, self.edges)], [[*map(_short, row)] for row in self.errors], [*map(_short, at)]

    def classes(self, forecast: FloatArray) -> NDArray[np.intp]:
        """Class of each value of a forecast."""
        return np.searchsorted(self.edges, forecast, side="right")

    def of(self, forecast: FloatArray, number: int) -> Drawn:
        """Errors of a forecast (...) at `number` levels: what returns them by the rank of the level, 0 to number - 1,
        one for all values or one for each (...).
        """
        table = _at_levels(self.errors, number)
        if self.at is None or len(self.at) == 1:
            start = self.classes(forecast) * number
            return lambda rank: np.asarray(table.ravel()[start + rank])
        below = (np.searchsorted(self.at, forecast, side="right") - 1).clip(0, len(self.at) - 2)
        gaps = np.maximum(np.diff(self.at), np.finfo(np.float32).tiny)
        share = ((forecast - self.at[below]) / gaps[below]).clip(0, 1).astype(np.float32)
        last, start = self.at[-1], below * number
        scale = np.where(forecast > last, forecast / last, np.float32(1)) if 0 <= self.at[0] < last else None

        def drawn(rank: int | NDArray[np.integer[Any]]) -> FloatArray:
            lower, upper = table.ravel()[start + rank], table.ravel()[start + number + rank]
            errors = lower + share * (upper - lower)
            return np.asarray(errors if scale is None else errors * scale, np.float32)

        return drawn


def _between(ordered: NDArray[np.float64], value: float) -> float:
    """Middle of the widest gap between neighbouring forecast values about a value.

    Many forecasts are nearly one value, as those of an empty background. An edge among them would put each into the one
    class or the other by its last bit, which another program that runs the same network computes differently.
    """
    about = _NEAR * (ordered[-1] - ordered[0])
    first, last = np.searchsorted(ordered, (value - about, value + about))
    near = ordered[max(first - 1, 0) : last + 1]
    if len(near) < 2:
        return value
    widest = int(np.argmax(np.diff(near)))
    return float(near[widest] + near[widest + 1]) / 2


def _at_levels(errors: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """Quantiles (N, M) at the levels m / (M + 1), from those at LEVELS levels."""
    if number == LEVELS:
        return errors
    place = np.arange(1, number + 1) / (number + 1) * (LEVELS + 1) - 1
    known = np.arange(LEVELS)
    return np.stack([np.interp(place, known, row) for row in errors]).astype(np.float32)


def _quantiles(errors: NDArray[np.float64]) -> list[float]:
    """Of n errors the one that is (n + 1) q-th in order, rounded outwards, so that intervals are rather too wide."""
    ordered, number = np.sort(errors), len(errors)
    position = np.arange(1, LEVELS + 1) / (LEVELS + 1) * (number + 1)
    outwards = np.where(position < (number + 1) / 2, np.floor(position), np.ceil(position)).astype(int)
    return [float(value) for value in ordered[np.clip(outwards - 1, 0, number - 1)]]


def _short(value: float | np.floating[Any]) -> float:
    return float(f"{value:.{_DIGITS}g}")
