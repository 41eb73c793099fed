"""docs/results/radar.md: one model for all radars, by the networks that it never saw; and the page for forecasters."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from lab.place import DOCS
from lab.radar.forecasters import write_forecasters
from lab.radar.lines import table
from lab.radar.measure import BASELINES, RADAR
from lab.radar.networks import HORIZON, NETWORKS, PAST, RESOLUTION
from lab.radar.picture import save_picture
from lab.radar.pooled import ALL, BANDS, FEWEST, Band, Event, difference, events, pooled
from nextframe.files import write_text
from nextframe.verification.result import Verification
from nextframe.words import joined

PAGE = DOCS / "results" / "radar.md"
COMPARED = {
    "csi_0.2": "CSI at 0.2 mm/h",
    "csi_1": "CSI at 1 mm/h",
    "csi_3": "CSI at 3 mm/h",
    "fss_1_5px": "FSS at 1 mm/h, 20 km",
    "fss_1_15px": "FSS at 1 mm/h, 60 km",
    "mse": "MSE",
    "crps": "CRPS",
}
"""Scores by which somebody is better, and how the page calls them."""
OTHERS = {
    "frequency_0.2": "frequency bias at 0.2",
    "frequency_1": "at 1",
    "frequency_3": "at 3 mm/h",
    "power_8px": "power below 32 km",
    "coverage": "coverage of 90 %",
}
LOWER = ("mse", "crps")
OURS = ("model", "matched", "mapped")


def write_page(variant: str) -> None:
    """Write the page from the results that there are."""
    found = events(RADAR, variant)
    if found:
        shown = {name: COMPARED[name] for name in ("csi_1", "csi_3", "mse", "crps")}
        save_picture(found, (*OURS, *BASELINES), shown, PAGE.with_suffix(".png"))
        write_text(PAGE, "\n".join(_lines(found, variant)) + "\n")
        write_forecasters(found)


def _lines(found: Sequence[Event], variant: str) -> Iterator[str]:
    scored = list(dict.fromkeys(event.network for event in found))
    notes = [RADAR / variant / row.name / "training.json" for row in scored]
    made: list[dict[str, Any]] = [json.loads(note.read_text(encoding="utf-8")) for note in notes]
    trained = {tuple(note["without"]) for note in made}
    yield "# One model for all radars\n"
    yield (
        f"Scores on {len(scored)} of {len(NETWORKS)} radar networks, each by a model that never saw it: unit, pixels "
        f"and motion of another radar, another climate. {_trainings(trained)} Rain rate at about {RESOLUTION}, {PAST} "
        f"frames seen, lead times up to {HORIZON} minutes. Each network counts as one in every mean. Written by "
        "`python -m lab radar`; what was tried and lost has [a page of its own](radar-tried.md).\n"
    )
    yield from table(
        ("network", "where", "climate", "events", "forecasts", "step"),
        (
            (
                row.name,
                row.where,
                row.climate,
                str(sum(event.network is row for event in found)),
                str(sum(event.count for event in found if event.network is row)),
                f"{row.step} min",
            )
            for row in scored
        ),
    )
    yield "\n![CSI, MSE and CRPS by lead time, of the model and the baselines](radar.png)"
    yield "\n## All networks together\n"
    yield from _means(found, {**COMPARED, **OTHERS}, ALL)
    yield (
        "\n`model` is the forecast as it is, a mean: smooth, with the smallest errors. `matched` has the distribution "
        "of the last frame seen, moved on (`--matched`), `mapped` that of the validation part (`--matched "
        "validation`). Frequency bias, power and coverage are right at 1, 1 and 0.9.\n"
    )
    yield "## Who is really better\n"
    yield (
        "Difference to each baseline, of scores, and in per cent of MSE and CRPS (mean of logarithms, so that no heavy "
        "event outweighs the others), with the 95 % interval of networks and events drawn again; in bold where it "
        f"leaves no doubt. Of fewer than {FEWEST} networks there is none. Positive is better.\n"
    )
    for own in OURS:
        yield f"`{own}` against\n"
        rows = ((title, *(_cell(found, own, who, metric) for who in BASELINES)) for metric, title in COMPARED.items())
        yield from table(("", *BASELINES), rows)
        yield ""
    yield "\n## By lead time\n"
    chosen = {name: COMPARED[name] for name in ("csi_1", "csi_3", "mse", "crps")}
    for band in BANDS:
        yield f"Up to {band[1]:g} minutes" + (f", from beyond {band[0]:g}" if band[0] else "") + ":\n"
        yield from _means(found, chosen, band)
        yield ""
    yield "## By network\n"
    for row in scored:
        yield f"{row.name}, {row.where}:\n"
        yield from _means(
            [event for event in found if event.network is row], {**COMPARED, "frequency_3": "bias at 3"}, ALL
        )
        yield ""
    yield "## How it was made\n"
    for note in {tuple(note["without"]): note for note in made}.values():
        yield f"Without {joined(note['without'], 'and')}, {note['seconds']} s; paths are below the data's folder:\n"
        yield f"```console\n$ {note['command']}\n```\n"
    one = Verification.from_json(RADAR / variant / found[0].network.name / f"{found[0].name}.json")
    yield (
        f"On {one.machine}. The data are of the example data of pysteps and wradlib, of KNMI's data platform and of "
        "NOAA; credits stand in their files."
    )


def _trainings(trained: Collection[tuple[str, ...]]) -> str:
    """Sentence that says which networks were left out of which trainings."""
    if all(len(names) == 1 for names in trained):
        return "Each was left out of a training on all the others."
    left = joined([f"without {joined(names, 'and')}" for names in sorted(trained, key=len)], "and")
    return f"The trainings: {left}."


def _means(found: Sequence[Event], metrics: dict[str, str], band: Band) -> Iterator[str]:
    names = (*OURS, *BASELINES)
    best = {}
    for metric in metrics:
        values = [pooled(found, who, metric, band) for who in names]
        sound = [value for value in values if math.isfinite(value)]
        best[metric] = None if metric not in COMPARED or not sound else (min if metric in LOWER else max)(sound)
    rows = (
        (who, *(_bold(value := pooled(found, who, metric, band), value == best[metric]) for metric in metrics))
        for who in names
    )
    yield from table(("", *metrics.values()), rows)


def _cell(found: Sequence[Event], own: str, other: str, metric: str) -> str:
    gained = difference(found, own, other, metric)
    if not math.isfinite(gained.mean):
        return ""
    scale, unit = (100, " %") if metric in LOWER else (1, "")
    digits = ".0f" if metric in LOWER else ".3f"
    text = f"{gained.mean * scale:+{digits}}{unit}"
    if math.isfinite(gained.low):
        text += f" ({gained.low * scale:+{digits}} to {gained.high * scale:+{digits}})"
    return f"**{text}**" if gained.sure else text


def _bold(value: float, best: bool) -> str:
    text = f"{value:.3f}" if math.isfinite(value) else ""
    return f"**{text}**" if best else text
