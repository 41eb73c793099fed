"""Simple forecasts: the last frame as it is, moved as a whole, or moved along the optical flow.

Axes: T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from nextframe.config import Coordinates
from nextframe.data.coordinates import motion_for
from nextframe.data.motion import extrapolate
from nextframe.data.normalise import Normaliser
from nextframe.data.windows import Window
from nextframe.frames.sequence import FloatArray

ADAPTIVE = "adaptive extrapolation"
SIMPLE: Mapping[str, Coordinates] = {
    "persistence": "eulerian",
    "translation": "translated",
    "extrapolation": "lagrangian",
    ADAPTIVE: "adaptive",
}
"""Simple forecasts, the cheapest first, and the coordinates in which each of them is that nothing changes."""
USUAL = ("persistence", "translation", "extrapolation")
"""Those that are measured where nobody says; the others take several times as long."""
WINDOWS = 24
"""Windows that they are measured on, at most."""
FEWEST = 2
GAIN = 0.995
"""Score against a simple forecast (`held_against`) below which weights are better than that."""
WORSE = 10.0
"""Weight of being worse than it at one lead time against being better at the others."""
Model = Callable[[FloatArray, int], FloatArray]
"""Forecast of a past (T, C, H, W), of so many lead times, (K, C, H, W), in source units."""
_WORTH = 0.99  # of the squared error of a cheaper one, below which a dearer one is taken


@dataclass(frozen=True, kw_only=True)
class SimpleSkill:
    """Errors of the simple forecasts on some windows."""

    windows: int
    """Number of windows."""
    seconds: float
    """Seconds that measuring them took."""
    mse: Mapping[str, tuple[float, ...]]
    """Name -> mean squared error by lead time (K,), in source units, NaN where no value is known."""
    usual: Mapping[str, tuple[float, ...]]
    """Name -> root of the mean squared error by lead time, in the model's range."""

    @property
    def best(self) -> str:
        """Name of the best one, by the mean over lead times of its error relative to persistence's."""
        best, least = "persistence", 1.0
        reference = np.array(self.mse["persistence"])
        for name, errors in self.mse.items():
            share = np.array(errors) / np.where(reference > 0, reference, np.nan)
            if np.isfinite(share).any() and float(np.nanmean(share)) < _WORTH * least:
                best, least = name, float(np.nanmean(share))
        return best


def name_of(coordinates: Coordinates) -> str:
    """The simple forecast of frames that do not change in these coordinates.

    >>> name_of("lagrangian")
    'extrapolation'
    """
    return next(name for name, own in SIMPLE.items() if own == coordinates)


def held_against(errors: ArrayLike, reference: ArrayLike, counted: ArrayLike | None = None) -> float:
    """Score of squared errors by lead time against those of a simple forecast: their mean share of these, and more
    where one lead time is worse. The smaller, the better; NaN where the reference has no error.

    Args:
        errors: of the forecast, by lead time.
        reference: of the simple forecast.
        counted: shares whose mean is taken, where it is not to be that of these errors' shares.

    >>> held_against([1, 3], [2, 4]), round(held_against([1, 4.4], [2, 4]), 6)
    (0.625, 1.8)
    """
    own, simple = np.asarray(errors, np.float64), np.asarray(reference, np.float64)
    known = np.isfinite(own) & (simple > 0)
    if not known.any():
        return float("nan")
    share = own[known] / simple[known]
    mean = share.mean() if counted is None else np.nanmean(np.asarray(counted, np.float64))
    return float(mean + WORSE * max(share.max() - 1, 0))


def spread_order(number: int) -> list[int]:
    """Numbers 0 ... number - 1 in an order whose every beginning is spread evenly over them (van der Corput 1935).

    >>> spread_order(8)
    [0, 4, 2, 6, 1, 5, 3, 7]
    """
    bits = max(number - 1, 0).bit_length()
    mirrored = (int(f"{n:0{bits}b}"[::-1], 2) if bits else 0 for n in range(2**bits))
    return [n for n in mirrored if n < number]


def _simple(name: str, *, skewed: bool) -> Model:
    return lambda past, lead_times: extrapolate(past, motion_for(SIMPLE[name], past, skewed=skewed), lead_times)


def measure_simple(
    windows: Sequence[Window],
    normaliser: Normaliser | None = None,
    *,
    names: Sequence[str] = USUAL,
    models: Mapping[str, Model] = MappingProxyType({}),
    limit: int = WINDOWS,
    seconds: float = float("inf"),
) -> SimpleSkill:
    """Measure the simple forecasts, on the pixels whose last value is known.

    Args:
        windows: where; some of them are taken, evenly spread.
        normaliser: the model's range; by default errors in source units stand for those in it.
        names: which of them.
        models: what is measured beside them, by name.
        limit: windows that are taken at most.
        seconds: time after which no further window is begun, but for the first two.
    """
    lead_times = windows[0].future
    skewed = normaliser is not None and normaliser.skewed
    forecasts: dict[str, Model] = {name: _simple(name, skewed=skewed) for name in names} | dict(models)
    squared = {name: np.zeros((2, lead_times)) for name in forecasts}
    count = np.zeros(lead_times)
    started, done = time.perf_counter(), 0
    for number in spread_order(len(windows))[:limit]:
        if done >= FEWEST and time.perf_counter() - started > seconds:
            break
        past, truth = windows[number].read()
        valid = np.isfinite(truth) & np.isfinite(past[-1])
        count += valid.sum((1, 2, 3))
        for name, make in forecasts.items():
            forecast = make(past, lead_times)
            pairs = [(forecast, truth)]
            if normaliser is not None:
                pairs.append((normaliser.apply(forecast), normaliser.apply(truth)))
            for n, (said, was) in enumerate(pairs):
                squared[name][n] += np.square(
                    np.subtract(said, was, dtype=np.float64), where=valid, out=np.zeros(valid.shape)
                ).sum((1, 2, 3))
        done += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        means = {name: sums / count for name, sums in squared.items()}
    scaled = 0 if normaliser is None else 1
    return SimpleSkill(
        windows=done,
        seconds=time.perf_counter() - started,
        mse={name: tuple(map(float, both[0])) for name, both in means.items()},
        usual={name: tuple(map(float, np.sqrt(both[scaled]))) for name, both in means.items()},
    )
