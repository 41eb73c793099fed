"""Results of speed as a picture: bars of seconds a step by contender; for a sweep, maps of the engine's gain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lab.pictures import FASTEST, OTHERS, save_figure
from lab.speed.contenders import NEXTFRAME, PLAIN
from lab.speed.results import Result, threads_text

_DARKEST = 6.0
"""Times faster that a map shows in its darkest colour."""


def save_picture(results: Sequence[Result], path: Path, *, sweep: bool) -> None:
    """Write the picture as a PNG file, whole or not at all."""
    save_figure(maps(results) if sweep else bars(results), path)


def bars(results: Sequence[Result]) -> Figure:
    """A panel for each work and thread count: seconds a step of every contender, with the spread, and its ratio."""
    groups: dict[tuple[str, int], list[Result]] = {}
    for result in results:
        groups.setdefault((result.work.label, result.threads), []).append(result)
    heights = [len(group) + 1.6 for group in groups.values()]
    figure = Figure(figsize=(8.0, 0.3 * sum(heights) + 0.5), layout="constrained", facecolor="white")
    panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, ((label, threads), group) in zip(panels, groups.items(), strict=True):
        seconds = np.array([result.seconds for result in group])
        spread = [
            [result.seconds - result.fastest for result in group],
            [result.slowest - result.seconds for result in group],
        ]
        best = seconds.min()
        colours = [FASTEST if value == best else OTHERS for value in seconds]
        panel.barh(np.arange(len(group)), seconds, 0.7, color=colours, xerr=spread, error_kw={"lw": 0.8})
        for n, result in enumerate(group):
            text = f"  {result.seconds:.3g} s" + (
                f", {result.seconds / best:.1f} times" if result.seconds > best else ""
            )
            panel.text(result.slowest, n, text, va="center", fontsize=8)
        panel.set_yticks(np.arange(len(group)), [result.contender for result in group], fontsize=8)
        panel.invert_yaxis()
        panel.set_xlim(0, 1.25 * max(result.slowest for result in group))
        panel.set_title(f"{label}, {threads_text(threads)}: {group[0].task}", fontsize=9, loc="left")
        panel.tick_params(axis="x", labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("seconds a step, median; the line spans fastest to slowest", fontsize=8)
    return figure


def maps(results: Sequence[Result]) -> Figure:
    """How many times faster nextframe is than without its engine, and than the usual loop, by size and filters."""
    counts = sorted({result.threads for result in results})
    sizes = sorted({result.work.size for result in results})
    filters = sorted({result.work.filters[-1] for result in results})
    seconds = {(r.threads, r.work.size, r.work.filters[-1], r.contender): r.seconds for r in results}
    names = dict.fromkeys(result.contender for result in results)
    rivals = [name for name in names if name == PLAIN.name or not name.startswith(NEXTFRAME.name)]
    size = (3.8 * len(rivals), 2.9 * len(counts))
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    panels = figure.subplots(len(counts), len(rivals), squeeze=False)
    for line, threads in zip(panels, counts, strict=True):
        for panel, rival in zip(line, rivals, strict=True):
            gains = np.full((len(sizes), len(filters)), np.nan)
            for row, column in np.ndindex(gains.shape):
                ours, theirs = (
                    seconds.get((threads, sizes[row], filters[column], name)) for name in (NEXTFRAME.name, rival)
                )
                if ours is not None and theirs is not None:
                    gains[row, column] = theirs / ours
            panel.imshow(gains, cmap="Blues", vmin=0, vmax=_DARKEST, aspect="auto")
            for (row, column), gain in np.ndenumerate(gains):
                text = "left out" if np.isnan(gain) else f"{gain:.2f}"
                colour = "white" if gain > 0.7 * _DARKEST else "black"
                panel.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)
            panel.set_xticks(np.arange(len(filters)), [str(f) for f in filters], fontsize=8)
            panel.set_yticks(np.arange(len(sizes)), [f"{s}x{s}" for s in sizes], fontsize=8)
            panel.set_xlabel("filters", fontsize=8)
            panel.set_title(f"times faster than {rival}\n{threads_text(threads)}", fontsize=9, loc="left")
        line[0].set_ylabel("pixels", fontsize=8)
    return figure
