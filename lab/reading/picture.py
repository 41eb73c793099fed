"""Reading as a picture: windows a second by archive, and the memory of a training by the archive's size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.pictures import FASTEST, OTHERS, save_figure
from lab.reading.measure import Measured
from nextframe.report.figures import COLOURS


def save_picture(measured: Measured, path: Path) -> None:
    """Write the picture as a PNG file, whole or not at all."""
    save_figure(reading_bars(measured), path)


def reading_bars(measured: Measured) -> Figure:
    """Windows a second by archive, shuffled and in order of time, beside what training takes; memory by size."""
    panels = 2 if measured.memory else 1
    rows = [len(measured.reading), len(dict.fromkeys(found.archive for found in measured.memory))][:panels]
    heights = [0.5 * count + 1.2 for count in rows]
    figure = Figure(figsize=(8.0, sum(heights) + 0.3), layout="constrained", facecolor="white")
    speed, *others = figure.subplots(panels, 1, squeeze=False, height_ratios=heights)[:, 0]
    places = np.arange(len(measured.reading))
    for n, (label, colour) in enumerate((("shuffled, as a training reads", FASTEST), ("in order of time", OTHERS))):
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


def _memory_bars(measured: Measured, panel: Axes) -> None:
    """Own memory of a training by archive, a bar for each size."""
    archives = list(dict.fromkeys(found.archive for found in measured.memory))
    sizes = measured.setting.gigabytes
    height = 0.76 / len(sizes)
    for n, size in enumerate(sizes):
        used = [found.peak.anonymous / 2**20 for found in measured.memory if found.gigabytes == size]
        places = np.arange(len(archives)) + height * (n - (len(sizes) - 1) / 2)
        drawn = panel.barh(places, used, 0.95 * height, color=FASTEST if n == len(sizes) - 1 else OTHERS)
        panel.bar_label(drawn, [f" {value:.0f} MiB, archive of {size:g} GB" for value in used], fontsize=8)
    panel.set_yticks(np.arange(len(archives)), archives, fontsize=8)
    panel.set_title("memory of a training (MiB), mapped files left out", fontsize=9, loc="left")
    panel.set_xlim(0, 1.4 * max(found.peak.anonymous for found in measured.memory) / 2**20)
