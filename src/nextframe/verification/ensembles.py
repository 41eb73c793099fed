"""Additive statistics of ensembles: whether the members' spread and the probabilities they give can be trusted.

Axes: B batch, M member, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ShapeError
from nextframe.forecasting.forecast import central_interval
from nextframe.verification.additive import Additive, Settings, Sums, of_channel, threshold_name

BINS = 11
"""Classes of forecast probability in the reliability diagram: 0 to 0.05, to 0.15, ..., to 1."""
COVERAGE = 0.9
"""Nominal coverage of the central interval whose real coverage is counted."""
_ROUNDING = 1e-5
"""Share of the range of values within which two are the same: what float32, and another order of the same sums, make of
a network's outputs."""


MEMBERS = ("member", "realization", "number", "ens_number", "ensemble")
"""Names of the axis of an ensemble's members: ours, and those of CF, ECMWF and pysteps."""


@dataclass(frozen=True, kw_only=True)
class Members(Additive):
    """Sums over values verified by members, each (K,) where not said otherwise."""

    of_members: ClassVar[bool] = True
    members: int
    """Members M of each forecast."""
    count: Sums
    """Values verified."""
    absolute_error: Sums
    """Sum of the mean over members of |member - truth|."""
    pairs: Sums
    """Sum of half the mean over all pairs of members of |member - other|, each with itself among them."""
    variance: Sums
    """Sum of the members' variances about their mean, each over M - 1."""
    squared_error: Sums
    """Sum of squared errors of the members' mean."""
    covered: Sums
    """Values within the central interval, ends included up to rounding."""
    ranks: Sums
    """Counts of the truth with so many members below it, (M + 1, K); shared evenly among ranks where members equal it.
    """

    @classmethod
    def each(cls, forecast: NDArray[Any], truth: NDArray[Any], settings: Settings) -> Self:
        """Sums of every forecast of a batch apart, from members (B, M, K, C, H, W); errors of `Additive.each`."""
        return cls(members=forecast.shape[1], **_stacked(forecast, truth, _of_one_lead))


@dataclass(frozen=True, kw_only=True)
class Areas(Additive):
    """Sums over means of squares of pixels, verified by those of members, each (sides, K) where not said otherwise.

    The squares lie side by side from the first pixel on; one counts where neither truth nor any member lacks more than
    half of its pixels, by the mean of those that all have.
    """

    of_members: ClassVar[bool] = True
    sides: tuple[int, ...]
    """Sides of the squares in pixels."""
    members: int
    """Members M of each forecast."""
    count: Sums
    """Squares verified."""
    absolute_error: Sums
    """Sum of the mean over members of |member - truth|."""
    pairs: Sums
    """Sum of half the mean over all pairs of members of |member - other|, each with itself among them."""
    variance: Sums
    """Sum of the members' variances about their mean, each over M - 1."""
    squared_error: Sums
    """Sum of squared errors of the members' mean."""
    covered: Sums
    """Squares whose true mean is within the central interval, ends included up to rounding."""
    ranks: Sums
    """Counts of the truth with so many members below it, (sides, M + 1, K)."""

    @classmethod
    def each(cls, forecast: NDArray[Any], truth: NDArray[Any], settings: Settings) -> Self:
        """Sums of every forecast of a batch apart, from members (B, M, K, C, H, W); errors of `Additive.each`."""

        def of_one_lead(members: NDArray[Any], was: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
            rows = [_of_one_lead(*_means(members, was, side)) for side in settings.areas]
            return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

        return cls(sides=settings.areas, members=forecast.shape[1], **_stacked(forecast, truth, of_one_lead))

    def named(self, name: str, values: Sums) -> dict[str, Sums]:
        """Values of a metric by side: "area_crps_16px"; without sides that no frame has room for."""
        return {
            f"{name}_{side}px": values[..., n, :] for n, side in enumerate(self.sides) if self.count[..., n, :].any()
        }


@dataclass(frozen=True, kw_only=True)
class Probabilities(Additive):
    """Sums over the probabilities of events that members give, each (thresholds, K) where not said otherwise."""

    of_members: ClassVar[bool] = True
    thresholds: tuple[float, ...]
    """Threshold of an event: a value of at least so much, in source units."""
    members: int
    """Members M of each forecast."""
    count: Sums
    """Values verified."""
    squared_error: Sums
    """Sum of squared differences between probability and event."""
    said: Sums
    """Forecasts by class of probability, (thresholds, BINS, K)."""
    probability: Sums
    """Sum of the probabilities in each class, (thresholds, BINS, K)."""
    came: Sums
    """Events that came, by class of probability, (thresholds, BINS, K)."""

    @classmethod
    def each(cls, forecast: NDArray[Any], truth: NDArray[Any], settings: Settings) -> Self:
        """Sums of every forecast of a batch apart, from members (B, M, K, C, H, W); errors of `Additive.each`."""

        def of_one_lead(members: NDArray[Any], was: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
            return _events_of_one_lead(members, was, settings.thresholds)

        sums = _stacked(forecast, truth, of_one_lead)
        return cls(thresholds=settings.thresholds, members=forecast.shape[1], **sums)

    def named(self, name: str, values: Sums) -> dict[str, Sums]:
        """Values of a metric by threshold: "brier_0.5"."""
        return {f"{name}_{threshold_name(threshold)}": values[..., n, :] for n, threshold in enumerate(self.thresholds)}


def _stacked(
    members: NDArray[Any], truth: NDArray[Any], of_one_lead: Callable[[Any, Any], dict[str, NDArray[np.float64]]]
) -> dict[str, NDArray[np.float64]]:
    """The sums of each forecast (B, M, K, C, H, W); lead time after lead time, since members take room.

    Raises:
        ShapeError: members and truth that do not fit each other.
    """
    if members.ndim != 6 or members[:, 0].shape != truth.shape:
        raise ShapeError(
            "the members have another shape than the truth",
            where="verification",
            expected=(truth.shape[0], "M", *truth.shape[1:]),
            received=members.shape,
        )
    rows = [[of_one_lead(m[:, k], t[k]) for k in range(len(t))] for m, t in zip(members, truth, strict=True)]
    names = rows[0][0].keys()
    return {name: np.stack([np.stack([lead[name] for lead in row], -1) for row in rows]) for name in names}


def _known(members: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.bool_]:
    """Values that neither members (M, C, H, W) nor truth (C, H, W) lack."""
    known: NDArray[np.bool_] = np.isfinite(members).all(0) & np.isfinite(truth)
    return known


def _ordered(
    members: NDArray[Any], truth: NDArray[Any], known: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Members (M, N) in rising order and truth (N,), of the known values."""
    return np.sort(members[:, known].astype(np.float64), axis=0), truth[known].astype(np.float64)


def _rounding(ordered: NDArray[np.float64], was: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The difference (N,) that rounding makes: a share of the range of each value's channel."""
    channel, rounding = np.nonzero(known)[0], np.zeros(was.size)
    for one in np.unique(channel):
        own = channel == one
        low, high = (min(ordered[0, own].min(), was[own].min()), max(ordered[-1, own].max(), was[own].max()))
        rounding[own] = _ROUNDING * (high - low)
    return rounding


def _means(members: NDArray[Any], truth: NDArray[Any], side: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Means of members (M, C, H, W) and truth (C, H, W) over squares; NaN where more than half is missing."""
    rows, columns = (size // side * side for size in truth.shape[-2:])
    members, truth = members[..., :rows, :columns], truth[..., :rows, :columns]
    valid = _known(members, truth)

    def summed(values: NDArray[Any]) -> NDArray[np.float64]:
        squares = values.reshape(*values.shape[:-2], rows // side, side, columns // side, side)
        total: NDArray[np.float64] = squares.sum((-3, -1), dtype=np.float64)
        return total

    number = summed(valid)
    number[number < side**2 / 2] = np.nan
    return summed(np.where(valid, members, 0)) / number, summed(np.where(valid, truth, 0)) / number


def _of_one_lead(members: NDArray[Any], truth: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """The sums of members (M, C, H, W) against the truth (C, H, W), without the axis of lead times."""
    known = _known(members, truth)
    ordered, was = _ordered(members, truth, known)
    rounding = _rounding(ordered, was, known)
    number = len(ordered)
    # Half the mean over all pairs of |f - f'|: each gap is counted by the members on both sides.
    weights = (2 * np.arange(1, number + 1) - number - 1) / number**2
    low, high = central_interval(ordered, COVERAGE)
    return {
        "count": np.array(float(was.size)),
        "absolute_error": np.abs(ordered - was).mean(0).sum(),
        "pairs": (weights @ ordered).sum(),
        "variance": ordered.var(0, ddof=1 if number > 1 else 0).sum(),
        "squared_error": ((ordered.mean(0) - was) ** 2).sum(),
        "covered": np.array(float(((low - rounding <= was) & (was <= high + rounding)).sum())),
        "ranks": _ranks(ordered, was, rounding),
    }


def _events_of_one_lead(
    members: NDArray[Any], truth: NDArray[Any], thresholds: tuple[float, ...]
) -> dict[str, NDArray[np.float64]]:
    """The sums of the probabilities that members (M, C, H, W) give, without the axis of lead times."""
    count, squared = np.zeros(len(thresholds)), np.zeros(len(thresholds))
    tables = {name: np.zeros((len(thresholds), BINS)) for name in ("said", "probability", "came")}
    for n, threshold in enumerate(thresholds):
        drawn, came = of_channel(members, threshold), of_channel(truth, threshold)
        ordered, was = _ordered(drawn, came, _known(drawn, came))
        count[n] = was.size
        # In the type of the values, so that 0.7 reaches 0.7.
        at = np.float64(np.asarray(threshold, truth.dtype if truth.dtype.kind == "f" else np.float64))
        probability, event = (ordered >= at).mean(0), was >= at
        squared[n] = ((probability - event) ** 2).sum()
        chosen = np.minimum((probability * (BINS - 1) + 0.5).astype(int), BINS - 1)
        for name, amount in (("said", None), ("probability", probability), ("came", event)):
            tables[name][n] = np.bincount(chosen, amount, BINS)
    return {"count": count, "squared_error": squared, **tables}


def _ranks(
    ordered: NDArray[np.float64], was: NDArray[np.float64], rounding: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The rank histogram (M + 1,): a truth that ties with n members counts 1 / (n + 1) at each rank it may have."""
    number = len(ordered)
    below, upto = (ordered < was - rounding).sum(0), (ordered <= was + rounding).sum(0)
    share = 1 / (upto - below + 1.0)
    # Differences at both ends of the run of ranks, summed up along the ranks.
    steps = np.bincount(below, share, number + 2) - np.bincount(upto + 1, share, number + 2)
    ranks: NDArray[np.float64] = np.cumsum(steps)[: number + 1]
    return ranks
