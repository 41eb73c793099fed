"""Scores by lead time as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from lab.pictures import save_figure
from lab.radar.networks import HORIZON
from lab.radar.pooled import Event, pooled
from nextframe.report.figures import COLOURS

STEP = 15
"""Minutes of lead time whose scores are one point: every network has a frame in them."""


def save_picture(found: Sequence[Event], names: Sequence[str], metrics: Mapping[str, str], path: Path) -> None:
    """Write a panel for each score, with a curve for each forecaster, as a PNG file."""
    figure = Figure(figsize=(8.0, 5.6), layout="constrained", facecolor="white")
    panels = figure.subplots(2, -(-len(metrics) // 2)).ravel()
    bands = [(start, start + STEP) for start in range(0, HORIZON, STEP)]
    for panel, (metric, title) in zip(panels, metrics.items(), strict=False):
        for n, who in enumerate(names):
            values = [pooled(found, who, metric, band) for band in bands]
            if any(map(math.isfinite, values)):
                panel.plot(
                    [end for _, end in bands], values, marker="o", ms=3, label=who, color=COLOURS[n % len(COLOURS)]
                )
        panel.set_title(title, fontsize=9, loc="left")
        panel.set_xlabel("lead time up to (minutes)", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(fontsize=8, frameon=False)
    save_figure(figure, path)
