"""Scores of all events together: each network counts as one, and intervals are of networks and events drawn again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.radar.networks import HORIZON, NETWORKS, Network
from nextframe.verification.result import Verification

DRAWS = 2000
FEWEST = 5
"""Networks below which no interval is made: drawing two or three again tells nothing of others."""
WAYS = {", matched": "matched", ", matched to validation": "mapped"}
"""Endings of the names of forecasters, and how the page calls what is matched to the last frame and what is mapped to
the distribution of the validation part."""
Scores = Mapping[str, Mapping[str, Sequence[float]]]
"""Forecaster -> score -> a value for each lead time."""
Band = tuple[float, float]
"""Lead times in minutes, beyond the first number and up to the second."""
ALL: Band = (0, HORIZON)
BANDS: Sequence[Band] = ((0, 20), (20, 40), (40, HORIZON))
"""Bands that the pages tell apart."""


@dataclass(frozen=True)
class Event:
    """Scores of one event by everyone."""

    network: Network
    name: str
    lead_time: Sequence[float]
    """In minutes."""
    count: int
    """Forecasts."""
    scores: Scores

    def mean(self, forecaster: str, metric: str, band: Band = ALL) -> float:
        """A score's mean over lead times; NaN where it has none."""
        values = np.asarray(_values(self.scores.get(forecaster, {}), metric), float)
        if not values.size:
            return math.nan
        inside = [band[0] < lead <= band[1] for lead in self.lead_time]
        taken = values[np.array(inside, bool)]
        return float(taken.mean()) if taken.size else math.nan


def _values(scores: Mapping[str, Sequence[float]], metric: str) -> Sequence[float]:
    """A score's values; frequency bias is made from POD and FAR: forecast events over those that came. The CRPS of a
    single forecast is its mean absolute error.
    """
    if metric == "crps":
        return scores.get("crps", scores.get("mae", ()))
    if not metric.startswith("frequency_"):
        return scores.get(metric, ())
    threshold = metric.removeprefix("frequency_")
    hit, false = scores.get(f"pod_{threshold}", ()), scores.get(f"far_{threshold}", ())
    return [pod / (1 - far) if far < 1 else math.nan for pod, far in zip(hit, false, strict=True)]


def events(folder: Path, variant: str) -> list[Event]:
    """All events that a variant has been scored on, with the baselines beside it."""
    found = []
    for row in NETWORKS:
        for file in sorted((folder / variant / row.name).glob("*.json")):
            beside = folder / "baselines" / row.name / file.name
            if file.stem == "training" or not beside.exists():
                continue
            own, others = Verification.from_json(file), Verification.from_json(beside)
            scores = {_plain(name): values for name, values in own.scores.items()} | dict(others.scores)
            found.append(Event(row, file.stem, own.lead_time, own.count, scores))
    return found


def _plain(name: str) -> str:
    """Name of a run's rows, whatever its folder is called."""
    return next((own for ending, own in WAYS.items() if name.endswith(ending)), "model")


def pooled(found: Sequence[Event], forecaster: str, metric: str, band: Band = ALL) -> float:
    """A score's mean: over lead times, then the events of a network, then networks."""
    return _by_network(found, lambda event: event.mean(forecaster, metric, band))


@dataclass(frozen=True)
class Difference:
    """Difference of two forecasters with its 95 % interval: of scores, or of the logarithms of errors."""

    mean: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def difference(found: Sequence[Event], one: str, other: str, metric: str, band: Band = ALL) -> Difference:
    """How much better a forecaster is than another by a score: above zero where it is better.

    Of errors (MSE, CRPS) it is the logarithm of their ratio, so that no heavy event outweighs the others.
    """
    lower = metric in ("mse", "crps")

    def gained(event: Event) -> float:
        a, b = event.mean(one, metric, band), event.mean(other, metric, band)
        if not lower:
            return a - b
        return math.log(b / a) if a > 0 and b > 0 else math.nan

    groups = [values for values in _grouped(found, gained) if len(values)]
    if not groups:
        return Difference(math.nan, math.nan, math.nan)
    mean = float(np.mean([group.mean() for group in groups]))
    if len(groups) < FEWEST:
        return Difference(mean, math.nan, math.nan)
    draw = np.random.default_rng(0)
    drawn = [
        np.mean([draw.choice(groups[n], len(groups[n])).mean() for n in draw.integers(0, len(groups), len(groups))])
        for _ in range(DRAWS)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Difference(mean, float(low), float(high))


def _by_network(found: Sequence[Event], value: Callable[[Event], float]) -> float:
    means = [float(values.mean()) for values in _grouped(found, value) if len(values)]
    return float(np.mean(means)) if means else math.nan


def _grouped(found: Sequence[Event], value: Callable[[Event], float]) -> list[NDArray[np.float64]]:
    """Values by network; windows of one storm are one value."""
    groups = []
    for row in NETWORKS:
        values = np.array([value(event) for event in found if event.network is row], float)
        values = values[np.isfinite(values)]
        groups.append(values.mean(keepdims=True) if row.one_storm and len(values) else values)
    return groups
