"""The report: one HTML page that needs nothing beside it, offline too."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

from nextframe.files import write_text
from nextframe.report.diagnostics import rank_histogram, reliability, spectra
from nextframe.report.figures import COLOURS, skill_curves, svg
from nextframe.report.player import encoded, of_example, packed, script, style
from nextframe.report.tables import source_rows
from nextframe.report.verdicts import interval_sentence, skill_sentences, verdict, verdict_sentences
from nextframe.verification.example import Example
from nextframe.verification.naming import score_named
from nextframe.verification.protocol_scores import ProtocolScores
from nextframe.verification.protocol_tables import about, printed
from nextframe.verification.result import Verification
from nextframe.verification.titles import best, default_metrics, mean, metric_names, number, title, winners
from nextframe.words import lead_number, printable

_LARGEST = 400  # pixels along a side of a picture; of larger frames means are shown
_SMALLEST = 32
_ROOM = 3_000_000  # characters of an example: of frames that take more, as those of films, means are shown as well


def write_report(
    path: str | Path,
    verification: Verification,
    *,
    examples: Sequence[Example] | None = None,
    title: str = "Forecast skill",
) -> None:
    """Write the report, whole or not at all.

    Args:
        path: the HTML file.
        verification: the scores.
        examples: windows to play, among which the reader chooses; by default those of the verification.
        title: the page's headline.
    """
    examples = verification.examples if examples is None else examples
    known, without = _by_having_values(verification)
    leading = [name for name in default_metrics(verification) if name in known]
    # The others stand in the tables: RMSE and PSNR follow from MSE, and of events the CSI says most.
    rest = [name for name in known if name not in leading]
    drawn = [*leading, *(name for name in rest if score_named(name).metric.drawn)]
    template = files("nextframe.report").joinpath("template.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined, finalize=_shown).from_string(template)
    text = page.render(
        title=title,
        verdicts=_verdicts(verification),
        summary=_summary(verification, leading),
        curves=_picture(skill_curves(verification, drawn, intervals=verification.intervals)) if drawn else None,
        diagnostics=[(heading, text, _picture(figure)) for heading, text, figure in _diagnostics(verification)],
        skill=[sentence for metric in leading for sentence in skill_sentences(verification, metric)],
        tables=[_table(verification, metric) for metric in [*leading, *rest]],
        sources=_sources(verification, leading),
        without=without,
        protocol=None if verification.protocol is None else _protocol(verification.protocol),
        lead_times=[lead_number(lead) for lead in verification.lead_time],
        unit=verification.lead_time_unit,
        # No name of a source may close the script element, nor open a comment in it.
        examples=json.dumps([_packed(example) for example in examples]).replace("<", "\\u003c"),
        has_examples=bool(examples),
        style=style(),
        script=script("report"),
        facts=_facts(verification),
    )
    write_text(path, text)


def _packed(example: Example) -> dict[str, object]:
    """An example as the page holds it, with frames as large as there is room for."""
    largest = _LARGEST
    while True:
        shown = encoded(of_example(example, largest=largest), packed)
        taken = len(json.dumps(shown))
        if taken <= _ROOM or largest <= _SMALLEST:
            return shown
        largest = max(_SMALLEST, int(min(largest, max(shown["shape"][2:])) * math.sqrt(_ROOM / taken)))


def _shown(value: object) -> object:
    """A text of the page without control characters; pictures, which are markup, as they are."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _by_having_values(verification: Verification) -> tuple[list[str], list[str]]:
    """Metrics of which any forecaster has a value at any lead time, and the titles of those of which none has,
    as SSIM where every frame has missing values.
    """
    known: list[str] = []
    without: list[str] = []
    for metric in metric_names(verification):
        means = [mean(scores[metric]) for scores in verification.scores.values() if metric in scores]
        (without if all(map(math.isnan, means)) else known).append(metric)
    return known, [title(metric, verification.units) for metric in without]


def _picture(figure: Figure) -> dict[str, object]:
    """An SVG element in the page's colours, and the width in pixels below which its text could no longer be read."""
    drawn = svg(figure)
    for n, colour in enumerate(COLOURS):
        drawn = drawn.replace(colour, f"var(--curve-{n})")
    return {"svg": drawn, "width": round(72 * figure.get_figwidth())}


def _verdicts(verification: Verification) -> list[str]:
    """One verdict for each reference; then the first forecaster by lead time, by the first CSI and by the MSE."""
    sentences = [*verdict_sentences(verification), verdict(verification), verdict(verification, metric="mse")]
    return list(dict.fromkeys(sentences))


def _diagnostics(verification: Verification) -> Iterator[tuple[str, str, Figure]]:
    """Heading, explanation and picture of what the verification holds beside its scores."""
    pictures = (
        (
            "Power spectra",
            "A curve below the truth's lacks structure of that size: the forecast is blurred.",
            spectra(verification),
        ),
        (
            "Reliability",
            "On the diagonal events come as often as was forecast; below it they are forecast too often.",
            reliability(verification),
        ),
        (
            "Rank histograms",
            "Level: truth and members are alike. A valley: the members differ too little. A slope: they are too low or "
            "too high.",
            rank_histogram(verification),
        ),
    )
    for heading, text, figure in pictures:
        if figure is not None:
            yield heading, text, figure


def _summary(verification: Verification, metrics: Sequence[str]) -> dict[str, object]:
    """Means over all lead times, the best of each metric marked."""
    rows = []
    means = {
        name: {metric: mean(scores[metric]) for metric in metrics if metric in scores}
        for name, scores in verification.scores.items()
    }
    first = {
        metric: winners({name: found.get(metric, math.nan) for name, found in means.items()}, metric)
        for metric in metrics
    }
    for n, (name, found) in enumerate(means.items()):
        cells = [(number(found.get(metric, math.nan)), name in first[metric]) for metric in metrics]
        rows.append((n % len(COLOURS), name, cells))
    return {"titles": [title(metric, verification.units) for metric in metrics], "rows": rows}


def _sources(verification: Verification, metrics: Sequence[str]) -> list[dict[str, object]]:
    """Means of each metric by source; none where there is one."""
    tables = ((title(metric, verification.units), source_rows(verification, metric)) for metric in metrics)
    return [{"title": name, "rows": rows} for name, rows in tables if rows]


def _table(verification: Verification, metric: str) -> dict[str, object]:
    rows = []
    for name, scores in verification.scores.items():
        values = scores.get(metric)
        if values is None:
            continue
        cells = [(number(value), name in best(verification, metric, lead)) for lead, value in enumerate(values)]
        rows.append((name, cells, number(mean(values))))
    about = score_named(metric).metric
    return {
        "title": title(metric, verification.units),
        "about": f"{about.title}: {about.equation}" if about.equation else about.title,
        "rows": rows,
    }


def _protocol(scores: ProtocolScores) -> dict[str, object]:
    """Tables of a published protocol's scores, and what is to be said of them."""
    tables = [vars(table) for table in printed(scores)]
    return {"name": scores.name, "tables": tables, "about": [*about(scores), f"Source: {scores.source}"]}


def _events(verification: Verification, unit: str) -> str:
    """Words for what counts as an event."""
    named = [score_named(name) for name in metric_names(verification) if score_named(name).metric.name == "csi"]
    if any(score.channel for score in named):
        return ", ".join(f"{score.threshold} ({score.channel})" for score in named)
    return ", ".join(f"{threshold:g}{unit}" for threshold in verification.thresholds)


def _facts(verification: Verification) -> list[tuple[str, str]]:
    unit = "" if verification.units[0] == "1" else f" {verification.units[0]}"
    facts = [
        ("data", verification.data),
        *verification.provenance.items(),
        *(("note", note) for note in verification.notes),
        ("forecasts verified", f"{verification.count} by each forecaster"),
        ("an event is a value of at least", _events(verification, unit)),
        ("intervals", interval_sentence(verification)),
        ("data range of SSIM and PSNR", f"{verification.data_range:g}{unit}"),
        ("command", verification.command),
        ("versions", ", ".join(f"{name} {number}" for name, number in verification.versions.items())),
        ("machine", verification.machine),
        ("written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
    ]
    return [(name, value) for name, value in facts if value]
