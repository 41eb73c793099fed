"""Scores as tables: for the terminal and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nextframe.report.verdicts import interval_sentence, repeats, skill_sentences, verdict_sentences
from nextframe.verification.conventions import CONVENTIONS
from nextframe.verification.protocol_tables import Printed, about, printed
from nextframe.verification.result import Verification
from nextframe.verification.titles import best, default_metrics, heading, mean, number, title, winners
from nextframe.words import lead_number, printable


def score_tables(verification: Verification, metrics: Sequence[str] | None = None) -> RenderableType:
    """Scores by lead time for rich's console, a table for each metric, the best of each column in bold.

    Args:
        verification: the scores.
        metrics: which to show; by default those that lead: CSI, MSE, SSIM, and the CRPS of ensembles.
    """
    chosen = list(metrics or default_metrics(verification))
    sayings = verdict_sentences(verification)
    blocks: list[RenderableType] = [Text(printable(said), "bold") for said in sayings]
    blocks += [Text()] if sayings else []
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
    blocks += [block for metric in chosen for block in _by_source(verification, metric)]
    sentences = []
    if verification.protocol is not None:
        for published in printed(verification.protocol):
            blocks += [_published(published), Text()]
        sentences += about(verification.protocol)
    sentences += [sentence for metric in chosen for sentence in skill_sentences(verification, metric)]
    sentences.append(f"{verification.count} forecasts of {verification.data}")
    sentences += filter(None, [interval_sentence(verification)])
    sentences += [f"{verification.data}: {note}" for note in verification.notes]
    return Group(*blocks, *(Text(printable(sentence)) for sentence in sentences))


def _by_source(verification: Verification, metric: str) -> list[RenderableType]:
    """Means of a metric over lead times, a row for each of several sources; nothing where there is one."""
    rows = source_rows(verification, metric)
    if not rows:
        return []
    table = _table(f"{title(metric, verification.units)}, mean over lead times, by source")
    table.add_column("source")
    table.add_column("forecasts", justify="right")
    for name in rows[0].cells:
        table.add_column(Text(printable(name)), justify="right")
    for row in rows:
        cells = (Text(text, "bold" if name in row.best else "") for name, text in row.cells.items())
        table.add_row(Text(printable(row.source)), f"{row.count:,}", *cells)
    return [table, Text()]


@dataclass(frozen=True)
class SourceRow:
    """Means of one metric over lead times, of the forecasts of one source."""

    source: str
    """Its name."""
    count: int
    """Forecasts of it."""
    cells: Mapping[str, str]
    """Forecaster -> mean."""
    best: Collection[str]
    """Forecasters that are best."""


def source_rows(verification: Verification, metric: str) -> list[SourceRow]:
    """Means of a metric over lead times, a row for each of several sources; none where there is one."""
    rows = []
    for name, own in verification.by_source.items():
        means = {who: mean(scores[metric]) for who, scores in own.scores.items() if metric in scores}
        cells = {who: number(value) for who, value in means.items()}
        rows.append(SourceRow(source=name, count=own.count, cells=cells, best=winners(means, metric)))
    return rows


def _published(published: Printed) -> Table:
    """A table of a published protocol, a column for each forecaster, as those by lead time have."""
    table = _table(published.title)
    table.add_column("")
    for name, _ in published.rows:
        table.add_column(Text(printable(name)), justify="right")
    for n, column in enumerate(published.columns):
        cells = [cells[n] for _, cells in published.rows]
        table.add_row(f"{published.name} {column}", *(Text(text, "bold" if first else "") for text, first in cells))
    return table


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


def skill_table(verification: Verification, metrics: Sequence[str]) -> str:
    """The first forecaster's mean skill over each of the others by each metric, with its interval, as a Markdown table;
    in bold what is really better or really worse.
    """
    chosen = [m for m in metrics if any(m in skill for skill in verification.skill.values())]
    names = [heading(m, verification.units).partition(" in (")[0] for m in chosen]
    lines = [f"| skill over | {' | '.join(names)} |", "|---" + "|---:" * len(chosen) + "|"]
    for other, skill in verification.skill.items():
        cells = []
        for metric in chosen:
            same = repeats(verification, other, metric)
            if same or metric not in skill or math.isnan(skill[metric].mean[0]):
                cells.append("-")
                continue
            cells.append(skill_cell(*skill[metric].mean))
        if any(cell != "-" for cell in cells):
            lines.append(f"| {other} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def skill_cell(score: float, low: float, high: float) -> str:
    """A skill score with its interval, where there is one, in Markdown; in bold where it is real."""
    text = f"{score:+.2f}" + ("" if math.isnan(low) else f" ({low:+.2f} to {high:+.2f})")
    return f"**{text}**" if low > 0 or high < 0 else text
