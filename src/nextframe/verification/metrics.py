"""Metrics: a row for each, with its equation and the function that computes it from sums.

To add one is to add a row: it then stands in the scores, the tables and the report. Other packages add theirs by the
entry point `nextframe.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nextframe.plugins import table
from nextframe.verification.additive import Additive, Settings, Sums
from nextframe.verification.ensembles import COVERAGE, Areas, Members, Probabilities
from nextframe.verification.protocol_sums import ProtocolSums
from nextframe.verification.spectra import Spectra
from nextframe.verification.statistics import Events, Neighbourhoods, Similarity, Values

Orientation = Literal["lower", "higher"] | float
"""Better values of a metric; a number stands for those closest to it."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A score: what it is, and how it is computed."""

    name: str
    """Its name in the scores, before "_" and a threshold or a scale: "csi"."""
    title: str
    """In words."""
    label: str
    """In print: "CSI"."""
    equation: str
    """By f, the forecast, and o, the observation, over n values that neither lacks."""
    over: type[Additive]
    """Sums that it is computed from: a class of this package, or one of your own."""
    of: Callable[[Any], Sums]
    """Computes it from these sums, array by array; NaN where it is not defined."""
    source: str = ""
    """Where it is from, if the equation does not say so."""
    better: Orientation | None
    """Better values; None where none are."""
    unit: str = "1"
    """Its unit, where {} is the unit of the source (in brackets where it has several parts); "1" for none."""
    perfect: float | None = None
    """The value of a perfect forecast, where skill scores are made of it."""
    limits: tuple[float | None, float | None] = (None, None)
    """Smallest and largest possible value, where a curve is to show them."""
    leads: int | None = None
    """Its place among the few that a first look needs; None for the others."""
    drawn: bool = True
    """True where the report draws it, beside those that lead."""
    scale: str = "in {} px"
    """How a scale is said in its title."""
    optional: bool = False
    """True where it is left out where no lead time has a value: it is not for all data."""


def _correlation(sums: Values) -> Sums:
    product: Sums = sums.product - sums.forecast * sums.truth / sums.count
    return product / np.sqrt(sums.forecast_deviations * sums.truth_deviations)


def _hss(sums: Events) -> Sums:
    hits, misses, alarms, negatives = sums.hits, sums.misses, sums.false_alarms, sums.correct_negatives
    return (2 * (hits * negatives - misses * alarms)) / (
        (hits + misses) * (misses + negatives) + (hits + alarms) * (alarms + negatives)
    )


def _of_draws(sums: Members, values: Sums) -> Sums:
    """Values for two members and more; NaN for a single forecast, of which they say nothing."""
    return values if sums.members > 1 else np.full_like(values, np.nan)


_WILKS = "Wilks 2019, Statistical Methods in the Atmospheric Sciences, chapter 9"

METRICS = (
    Metric(
        name="mse",
        title="mean squared error",
        label="MSE",
        equation="sum((f - o)^2) / n",
        source=_WILKS,
        over=Values,
        of=lambda sums: sums.squared_error / sums.count,
        better="lower",
        unit="{}²",
        perfect=0.0,
        leads=1,
    ),
    Metric(
        name="rmse",
        title="root mean squared error",
        label="RMSE",
        equation="sqrt(sum((f - o)^2) / n)",
        source=_WILKS,
        over=Values,
        of=lambda sums: np.sqrt(sums.squared_error / sums.count),
        better="lower",
        unit="{}",
        perfect=0.0,
        drawn=False,  # it follows from the MSE
    ),
    Metric(
        name="mae",
        title="mean absolute error",
        label="MAE",
        equation="sum(|f - o|) / n",
        source=_WILKS,
        over=Values,
        of=lambda sums: sums.absolute_error / sums.count,
        better="lower",
        unit="{}",
        perfect=0.0,
    ),
    Metric(
        name="bias",
        title="mean error",
        label="bias",
        equation="sum(f - o) / n",
        source=_WILKS,
        over=Values,
        of=lambda sums: (sums.forecast - sums.truth) / sums.count,
        better=0.0,
        unit="{}",
        drawn=False,
    ),
    Metric(
        name="correlation",
        title="Pearson correlation",
        label="correlation",
        equation="sum((f - mean f) (o - mean o)) / sqrt(sum((f - mean f)^2) sum((o - mean o)^2))",
        source=_WILKS,
        over=Values,
        of=_correlation,
        better="higher",
        perfect=1.0,
    ),
    Metric(
        name="bce",
        title="binary cross-entropy",
        label="BCE",
        equation="-sum(o log(f) + (1 - o) log(1 - f)) / n, with f clipped to 1e-7 .. 1 - 1e-7; bytes divided by 255",
        source="Good 1952, doi 10.1111/j.2517-6161.1952.tb00104.x",
        over=Values,
        of=lambda sums: sums.cross_entropy / sums.count,
        better="lower",
        perfect=0.0,
        optional=True,
    ),
    Metric(
        name="ssim",
        title="structural similarity",
        label="SSIM",
        equation="(2 mf mo + c1) (2 sfo + c2) / ((mf^2 + mo^2 + c1) (sf^2 + so^2 + c2)), in Gaussian windows of sigma "
        "1.5, mean over whole frames (Wang et al. 2004, doi 10.1109/TIP.2003.819861)",
        over=Similarity,
        of=lambda sums: sums.similarity / sums.frames,
        better="higher",
        perfect=1.0,
        limits=(None, 1.0),
        leads=2,
    ),
    Metric(
        name="psnr",
        title="peak signal-to-noise ratio",
        label="PSNR",
        equation="10 log10(data_range^2 / MSE)",
        source="Huynh-Thu and Ghanbari 2008, doi 10.1049/el:20080522",
        over=Values,
        of=lambda sums: 10 * np.log10(sums.data_range**2 / (sums.squared_error / sums.count)),
        better="higher",
        unit="dB",
        drawn=False,
    ),
    Metric(
        name="csi",
        title="critical success index",
        label="CSI",
        equation="hits / (hits + misses + false alarms)",
        source="Schaefer 1990, doi 10.1175/1520-0434(1990)005<0570:TCSIAA>2.0.CO;2",
        over=Events,
        of=lambda sums: sums.hits / (sums.hits + sums.misses + sums.false_alarms),
        better="higher",
        perfect=1.0,
        limits=(0.0, 1.0),
        leads=0,  # what decides first: how many events were caught
    ),
    Metric(
        name="pod",
        title="probability of detection",
        label="POD",
        equation="hits / (hits + misses)",
        source=_WILKS,
        over=Events,
        of=lambda sums: sums.hits / (sums.hits + sums.misses),
        better="higher",
        perfect=1.0,
        limits=(0.0, 1.0),
        drawn=False,
    ),
    Metric(
        name="far",
        title="false alarm ratio",
        label="FAR",
        equation="false alarms / (hits + false alarms)",
        source=_WILKS,
        over=Events,
        of=lambda sums: sums.false_alarms / (sums.hits + sums.false_alarms),
        better="lower",
        perfect=0.0,
        limits=(0.0, 1.0),
        drawn=False,
    ),
    Metric(
        name="hss",
        title="Heidke skill score",
        label="HSS",
        equation="2 (hits negatives - misses false alarms) / ((hits + misses) (misses + negatives) + (hits + false "
        "alarms) (false alarms + negatives)), where negatives were neither forecast nor came",
        source="Heidke 1926, doi 10.1080/20014422.1926.11881138",
        over=Events,
        of=_hss,
        better="higher",
        perfect=1.0,
        drawn=False,
    ),
    Metric(
        name="fss",
        title="fractions skill score",
        label="FSS",
        equation="1 - sum((pf - po)^2) / (sum(pf^2) + sum(po^2)), with pf and po the shares of events in a square "
        "neighbourhood of so many pixels a side (Roberts and Lean 2008, doi 10.1175/2007MWR2123.1)",
        over=Neighbourhoods,
        of=lambda sums: 1 - sums.error / sums.reference,
        better="higher",
        perfect=1.0,
        limits=(0.0, 1.0),
    ),
    Metric(
        name="power",
        title="power ratio",
        label="power ratio",
        equation="power spectral density of f over that of o, both summed over wavelengths shorter than so many "
        "pixels; below 1 the forecast is blurred",
        source="Harris et al. 2001, Journal of Hydrometeorology 2, 406",
        over=Spectra,
        of=lambda sums: np.where(sums.fine_truth > 0, sums.fine / sums.fine_truth, np.nan),
        better=1.0,
        scale="below {} px",
    ),
    Metric(
        name="crps",
        title="continuous ranked probability score",
        label="CRPS",
        equation="mean over members |f - o| - half the mean over all pairs of members |f - f'|, each with itself among "
        "them: that of the members' empirical distribution (Hersbach 2000, doi "
        "10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2); of a single forecast its absolute error",
        over=Members,
        of=lambda sums: (sums.absolute_error - sums.pairs) / sums.count,
        better="lower",
        unit="{}",
        perfect=0.0,
        leads=3,
    ),
    Metric(
        name="brier",
        title="Brier score",
        label="Brier score",
        equation="sum((p - e)^2) / n, with p the share of members that say the event, and e 1 where it came (Brier "
        "1950)",
        over=Probabilities,
        of=lambda sums: sums.squared_error / sums.count,
        better="lower",
        perfect=0.0,
    ),
    Metric(
        name="spread",
        title="spread-skill ratio",
        label="spread-skill ratio",
        equation="sqrt((m + 1) / m mean variance of the m members) / RMSE of their mean; below 1 the members differ "
        "too little (Fortin et al. 2014, doi 10.1175/JHM-D-14-0008.1). For draws: quantiles as members, which "
        "calibration and models of quantiles have, leave the tails out and stay below 1",
        over=Members,
        of=lambda sums: _of_draws(
            sums, np.sqrt((sums.members + 1) / sums.members * sums.variance / sums.squared_error)
        ),
        better=1.0,
        drawn=False,
        optional=True,
    ),
    Metric(
        name="coverage",
        title=f"coverage of the central {COVERAGE:.0%} interval".replace("%", " %"),
        label=f"coverage of the {COVERAGE:.0%} interval".replace("%", " %"),
        equation="share of o within the 5 % and 95 % quantiles of the members",
        source="Gneiting et al. 2007, doi 10.1111/j.1467-9868.2007.00587.x",
        over=Members,
        of=lambda sums: _of_draws(sums, sums.covered / sums.count),
        better=COVERAGE,
        drawn=False,
        optional=True,
    ),
    Metric(
        name="area_crps",
        title="continuous ranked probability score of means over squares",
        label="CRPS of means",
        equation="The CRPS of means over squares of so many pixels a side, which counts whether neighbouring pixels of "
        "a member belong together",
        source="Hersbach 2000, doi 10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2",
        over=Areas,
        of=lambda sums: (sums.absolute_error - sums.pairs) / sums.count,
        better="lower",
        unit="{}",
        perfect=0.0,
        scale="over {} px",
        drawn=False,
    ),
    Metric(
        name="area_coverage",
        title=f"coverage of the central {COVERAGE:.0%} interval of means over squares".replace("%", " %"),
        label=f"coverage of the {COVERAGE:.0%} interval of means".replace("%", " %"),
        equation="share of the means of o over squares of so many pixels a side within the 5 % and 95 % quantiles of "
        "those of the members",
        source="Gneiting et al. 2007, doi 10.1111/j.1467-9868.2007.00587.x",
        over=Areas,
        of=lambda sums: _of_draws(sums, sums.covered / sums.count),
        better=COVERAGE,
        scale="over {} px",
        drawn=False,
        optional=True,
    ),
)
"""The package's own rows."""

FAIR_CRPS = Metric(
    name="crps",
    title="fair continuous ranked probability score",
    label="CRPS",
    equation="mean over members |f - o| - half the mean over all pairs of two members |f - f'|: what members that are "
    "drawn from a distribution have as that has on average, however many they are (Ferro 2014, doi 10.1002/qj.2270)",
    over=Members,
    of=lambda sums: _of_draws(
        sums, (sums.absolute_error - sums.pairs * sums.members / max(sums.members - 1, 1)) / sums.count
    ),
    better="lower",
    unit="{}",
    perfect=0.0,
)
"""No row of the table, but an option of the function `crps`."""


@cache
def metrics() -> tuple[Metric, ...]:
    """The table of metrics, with rows of other packages (entry points `nextframe.metrics`).

    >>> [metric.name for metric in metrics()][:4]
    ['mse', 'rmse', 'mae', 'bias']
    """
    return table("nextframe.metrics", METRICS)


def measure(
    forecast: NDArray[Any], truth: NDArray[Any], settings: Settings, *, members: NDArray[Any] | None = None
) -> list[Additive]:
    """All sums that the metrics need, of every forecast of a batch apart.

    Args:
        forecast: (B, K, C, H, W) in source units, NaN where missing.
        truth: the same shape.
        settings: what counts as an event, and the like.
        members: (B, M, K, C, H, W); None where no forecaster is an ensemble, whose scores then say nothing more.

    Raises:
        ShapeError: forecast, members and truth that do not fit each other.
    """
    kinds = dict.fromkeys(row.over for row in metrics())
    single = [kind.each(forecast, truth, settings) for kind in kinds if not kind.of_members]
    if settings.protocol is not None:
        single.append(ProtocolSums.each(forecast, truth, settings, members=members))
    if members is None:
        return single
    return [*single, *(kind.each(members, truth, settings) for kind in kinds if kind.of_members)]


def scores_of(parts: Sequence[Additive]) -> dict[str, Sums]:
    """Every score by its name, (..., K), from sums (..., K); NaN where it is not defined.

    Of the scores of events, none is defined where its denominator is zero: CSI, for one, where there was neither an
    event nor the forecast of one. PSNR of a perfect forecast is infinite. Some are left out where no lead time has a
    value: BCE of values that are neither in 0..1 nor bytes, spread and coverage of a single forecast.
    """
    scores: dict[str, Sums] = {}
    by_kind: Mapping[type[Additive], Additive] = {type(part): part for part in parts}
    for row in metrics():
        sums = by_kind.get(row.over)
        if sums is None:
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            values = row.of(sums)
        if not (row.optional and np.isnan(values).all()):
            scores |= sums.named(row.name, values)
    return scores
