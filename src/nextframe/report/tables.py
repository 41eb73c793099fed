"""Scores as tables: for the terminal, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nextframe.verification.conventions import CONVENTIONS
from nextframe.verification.naming import better, score_named, unit_of
from nextframe.verification.result import Skill, Verification
from nextframe.words import lead_number, printable


def metric_names(verification: Verification) -> list[str]:
    """Metrics that any forecaster has: those that lead, then the others in the order in which they were computed."""
    names: dict[str, None] = {}
    for metrics in verification.scores.values():
        names.update(dict.fromkeys(metrics))
    return sorted(names, key=_place)


def default_metrics(verification: Verification) -> list[str]:
    """The few that a first look needs: CSI at each threshold, MSE, SSIM, and the CRPS of ensembles."""
    return [name for name in metric_names(verification) if score_named(name).metric.leads is not None]


def _place(name: str) -> float:
    leads = score_named(name).metric.leads
    return math.inf if leads is None else leads


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


def best(verification: Verification, metric: str, lead: int) -> set[str]:
    """The forecasters that are best at one lead time (its index); none where no one has a value."""
    values = {name: metrics[metric][lead] for name, metrics in verification.scores.items() if metric in metrics}
    values = {name: value for name, value in values.items() if not math.isnan(value)}
    if not values or better(metric) is None:
        return set()
    merit = {name: _merit(metric, value) for name, value in values.items()}
    return {name for name, value in merit.items() if value == max(merit.values())}


def _merit(metric: str, value: float) -> float:
    """The higher, the better."""
    side = better(metric)
    if isinstance(side, float):
        return -abs(value - side)
    return value if side == "higher" else -value


def _arrow(metric: str) -> str:
    """Where the better values lie."""
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


def score_tables(verification: Verification, metrics: Sequence[str] | None = None) -> RenderableType:
    """Scores by lead time for rich's console, a table for each metric, the best of each column in bold.

    Args:
        verification: the scores.
        metrics: which to show; by default those that lead: CSI, MSE, SSIM, and the CRPS of ensembles.
    """
    chosen = list(metrics or default_metrics(verification))
    blocks: list[RenderableType] = []
    for metric in chosen:
        table = _table(title(metric, verification.units))
        table.add_column(f"lead time ({verification.lead_time_unit})", justify="right")
        names = [name for name, scores in verification.scores.items() if metric in scores]
        for name in names:
            table.add_column(Text(printable(name)), justify="right")
        for n, lead in enumerate(verification.lead_time):
            winners = best(verification, metric, n)
            cells = ((name, number(verification.scores[name][metric][n])) for name in names)
            table.add_row(lead_number(lead), *(Text(text, "bold" if name in winners else "") for name, text in cells))
        table.add_section()
        table.add_row("mean", *(number(mean(verification.scores[name][metric])) for name in names))
        blocks += [table, Text()]
    sentences = [sentence for metric in chosen for sentence in skill_sentences(verification, metric)]
    sentences.append(f"{verification.count} forecasts of {verification.data}")
    sentences += [f"{verification.data}: {note}" for note in verification.notes]
    return Group(*blocks, *(Text(printable(sentence)) for sentence in sentences))


def convention_tables(verification: Verification) -> RenderableType:
    """Scores in the conventions of published tables for rich's console, each with its convention's name and meaning."""
    columns = dict.fromkeys(
        (convention, metric)
        for by_convention in verification.conventions.values()
        for convention, metrics in by_convention.items()
        for metric in metrics
    )
    if not columns:
        return Text("no convention of published tables fits: they are for values in 0..1 and for bytes")
    table = _table("all lead times")
    table.add_column("")
    for convention, metric in columns:
        table.add_column(f"{metric.upper()} ({convention}) ↓", justify="right")
    for name, by_convention in verification.conventions.items():
        cells = (number(by_convention.get(c, {}).get(m, math.nan)) for c, m in columns)
        table.add_row(Text(printable(name)), *cells)
    meanings = (Text(f"{c}: {CONVENTIONS[c]}", "dim") for c in dict.fromkeys(c for c, _ in columns))
    return Group(table, *meanings, Text())


def _table(said: str) -> Table:
    return Table(title=Text(printable(said), "bold"), title_justify="left", box=None, pad_edge=False)


def to_markdown(verification: Verification, metrics: Sequence[str] | None = None) -> str:
    """One Markdown table for each metric, the best of each column in bold."""
    blocks = []
    for metric in metrics or default_metrics(verification):
        leads = [lead_number(lead) for lead in verification.lead_time]
        corner = f"{title(metric, verification.units)}, lead time ({verification.lead_time_unit})"
        lines = [
            f"| {corner} | {' | '.join(leads)} | mean |",
            "|---" + "|---:" * (len(leads) + 1) + "|",
        ]
        for name, scores in verification.scores.items():
            if metric not in scores:
                continue
            cells = [
                f"**{number(value)}**" if name in best(verification, metric, lead) else number(value)
                for lead, value in enumerate(scores[metric])
            ]
            lines.append(f"| {name} | {' | '.join(cells)} | {number(mean(scores[metric]))} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def to_csv(verification: Verification) -> str:
    """One row for each forecaster, metric and lead time."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["forecaster", "metric", f"lead_time_{verification.lead_time_unit}", "value"])
    for name, scores in verification.scores.items():
        for metric, values in scores.items():
            for lead, value in zip(verification.lead_time, values, strict=True):
                writer.writerow([name, metric, f"{lead:g}", "" if math.isnan(value) else repr(value)])
    return text.getvalue()


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
            wins = [_merit(metric, a) > _merit(metric, b) for a, b in pairs]
            losses = [_merit(metric, a) < _merit(metric, b) for a, b in pairs]
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
    return said + ("." if sure else "; too few independent forecasts to say whether that is real.")


def skill_sentences(verification: Verification, metric: str) -> list[str]:
    """The first forecaster's mean skill over each of the others, with its interval, and whether it is real."""
    first = next(iter(verification.scores))
    sentences = []
    for other, found in verification.skill.items():
        if repeats(verification, other, metric):
            continue
        if metric in found and not math.isnan(found[metric].mean[0]):
            what = heading(metric, verification.units)
            sentences.append(f"{what}: skill of {first} over {other}, {_skill_words(found[metric])}")
    return sentences


def repeats(verification: Verification, name: str, metric: str) -> bool:
    """Whether a score repeats that of the same forecast with calibrated members, since it looks at no members."""
    twin = verification.scores.get(name.removesuffix(", uncalibrated"), {})
    return name.endswith(", uncalibrated") and twin.get(metric) == verification.scores[name].get(metric)


def skill_table(verification: Verification, metrics: Sequence[str]) -> str:
    """The first forecaster's mean skill over each of the others by each metric, with its interval, as a Markdown table;
    in bold what is really better or really worse.
    """
    chosen = [m for m in metrics if any(m in found for found in verification.skill.values())]
    names = [heading(m, verification.units).partition(" in (")[0] for m in chosen]
    lines = [f"| skill over | {' | '.join(names)} |", "|---" + "|---:" * len(chosen) + "|"]
    for other, found in verification.skill.items():
        cells = []
        for metric in chosen:
            same = repeats(verification, other, metric)
            if same or metric not in found or math.isnan(found[metric].mean[0]):
                cells.append("-")
                continue
            cells.append(skill_cell(*found[metric].mean))
        if any(cell != "-" for cell in cells):
            lines.append(f"| {other} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def skill_cell(score: float, low: float, high: float) -> str:
    """A skill score with its interval, where there is one, in Markdown; in bold where it is real."""
    text = f"{score:+.2f}" + ("" if math.isnan(low) else f" ({low:+.2f} to {high:+.2f})")
    return f"**{text}**" if low > 0 or high < 0 else text


def _skill_words(skill: Skill) -> str:
    score, low, high = skill.mean
    if math.isnan(low):
        return f"{score:+.2f}; too few independent forecasts to say whether that is real."
    word = "really better" if low > 0 else "really worse" if high < 0 else "no clear difference"
    return f"{score:+.2f} (95 % interval {low:+.2f} to {high:+.2f}): {word}."


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
