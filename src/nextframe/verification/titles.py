"""Scores in print: their titles with units, their numbers, which lead and which are best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from nextframe.verification.naming import better, score_named, unit_of

_OF_VIDEO = ("psnr", "ssim")
"""Metrics that lead where frames are pictures, of which no value is an event."""


class Scored(Protocol):
    """Scores by forecaster, metric and lead time, such as a `Verification`."""

    @property
    def scores(self) -> Mapping[str, Mapping[str, Sequence[float]]]: ...

    @property
    def video(self) -> bool: ...


def metric_names(verification: Scored) -> list[str]:
    """Metrics that any forecaster has: those that lead, then the others in the order in which they were computed."""
    names: dict[str, None] = {}
    for metrics in verification.scores.values():
        names.update(dict.fromkeys(metrics))
    return sorted(names, key=lambda name: _place(name, verification.video))


def default_metrics(verification: Scored) -> list[str]:
    """The few that a first look needs: CSI at each threshold, MSE, SSIM, CRPS of ensembles; of videos PSNR and SSIM."""
    return [name for name in metric_names(verification) if _place(name, verification.video) < math.inf]


def _place(name: str, video: bool) -> float:
    row = score_named(name).metric
    if video and row.name in _OF_VIDEO:
        return _OF_VIDEO.index(row.name) - len(_OF_VIDEO)
    return math.inf if row.leads is None else row.leads


def title(metric: str, units: Sequence[str] = ()) -> str:
    """A metric's name as it stands in print, its unit, and an arrow to the better side: "MAE in mm ↓".

    Args:
        metric: its name in the scores.
        units: the unit of each channel; a unit is printed where all have the same.
    """
    score = score_named(metric)
    source = units[0] if len(set(units)) == 1 else "1"
    unit = unit_of(metric, source)
    text = score.metric.label
    if score.channel:
        text += f" of {score.channel}"
    if score.threshold:
        text += f" at {score.threshold}" + ("" if source == "1" else f" {source}")
    if score.scale:
        text += f" {score.metric.scale.format(score.scale)}"
    if unit:
        text += f" in {unit}"
    return f"{text} {_arrow(metric)}".rstrip()


def heading(metric: str, units: Sequence[str] = ()) -> str:
    """A metric's title without its arrow, for sentences."""
    return title(metric, units).removesuffix(f" {_arrow(metric)}")


def best(verification: Scored, metric: str, lead: int) -> set[str]:
    """The forecasters that are best at one lead time (its index); none where no one has a value."""
    values = {name: metrics[metric][lead] for name, metrics in verification.scores.items() if metric in metrics}
    return winners(values, metric)


def winners(values: Mapping[str, float], metric: str) -> set[str]:
    """Names of those with the best value of a metric; none where no one has a value.

    >>> sorted(winners({"a": 0.2, "b": 0.1, "c": float("nan")}, "mse"))
    ['b']
    """
    if better(metric) is None:
        return set()
    merits = {name: merit(metric, value) for name, value in values.items() if not math.isnan(value)}
    return {name for name, value in merits.items() if value == max(merits.values())}


def merit(metric: str, value: float) -> float:
    """The higher, the better."""
    side = better(metric)
    if isinstance(side, float):
        return -abs(value - side)
    return value if side == "higher" else -value


def _arrow(metric: str) -> str:
    """Side on which the better values lie."""
    side = better(metric)
    if side is None:
        return ""
    if isinstance(side, float):
        return f"→ {side:g}"
    return "↑" if side == "higher" else "↓"


def number(value: float) -> str:
    """Three digits that matter; a dash where there is no value."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞"
    if abs(value) >= 100:
        return f"{value:.0f}" if abs(value) < 1e6 else f"{value:.2e}"
    return f"{value:.3f}" if abs(value) >= 0.0995 or value == 0 else f"{value:#.3g}"


def mean(values: Sequence[float]) -> float:
    """Mean over the lead times that have a value."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
