"""Pictures of what lies behind the scores: power spectra, reliability and rank histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, ScalarFormatter

from nextframe.forecasting import baselines
from nextframe.report.figures import COLOURS, plain
from nextframe.verification.result import Verification
from nextframe.words import lead_number

_INK = "#7f7f7f"  # of what was observed, and of what would be perfect


def spectra(verification: Verification) -> Figure | None:
    """Power by wavelength of the truth and of every forecaster, a panel each for the first, the middle and the last
    lead time; None where no spectra were taken, or none has any power, as of frames that are zero or missing. A curve
    below the truth's lacks structure of that size: it is blurred.
    """
    curves = verification.spectra
    if "truth" not in curves or len(curves["wavelength"][0]) < 2:
        return None
    names = ["truth", *(name for name in verification.scores if name in curves)]
    some = {0, len(verification.lead_time) // 2, len(verification.lead_time) - 1}
    leads = [lead for lead in sorted(some) if any(power > 0 for name in names for power in curves[name][lead])]
    if not leads:
        return None
    figure, panels = _panels(len(leads))
    wavelength = verification.spectra["wavelength"][0]
    for panel, lead in zip(panels, leads, strict=True):
        panel.plot(wavelength, _positive(verification.spectra["truth"][lead]), color=_INK, lw=3, label="truth")
        for colour, name in zip(COLOURS * 9, verification.scores, strict=False):
            style = "--" if name in baselines.names() else "-"
            power = _positive(verification.spectra[name][lead])
            panel.plot(wavelength, power, style, color=colour, lw=1.4, label=_label(name))
        panel.set(xscale="log", yscale="log", xlim=(max(wavelength), min(wavelength)))
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
        unit = "" if verification.lead_time_unit == "frames" else f" {verification.lead_time_unit}"
        panel.set_title(f"lead time {lead_number(verification.lead_time[lead])}{unit}", fontsize=10, loc="left")
        panel.set_xlabel("wavelength (pixels)", fontsize=9)
    panels[0].set_ylabel("power", fontsize=9)
    _legend(figure, panels[0])
    return figure


def reliability(verification: Verification) -> Figure | None:
    """Reliability diagram: how often events came against the probability that was forecast, a panel for each
    threshold; None without any ensemble. Curves on the diagonal can be trusted; below it, events are
    forecast too often.
    """
    curves = verification.reliability
    thresholds = list(next(iter(curves.values()))) if curves else []
    if not thresholds:
        return None
    figure, panels = _panels(len(thresholds))
    for panel, threshold in zip(panels, thresholds, strict=True):
        panel.plot((0, 1), (0, 1), color=_INK, lw=1, ls=":")
        for colour, name in zip(COLOURS * 9, verification.scores, strict=False):
            if name in curves:
                curve = curves[name][threshold]
                panel.plot(curve.probability, curve.frequency, "o-", color=colour, ms=3.5, lw=1.4, label=_label(name))
        unit = "" if verification.units[0] == "1" else f" {verification.units[0]}"
        panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        panel.set_title(plain(f"at least {threshold}{unit}"), fontsize=10, loc="left")
        panel.set_xlabel("forecast probability", fontsize=9)
    panels[0].set_ylabel("events that came", fontsize=9)
    _legend(figure, panels[0])
    return figure


def rank_histogram(verification: Verification) -> Figure | None:
    """Rank histogram: how often the truth had so many members below it, a panel for each ensemble; None without
    any. Level bars: truth and members are alike; a valley: the members differ too little; a slope: they are too low or
    too high.
    """
    if not verification.ranks:
        return None
    figure, panels = _panels(len(verification.ranks))
    colours = dict(zip(verification.scores, COLOURS * 9, strict=False))
    for panel, (name, shares) in zip(panels, verification.ranks.items(), strict=True):
        panel.bar(range(len(shares)), shares, color=colours[name], width=0.9)
        panel.axhline(1 / len(shares), color=_INK, lw=1, ls=":")
        panel.set_title(plain(name), fontsize=10, loc="left")
        panel.set_xlabel("members below the truth", fontsize=9)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].set_ylabel("share", fontsize=9)
    return figure


def _panels(number: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(4.2 * max(number, 2), 3.4), layout="constrained", facecolor="white")
    panels: list[Axes] = list(figure.subplots(1, max(number, 2), squeeze=False).flat)
    for panel in panels[number:]:
        panel.remove()
    for panel in panels[:number]:
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.25, lw=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels[:number]


def _legend(figure: Figure, panel: Axes) -> None:
    lines, names = panel.get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=min(len(names), 6), frameon=False, fontsize=9)


def _label(name: str) -> str:
    """A forecaster's name in a legend, which leaves out what begins with an underscore."""
    return plain(f" {name}" if name.startswith("_") else name)


def _positive(values: Sequence[float]) -> list[float]:
    """Powers for a logarithmic axis: what is zero is left out."""
    return [value if value > 0 else math.nan for value in values]
