"""Trainings as a picture: quality by time, a panel for each goal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from lab.pictures import save_figure
from lab.quality.curves import Curve
from nextframe.report.figures import COLOURS


def save_picture(curves: Sequence[Curve], path: Path) -> None:
    """Write the picture as a PNG file, whole or not at all."""
    save_figure(quality_curves(curves), path)


def quality_curves(curves: Sequence[Curve]) -> Figure:
    """Panels for each goal: the rollout's CSI by seconds of training, and the loss, where they are to be reached."""
    goals: dict[str, list[Curve]] = {}
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
