"""A strip of a forecast, drawn by matplotlib: a row each for past, truth, forecast, error and probabilities.

Axes: T time, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from nextframe.frames.sequence import FloatArray
from nextframe.report.figures import Picture, plain
from nextframe.report.palette import RGB, Bar, ErrorScale, Palette, ProbabilityScale
from nextframe.report.place import Edges, Graticule

_COLUMNS = 20
"""Frames in a row; more could not be told apart, and would take minutes to draw."""
_SOFT = "#6e6e6e"
_EDGE = "#bebebe"


@dataclass(frozen=True)
class _Row:
    """One row of the strip."""

    label: str
    pictures: Sequence[RGB | None]
    titles: Sequence[str]
    bar: Bar | None
    unit: str = ""


def strip(
    past: FloatArray | None,
    truth: FloatArray | None,
    forecast: FloatArray,
    leads: Sequence[str],
    name: str,
    unit: str = "1",
    probabilities: Sequence[tuple[str, FloatArray]] = (),
    *,
    times: Sequence[str] = (),
    edges: Edges | None = None,
    graticule: Graticule | None = None,
) -> Figure:
    """Rows for past, truth, forecast, error and probabilities; a column for each lead time, or for some of many, the
    last one among them. Each scale has its own bar.

    Args:
        past: frames seen (T, C, H, W).
        truth: frames that came (K, C, H, W).
        forecast: frames forecast (K, C, H, W).
        leads: the lead times, in words.
        name: what the forecast is called.
        unit: unit of the first channel.
        probabilities: labels, and fields (K, C, H, W).
        times: when the frames of the past, then those of the forecast are valid; empty where that is not known.
        edges: coordinates along the edges, for the first column and the last row.
        graticule: lines over every frame.
    """
    shown = np.unique(np.linspace(len(forecast) - 1, 0, min(len(forecast), _COLUMNS)).round().astype(int))
    before = 0 if past is None else len(past)
    valid = [times[before + lead] if times else "" for lead in shown]
    forecast, leads = forecast[shown], [leads[lead] for lead in shown]
    truth = None if truth is None else truth[shown]
    fitted = (part for part in (past, truth, forecast if truth is None else None) if part is not None)
    palette = Palette(*fitted, unit=unit)
    said = "" if unit == "1" else unit
    values = palette if palette.needs_bar else None
    ahead = [f"{lead}\n{time}" if time else lead for lead, time in zip(leads, valid, strict=True)]
    rows: list[_Row] = []
    if past is not None:
        seen = past[-len(forecast) :]
        # The last frame seen stands at the right end, where the forecast takes over.
        blank = len(forecast) - len(seen)
        labels = [f"{n}\n{times[before - 1 + n]}" if times else str(n) for n in range(1 - len(seen), 1)]
        rows.append(
            _Row("past", [None] * blank + [palette.frame(f) for f in seen], [""] * blank + labels, values, said)
        )
    if truth is not None:
        rows.append(_Row("truth", [palette.frame(f) for f in truth], ahead, values, said))
    told = ahead if truth is None else list(leads)
    rows.append(_Row(name, [palette.frame(f) for f in forecast], told, values, said))
    if truth is not None:
        errors = ErrorScale(forecast - truth)
        pictures = [errors.frame(f - t) for f, t in zip(forecast, truth, strict=True)]
        rows.append(_Row("error", pictures, list(leads), errors, said))
    chance = ProbabilityScale()
    for label, fields in probabilities:
        rows.append(_Row(label, [chance.frame(field) for field in fields[shown]], list(leads), chance))
    return _drawn(rows, forecast.shape[-2:], edges, graticule)


def _drawn(rows: Sequence[_Row], size: tuple[int, ...], edges: Edges | None, graticule: Graticule | None) -> Figure:
    height, width = size
    cell, columns = 1.25, len(rows[0].pictures)
    tall = cell * min(1.6, max(0.5, height / width))
    lines = [0.32 if "\n" in "".join(row.titles) else 0.22 for row in rows]
    figure = Picture(
        figsize=(cell * columns + (1.5 if edges is not None else 1.1), tall * len(rows) + sum(lines) + 0.25),
        layout="constrained",
        facecolor="white",
    )
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for n, (line, row) in enumerate(zip(panels, rows, strict=True)):
        for k, (panel, picture, text) in enumerate(zip(line, row.pictures, row.titles, strict=True)):
            _clear(panel)
            if picture is None:
                continue
            panel.imshow(picture, interpolation="nearest", extent=(0, 1, 0, 1), aspect=height / width)
            panel.spines[:].set(visible=True, color=_EDGE, linewidth=0.4)  # a blank frame is one, too
            if graticule is not None:
                _draw_lines(panel, graticule)
            panel.set_title(plain(text), fontsize=6.5, pad=2)
            first = k == 0 or row.pictures[k - 1] is None
            _label_edges(panel, edges, left=first, below=n == len(rows) - 1)
        line[0].annotate(
            plain(row.label),
            (0, 0.5),
            (-38 if edges is not None else -8, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="center",
            fontsize=9,
        )
    _add_bars(figure, panels, rows)
    return figure


def _clear(panel: Axes) -> None:
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)


def _draw_lines(panel: Axes, graticule: Graticule) -> None:
    for field, levels in graticule.levels():
        rows, columns = (np.linspace(*ends, size) for ends, size in zip(((1, 0), (0, 1)), field.shape, strict=True))
        panel.contour(columns, rows, field, levels=levels, colors=_SOFT, linewidths=0.35, linestyles="solid")


def _label_edges(panel: Axes, edges: Edges | None, *, left: bool, below: bool) -> None:
    if edges is None:
        return
    style = {"labelsize": 5, "length": 2, "pad": 1, "colors": _SOFT}
    unit = f" {edges.unit}" if edges.unit else ""
    if left:
        panel.set_yticks([1 - share for share, _ in edges.left], [plain(text + unit) for _, text in edges.left])
    if below:
        every = edges.below[:: 2 if len(edges.below) > 3 else 1]
        panel.set_xticks([share for share, _ in every], [plain(text + unit) for _, text in every])
    panel.tick_params(**style)  # type: ignore[arg-type]


def _add_bars(figure: Figure, panels: np.ndarray, rows: Sequence[_Row]) -> None:
    """A bar at the right of the rows that it is of."""
    begin = 0
    for end in range(1, len(rows) + 1):
        if end < len(rows) and rows[end].bar is rows[begin].bar:
            continue
        scale = rows[begin].bar
        if scale is not None:
            shades = ListedColormap(scale.bar(256)[::-1, 0] / 255.0)
            bar = figure.colorbar(
                ScalarMappable(Normalize(0, 1), shades),
                ax=panels[begin:end],
                pad=0.01,
                fraction=0.02,
                aspect=14 * (end - begin),
            )
            ticks = scale.ticks()
            bar.set_ticks([share for share, _ in ticks], labels=[plain(text) for _, text in ticks])
            bar.ax.tick_params(labelsize=6, length=2)
            if rows[begin].unit:
                bar.set_label(plain(rows[begin].unit), fontsize=7)
        begin = end
