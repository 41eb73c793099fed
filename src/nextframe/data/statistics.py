"""Statistics of the values of frames: exact extremes and moments, and a sample for everything else.

Axes: N frames of a chunk, C channel, S sample. Frames are read in chunks, so memory does not grow with the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nextframe.data.split import Span
from nextframe.errors import DataError
from nextframe.frames.sequence import FloatArray

CHUNK_VALUES = 2_000_000
SAMPLE_VALUES = 1_000_000

Float64Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameStatistics:
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
    least: Float64Array
    """Smallest value above zero; infinity where a channel has none."""
    missing: float
    """Share of all values that are missing."""
    empty_frames: int
    """Number of frames that have no value at all."""
    sample: FloatArray
    """Values drawn evenly at random (C, S), NaN where missing; all of them where there are few."""

    @property
    def empty(self) -> bool:
        """True where a channel has no value at all."""
        return bool((self.count == 0).any())

    @property
    def constant(self) -> bool:
        """True where no channel ever changes."""
        return not self.empty and bool((self.low == self.high).all())

    @property
    def pooled(self) -> Self:
        """The statistics of all channels taken together as one."""
        share = self.count / max(self.count.sum(), 1)
        mean = float(np.nansum(share * self.mean))
        variance = float(np.nansum(share * (self.deviation**2 + (self.mean - mean) ** 2)))
        return replace(
            self,
            low=self.low.min(keepdims=True),
            high=self.high.max(keepdims=True),
            mean=np.array([mean]),
            deviation=np.array([variance**0.5]),
            count=self.count.sum(keepdims=True),
            sample=self.sample.reshape(1, -1),
        )

    @property
    def values(self) -> FloatArray:
        """The sampled values of all channels that are not missing, in one row."""
        return self.sample[np.isfinite(self.sample)]

    @property
    def dry(self) -> float:
        """Share of values that are exactly zero."""
        return float(np.mean(self.values == 0)) if self.values.size else 0.0

    @property
    def unit_range(self) -> bool:
        """True where the values lie in 0..1 and make use of it; small amounts in large units (kg m-2 s-1) do not."""
        return bool(self.low.min() >= 0 and 0.5 <= self.high.max() <= 1)

    @property
    def rain_like(self) -> bool:
        """True where the values are amounts of something mostly absent: never negative, mostly zero or very skewed.

        Real files hold a few values just below zero, left by an offset or a code for "unknown"; these are let pass.
        """
        if self.empty or self.high.max() <= 0 or self.low.min() < -0.01 * self.high.max():
            return False
        median, extreme = np.quantile(self.values, (0.5, 0.99))
        return bool(median == 0 or self.dry > 0.5 or extreme > 20 * median)


class Measurement:
    """Takes in frames chunk by chunk and makes `FrameStatistics` of them.

    Args:
        total: number of values to come, about, by which the sample is thinned out.
    """

    def __init__(self, total: int) -> None:
        self._share = min(1.0, SAMPLE_VALUES / max(total, 1))
        self._random = np.random.default_rng(0)
        self._moments: list[tuple[Float64Array, ...]] = []
        self._samples: list[FloatArray] = []
        self._seen = 0
        self._empty = 0

    def add(self, frames: FloatArray) -> None:
        """Take in frames (N, C, H, W), NaN where missing."""
        values = np.moveaxis(frames, 1, 0).reshape(frames.shape[1], -1)
        size = values.shape[1]
        self._seen += size
        self._empty += int((~np.isfinite(frames).any(axis=(1, 2, 3))).sum())
        self._moments.append(_moments(values))
        if self._share < 1:
            values = values[:, self._random.integers(size, size=int(np.ceil(size * self._share)))]
        self._samples.append(np.array(values))  # a copy: a view would keep the whole chunk in memory

    def take(self, others: Iterable[Measurement]) -> Measurement:
        """Take in what others of as many values have taken in; return this one."""
        for other in others:
            self._moments += other._moments
            self._samples += other._samples
            self._seen += other._seen
            self._empty += other._empty
        return self

    def result(self) -> FrameStatistics | None:
        """Statistics of all that was taken in; None before the first frame."""
        if not self._samples:
            return None
        low, high, least, count, mean, squares = _merge(np.array(self._moments))
        return FrameStatistics(
            low=low,
            high=high,
            mean=mean,
            deviation=np.sqrt(squares / np.maximum(count, 1)),
            count=count,
            least=least,
            missing=float(1 - count.mean() / self._seen),
            empty_frames=self._empty,
            sample=np.concatenate(self._samples, axis=1),
        )


def measure_spans(spans: Sequence[Span], *, frames: int | None = None) -> FrameStatistics:
    """Measure all frames of some spans, or only about `frames` of them, evenly spaced.

    Raises:
        DataError: no span, or NaN or infinity where a source declares no missing values; the frame is named.
    """
    size = int(np.prod(spans[0].sequence.shape[1:])) if spans else 0
    there = sum(map(len, spans))
    some = there if frames is None else min(frames, there)
    measurement = Measurement(size * some)
    for chunk in _chunks(spans, size) if some == there else _picked(spans, some):
        measurement.add(chunk)
    statistics = measurement.result()
    if statistics is None:
        raise DataError("there are no frames to measure", where="training part")
    return statistics


def measure_some(spans: Sequence[Span], values: int = 300_000_000, run: int = 16) -> FrameStatistics:
    """Measure all frames of some spans where they hold no more than so many values; else runs of neighbouring frames,
    evenly spread, that hold about as many.

    Raises:
        DataError: as `measure_spans`.
    """
    size = int(np.prod(spans[0].sequence.shape[1:])) if spans else 1
    there, most = sum(map(len, spans)), max(values // size, run)
    if there <= most:
        return measure_spans(spans)
    every = there * run // most
    taken = []
    for span in spans:
        taken += [Span(span.sequence, n, min(n + run, span.stop)) for n in range(span.start, span.stop, every)]
    return measure_spans(taken)


def _chunks(spans: Sequence[Span], size: int) -> Iterator[FloatArray]:
    step = max(1, CHUNK_VALUES // size)
    for span in spans:
        for start in range(span.start, span.stop, step):
            yield span.sequence.read(start, min(start + step, span.stop))


def _picked(spans: Sequence[Span], frames: int) -> Iterator[FloatArray]:
    ends = np.cumsum([len(span) for span in spans])
    for index in np.linspace(0, ends[-1] - 1, frames).astype(int):
        which = int(np.searchsorted(ends, index, side="right"))
        frame = spans[which].stop - int(ends[which] - index)
        yield spans[which].sequence.read(frame, frame + 1)


def _moments(values: FloatArray) -> tuple[Float64Array, ...]:
    """Smallest, largest, smallest above zero, count, mean and sum of squared deviations of each row."""
    valid = np.isfinite(values)
    count = valid.sum(axis=1, dtype=np.float64)
    mean = values.sum(axis=1, where=valid, dtype=np.float64) / np.maximum(count, 1)
    squares = np.square(values - mean[:, None]).sum(axis=1, where=valid)
    low = values.min(axis=1, where=valid, initial=np.inf).astype(np.float64)
    high = values.max(axis=1, where=valid, initial=-np.inf).astype(np.float64)
    least = np.where(values > 0, values, np.inf).min(axis=1, initial=np.inf).astype(np.float64)
    return low, high, least, count, mean, squares


def _merge(parts: Float64Array) -> tuple[Float64Array, ...]:
    """Moments of all chunks from those of each, (chunks, 6, C): Chan, Golub & LeVeque 1983, without cancellation."""
    low, high, least, count, mean, squares = np.moveaxis(parts, 1, 0)
    total = count.sum(axis=0)
    overall = (count * mean).sum(axis=0) / np.maximum(total, 1)
    spread = (squares + count * np.square(mean - overall)).sum(axis=0)
    return low.min(axis=0), high.max(axis=0), least.min(axis=0), total, overall, spread
