"""Bringing values to the range a model works in, and its forecasts back to the units of the source.

Axes: C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeVar, get_args

import numpy as np

from nextframe.data.split import Span
from nextframe.data.statistics import FrameStatistics, measure_spans
from nextframe.errors import ConfigError, DataError, ShapeError

Method = Literal["identity", "range", "standard", "log"]
Array = TypeVar("Array")
THRESHOLD_FRAMES = 256
DARK = (
    25  # 8-bit values that never go beyond this are classes or counts, or too dark to be left in a tenth of the range
)


@dataclass(frozen=True, kw_only=True)
class Normaliser:
    """An invertible map, channel by channel, from source units to the model's range: y = (f(x) - offset) / scale.

    f is x itself, or for "log" sign(x) log(1 + |x| / bend): about linear below `bend`, logarithmic above it, and
    defined for every number. A missing value (NaN) stays missing. Values beyond those that it was fitted on leave the
    range; they are not cut off, so that the map can be inverted.

    Raises:
        ConfigError: an unknown method, or numbers that do not make an invertible map.

    >>> normaliser = Normaliser(method="range", offset=(10.0,), scale=(40.0,))
    >>> scaled = normaliser.apply(np.array([[[10.0, 30.0, np.nan]]]))
    >>> scaled.tolist(), normaliser.invert(scaled).tolist()
    ([[[0.0, 0.5, nan]]], [[[10.0, 30.0, nan]]])
    """

    method: Method
    """"identity", "range" (to 0..1), "standard" (to mean 0, deviation 1), "log"."""
    offset: tuple[float, ...]
    """Offset, subtracted from f of each channel, (C,)."""
    scale: tuple[float, ...]
    """Divisor of each channel after that, (C,), positive."""
    bend: tuple[float, ...] = ()
    """Only for "log": where each channel bends from linear to logarithmic, (C,), positive, in source units."""
    shared: bool = False
    """True where one channel's numbers hold for all, however many there are."""

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ConfigError("unknown method", where="normalisation", expected=get_args(Method), received=self.method)
        columns = (self.offset, self.scale, self.bend) if self.method == "log" else (self.offset, self.scale)
        sound = self.offset and len(set(map(len, columns))) == 1 and np.isfinite(columns).all()
        if self.shared and len(self.offset) > 1:
            raise ConfigError("is of one channel where it is shared", where="normalisation", received=self.to_dict())
        if not (sound and min(map(min, columns[1:])) > 0):
            raise ConfigError("has no inverse", where="normalisation", received=self.to_dict())

    @property
    def channels(self) -> int:
        """Number of channels C; 1 where it is shared by all."""
        return len(self.offset)

    @property
    def skewed(self) -> bool:
        """True for values of which a few are very large, as amounts are."""
        return self.method == "log"

    def apply(self, x: Array) -> Array:
        """Bring source units to the model's range.

        Args:
            x: (..., C, H, W), a NumPy array or a torch tensor; the result is of its kind, at least float32.

        Raises:
            ShapeError: another number of channels than this was fitted on.
        """
        frames, (offset, scale, bend) = self._prepare(x)
        if self.method == "log":
            frames = _sign(frames) * _log1p(abs(frames) / bend)
        return frames if self.method == "identity" else (frames - offset) / scale  # type: ignore[no-any-return]

    def invert(self, y: Array) -> Array:
        """Bring the model's range back to source units: the inverse of `apply`, with its arguments and errors."""
        frames, (offset, scale, bend) = self._prepare(y)
        if self.method != "identity":
            frames = frames * scale + offset
        return _sign(frames) * _expm1(abs(frames)) * bend if self.method == "log" else frames  # type: ignore[no-any-return]

    def apply_scalar(self, value: float) -> float:
        """Bring one number in the units of the first channel, such as a threshold, to the model's range."""
        # In float32, as frames are, so that a value equal to the threshold stays equal to it.
        return float(self.apply(np.full((self.channels, 1, 1), value, np.float32))[0, 0, 0])

    def describe(self) -> str:
        """One line that says what happens to the values."""
        low = self.invert(np.zeros((self.channels, 1, 1)))[:, 0, 0]
        high = self.invert(np.ones((self.channels, 1, 1)))[:, 0, 0]
        channels = [f"{a:.4g} to 0 and {b:.4g} to 1" for a, b in zip(low, high, strict=True)]
        ends = channels[0] if len(set(channels)) == 1 else "; ".join(channels)
        if self.method == "identity":
            return "identity: values are used as they are"
        if self.method == "log":
            bends = ", ".join(dict.fromkeys(f"{bend:.3g}" for bend in self.bend))
            return f"log: log(1 + x / {bends}), which brings {ends}"
        return f"{self.method}: brings {ends}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Normaliser:
        """The inverse of `to_dict`.

        Raises:
            KeyError, TypeError: a mapping that `to_dict` did not make.
            ConfigError: numbers that do not make an invertible map.
        """
        numbers = {name: tuple(float(v) for v in values[name]) for name in ("offset", "scale", "bend")}
        return cls(method=values["method"], shared=bool(values.get("shared", False)), **numbers)

    def _prepare(self, x: Any) -> tuple[Any, list[Any]]:
        """`x` as floats, and offset, scale and bend as (C, 1, 1) of the same kind and type."""
        if x.ndim < 3 or (x.shape[-3] != self.channels and not self.shared):
            raise ShapeError(
                "frames have another number of channels than the normalisation was fitted on",
                expected=f"{self.channels} channels, (..., channel, height, width)",
                received=tuple(x.shape),
            )
        columns = (self.offset, self.scale, self.bend or (1.0,) * self.channels)
        if isinstance(x, np.ndarray):
            x = x.astype(np.result_type(x, np.float32), copy=False)
            return x, [np.array(column, x.dtype).reshape(-1, 1, 1) for column in columns]
        if not x.is_floating_point():
            x = x.float()
        return x, [x.new_tensor(column).reshape(-1, 1, 1) for column in columns]


def fit_normaliser(
    spans: Sequence[Span],
    method: Literal["auto", "identity", "range", "standard", "log"] = "auto",
    *,
    output: Literal["sigmoid", "linear"] = "sigmoid",
    statistics: FrameStatistics | None = None,
    shared: bool = False,
) -> Normaliser:
    """Choose how to normalise from the training part alone, reading it once, a chunk at a time.

    "auto" takes, in this order: "identity" for values in 0..1; "range" for 8-bit images, from 0..255; "log" for
    amounts that are never negative and mostly zero or very skewed, like rain; else "range" for a sigmoid output, which
    can reach no further than 0..1, and "standard" for a linear one.

    Args:
        spans: the training part.
        method: how to normalise.
        output: activation of the model's output: to 0..1 for "sigmoid"; "log" goes to mean 0, deviation 1 for "linear".
        statistics: of these spans, where they are known already; nothing is then read.
        shared: bring all channels to the model's range alike.

    Raises:
        ConfigError: a method whose values a sigmoid output cannot reach.
        DataError: values all missing, all the same, or damaged.
    """
    measured = measure_spans(spans) if statistics is None else statistics
    normaliser = normaliser_for(
        measured.pooled if shared else measured,
        method,
        output=output,
        eight_bit=spans[0].sequence.values.dtype == np.uint8,
        where=spans[0].sequence.name,
        variables=spans[0].sequence.variables,
    )
    return replace(normaliser, shared=shared)


def normaliser_for(
    statistics: FrameStatistics,
    method: Literal["auto", "identity", "range", "standard", "log"] = "auto",
    *,
    output: Literal["sigmoid", "linear"] = "sigmoid",
    eight_bit: bool = False,
    where: str = "training part",
    variables: Sequence[str] = (),
) -> Normaliser:
    """The normaliser that `fit_normaliser` chooses for frames of these statistics.

    Args:
        statistics: of the training part.
        method: how to normalise.
        output: activation of the model's output.
        eight_bit: whether the values are 8-bit integers, whose range is known beforehand.
        where: what an error calls the frames.
        variables: names of the channels.

    Raises:
        ConfigError, DataError: as `fit_normaliser`.
    """
    if statistics.empty:
        names = [variables[c] if variables else f"channel {c}" for c in np.flatnonzero(statistics.count == 0).tolist()]
        what = f"all values of {', '.join(names)} are missing"
        raise DataError(what, where=where, hint="check the file, or choose another variable")
    if statistics.constant:
        values = ", ".join(dict.fromkeys(str(float(v)) for v in statistics.low))
        raise DataError(f"all frames are constant (value {values}): there is nothing to learn", where=where)
    if method == "auto":
        method = _choose_method(statistics, output, eight_bit)
    low, high = statistics.low, statistics.high
    outside = low.min() < 0 or high.max() > 1
    if output == "sigmoid" and (method == "standard" or (method == "identity" and outside)):
        raise ConfigError(
            f"'{method}' leaves values that a sigmoid output, 0..1, cannot reach",
            where="normalisation",
            received=f"values from {low.min():g} to {high.max():g}",
            hint="use normalisation 'auto' or 'range', or output 'linear'",
        )
    if method == "identity":
        return Normaliser(method=method, offset=(0.0,) * len(low), scale=(1.0,) * len(low))
    if method == "standard":
        return Normaliser(
            method=method, offset=_floats(statistics.mean), scale=_scales(statistics.deviation, statistics)
        )
    if method == "range":
        if eight_bit and high.max() > DARK:
            return Normaliser(method=method, offset=(0.0,) * len(low), scale=(255.0,) * len(low))
        return Normaliser(method=method, offset=_floats(low), scale=_scales(high - low, statistics))
    return _logarithmic(statistics, output)


def choose_threshold(
    spans: Sequence[Span], normaliser: Normaliser, *, statistics: FrameStatistics | None = None
) -> float:
    """Threshold of an event in these frames, in source units: a value of at least this much.

    0.5 for values in 0..1. For values that are mostly zero: half of the largest where the others crowd near it (shapes
    on a dark ground), else (amounts, like rain) the median of the others, rounded down to 1, 2 or 5 times a power of
    ten. Else the upper quartile, rounded to a tenth of the spread between the quartiles, or the middle of the range
    where that would leave no value above it. Taken from frames spread
    evenly over the spans and from all channels alike.

    Args:
        spans: the training part.
        normaliser: what was fitted on it.
        statistics: of these spans, where they are known already; nothing is then read.

    Raises:
        DataError: damaged frames, or no value at all.
    """
    if normaliser.method == "identity":
        return 0.5
    statistics = statistics or measure_spans(spans, frames=THRESHOLD_FRAMES)
    return threshold_for(statistics, where=spans[0].sequence.name)


def threshold_for(statistics: FrameStatistics, *, where: str = "training part") -> float:
    """The threshold that `choose_threshold` chooses for frames of these statistics."""
    values = statistics.values
    if not values.size:
        raise DataError("holds no value to choose a threshold from", where=where)
    if statistics.unit_range:
        return 0.5
    if statistics.rain_like:
        positive, high = values[values > 0], float(statistics.high.max())
        median = float(np.median(positive)) if positive.size else high
        if median > high / 2:
            return _tidy(high / 2)
        power = 10.0 ** np.floor(np.log10(median))
        return _tidy(max(n for n in (1, 2, 5) if n * power <= median * (1 + 1e-9)) * power)
    lower, upper = np.quantile(values, (0.25, 0.75)).astype(float)
    if upper > lower:
        step = 10.0 ** np.floor(np.log10(upper - lower) - 1)
        rounded = float(np.round(upper / step) * step)
        if rounded < values.max():
            return _tidy(rounded)
    # Many values are one and the same, or the largest one: the middle parts them from the others.
    return _tidy(float(values.min() + values.max()) / 2)


def _choose_method(statistics: FrameStatistics, output: str, eight_bit: bool) -> Method:
    if statistics.unit_range:
        return "identity"
    if eight_bit:
        return "range"
    if statistics.rain_like:
        return "log"
    return "range" if output == "sigmoid" else "standard"


def _logarithmic(statistics: FrameStatistics, output: str) -> Normaliser:
    """Bend at the median of the values other than zero: half of what matters lies on either side of it."""
    size = np.abs(statistics.sample)
    bend = np.array([np.median(row[row > 0]) if (row > 0).any() else 1.0 for row in size], dtype=np.float64)
    # Frames are float32, where a quotient past 3e38 is infinite.
    largest = np.maximum(np.abs(statistics.low), np.abs(statistics.high)).astype(np.float64)
    bend = np.maximum(bend, np.maximum(largest, 1.0) * 1e-30)

    def f(x: Any) -> Any:
        return np.sign(x) * np.log1p(np.abs(x) / bend[:, None])

    if output == "linear":
        shaped = f(statistics.sample.astype(np.float64))
        offset, scale = np.nanmean(shaped, axis=1), np.nanstd(shaped, axis=1)
    else:
        offset = f(statistics.low[:, None])[:, 0]
        scale = f(statistics.high[:, None])[:, 0] - offset
    return Normaliser(method="log", offset=_floats(offset), scale=_scales(scale, statistics), bend=_floats(bend))


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def _scales(widths: Any, statistics: FrameStatistics) -> tuple[float, ...]:
    """Widths as scales; a channel that never changes, or by less than float32 can divide by, is left as it is."""
    usable = (statistics.high > statistics.low) & (widths > np.finfo(np.float32).tiny)
    return _floats(np.where(usable, widths, 1.0))


def _tidy(value: float) -> float:
    """Without the last digits that arithmetic left behind (0.30000000000000004)."""
    return float(f"{value:.7g}")


def _sign(x: Any) -> Any:
    return np.sign(x) if isinstance(x, np.ndarray) else x.sign()


def _log1p(x: Any) -> Any:
    return np.log1p(x) if isinstance(x, np.ndarray) else x.log1p()


def _expm1(x: Any) -> Any:
    return np.expm1(x) if isinstance(x, np.ndarray) else x.expm1()
