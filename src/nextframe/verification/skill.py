"""Skill over references, and a verdict for each of them: better, worse, or no real difference.

Skill of all lead times is that of the means, 1 - mean / mean for a score whose perfect value is 0, and not the mean of
ratios, which one lead time at which the reference is all but perfect would decide.

Axes: R resamples, K lead time.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.verification.bootstrap import interval
from nextframe.verification.naming import perfect
from nextframe.verification.result import Skill, Verdict, Verification, Word
from nextframe.verification.titles import default_metrics, merit

Values = NDArray[np.float64]
Scores = Mapping[str, NDArray[np.float64]]
"""Metric -> a value for each lead time (K,), or for each resample and lead time (R, K)."""


def skill_over(
    name: str, others: Sequence[str], scores: Mapping[str, Scores], samples: Mapping[str, Scores]
) -> dict[str, dict[str, Skill]]:
    """A forecaster's skill over each of some others, by every metric that has a perfect value.

    Both are drawn from the same forecasts, so that what they have in common, such as a day that is hard for all, does
    not blur the difference.

    Args:
        name: the forecaster in question.
        others: the references.
        scores: forecaster -> its scores.
        samples: the same of each resample; empty where there are too few independent forecasts.
    """
    skill: dict[str, dict[str, Skill]] = {}
    for other in others:
        skill[other] = {}
        for metric, own in scores[name].items():
            best = perfect(metric)
            if best is None or metric not in scores[other]:
                continue
            score = _skill_score(own, scores[other][metric], best)
            low = high = np.full(score.shape, np.nan)
            mean = [float(_skill_score(*_means(own, scores[other][metric]), best)), math.nan, math.nan]
            if samples:
                drawn = samples[name][metric], samples[other][metric]
                low, high = interval(_skill_score(*drawn, best))
                mean[1:] = (float(bound) for bound in interval(_skill_score(*_means(*drawn), best)))
            skill[other][metric] = Skill(score=score.tolist(), low=low.tolist(), high=high.tolist(), mean=mean)
    return skill


def verdicts(
    verification: Verification,
    scores: Mapping[str, Scores],
    samples: Mapping[str, Scores],
    pairs: Sequence[tuple[str, str]],
) -> tuple[Verdict, ...]:
    """One verdict for each pair of a forecaster and a reference, by the first of the metrics that lead and have a value
    of both; of videos by the squared error, by which PSNR goes, too.

    A difference is real where the 95 % interval of the difference of the means leaves zero out.
    """
    metrics = [metric for metric in default_metrics(verification) if perfect(metric) is not None]
    if verification.video:
        metrics.sort(key=lambda metric: metric != "mse")
    return tuple(
        verdict
        for own, other in pairs
        for verdict in [_verdict(own, other, metrics, scores, samples)]
        if verdict is not None
    )


def _verdict(
    own: str, other: str, metrics: Sequence[str], scores: Mapping[str, Scores], samples: Mapping[str, Scores]
) -> Verdict | None:
    words: dict[str, Word] = {}
    for metric in metrics:
        if metric in scores[own] and metric in scores[other]:
            word = _word(metric, scores[own][metric], scores[other][metric], *_drawn(metric, own, other, samples))
            if word is not None:
                words[metric] = word
    if not words:
        return None
    metric = next(iter(words))
    means = [float(value) for value in _means(scores[own][metric], scores[other][metric])]
    skill = skill_over(own, [other], {n: {metric: scores[n][metric]} for n in (own, other)}, samples)[other][metric]
    return Verdict(
        forecaster=own,
        reference=other,
        metric=metric,
        verdict=words.pop(metric),
        means=means,
        skill=skill.mean,
        others={name: word for name, word in words.items() if word in ("better", "worse")},
    )


def _drawn(metric: str, own: str, other: str, samples: Mapping[str, Scores]) -> Iterator[Values]:
    for name in (own, other) if samples else ():
        yield samples[name][metric]


def _word(metric: str, own: Values, other: Values, *drawn: Values) -> Word | None:
    """The verdict by one metric; None where the two have no lead time in common at which both have a value."""
    here, there = _means(own, other)
    if not np.isfinite([here, there]).all():
        return None
    if here == there and np.array_equal(own, other, equal_nan=True):
        return "no real difference"
    if not drawn:
        return "not known"
    means = _means(*drawn)
    difference = np.array([merit(metric, a) - merit(metric, b) for a, b in zip(*means, strict=True)])
    low, high = (float(bound) for bound in interval(difference))
    if math.isnan(low):
        return "not known"
    return "better" if low > 0 else "worse" if high < 0 else "no real difference"


def _skill_score(own: Any, other: Any, best: float) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        skill: NDArray[np.float64] = (np.asarray(own) - other) / (best - np.asarray(other))
    return np.where(np.isfinite(skill), skill, np.nan)


def _means(own: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[Any, Any]:
    """Means over the lead times (..., K) at which both have a value; NaN where there are none."""
    both = np.isfinite(own) & np.isfinite(other)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no lead time has one
        means = [np.nanmean(np.where(both, values, np.nan), axis=-1) for values in (own, other)]
    return means[0], means[1]
