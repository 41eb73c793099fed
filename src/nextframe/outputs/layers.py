"""Layers: everything that is to be written of a forecast, as fields with a name each, for formats that hold fields.

Axes: K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from nextframe.forecasting.forecast import Forecast
from nextframe.frames.sequence import FloatArray
from nextframe.outputs.writer import Beside

Statistic = Literal["forecast", "probability", "quantile", "member"]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A field for each lead time: the forecast, or one of what says how sure it is."""

    statistic: Statistic
    """Kind of what it holds."""
    variable: str
    """Name of the channel that it is of."""
    channel: int
    """Number of that channel."""
    unit: str
    """Unit of its values."""
    values: FloatArray
    """(K, H, W)."""
    threshold: float | None = None
    """Of a probability: that of at least so much."""
    level: float | None = None
    """Of a quantile: the probability that the truth stays below."""
    member: int | None = None
    """Of a member: its number, from 1."""

    @property
    def title(self) -> str:
        """Name for people: "rain_rate", "P(rain_rate >= 1 mm/h)"."""
        if self.threshold is not None:
            return f"P({self.variable} >= {self.threshold:g})"
        if self.level is not None:
            return f"{self.variable}, quantile {self.level:g}"
        return self.variable if self.member is None else f"{self.variable}, member {self.member}"

    @property
    def key(self) -> str:
        """Name for programs: "probability_1", "quantile_0.9", "member_3"; "value" for the forecast itself."""
        if self.threshold is not None:
            return f"probability_{self.threshold:g}"
        if self.level is not None:
            return f"quantile_{self.level:g}"
        return "value" if self.member is None else f"member_{self.member}"


Turned = tuple[slice, slice]
"""Index of rows and columns that turns a field over."""


def turned(*, rows: bool, columns: bool) -> Turned:
    """Index that turns the rows or the columns of a field (H, W) over, or leaves them.

    >>> import numpy as np
    >>> np.array([[1, 2], [3, 4]])[turned(rows=True, columns=False)].tolist()
    [[3, 4], [1, 2]]
    """
    return slice(None, None, -1 if rows else 1), slice(None, None, -1 if columns else 1)


def bounds(coverage: float) -> tuple[float, float]:
    """Levels of the bounds of the central interval of so much probability.

    >>> bounds(0.9)
    (0.05, 0.95)
    """
    return round((1 - coverage) / 2, 9), round((1 + coverage) / 2, 9)


def layers(forecast: Forecast, beside: Beside) -> Iterator[Layer]:
    """The layers of a forecast, channel by channel: itself, probabilities, quantiles (bounds of an interval are such),
    members.

    Raises:
        ConfigError: an interval or members of a forecast that knows none.
    """
    quantiles = dict(beside.quantiles)
    if beside.coverage is not None:
        quantiles |= dict(zip(bounds(beside.coverage), forecast.interval(beside.coverage), strict=True))
    for n, (variable, unit) in enumerate(zip(forecast.variables, forecast.units, strict=True)):
        yield Layer(statistic="forecast", variable=variable, channel=n, unit=unit, values=forecast.values[:, n])
        for threshold, field in beside.probabilities.items():
            yield Layer(
                statistic="probability",
                variable=variable,
                channel=n,
                unit="1",
                values=field[:, n],
                threshold=threshold,
            )
        for level, field in sorted(quantiles.items()):
            yield Layer(statistic="quantile", variable=variable, channel=n, unit=unit, values=field[:, n], level=level)
        for m, member in enumerate(forecast.require_members() if beside.members else ()):
            yield Layer(statistic="member", variable=variable, channel=n, unit=unit, values=member[:, n], member=m + 1)
