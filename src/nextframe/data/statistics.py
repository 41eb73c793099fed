"""What values a set of frames holds: exact extremes and moments, and a sample for everything else.

Axes: N frames of a chunk, C channel, S sample. Frames are read in chunks, so memory does not grow with the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextframe.data.split import Span
from nextframe.frames.sequence import FloatArray

CHUNK_VALUES = 2_000_000
SAMPLE_VALUES = 1_000_000

Float64Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """Statistics of each channel (C,), missing values left out."""

    low: Float64Array
    """Smallest value; infinity where a channel has no value."""
    high: Float64Array
    """Largest value; minus infinity where a channel has no value."""
    mean: Float64Array
    """Mean."""
    deviation: Float64Array
    """Standard deviation of the population."""
    count: Float64Array
    """Number of values that are not missing."""
    missing: float
    """Share of all values that are missing."""
    sample: FloatArray
    """Values drawn evenly at random (C, S), NaN where missing; all of them where there are few."""

    @property
    def empty(self) -> bool:
        """Whether a channel has no value at all."""
        return bool((self.count == 0).any())

    @property
    def constant(self) -> bool:
        """Whether no channel ever changes."""
        return not self.empty and bool((self.low == self.high).all())

    @property
    def values(self) -> FloatArray:
        """The sampled values of all channels that are not missing, in one row."""
        return self.sample[np.isfinite(self.sample)]

    @property
    def dry(self) -> float:
        """Share of values that are exactly zero."""
        return float(np.mean(self.values == 0)) if self.values.size else 0.0

    @property
    def binary(self) -> bool:
        """Whether the values are zeros and ones and nothing else."""
        return self.unit_range and bool(np.isin(self.values, (0, 1)).all())

    @property
    def unit_range(self) -> bool:
        """Whether the values lie in 0..1 and make use of it; small amounts in large units (kg m-2 s-1) do not."""
        return bool(self.low.min() >= 0 and 0.5 <= self.high.max() <= 1)

    @property
    def rain_like(self) -> bool:
        """Whether the values are amounts of something mostly absent: never negative, mostly zero or very skewed."""
        if self.empty or self.low.min() < 0 or self.high.max() <= 0:
            return False
        median, extreme = np.quantile(self.values, (0.5, 0.99))
        return bool(median == 0 or self.dry > 0.5 or extreme > 20 * median)


def measure(chunks: Iterable[FloatArray], *, total: int) -> Statistics:
    """Measure frames that come in chunks (N, C, H, W), NaN where missing.

    Args:
        chunks: the frames, at least one.
        total: number of values in all of them, by which the sample is thinned out.
    """
    random = np.random.default_rng(0)
    share = min(1.0, SAMPLE_VALUES / total)
    seen, parts, samples = 0, [], []
    for chunk in chunks:
        values = np.moveaxis(chunk, 1, 0).reshape(chunk.shape[1], -1)
        seen += values.shape[1]
        parts.append(_moments(values))
        drawn = values
        if share < 1:
            drawn = values[:, random.integers(values.shape[1], size=int(np.ceil(values.shape[1] * share)))]
        samples.append(np.array(drawn))
    low, high, count, mean, squares = _merge(np.array(parts))
    return Statistics(
        low=low,
        high=high,
        mean=mean,
        deviation=np.sqrt(squares / np.maximum(count, 1)),
        count=count,
        missing=float(1 - count.mean() / seen),
        sample=np.concatenate(samples, axis=1),
    )


def measure_spans(spans: Sequence[Span], *, frames: int | None = None) -> Statistics:
    """Measure all frames of some spans, or about `frames` of them, evenly spaced.

    Raises:
        DataError: NaN or infinity where a source declares no missing values; the frame is named.
    """
    size = int(np.prod(spans[0].sequence.shape[1:]))
    if frames is None or sum(map(len, spans)) <= frames:
        return measure(_chunks(spans, size), total=size * sum(map(len, spans)))
    ends = np.cumsum([len(span) for span in spans])
    chosen = np.linspace(0, ends[-1] - 1, frames).astype(int)
    return measure(_picked(spans, ends, chosen), total=size * frames)


def _chunks(spans: Sequence[Span], size: int) -> Iterator[FloatArray]:
    step = max(1, CHUNK_VALUES // size)
    for span in spans:
        for start in range(span.start, span.stop, step):
            yield span.sequence.read(start, min(start + step, span.stop))


def _picked(spans: Sequence[Span], ends: NDArray[np.int64], chosen: NDArray[np.int64]) -> Iterator[FloatArray]:
    for index in chosen:
        which = int(np.searchsorted(ends, index, side="right"))
        span = spans[which]
        frame = span.stop - int(ends[which] - index)
        yield span.sequence.read(frame, frame + 1)


def _moments(values: FloatArray) -> tuple[Float64Array, ...]:
    """Smallest, largest, count, mean and sum of squared deviations of each row."""
    valid = np.isfinite(values)
    count = valid.sum(axis=1, dtype=np.float64)
    mean = values.sum(axis=1, where=valid, dtype=np.float64) / np.maximum(count, 1)
    squares = np.square(values - mean[:, None]).sum(axis=1, where=valid)
    low = values.min(axis=1, where=valid, initial=np.inf).astype(np.float64)
    high = values.max(axis=1, where=valid, initial=-np.inf).astype(np.float64)
    return low, high, count, mean, squares


def _merge(parts: Float64Array) -> tuple[Float64Array, ...]:
    """Moments of all chunks from those of each, (chunks, 5, C): Chan, Golub & LeVeque 1983, without cancellation."""
    low, high, count, mean, squares = np.moveaxis(parts, 1, 0)
    total = count.sum(axis=0)
    overall = (count * mean).sum(axis=0) / np.maximum(total, 1)
    spread = (squares + count * np.square(mean - overall)).sum(axis=0)
    return low.min(axis=0), high.max(axis=0), total, overall, spread
