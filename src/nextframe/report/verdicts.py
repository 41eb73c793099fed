"""Verdicts in words: one for each reference, then by lead time, and what the intervals are of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nextframe.verification.bootstrap import FEWEST_BLOCKS
from nextframe.verification.naming import perfect, score_named
from nextframe.verification.result import Verdict, Verification
from nextframe.verification.titles import heading, mean, merit, metric_names, number
from nextframe.words import count, joined, lead_number

_BEYOND = 10.0
"""Factor from which on a skill is said as how many times the error is, since -16 tells nobody anything."""
_TOO_FEW = "too few independent forecasts to say whether that is real"


def verdict_sentences(verification: Verification) -> list[str]:
    """A sentence for each reference: whether the forecaster in question is better, worse, or not really different."""
    return [
        _verdict_sentence(verification, verdict)
        for verdict in verification.verdicts
        if not repeats(verification, verdict.reference, verdict.metric)
    ]


def _verdict_sentence(verification: Verification, verdict: Verdict) -> str:
    what, (own, other) = heading(verdict.metric, verification.units), verdict.means
    beside = f"{what} {number(own)} against {number(other)}"
    relation = {
        "better": f"is better than {verdict.reference}",
        "worse": f"is worse than {verdict.reference}",
        "no real difference": f"shows no real difference from {verdict.reference}",
        "not known": f"{_on_these(verdict)} {verdict.reference} on these frames",
    }[verdict.verdict]
    skill = _skill_words(verdict.skill, perfect(verdict.metric))
    doubt = f"; {_TOO_FEW}" if verdict.verdict == "not known" else ""
    said = f"{verdict.forecaster} {relation}: {beside}{f', {skill}' if skill else ''}{doubt}."
    for word in ("better", "worse"):
        names = [heading(name, verification.units) for name, found in verdict.others.items() if found == word]
        if names and word != verdict.verdict:
            said += f" By {joined(names)} it is really {word}."
    return said


def _on_these(verdict: Verdict) -> str:
    own, other = (merit(verdict.metric, value) for value in verdict.means)
    return "does better than" if own > other else "does worse than" if own < other else "does as well as"


def _skill_words(skill: Sequence[float], best: float | None) -> str:
    """A skill with its interval, where there is one; beyond a factor of ten as how many times one error is the other.

    >>> _skill_words([-16.0, -20.0, -12.0], 0.0)
    '17 times as large (95 % interval 13 to 21 times)'
    >>> _skill_words([0.39, 0.25, 0.5], 0.0)
    'skill +0.39 (95 % interval +0.25 to +0.50)'
    >>> _skill_words([0.96, math.nan, math.nan], 0.0)
    '25 times smaller'
    """
    score, low, high = skill
    if math.isnan(score):
        return ""
    far = "large" if best == 0 else "far from perfect"
    if 1 - score > _BEYOND:
        between = "" if math.isnan(low) else f" (95 % interval {_factor(1 - high)} to {_factor(1 - low)} times)"
        return f"{_factor(1 - score)} times as {far}{between}"
    if 0 < 1 - score < 1 / _BEYOND:
        near = "smaller" if best == 0 else "nearer to perfect"
        bounded = not math.isnan(low) and high < 1
        between = f" (95 % interval {_factor(1 / (1 - low))} to {_factor(1 / (1 - high))} times)" if bounded else ""
        return f"{_factor(1 / (1 - score))} times {near}{between}"
    return f"skill {score:+.2f}" + ("" if math.isnan(low) else f" (95 % interval {low:+.2f} to {high:+.2f})")


def _factor(times: float) -> str:
    """A factor of two digits that matter, or of one beyond the point."""
    if abs(times) < 10:
        return f"{times:.1f}"
    return f"{float(f'{times:.2g}'):,.0f}"


def interval_sentence(verification: Verification) -> str:
    """Basis of the intervals: how many forecasts, worth how many, of one event or of several; empty where that is
    not known.
    """
    if not verification.events:
        return ""
    forecasts = count(verification.count, "forecast")
    worth = f"{forecasts} of {'one event' if verification.events == 1 else count(verification.events, 'event')}"
    if verification.blocks < verification.count:
        worth += f", worth {verification.blocks:g} that share no frame to be forecast"
    if not verification.intervals:
        return f"No intervals: {worth}; it takes {FEWEST_BLOCKS} blocks."
    if verification.events == 1:
        return f"95 % intervals are of {worth}: they say how sure a difference is within this event, not in others."
    return f"95 % intervals are of {worth}."


def verdict(verification: Verification, forecaster: str | None = None, metric: str | None = None) -> str:
    """In words: up to which lead time the first forecaster beats each of the others, and where it loses.

    Where there are confidence intervals, only differences that they show to be real count: the 95 % interval of the
    skill score at that lead time leaves zero out. At lead times that are not named there is no clear difference. Where
    there are none, the sentence says so.

    Args:
        verification: the scores.
        forecaster: whose; by default the first.
        metric: by which; by default the first CSI where it has values, else the MSE.
    """
    names = list(verification.scores)
    forecaster = forecaster or names[0]
    if metric is None:
        candidates = [*(name for name in metric_names(verification) if score_named(name).metric.name == "csi"), "mse"]
        metric = next(m for m in candidates if not math.isnan(mean(verification.scores[forecaster][m])) or m == "mse")
    clauses = []
    sure = True
    for other in names:
        if other == forecaster or metric not in verification.scores[other]:
            continue
        if repeats(verification, other, metric):
            continue
        skill = verification.skill.get(other, {}).get(metric) if forecaster == names[0] else None
        if skill is not None and not all(map(math.isnan, skill.low)):
            wins, losses = [low > 0 for low in skill.low], [high < 0 for high in skill.high]
        else:
            sure = False
            pairs = list(zip(verification.scores[forecaster][metric], verification.scores[other][metric], strict=True))
            wins = [merit(metric, a) > merit(metric, b) for a, b in pairs]
            losses = [merit(metric, a) < merit(metric, b) for a, b in pairs]
        parts = [f"beats {other} {_when(verification, wins)}"] if any(wins) else []
        if any(losses):
            parts.append(f"loses to {'it' if parts else other} {_when(verification, losses)}")
        clauses.append(" and ".join(parts) or f"is level with {other}")
    what = heading(metric)
    if not clauses:
        values = verification.scores[forecaster][metric]
        first, last = number(values[0]), number(values[-1])
        return f"By {what}, {forecaster} has {first} at the first lead time and {last} at the last."
    said = f"By {what}, {forecaster} " + ", ".join(clauses[:-1]) + (", and " if clauses[1:] else "") + clauses[-1]
    return said + ("." if sure else f"; {_TOO_FEW}.")


def skill_sentences(verification: Verification, metric: str) -> list[str]:
    """The first forecaster's mean skill over each of the others, with its interval, and whether it is real."""
    first = next(iter(verification.scores))
    sentences = []
    for other, skill in verification.skill.items():
        if repeats(verification, other, metric):
            continue
        if metric in skill and not math.isnan(skill[metric].mean[0]):
            what = heading(metric, verification.units)
            said = _skill_words(skill[metric].mean, perfect(metric))
            _, low, high = skill[metric].mean
            word = _TOO_FEW if math.isnan(low) else _real(low, high)
            sentences.append(f"{what}: {first} against {other}, {said}: {word}.")
    return sentences


def repeats(verification: Verification, name: str, metric: str) -> bool:
    """True where a score repeats that of the same forecast with calibrated members, since it looks at no members."""
    twin = verification.scores.get(name.removesuffix(", uncalibrated"), {})
    return name.endswith(", uncalibrated") and twin.get(metric) == verification.scores[name].get(metric)


def _real(low: float, high: float) -> str:
    return "really better" if low > 0 else "really worse" if high < 0 else "no real difference"


def _when(verification: Verification, chosen: Sequence[bool]) -> str:
    """The chosen lead times in words."""
    if all(chosen):
        return "at every lead time"
    unit = "" if verification.lead_time_unit == "frames" else f" {verification.lead_time_unit}"
    leads = [lead_number(lead) for lead, yes in zip(verification.lead_time, chosen, strict=True) if yes]
    count = len(leads)
    if count == 1:
        return f"at lead time {leads[0]}{unit} only"
    if all(chosen[:count]):
        return f"up to lead time {leads[-1]}{unit}"
    if all(chosen[-count:]):
        return f"from lead time {leads[0]}{unit} on"
    return f"at lead times {', '.join(leads[:-1])} and {leads[-1]}{unit}"
