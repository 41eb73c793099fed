"""Additive statistics of single forecasts by lead time, and the metrics that follow from them.

A value that is missing (NaN) in the forecast or in the truth counts nowhere.

Axes: B batch, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError, ShapeError
from nextframe.frames.sequence import FloatArray
from nextframe.verification.additive import Additive, Sums

# Keras clips probabilities by as much before it takes their logarithm.
_EPSILON = 1e-7

SCALES = (5, 15)
"""Neighbourhoods of the fractions skill score, in pixels along each side."""

_PIXELS = (-3, -2, -1)
_REACH = 5  # of SSIM's Gaussian window, sigma 1.5, in pixels


@dataclass(frozen=True, kw_only=True)
class Statistics(Additive):
    """Sums over verified values, each (K,); (thresholds, K) for the contingency tables; (thresholds, scales, K) for the
    neighbourhoods.
    """

    thresholds: tuple[float, ...]
    """What counts as an event: a value of at least so much, in source units."""
    data_range: float
    """Distance between the smallest and the largest possible value, for SSIM and PSNR."""
    scales: tuple[int, ...]
    """Neighbourhoods of the fractions skill score, in pixels along each side."""
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
    similarity: Sums
    """Sum of the frames' SSIM."""
    frames: Sums
    """Frames whose SSIM was taken: those with a window that lacks no value."""
    hits: Sums
    """Events forecast that came."""
    misses: Sums
    """Events that came and were not forecast."""
    false_alarms: Sums
    """Events forecast that did not come."""
    fractions_error: Sums
    """Sum over all neighbourhoods of (share of events forecast - share of events that came)^2."""
    fractions_reference: Sums
    """The same sum for a forecast whose events overlap nowhere with those that came: both shares squared."""

    @property
    def correct_negatives(self) -> Sums:
        """Values that were no event and were not forecast as one, (thresholds, K)."""
        return self.count[..., None, :] - self.hits - self.misses - self.false_alarms

    @classmethod
    def each(
        cls,
        forecast: FloatArray,
        truth: FloatArray,
        *,
        thresholds: Sequence[float] = (0.5,),
        data_range: float = 1.0,
        scales: Sequence[int] = SCALES,
    ) -> Self:
        """Statistics of every forecast of a batch apart, along a first axis B.

        Args:
            forecast: (B, K, C, H, W) in source units, NaN where missing.
            truth: the same shape.
            thresholds: what counts as an event.
            data_range: distance between the smallest and the largest possible value.
            scales: neighbourhoods of the fractions skill score, in pixels along each side; a value that is missing is
                no event there.

        Raises:
            ShapeError: forecast and truth of different shapes.
            ConfigError: a neighbourhood of no pixel.
        """
        if min(scales, default=1) < 1:
            raise ConfigError("is too small", where="scales", expected="at least 1 pixel", received=min(scales))
        if forecast.shape != truth.shape or forecast.ndim != 5:
            raise ShapeError(
                "the forecast has another shape than the truth",
                where="verification",
                expected=truth.shape,
                received=forecast.shape,
            )
        valid = np.isfinite(forecast) & np.isfinite(truth)
        said, was = np.where(valid, forecast, 0).astype(np.float64), np.where(valid, truth, 0).astype(np.float64)
        error = said - was
        with np.errstate(invalid="ignore"):
            events = [((forecast >= t) & valid, (truth >= t) & valid) for t in thresholds]
        similarity, frames = _similarity(forecast, truth, valid, data_range)
        batch, leads = forecast.shape[:2]
        tables = np.zeros((3, batch, len(events), leads))
        fractions = np.zeros((2, batch, len(events), len(scales), leads))
        for n, (said_so, came) in enumerate(events):
            tables[:, :, n] = [part.sum(_PIXELS) for part in (said_so & came, ~said_so & came, said_so & ~came)]
            for m, scale in enumerate(scales):
                fractions[:, :, n, m] = _fractions(said_so, came, scale)
        return cls(
            thresholds=tuple(thresholds),
            data_range=data_range,
            scales=tuple(scales),
            windows=np.ones(batch),
            count=valid.sum(_PIXELS).astype(np.float64),
            squared_error=(error**2).sum(_PIXELS),
            absolute_error=np.abs(error).sum(_PIXELS),
            forecast=said.sum(_PIXELS),
            truth=was.sum(_PIXELS),
            forecast_squared=(said**2).sum(_PIXELS),
            truth_squared=(was**2).sum(_PIXELS),
            product=(said * was).sum(_PIXELS),
            cross_entropy=_cross_entropy(said, was, valid, data_range),
            similarity=similarity,
            frames=frames,
            hits=tables[0],
            misses=tables[1],
            false_alarms=tables[2],
            fractions_error=fractions[0],
            fractions_reference=fractions[1],
        )

    @classmethod
    def of(
        cls,
        forecast: FloatArray,
        truth: FloatArray,
        *,
        thresholds: Sequence[float] = (0.5,),
        data_range: float = 1.0,
        scales: Sequence[int] = SCALES,
    ) -> Self:
        """Statistics of a whole batch of forecasts; arguments and errors of `each`."""
        return cls.each(forecast, truth, thresholds=thresholds, data_range=data_range, scales=scales).total()

    def metrics(self) -> dict[str, Sums]:
        """Every metric by lead time, (..., K); NaN where it is not defined.

        The equations stand in `METRICS`. BCE is left out where it is defined at no lead time: for values
        that are neither in 0..1 nor bytes.
        Of the scores of events, none is defined where its denominator is zero: CSI, for one, where there was neither an
        event nor the forecast of one. PSNR of a perfect forecast is infinite.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            mse = self.squared_error / self.count
            bias = (self.forecast - self.truth) / self.count
            spread = self._squared_deviations(self.forecast, self.forecast_squared) * self._squared_deviations(
                self.truth, self.truth_squared
            )
            correlation = (self.product - self.forecast * self.truth / self.count) / np.sqrt(spread)
            found = {
                "mse": mse,
                "rmse": np.sqrt(mse),
                "mae": self.absolute_error / self.count,
                "bias": bias,
                "correlation": correlation,
                "bce": self.cross_entropy / self.count,
                "ssim": self.similarity / self.frames,
                "psnr": 10 * np.log10(self.data_range**2 / mse),
            }
            for n, threshold in enumerate(self.thresholds):
                hits, misses, false_alarms, negatives = (
                    part[..., n, :] for part in (self.hits, self.misses, self.false_alarms, self.correct_negatives)
                )
                found[f"csi_{threshold:g}"] = hits / (hits + misses + false_alarms)
                found[f"pod_{threshold:g}"] = hits / (hits + misses)
                found[f"far_{threshold:g}"] = false_alarms / (hits + false_alarms)
                found[f"hss_{threshold:g}"] = (2 * (hits * negatives - misses * false_alarms)) / (
                    (hits + misses) * (misses + negatives) + (hits + false_alarms) * (false_alarms + negatives)
                )
                for m, scale in enumerate(self.scales):
                    fss = 1 - self.fractions_error[..., n, m, :] / self.fractions_reference[..., n, m, :]
                    found[f"fss_{threshold:g}_{scale}px"] = fss
        if np.isnan(found["bce"]).all():
            del found["bce"]
        return found

    def _squared_deviations(self, total: Sums, squared: Sums) -> Sums:
        """Sum of squared deviations from the mean; NaN for values that are all the same, but for rounding."""
        deviations = squared - total**2 / self.count
        return np.where(deviations > 1e-12 * squared, deviations, np.nan)


def _fractions(forecast: NDArray[np.bool_], truth: NDArray[np.bool_], scale: int) -> tuple[Sums, Sums]:
    """Error and reference of the fractions skill score of events (B, K, C, H, W), each (B, K)."""
    from scipy.ndimage import uniform_filter

    size = (0, 0, 0, scale, scale)
    said, was = (uniform_filter(e.astype(np.float64), size, mode="constant") for e in (forecast, truth))
    return ((said - was) ** 2).sum(_PIXELS), (said**2 + was**2).sum(_PIXELS)


def _cross_entropy(said: Sums, was: Sums, valid: NDArray[np.bool_], data_range: float) -> Sums:
    """Sum of cross-entropies (B, K); NaN for a batch with a value that is no probability."""
    largest = 255.0 if data_range == 255 else 1.0
    if min(said.min(), was.min()) < 0 or max(said.max(), was.max()) > largest:
        return np.full(said.shape[:2], np.nan)
    was, probability = was / largest, np.clip(said / largest, _EPSILON, 1 - _EPSILON)
    entropy = -(was * np.log(probability) + (1 - was) * np.log1p(-probability))
    total: Sums = (entropy * valid).sum(_PIXELS)
    return total


def _similarity(
    forecast: FloatArray, truth: FloatArray, valid: NDArray[np.bool_], data_range: float
) -> tuple[Sums, Sums]:
    """Sum and number of the frames' SSIM, each (B, K): Gaussian weights, sigma 1.5, as in the paper.

    The mean over windows of 11 pixels in which no value is missing. Frames without such a window are left out, as are
    all that are smaller.
    """
    from scipy.ndimage import minimum_filter
    from skimage.metrics import structural_similarity

    total, number = np.zeros(truth.shape[:2]), np.zeros(truth.shape[:2])
    if min(truth.shape[-2:]) < 2 * _REACH + 1:
        return total, number
    inner = (..., slice(_REACH, -_REACH), slice(_REACH, -_REACH))
    window = (1, 1, 1, 2 * _REACH + 1, 2 * _REACH + 1)
    whole = (valid if valid.all() else minimum_filter(valid, window, mode="nearest"))[inner]
    # In float64: the variance is a difference, which has no digits left in float32 where the mean is large.
    said, was = (np.where(valid, frames, 0).astype(np.float64) for frames in (forecast, truth))
    for movie, lead in zip(*np.nonzero(whole.any(axis=_PIXELS)), strict=True):
        _, similarity = structural_similarity(  # type: ignore[no-untyped-call]
            was[movie, lead],
            said[movie, lead],
            channel_axis=0,
            data_range=data_range,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        total[movie, lead] = similarity[inner][whole[movie, lead]].mean(dtype=np.float64)
        number[movie, lead] = 1
    return total, number
