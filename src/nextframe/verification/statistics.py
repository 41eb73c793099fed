"""Additive statistics of single forecasts by lead time: of values, of structure, of events, of neighbourhoods.

A value that is missing (NaN) in the forecast or in the truth counts nowhere. Libraries that only one of them needs are
imported there.

Axes: B batch, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nextframe.verification.additive import Additive, Settings, Sums, hold_alike, of_channel, threshold_name
from nextframe.verification.similarity import similarities

# Keras clips probabilities by as much before it takes their logarithm.
_EPSILON = 1e-7

_PIXELS = (-3, -2, -1)


@dataclass(frozen=True, kw_only=True)
class Values(Additive):
    """Sums over verified values, each (K,)."""

    data_range: float
    """Distance between the smallest and the largest possible value."""
    windows: Sums
    """Forecasts verified, ()."""
    count: Sums
    """Values verified."""
    squared_error: Sums
    """Sum of (forecast - truth)^2."""
    absolute_error: Sums
    """Sum of |forecast - truth|."""
    forecast: Sums
    """Sum of forecast values."""
    truth: Sums
    """Sum of true values."""
    forecast_squared: Sums
    """Sum of squared forecast values."""
    truth_squared: Sums
    """Sum of squared true values."""
    product: Sums
    """Sum of forecast times truth."""
    cross_entropy: Sums
    """Sum of binary cross-entropies of values in 0..1, or of bytes divided by 255; NaN for any others."""

    @classmethod
    def each(cls, forecast: NDArray[Any], truth: NDArray[Any], settings: Settings) -> Self:
        """Sums of every forecast of a batch apart; arguments and errors of `Additive.each`."""
        hold_alike(forecast, truth)
        valid, said, was = _both(forecast, truth)
        error = said - was
        return cls(
            data_range=settings.data_range,
            windows=np.ones(len(truth)),
            count=valid.sum(_PIXELS).astype(np.float64),
            squared_error=(error**2).sum(_PIXELS),
            absolute_error=np.abs(error).sum(_PIXELS),
            forecast=said.sum(_PIXELS),
            truth=was.sum(_PIXELS),
            forecast_squared=(said**2).sum(_PIXELS),
            truth_squared=(was**2).sum(_PIXELS),
            product=(said * was).sum(_PIXELS),
            cross_entropy=_cross_entropy(said, was, valid, settings.data_range),
        )

    @property
    def forecast_deviations(self) -> Sums:
        """Sum of squared deviations of the forecast from its mean; NaN where its values are all the same."""
        return _squared_deviations(self.forecast, self.forecast_squared, self.count)

    @property
    def truth_deviations(self) -> Sums:
        """Sum of squared deviations of the truth from its mean; NaN where its values are all the same."""
        return _squared_deviations(self.truth, self.truth_squared, self.count)


@dataclass(frozen=True, kw_only=True)
class Similarity(Additive):
    """Sums of structural similarity over frames, each (K,)."""

    data_range: float
    """Distance between the smallest and the largest possible value."""
    similarity: Sums
    """Sum of the frames' SSIM."""
    frames: Sums
    """Frames whose SSIM was taken: those with a window that lacks no value."""

    @classmethod
    def each(cls, forecast: NDArray[Any], truth: NDArray[Any], settings: Settings) -> Self:
        """Sums of every forecast of a batch apart; arguments and errors of `Additive.each`."""
        hold_alike(forecast, truth)
        valid, said, was = _both(forecast, truth)
        found = similarities(said, was, valid, settings.data_range)
        there = np.isfinite(found)
        return cls(
            data_range=settings.data_range, similarity=np.where(there, found, 0), frames=there.astype(np.float64)
        )


@dataclass(frozen=True, kw_only=True)
class Events(Additive):
    """Contingency tables of events, each (thresholds, K)."""

    thresholds: tuple[float, ...]
    """What counts as an event: a value of at least so much, in source units."""
    hits: Sums
    """Events forecast that came."""
    misses: Sums
    """Events that came and were not forecast."""
    false_alarms: Sums
    """Events forecast that did not come."""
    correct_negatives: Sums
    """Values that were no event and were not forecast as one."""

    @classmethod
    def each(cls, forecast: NDArray[Any], truth: NDArray[Any], settings: Settings) -> Self:
        """Sums of every forecast of a batch apart; arguments and errors of `Additive.each`."""
        hold_alike(forecast, truth)
        tables = np.zeros((4, len(truth), len(settings.thresholds), truth.shape[1]))
        for n, threshold in enumerate(settings.thresholds):
            valid, said, came = _events(forecast, truth, threshold)
            parts = (said & came, ~said & came, said & ~came, valid & ~said & ~came)
            tables[:, :, n] = [part.sum(_PIXELS) for part in parts]
        hits, misses, false_alarms, negatives = tables
        return cls(
            thresholds=settings.thresholds,
            hits=hits,
            misses=misses,
            false_alarms=false_alarms,
            correct_negatives=negatives,
        )

    def named(self, name: str, values: Sums) -> dict[str, Sums]:
        """Values of a metric by threshold: "csi_0.5"."""
        return {f"{name}_{threshold_name(threshold)}": values[..., n, :] for n, threshold in enumerate(self.thresholds)}


@dataclass(frozen=True, kw_only=True)
class Neighbourhoods(Additive):
    """Sums over square neighbourhoods of pixels, each (thresholds, scales, K)."""

    thresholds: tuple[float, ...]
    """What counts as an event: a value of at least so much, in source units."""
    scales: tuple[int, ...]
    """Sides of the neighbourhoods in pixels."""
    error: Sums
    """Sum of (share of events forecast - share of events that came)^2."""
    reference: Sums
    """The same sum for a forecast whose events overlap nowhere with those that came: both shares squared."""

    @classmethod
    def each(cls, forecast: NDArray[Any], truth: NDArray[Any], settings: Settings) -> Self:
        """Sums of every forecast of a batch apart; arguments and errors of `Additive.each`. A value that is missing is
        no event here.
        """
        from scipy.ndimage import uniform_filter

        hold_alike(forecast, truth)
        shape = (len(truth), len(settings.thresholds), len(settings.scales), truth.shape[1])
        error, reference = np.zeros(shape), np.zeros(shape)
        for n, threshold in enumerate(settings.thresholds):
            _, *events = _events(forecast, truth, threshold)
            for m, scale in enumerate(settings.scales):
                size = (0, 0, 0, scale, scale)
                said, came = (uniform_filter(part.astype(np.float64), size, mode="constant") for part in events)
                error[:, n, m] = ((said - came) ** 2).sum(_PIXELS)
                reference[:, n, m] = (said**2 + came**2).sum(_PIXELS)
        return cls(thresholds=settings.thresholds, scales=settings.scales, error=error, reference=reference)

    def named(self, name: str, values: Sums) -> dict[str, Sums]:
        """Values of a metric by threshold and scale: "fss_0.5_5px"."""
        return {
            f"{name}_{threshold_name(threshold)}_{scale}px": values[..., n, m, :]
            for n, threshold in enumerate(self.thresholds)
            for m, scale in enumerate(self.scales)
        }


def usual_range(smallest: float, largest: float, dtype: Any) -> float:
    """The distance between the smallest and the largest possible value, judged from those that occur: 1 for values in
    0..1, 255 for bytes, else what lies between them.
    """
    if smallest >= 0 and largest <= 1:
        return 1.0
    if dtype == np.uint8:
        return 255.0
    return largest - smallest if largest > smallest else 1.0


def _both(forecast: NDArray[Any], truth: NDArray[Any]) -> tuple[NDArray[np.bool_], Sums, Sums]:
    """Mask of where both have a value, and both in float64 with zeros elsewhere."""
    valid = np.isfinite(forecast) & np.isfinite(truth)
    said, was = (np.where(valid, frames, 0).astype(np.float64) for frames in (forecast, truth))
    return valid, said, was


def _events(forecast: NDArray[Any], truth: NDArray[Any], threshold: float) -> tuple[NDArray[np.bool_], ...]:
    """Masks of where both have a value, and of where each is an event; of the threshold's channel, where it has one."""
    forecast, truth = of_channel(forecast, threshold), of_channel(truth, threshold)
    threshold = float(threshold)
    valid = np.isfinite(forecast) & np.isfinite(truth)
    with np.errstate(invalid="ignore"):
        return valid, (forecast >= threshold) & valid, (truth >= threshold) & valid


def _squared_deviations(total: Sums, squared: Sums, count: Sums) -> Sums:
    """Sum of squared deviations from the mean; NaN for values that are all the same, but for rounding."""
    deviations = squared - total**2 / count
    return np.where(deviations > 1e-12 * squared, deviations, np.nan)


def _cross_entropy(said: Sums, was: Sums, valid: NDArray[np.bool_], data_range: float) -> Sums:
    """Sum of cross-entropies (B, K); NaN for a batch with a value that is no probability."""
    largest = 255.0 if data_range == 255 else 1.0
    if min(said.min(), was.min()) < 0 or max(said.max(), was.max()) > largest:
        return np.full(said.shape[:2], np.nan)
    was, probability = was / largest, np.clip(said / largest, _EPSILON, 1 - _EPSILON)
    entropy = -(was * np.log(probability) + (1 - was) * np.log1p(-probability))
    total: Sums = (entropy * valid).sum(_PIXELS)
    return total
