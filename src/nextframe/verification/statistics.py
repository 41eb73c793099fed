"""Additive statistics by lead time, and the metrics that follow from them.

Statistics of parts can be added in any order and give what the whole would have given; metrics are computed at the end,
never averaged. A value that is missing (NaN) in the forecast or in the truth counts nowhere.

Axes: B batch, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from skimage.metrics import structural_similarity

from nextframe.errors import ShapeError
from nextframe.frames.sequence import FloatArray

Sums = NDArray[np.float64]

# Keras clips probabilities by as much before it takes their logarithm.
_EPSILON = 1e-7

SCALES = (5, 15)
"""Neighbourhoods of the fractions skill score, in pixels along each side."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Sums over verified values, each (K,); (thresholds, K) for the contingency tables; (thresholds, scales, K) for the
    neighbourhoods.
    """

    thresholds: tuple[float, ...]
    """What counts as an event: a value of at least so much, in source units."""
    data_range: float
    """Distance between the smallest and the largest possible value, for SSIM and PSNR."""
    scales: tuple[int, ...]
    """Neighbourhoods of the fractions skill score, in pixels along each side."""
    windows: int
    """Forecasts verified."""
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
    """Frames whose SSIM was taken: those with no missing value."""
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
        return self.count - self.hits - self.misses - self.false_alarms

    @classmethod
    def of(
        cls,
        forecast: FloatArray,
        truth: FloatArray,
        *,
        thresholds: Sequence[float] = (0.5,),
        data_range: float = 1.0,
        scales: Sequence[int] = SCALES,
    ) -> Statistics:
        """Statistics of a batch of forecasts.

        Args:
            forecast: (B, K, C, H, W) in source units, NaN where missing.
            truth: the same shape.
            thresholds: what counts as an event.
            data_range: distance between the smallest and the largest possible value.
            scales: neighbourhoods of the fractions skill score, in pixels along each side; a value that is missing is
                no event there.

        Raises:
            ShapeError: forecast and truth of different shapes.
        """
        if forecast.shape != truth.shape or forecast.ndim != 5:
            raise ShapeError(
                "the forecast has another shape than the truth",
                where="verification",
                expected=truth.shape,
                received=forecast.shape,
            )
        axes = (0, 2, 3, 4)
        valid = np.isfinite(forecast) & np.isfinite(truth)
        said, was = np.where(valid, forecast, 0).astype(np.float64), np.where(valid, truth, 0).astype(np.float64)
        error = said - was
        with np.errstate(invalid="ignore"):
            events = [((forecast >= t) & valid, (truth >= t) & valid) for t in thresholds]
        similarity, frames = _similarity(forecast, truth, valid, data_range)
        fractions = np.array([[_fractions(f, t, scale) for scale in scales] for f, t in events], np.float64)
        fractions = fractions.reshape(len(events), len(scales), 2, forecast.shape[1])
        return cls(
            thresholds=tuple(thresholds),
            data_range=data_range,
            scales=tuple(scales),
            windows=len(forecast),
            count=valid.sum(axes).astype(np.float64),
            squared_error=(error**2).sum(axes),
            absolute_error=np.abs(error).sum(axes),
            forecast=said.sum(axes),
            truth=was.sum(axes),
            forecast_squared=(said**2).sum(axes),
            truth_squared=(was**2).sum(axes),
            product=(said * was).sum(axes),
            cross_entropy=_cross_entropy(said, was, valid, data_range),
            similarity=similarity,
            frames=frames,
            hits=np.array([(f & t).sum(axes) for f, t in events], np.float64),
            misses=np.array([(~f & t).sum(axes) for f, t in events], np.float64),
            false_alarms=np.array([(f & ~t).sum(axes) for f, t in events], np.float64),
            fractions_error=fractions[:, :, 0],
            fractions_reference=fractions[:, :, 1],
        )

    def __add__(self, other: Statistics) -> Statistics:
        """The statistics of both parts together.

        Raises:
            ValueError: statistics of other thresholds or scales, or of another data range.
        """
        shared: dict[str, Any] = {name: getattr(self, name) for name in ("thresholds", "scales", "data_range")}
        if any(getattr(other, name) != value for name, value in shared.items()):
            raise ValueError("statistics of other thresholds, scales or another data range cannot be added")
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.name not in shared}
        return Statistics(**shared, **sums)

    def metrics(self) -> dict[str, list[float]]:
        """Every metric by lead time; NaN where it is not defined.

        The equations stand in `METRICS`. BCE is left out where it is defined at no lead time: for values
        that are neither in 0..1 nor bytes.
        Of the scores of events, none is defined where its denominator is zero: CSI, for one, where there was neither an
        event nor the forecast of one. PSNR of a perfect forecast is infinite.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            mse = self.squared_error / self.count
            bias = (self.forecast - self.truth) / self.count
            spread = (self.forecast_squared - self.forecast**2 / self.count) * (
                self.truth_squared - self.truth**2 / self.count
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
                hits, misses, false_alarms = self.hits[n], self.misses[n], self.false_alarms[n]
                negatives = self.correct_negatives[n]
                found[f"csi_{threshold:g}"] = hits / (hits + misses + false_alarms)
                found[f"pod_{threshold:g}"] = hits / (hits + misses)
                found[f"far_{threshold:g}"] = false_alarms / (hits + false_alarms)
                found[f"hss_{threshold:g}"] = (2 * (hits * negatives - misses * false_alarms)) / (
                    (hits + misses) * (misses + negatives) + (hits + false_alarms) * (false_alarms + negatives)
                )
                for m, scale in enumerate(self.scales):
                    fss = 1 - self.fractions_error[n, m] / self.fractions_reference[n, m]
                    found[f"fss_{threshold:g}_{scale}px"] = fss
        if np.isnan(found["bce"]).all():
            del found["bce"]
        return {name: values.tolist() for name, values in found.items()}


Orientation = Literal["lower", "higher", "zero"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What there is to know about a metric, for tables and curves."""

    name: str
    """In words."""
    equation: str
    """By f, the forecast, and o, the observation, over n values that neither lacks."""
    better: Orientation
    """Which values are the better ones; "zero" for those closest to it."""
    unit: str
    """Its unit, where {} is the unit of the source (in brackets where it has several parts); "1" for none."""


METRICS: dict[str, Metric] = {
    "mse": Metric(name="mean squared error", equation="sum((f - o)^2) / n", better="lower", unit="{}²"),
    "rmse": Metric(name="root mean squared error", equation="sqrt(sum((f - o)^2) / n)", better="lower", unit="{}"),
    "mae": Metric(name="mean absolute error", equation="sum(|f - o|) / n", better="lower", unit="{}"),
    "bias": Metric(name="mean error", equation="sum(f - o) / n", better="zero", unit="{}"),
    "correlation": Metric(
        name="Pearson correlation",
        equation="sum((f - mean f) (o - mean o)) / sqrt(sum((f - mean f)^2) sum((o - mean o)^2))",
        better="higher",
        unit="1",
    ),
    "bce": Metric(
        name="binary cross-entropy",
        equation="-sum(o log(f) + (1 - o) log(1 - f)) / n, with f clipped to 1e-7 .. 1 - 1e-7; bytes divided by 255",
        better="lower",
        unit="1",
    ),
    "ssim": Metric(
        name="structural similarity",
        equation="(2 mf mo + c1) (2 sfo + c2) / ((mf^2 + mo^2 + c1) (sf^2 + so^2 + c2)), in Gaussian windows of sigma "
        "1.5, mean over whole frames (Wang et al. 2004, doi 10.1109/TIP.2003.819861)",
        better="higher",
        unit="1",
    ),
    "psnr": Metric(
        name="peak signal-to-noise ratio", equation="10 log10(data_range^2 / MSE)", better="higher", unit="dB"
    ),
    "csi": Metric(
        name="critical success index", equation="hits / (hits + misses + false alarms)", better="higher", unit="1"
    ),
    "pod": Metric(name="probability of detection", equation="hits / (hits + misses)", better="higher", unit="1"),
    "far": Metric(name="false alarm ratio", equation="false alarms / (hits + false alarms)", better="lower", unit="1"),
    "hss": Metric(
        name="Heidke skill score",
        equation="2 (hits negatives - misses false alarms) / ((hits + misses) (misses + negatives) + (hits + false "
        "alarms) (false alarms + negatives)), where negatives were neither forecast nor came",
        better="higher",
        unit="1",
    ),
    "fss": Metric(
        name="fractions skill score",
        equation="1 - sum((pf - po)^2) / (sum(pf^2) + sum(po^2)), with pf and po the shares of events in a square "
        "neighbourhood of so many pixels a side (Roberts and Lean 2008, doi 10.1175/2007MWR2123.1)",
        better="higher",
        unit="1",
    ),
}
"""Metrics by the name that `Statistics.metrics` gives them; of a thresholded one (`csi_0.5`), what precedes "_"."""


def better(metric: str) -> Orientation:
    """Whether a lower or a higher value of a metric is better."""
    return METRICS[metric.partition("_")[0]].better


def unit_of(metric: str, source: str) -> str:
    """The unit of a metric of values whose unit is `source`; "" for plain numbers."""
    pattern = METRICS[metric.partition("_")[0]].unit
    if pattern == "1" or ("{}" in pattern and source in ("1", "")):
        return ""
    return pattern.format(f"({source})" if " " in source and pattern != "{}" else source)


def _fractions(forecast: NDArray[np.bool_], truth: NDArray[np.bool_], scale: int) -> tuple[Sums, Sums]:
    """Error and reference of the fractions skill score of events (B, K, C, H, W), each (K,)."""
    size = (0, 0, 0, scale, scale)
    said, was = (uniform_filter(e.astype(np.float64), size, mode="constant") for e in (forecast, truth))
    axes = (0, 2, 3, 4)
    return ((said - was) ** 2).sum(axes), (said**2 + was**2).sum(axes)


def _cross_entropy(said: Sums, was: Sums, valid: NDArray[np.bool_], data_range: float) -> Sums:
    largest = 255.0 if data_range == 255 else 1.0
    if min(said.min(), was.min()) < 0 or max(said.max(), was.max()) > largest:
        return np.full(said.shape[1], np.nan)
    was, probability = was / largest, np.clip(said / largest, _EPSILON, 1 - _EPSILON)
    entropy = -(was * np.log(probability) + (1 - was) * np.log1p(-probability))
    total: Sums = (entropy * valid).sum((0, 2, 3, 4))
    return total


def _similarity(
    forecast: FloatArray, truth: FloatArray, valid: NDArray[np.bool_], data_range: float
) -> tuple[Sums, Sums]:
    """Sum and number of the frames' SSIM, each (K,): Gaussian weights, sigma 1.5, as in the paper.

    Frames with missing values are left out, as are all where they are smaller than the window of 11 pixels.
    """
    total, number = np.zeros(truth.shape[1]), np.zeros(truth.shape[1])
    if min(truth.shape[-2:]) < 11:
        return total, number
    whole = valid.all(axis=(2, 3, 4))
    for movie, lead in zip(*np.nonzero(whole), strict=True):
        total[lead] += structural_similarity(  # type: ignore[no-untyped-call]
            truth[movie, lead],
            forecast[movie, lead],
            channel_axis=0,
            data_range=data_range,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        number[lead] += 1
    return total, number
