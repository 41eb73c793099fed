"""Additive statistics of ensembles: whether the members' spread and the probabilities they give can be trusted.

Axes: B batch, M member, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ShapeError
from nextframe.forecasting.forecast import central_interval
from nextframe.frames.sequence import FloatArray
from nextframe.verification.additive import Additive, Sums

BINS = 11
"""Classes of forecast probability in the reliability diagram: 0 to 0.05, to 0.15, ..., to 1."""
COVERAGE = 0.9
"""Nominal coverage of the central interval whose real coverage is counted."""


@dataclass(frozen=True, kw_only=True)
class EnsembleStatistics(Additive):
    """Sums over verified values, each (K,) where not said otherwise."""

    thresholds: tuple[float, ...]
    """What counts as an event: a value of at least so much, in source units."""
    members: int
    """Members M of each forecast."""
    count: Sums
    """Values verified."""
    crps: Sums
    """Sum of the continuous ranked probability scores."""
    variance: Sums
    """Sum of the members' variances about their mean, each over M - 1."""
    squared_error: Sums
    """Sum of squared errors of the members' mean."""
    covered: Sums
    """Values within the central interval."""
    ranks: Sums
    """How often the truth had so many members below it, (M + 1, K); shared evenly among ranks where members equal it.
    """
    brier: Sums
    """Sum of squared differences between probability and event, (thresholds, K)."""
    said: Sums
    """Forecasts by class of probability, (thresholds, BINS, K)."""
    probability: Sums
    """Sum of the probabilities in each class, (thresholds, BINS, K)."""
    came: Sums
    """Events that came, by class of probability, (thresholds, BINS, K)."""

    @classmethod
    def each(cls, members: FloatArray, truth: FloatArray, *, thresholds: Sequence[float] = (0.5,)) -> Self:
        """Statistics of every forecast of a batch apart, along a first axis B.

        Args:
            members: (B, M, K, C, H, W) in source units, NaN where missing.
            truth: (B, K, C, H, W).
            thresholds: what counts as an event.

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
        parts = [_of_one(m, t, tuple(thresholds)) for m, t in zip(members, truth, strict=True)]
        names = parts[0].keys()
        return cls(
            thresholds=tuple(thresholds),
            members=members.shape[1],
            **{name: np.stack([part[name] for part in parts]) for name in names},
        )

    def metrics(self) -> dict[str, Sums]:
        """CRPS, Brier score by threshold, spread-skill ratio and coverage, (..., K); the last two of members only."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = {"crps": self.crps / self.count}
            for n, threshold in enumerate(self.thresholds):
                found[f"brier_{threshold:g}"] = self.brier[..., n, :] / self.count
            if self.members > 1:
                share = (self.members + 1) / self.members
                found["spread"] = np.sqrt(share * self.variance / self.squared_error)
                found["coverage"] = self.covered / self.count
        return found


def _of_one(members: FloatArray, truth: FloatArray, thresholds: tuple[float, ...]) -> dict[str, NDArray[np.float64]]:
    """The sums of one forecast (M, K, C, H, W); lead time after lead time, since members take room."""
    leads = [_of_one_lead(members[:, k], truth[k], thresholds) for k in range(len(truth))]
    return {name: np.stack([lead[name] for lead in leads], axis=-1) for name in leads[0]}


def _of_one_lead(
    members: FloatArray, truth: FloatArray, thresholds: tuple[float, ...]
) -> dict[str, NDArray[np.float64]]:
    """The sums of members (M, C, H, W) against the truth (C, H, W), without the axis of lead times."""
    valid = np.isfinite(members).all(0) & np.isfinite(truth)
    was = truth[valid].astype(np.float64)
    ordered = np.sort(members[:, valid].astype(np.float64), axis=0)
    number = len(ordered)
    # The sum over all pairs of |f - f'| from the ordered members: each gap is counted by the members on both sides.
    weights = (2 * np.arange(1, number + 1) - number - 1) / number**2
    low, high = central_interval(ordered, COVERAGE)
    brier = np.zeros(len(thresholds))
    tables = {name: np.zeros((len(thresholds), BINS)) for name in ("said", "probability", "came")}
    for n, threshold in enumerate(map(np.float32, thresholds)):  # as the values, so that 0.7 reaches 0.7
        probability, event = (ordered >= threshold).mean(0), was >= threshold
        brier[n] = ((probability - event) ** 2).sum()
        chosen = np.minimum((probability * (BINS - 1) + 0.5).astype(int), BINS - 1)
        for name, amount in (("said", None), ("probability", probability), ("came", event)):
            tables[name][n] = np.bincount(chosen, amount, BINS)
    return {
        "count": np.array(float(was.size)),
        "crps": (np.abs(ordered - was).mean(0) - weights @ ordered).sum(),
        "variance": ordered.var(0, ddof=1 if number > 1 else 0).sum(),
        "squared_error": ((ordered.mean(0) - was) ** 2).sum(),
        "covered": np.array(float(((low <= was) & (was <= high)).sum())),
        "ranks": _ranks(ordered, was),
        "brier": brier,
        **tables,
    }


def _ranks(ordered: NDArray[np.float64], was: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank histogram (M + 1,): a truth that ties with n members counts 1 / (n + 1) at each rank it may have."""
    number = len(ordered)
    below, upto = (ordered < was).sum(0), (ordered <= was).sum(0)
    share = 1 / (upto - below + 1.0)
    # Differences at both ends of the run of ranks, summed up along the ranks.
    steps = np.bincount(below, share, number + 2) - np.bincount(upto + 1, share, number + 2)
    ranks: NDArray[np.float64] = np.cumsum(steps)[: number + 1]
    return ranks
