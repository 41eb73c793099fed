"""Pictures of frames and of skill, drawn by matplotlib without its global state."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nextframe.forecasting import baselines
from nextframe.verification.naming import score_named
from nextframe.verification.result import Verification
from nextframe.verification.titles import title
from nextframe.words import printable

# Okabe and Ito's colours, told apart by the colour-blind.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c8c8c")
_MARGIN = 0.02  # beyond the limits of a metric, so that a curve along them is seen


class Picture(Figure):
    """A figure that a notebook shows, whether or not matplotlib's own display is set up there."""

    def _repr_png_(self) -> bytes:
        return png(self)


def plain(text: str) -> str:
    r"""A text from elsewhere, such as a unit, that matplotlib shows as it is and does not take for mathematics.

    >>> print(plain("$m$"))
    \$m\$
    """
    return printable(text).replace("$", r"\$")


def skill_curves(
    verification: Verification,
    metrics: Sequence[str],
    *,
    intervals: Mapping[str, Mapping[str, Sequence[Sequence[float]]]] | None = None,
) -> Figure:
    """A metric by lead time for every forecaster, one panel for each metric; baselines dashed.

    Args:
        verification: the scores.
        metrics: which to draw.
        intervals: forecaster -> metric -> lower and upper bound for each lead time, drawn as a band; NaN: nothing.
    """
    columns = min(3, len(metrics))
    rows = -(-len(metrics) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.1 * rows + 0.3), layout="constrained", facecolor="white")
    panels = figure.subplots(rows, columns, squeeze=False)
    lines = {}
    for panel, metric in zip(panels.flat, metrics, strict=False):
        for colour, (name, scores) in zip(COLOURS * 9, verification.scores.items(), strict=False):
            if metric in scores:
                style = "--" if name in baselines.names() else "-"
                lines[name] = panel.plot(
                    verification.lead_time, scores[metric], style, color=colour, marker="o", ms=3.5
                )
                bounds = (intervals or {}).get(name, {}).get(metric)
                if bounds is not None:
                    low, high = zip(*bounds, strict=True)
                    panel.fill_between(verification.lead_time, low, high, color=colour, alpha=0.15, lw=0)
        panel.set_title(plain(title(metric, verification.units)), fontsize=10, loc="left")
        panel.set_xlabel(f"lead time ({verification.lead_time_unit})", fontsize=9)
        if verification.lead_time_unit == "frames":
            panel.xaxis.get_major_locator().set_params(integer=True)
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.25, lw=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        smallest, largest = score_named(metric).metric.limits
        panel.set_ylim(None if smallest is None else smallest - _MARGIN, None if largest is None else largest + _MARGIN)
    for panel in panels.flat[len(metrics) :]:
        panel.remove()
    figure.legend(
        [line for (line,) in lines.values()],
        [plain(name) for name in lines],
        loc="outside lower center",
        ncols=min(len(lines), 2 * columns),
        frameon=False,
        fontsize=9,
    )
    return figure


def png(figure: Figure, dpi: int = 110) -> bytes:
    """A figure as a PNG file."""
    FigureCanvasAgg(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi)
    return stream.getvalue()


def svg(figure: Figure) -> str:
    """A figure as an SVG element, without the XML header, on whatever background the page has."""
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "nextframe"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]
