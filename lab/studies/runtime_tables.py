"""What the page on runtimes shows of its result: times of a frame, times of exports, and parity, a table each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lab.place import DOCS, RESULTS
from nextframe.exports.parity import EARLY, ROLLOUT

RESULT = RESULTS / "runtimes.json"
PAGE = DOCS / "results" / "runtimes.md"
OWN = "nextframe"
DIFFERENCES = ("early_difference", "difference")
"""Differences of an export from its run: over the first frames, and over all."""
REACHED = 1e-5
"""Difference that an export is to stay below."""
LONGEST = 20.0
"""Seconds that an export is to stay below."""
_NONE = "\nNot measured yet.\n\n"


def table(result: dict[str, Any]) -> str:
    """Table of a result, and what it was measured on."""
    lines = [
        "| model | pixels | runtime | ms a frame | fastest to slowest | time |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for model, found in result["models"].items():
        own = found["seconds"][OWN]["median"]
        for name, took in found["seconds"].items():
            median, fastest, slowest = (1000 * took[key] for key in ("median", "fastest", "slowest"))
            lines.append(
                f"| `{model}` | {' x '.join(map(str, found['size']))} | {name} | {median:.2f} | "
                f"{fastest:.2f} to {slowest:.2f} | {took['median'] / own:.2f} |"
            )
    left_out = list(dict.fromkeys(line for found in result["models"].values() for line in found["left_out"]))
    libraries = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    said = (
        f"{result['rounds']} rounds of {result['steps']} steps, {result['threads']} threads. `{result['command']}` on "
        f"{result['machine']}, {result['date']} ({libraries})."
    )
    return "\n" + "\n".join([*lines, "", *(f"Left out: {line}\n" for line in left_out), said]) + "\n\n"


def parity_table(result: dict[str, Any]) -> str:
    """Table of the parity of every model, and which of them stay above what is to be reached."""
    lines = [
        f"| model | what | from what | first {EARLY} frames | {ROLLOUT} frames | date |",
        "| --- | --- | --- | ---: | ---: | --- |",
    ]
    for model, found in result["parity"].items():
        rows = [(what, "float64", differences) for what, differences in found["rounding"].items()]
        rows += [(title, "the run", differences) for title, differences in found["exports"].items()]
        for what, from_what, differences in rows:
            told = [differences.get(name) for name in DIFFERENCES]
            shown = " | ".join("" if value is None else f"{value:.1e}" for value in told)
            lines.append(f"| `{model}` | {what} | {from_what} | {shown} | {found['date']} |")
    return "\n" + "\n".join([*lines, "", *parity_words(result["parity"])]) + "\n\n"


def parity_words(compared: dict[str, dict[str, Any]]) -> list[str]:
    """Sentences on which models stay above what is to be reached, and on what rounding alone makes of them."""
    farthest = {
        model: [max(row[name] for row in found["exports"].values()) for name in DIFFERENCES]
        for model, found in compared.items()
        if found["exports"]
    }
    above = {model: pair for model, pair in farthest.items() if pair[1] >= REACHED}
    below = len(farthest) - len(above)
    words = [f"{below} of {len(farthest)} stay below {REACHED:.0e} of the range after {ROLLOUT} frames."]
    for model, (early, difference) in above.items():
        own_early, own = (compared[model]["rounding"]["the run itself"][name] or 0.0 for name in DIFFERENCES)
        words.append(
            f"`{model}` does not. After {EARLY} frames its exports are up to {early:.1e} from the run, and the run is "
            f"{own_early:.1e} from its own network in float64; after {ROLLOUT}, {difference:.1e} and {own:.1e}."
        )
    return words


def exports_table(result: dict[str, Any]) -> str:
    """Table of the seconds of exports, and which stay above what is to be reached."""
    models = result["exports"]
    titles = list(dict.fromkeys(title for found in models.values() for title in found["seconds"]))
    lines = [f"| model | {' | '.join(titles)} | date |", f"| --- |{' ---: |' * len(titles)} --- |"]
    over, left_out, where = [], [], []
    for model, found in models.items():
        took = found["seconds"]
        shown = " | ".join(f"{took[title]:.1f}" if title in took else "" for title in titles)
        lines.append(f"| `{model}` | {shown} | {found['date']} |")
        over += [f"`{model}` as {title}: {took[title]:.0f}" for title in took if took[title] >= LONGEST]
        left_out += [f"Left out of `{model}`: {line}\n" for line in found["left_out"]]
        where.append(f"`{found['command']}` on {found['machine']}, {found['threads']} threads.")
    said = f"Seconds. {'; '.join(over) or 'All'} {'stay above' if over else 'stay below'} {LONGEST:.0f} s."
    return "\n" + "\n".join([*lines, "", said, "", *left_out, *dict.fromkeys(where)]) + "\n\n"


SECTIONS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "runtimes": ("models", table),
    "parity": ("parity", parity_table),
    "exports": ("exports", exports_table),
}
"""Mark of each section of the page, what of the result it shows, and how."""


def section(mark: str = "runtimes") -> str:
    """What the page shows between its marks: a table, or that there is none yet."""
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    needed, shown = SECTIONS[mark]
    return shown(result) if needed in result else _NONE
