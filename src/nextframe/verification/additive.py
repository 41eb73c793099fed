"""`Additive`: sums that can be added, weighed and drawn again, from which metrics follow at the end.

Sums of parts can be added in any order and give what the whole would have given; metrics are computed from sums, never
averaged. The same sums, kept for each forecast apart, are what a bootstrap draws from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError, ShapeError
from nextframe.verification.protocols import Applied
from nextframe.verification.scales import AREAS, SCALES

Sums = NDArray[np.float64]
Part = TypeVar("Part", bound="Additive")


class Threshold(float):
    """Threshold of the values of one channel alone: a number in the unit of that variable.

    >>> threshold_name(Threshold(0.5, 0, "rain")), threshold_name(0.5)
    ('rain_0.5', '0.5')
    """

    channel: int
    variable: str

    def __new__(cls, value: float, channel: int, variable: str) -> Self:
        threshold = super().__new__(cls, value)
        threshold.channel, threshold.variable = channel, variable
        return threshold

    def __reduce__(self) -> tuple[type[Threshold], tuple[float, int, str]]:
        return Threshold, (float(self), self.channel, self.variable)


def threshold_name(threshold: float) -> str:
    """A threshold as the names of scores have it."""
    return f"{threshold.variable}_{threshold:g}" if isinstance(threshold, Threshold) else f"{threshold:g}"


def of_channel(values: NDArray[Any], threshold: float) -> NDArray[Any]:
    """Values (..., C, H, W) that a threshold is for: those of its channel, else all."""
    if not isinstance(threshold, Threshold):
        return values
    return values[..., threshold.channel : threshold.channel + 1, :, :]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of scores: what counts as an event, where, and how large values can be.

    Raises:
        ConfigError: a neighbourhood or a square of no pixel, or a threshold or range that is no number.
    """

    thresholds: tuple[float, ...] = (0.5,)
    """Threshold of an event: a value of at least so much, in source units."""
    scales: tuple[int, ...] = SCALES
    """Neighbourhoods of the fractions skill score, in pixels along each side."""
    data_range: float = 1.0
    """Distance between the smallest and the largest possible value, for SSIM and PSNR."""
    areas: tuple[int, ...] = AREAS
    """Squares whose means are verified by those of members, in pixels along each side."""
    side: int | None = None
    """Pixels that waves of spectra are counted along, where frames differ in size; by default each frame's longer side.
    """
    protocol: Applied | None = None
    """Published protocol to score by as well."""

    def __post_init__(self) -> None:
        # Plain numbers, which NumPy compares with values in the type of these, so that 0.7 in float32 reaches 0.7.
        plain = (t if isinstance(t, Threshold) else float(t) for t in self.thresholds)
        object.__setattr__(self, "thresholds", tuple(plain))
        object.__setattr__(self, "scales", tuple(self.scales))
        for name, sizes in (("scales", self.scales), ("areas", self.areas)):
            if min(sizes, default=1) < 1:
                raise ConfigError("is too small", where=name, expected="at least 1 pixel", received=min(sizes))
        if any(map(math.isnan, self.thresholds)):
            raise ConfigError("must be a number", where="thresholds", received="NaN")
        if not 0 < self.data_range < math.inf:
            raise ConfigError("must be finite and positive", where="data_range", received=self.data_range)


@dataclass(frozen=True, kw_only=True)
class Additive:
    """Fields that are arrays are sums, with the axes that the class names last and any further axes before them; all
    other fields are settings, which must be the same for parts that are put together.
    """

    of_members: ClassVar[bool] = False
    """True where they are sums over members, and not over one forecast."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The sums by name."""
        found = ((f.name, getattr(self, f.name)) for f in fields(self))
        # A sum over the only axis is a scalar of NumPy.
        return {name: np.asarray(value) for name, value in found if isinstance(value, (np.ndarray, np.generic))}

    @classmethod
    def each(cls, forecast: NDArray[Any], truth: NDArray[Any], settings: Settings) -> Self:
        """Sums of every forecast of a batch apart, along a first axis B.

        Args:
            forecast: (B, K, C, H, W) in source units, NaN where missing; members (B, M, K, C, H, W) where the class is
                one of `of_members`.
            truth: (B, K, C, H, W).
            settings: what they are computed by.

        Raises:
            ShapeError: forecast and truth of different shapes.
        """
        raise NotImplementedError

    def named(self, name: str, values: Sums) -> dict[str, Sums]:
        """Values of a metric, with axes as those of the sums, by the names that they have in the scores, (..., K)."""
        return {name: values}

    def __add__(self, other: Self) -> Self:
        """Both parts together.

        Raises:
            ValueError: sums of other settings: thresholds, scales, data range.
        """
        return join([self, other]).total()

    def total(self) -> Self:
        """The sum over the first axis."""
        return self._replace({name: value.sum(0) for name, value in self.arrays().items()})

    def of(self, places: NDArray[np.intp]) -> Self:
        """The sums at some places of the first axis."""
        return self._replace({name: value[places] for name, value in self.arrays().items()})

    def weighed(self, weights: NDArray[np.float64]) -> Self:
        """Weighted sums over the first axis (N, ...), for each row of `weights` (R, N): sums with a first axis R."""
        return self._replace({name: np.tensordot(weights, value, (1, 0)) for name, value in self.arrays().items()})

    def _replace(self, sums: dict[str, NDArray[Any]]) -> Self:
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in sums}
        return type(self)(**settings, **sums)


def join(parts: Sequence[Part], *, axis: int | None = None) -> Part:
    """Parts along a new first axis, or one after the other along an axis that they have.

    Raises:
        ValueError: parts of other settings.
    """
    first = parts[0]
    sums = [part.arrays() for part in parts]
    settings = [f.name for f in fields(first) if f.name not in sums[0]]
    if any(getattr(part, name) != getattr(first, name) for part in parts for name in settings):
        raise ValueError(f"statistics that differ in {', '.join(settings)} cannot be added")
    put = np.stack if axis is None else np.concatenate
    columns = {name: put([part[name] for part in sums], axis=axis or 0) for name in sums[0]}
    return first._replace(columns)


def hold_alike(forecast: NDArray[Any], truth: NDArray[Any]) -> None:
    """Hold a forecast (B, K, C, H, W) to the shape of the truth.

    Raises:
        ShapeError: another shape.
    """
    if forecast.shape != truth.shape or forecast.ndim != 5:
        raise ShapeError(
            "the forecast has another shape than the truth",
            where="verification",
            expected=truth.shape,
            received=forecast.shape,
        )
