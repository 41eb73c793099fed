"""The results as a picture: bars of seconds a step by contender; for a sweep, maps of the engine's gain; of reading,
bars of windows a second by archive; of trainings, quality by time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from nextframe.benchmark import quality, reading
from nextframe.benchmark.contenders import NEXTFRAME, PLAIN
from nextframe.benchmark.results import Result, threads_text
from nextframe.files import replacing
from nextframe.report.figures import COLOURS, png

_FASTEST, _OTHERS = COLOURS[0], "#a9b4bd"
_DARKEST = 6.0
"""Times faster that a map shows in its darkest colour."""


def save_picture(results: Sequence[Result], path: Path, *, sweep: bool) -> None:
    """Write the picture as a PNG file, whole or not at all."""
    _save(maps(results) if sweep else bars(results), path)


def save_reading_picture(measured: reading.Measured, path: Path) -> None:
    """Write the picture as a PNG file, whole or not at all."""
    _save(reading_bars(measured), path)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(png(figure, dpi=130))


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
        colours = [_FASTEST if value == best else _OTHERS for value in seconds]
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


def reading_bars(measured: reading.Measured) -> Figure:
    """Windows a second by archive, shuffled and in order of time, beside what training takes; memory by size."""
    panels = 2 if measured.memory else 1
    rows = [len(measured.reading), len(dict.fromkeys(found.archive for found in measured.memory))][:panels]
    heights = [0.5 * count + 1.2 for count in rows]
    figure = Figure(figsize=(8.0, sum(heights) + 0.3), layout="constrained", facecolor="white")
    speed, *others = figure.subplots(panels, 1, squeeze=False, height_ratios=heights)[:, 0]
    places = np.arange(len(measured.reading))
    for n, (label, colour) in enumerate((("shuffled, as a training reads", _FASTEST), ("in order of time", _OTHERS))):
        rates = [found.in_order if n else found.shuffled for found in measured.reading]
        drawn = speed.barh(places + 0.38 * (n - 0.5), rates, 0.36, color=colour, label=label)
        speed.bar_label(drawn, [f" {rate:.3g}" for rate in rates], fontsize=8)
    for training, style in zip(measured.training, ("-", ":"), strict=True):
        label = f"training on {training.pixels}"
        speed.axvline(training.rate, color=COLOURS[1], linestyle=style, label=label)
    speed.set_xscale("log")
    speed.set_yticks(places, [found.archive for found in measured.reading], fontsize=8)
    speed.set_title("windows a second", fontsize=9, loc="left")
    speed.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.4, -0.08), ncols=2, frameon=False)
    for panel in others:
        _memory_bars(measured, panel)
    for panel in (speed, *others):
        panel.invert_yaxis()
        panel.margins(x=0.12)
        panel.tick_params(axis="x", labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    return figure


def _memory_bars(measured: reading.Measured, panel: Axes) -> None:
    """Own memory of a training by archive, a bar for each size."""
    archives = list(dict.fromkeys(found.archive for found in measured.memory))
    sizes = measured.setting.gigabytes
    height = 0.76 / len(sizes)
    for n, size in enumerate(sizes):
        used = [found.peak.anonymous / 2**20 for found in measured.memory if found.gigabytes == size]
        places = np.arange(len(archives)) + height * (n - (len(sizes) - 1) / 2)
        drawn = panel.barh(places, used, 0.95 * height, color=_FASTEST if n == len(sizes) - 1 else _OTHERS)
        panel.bar_label(drawn, [f" {value:.0f} MiB, archive of {size:g} GB" for value in used], fontsize=8)
    panel.set_yticks(np.arange(len(archives)), archives, fontsize=8)
    panel.set_title("memory of a training (MiB), mapped files left out", fontsize=9, loc="left")
    panel.set_xlim(0, 1.4 * max(found.peak.anonymous for found in measured.memory) / 2**20)


def save_quality_picture(curves: Sequence[quality.Curve], path: Path) -> None:
    """Write the picture as a PNG file, whole or not at all."""
    _save(quality_curves(curves), path)


def quality_curves(curves: Sequence[quality.Curve]) -> Figure:
    """Panels for each goal: the rollout's CSI by seconds of training, and the loss, where they are to be reached."""
    goals: dict[str, list[quality.Curve]] = {}
    for curve in curves:
        goals.setdefault(curve.trial.goal.name, []).append(curve)
    panels = [
        (group, skill)
        for group in goals.values()
        for skill, wanted in ((True, group[0].trial.goal.csi), (False, group[0].trial.goal.loss))
        if wanted
    ]
    names = dict.fromkeys(curve.trial.recipe for curve in curves)
    colours = {recipe: COLOURS[n % len(COLOURS)] for n, recipe in enumerate(names)}
    figure = Figure(figsize=(4.2 * len(panels), 3.8), layout="constrained", facecolor="white")
    for panel, (group, skill) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        goal = group[0].trial.goal
        for curve in group:
            values = [point.mean_csi if skill else point.loss for point in curve.points]
            seconds = [point.seconds for point in curve.points]
            panel.plot(seconds, values, ".-", color=colours[curve.trial.recipe], lw=1.2, ms=4)
        for mark in goal.csi if skill else (goal.loss,):
            panel.axhline(mark, color="#888888", lw=0.7, ls=":")
        panel.set_xscale("log")
        if skill:  # as far from 0.90 to 0.95 as from 0.5 to 0.7
            panel.set_yscale("logit")
            best = max(point.mean_csi for curve in group for point in curve.points)
            panel.set_ylim(0.1, 1 - max(0.8 * min(1 - best, 0.01), 1e-4))
            ticks = (0.1, 0.2, 0.5, 0.8, *goal.csi)
            panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            panel.yaxis.set_minor_formatter(NullFormatter())
        else:
            panel.set_yscale("log")
        panel.set_title(f"{goal.name}: {'CSI of the rollout' if skill else 'loss'}", fontsize=9, loc="left")
        panel.set_xlabel("seconds of training", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    keys = [Line2D([], [], marker=".", color=colour, lw=1.2, ms=4, label=name) for name, colour in colours.items()]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), fontsize=8, frameon=False)
    return figure
