"""docs/for-forecasters.md: what wins where, by climate, threshold, scale and lead time, and what tuning adds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from lab.pages.marked import fill
from lab.pictures import save_figure
from lab.place import DOCS, RESULTS
from lab.radar.lines import table
from lab.radar.measure import BASELINES
from lab.radar.networks import HORIZON, NETWORKS, Network, network
from lab.radar.pooled import ALL, BANDS, Band, Event, pooled
from nextframe.files import write_text
from nextframe.report.figures import COLOURS

PAGE = DOCS / "for-forecasters.md"
WINNERS = DOCS / "assets" / "pictures" / "winners.png"
TUNED = RESULTS / "tuning.json"
OURS = ("model", "matched")
EVERYONE = (*OURS, *BASELINES)
SCORES = {
    "csi_0.2": "CSI 0.2",
    "csi_1": "CSI 1",
    "csi_3": "CSI 3 mm/h",
    "fss_1_5px": "FSS 20 km",
    "fss_1_15px": "FSS 60 km",
    "mse": "MSE",
    "crps": "CRPS",
}
LOWER = ("mse", "crps", "area_crps_4px", "area_crps_16px", "area_crps_64px")
SCALES = {
    "fss_1_5px": "FSS at 1 mm/h, 20 km",
    "fss_1_15px": "FSS at 1 mm/h, 60 km",
    "crps": "CRPS of pixels",
    "area_crps_4px": "of 16 km squares",
    "area_crps_16px": "of 64 km squares",
}
"""Scores by the scale that they look at, from small to large."""


def write_forecasters(found: Sequence[Event]) -> None:
    """Write tables and picture from the results that there are."""
    save_winners(found)
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in (
        ("climates", _climates(found)),
        ("leads", _leads(found)),
        ("scales", _scales(found)),
        ("tuning", _tuning()),
    ):
        text = fill(text, name, "\n" + "\n".join(lines) + "\n")
    write_text(PAGE, text)


def best_of(found: Sequence[Event], metric: str, band: Band = ALL) -> tuple[str, float]:
    """The best forecaster by a score, and how much better ours is than the best baseline: a difference, or the share
    by which an error is smaller; NaN where nobody has the score.
    """
    values = {who: pooled(found, who, metric, band) for who in EVERYONE}
    sound = {who: value for who, value in values.items() if math.isfinite(value)}
    ours, theirs = ([sound[who] for who in names if who in sound] for names in (OURS, BASELINES))
    if not ours or not theirs:
        return "", math.nan
    if metric in LOWER:
        return min(sound, key=sound.__getitem__), 1 - min(ours) / min(theirs)
    return max(sound, key=sound.__getitem__), max(ours) - max(theirs)


def _gain(metric: str, gain: float) -> str:
    return f"{100 * gain:+.0f} %" if metric in LOWER else f"{gain:+.3f}"


def _cell(found: Sequence[Event], metric: str, band: Band = ALL) -> str:
    who, gain = best_of(found, metric, band)
    if not who:
        return ""
    return f"**{who}** ({_gain(metric, gain)})" if who in OURS else f"{who} ({_gain(metric, gain)})"


def _of(found: Sequence[Event], row: Network) -> list[Event]:
    return [event for event in found if event.network is row]


def _scored(found: Sequence[Event]) -> list[Network]:
    return [row for row in NETWORKS if _of(found, row)]


def _climates(found: Sequence[Event]) -> Iterator[str]:
    yield f"The best of all, means over lead times up to {HORIZON} minutes; in bold where it is ours.\n"
    yield from table(
        ("", "climate", *SCORES.values()),
        ((row.where, row.climate, *(_cell(_of(found, row), metric) for metric in SCORES)) for row in _scored(found)),
    )


def _leads(found: Sequence[Event]) -> Iterator[str]:
    yield "All networks together.\n"
    yield from table(
        ("lead time", *SCORES.values()),
        ((f"{band[0]:g} to {band[1]:g} minutes", *(_cell(found, metric, band) for metric in SCORES)) for band in BANDS),
    )


def _scales(found: Sequence[Event]) -> Iterator[str]:
    yield "All networks together; squares where the baselines were scored on them, too.\n"
    # A mean is of the same networks for everyone, or the easier ones would make somebody look better.
    whole = {
        metric: [
            event
            for event in found
            if all(math.isfinite(event.mean(who, metric)) for who in ("model", "steps", "extrapolation"))
        ]
        for metric in SCALES
    }
    rows = ((who, *(_number(pooled(whole[metric], who, metric)) for metric in SCALES)) for who in EVERYONE)
    yield from table(("", *SCALES.values()), rows)


def _number(value: float | None) -> str:
    return f"{value:.3f}" if value is not None and math.isfinite(value) else ""


def _tuning() -> Iterator[str]:
    if not TUNED.exists():
        yield "No results yet: `python -m lab tuning`."
        return
    results: Mapping[str, dict[str, Any]] = json.loads(TUNED.read_text(encoding="utf-8"))
    for name, result in results.items():
        row = network(name)
        yield f"{row.where[0].upper()}{row.where[1:]} ({row.climate}), {result['windows']} forecasts:\n"
        yield from table(
            ("", *SCORES.values(), "power below 32 km"),
            (
                (who, *(_number(scores.get(metric)) for metric in (*SCORES, "power_8px")))
                for who, scores in result["scores"].items()
            ),
        )
        yield ""
    made = {(result["command"], result["machine"], result["threads"], result["date"]) for result in results.values()}
    for command, machine, threads, day in sorted(made):
        yield f"`{command}` on {machine}, {threads} {'thread' if threads == 1 else 'threads'}, {day}."


def save_winners(found: Sequence[Event]) -> None:
    """Write a chart of who is best on which network by which score as a PNG file."""
    rows = _scored(found)
    figure = Figure(figsize=(9.0, 0.42 * len(rows) + 1.0), layout="constrained", facecolor="white")
    panel = figure.subplots()
    colours = dict(zip(EVERYONE, COLOURS, strict=False))
    for y, row in enumerate(rows):
        for x, metric in enumerate(SCORES):
            who, gain = best_of(_of(found, row), metric)
            if not who:
                continue
            colour = colours[who]
            panel.add_patch(_tile(x, y, colour, strong=who in OURS))
            panel.text(x, y, f"{who}\n{_gain(metric, gain)}", ha="center", va="center", fontsize=6.5)
    panel.set(xlim=(-0.5, len(SCORES) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    panel.set_xticks(range(len(SCORES)), list(SCORES.values()), fontsize=8)
    panel.set_yticks(range(len(rows)), [row.where.partition(",")[0] for row in rows], fontsize=8)
    panel.xaxis.tick_top()
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    save_figure(figure, WINNERS)


def _tile(x: int, y: int, colour: str, *, strong: bool) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, alpha=0.55 if strong else 0.2, lw=0)
