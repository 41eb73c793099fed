"""What there is to know about each metric: its name, equation, unit, and which values are the better ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Orientation = Literal["lower", "higher"] | float
"""Which values of a metric are the better ones; a number stands for those closest to it."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What there is to know about a metric, for tables and curves."""

    name: str
    """In words."""
    equation: str
    """By f, the forecast, and o, the observation, over n values that neither lacks."""
    better: Orientation
    """Which values are the better ones."""
    unit: str
    """Its unit, where {} is the unit of the source (in brackets where it has several parts); "1" for none."""


METRICS: dict[str, Metric] = {
    "mse": Metric(name="mean squared error", equation="sum((f - o)^2) / n", better="lower", unit="{}²"),
    "rmse": Metric(name="root mean squared error", equation="sqrt(sum((f - o)^2) / n)", better="lower", unit="{}"),
    "mae": Metric(name="mean absolute error", equation="sum(|f - o|) / n", better="lower", unit="{}"),
    "bias": Metric(name="mean error", equation="sum(f - o) / n", better=0.0, unit="{}"),
    "correlation": Metric(
        name="Pearson correlation",
        equation="sum((f - mean f) (o - mean o)) / sqrt(sum((f - mean f)^2) sum((o - mean o)^2))",
        better="higher",
        unit="1",
    ),
    "bce": Metric(
        name="binary cross-entropy",
        equation="-sum(o log(f) + (1 - o) log(1 - f)) / n, with f clipped to 1e-7 .. 1 - 1e-7; bytes divided by 255",
        better="lower",
        unit="1",
    ),
    "ssim": Metric(
        name="structural similarity",
        equation="(2 mf mo + c1) (2 sfo + c2) / ((mf^2 + mo^2 + c1) (sf^2 + so^2 + c2)), in Gaussian windows of sigma "
        "1.5, mean over whole frames (Wang et al. 2004, doi 10.1109/TIP.2003.819861)",
        better="higher",
        unit="1",
    ),
    "psnr": Metric(
        name="peak signal-to-noise ratio", equation="10 log10(data_range^2 / MSE)", better="higher", unit="dB"
    ),
    "csi": Metric(
        name="critical success index", equation="hits / (hits + misses + false alarms)", better="higher", unit="1"
    ),
    "pod": Metric(name="probability of detection", equation="hits / (hits + misses)", better="higher", unit="1"),
    "far": Metric(name="false alarm ratio", equation="false alarms / (hits + false alarms)", better="lower", unit="1"),
    "hss": Metric(
        name="Heidke skill score",
        equation="2 (hits negatives - misses false alarms) / ((hits + misses) (misses + negatives) + (hits + false "
        "alarms) (false alarms + negatives)), where negatives were neither forecast nor came",
        better="higher",
        unit="1",
    ),
    "fss": Metric(
        name="fractions skill score",
        equation="1 - sum((pf - po)^2) / (sum(pf^2) + sum(po^2)), with pf and po the shares of events in a square "
        "neighbourhood of so many pixels a side (Roberts and Lean 2008, doi 10.1175/2007MWR2123.1)",
        better="higher",
        unit="1",
    ),
    "power": Metric(
        name="power ratio",
        equation="power spectral density of f over that of o, both summed over wavelengths shorter than so many "
        "pixels; below 1 the forecast is blurred",
        better=1.0,
        unit="1",
    ),
    "crps": Metric(
        name="continuous ranked probability score",
        equation="mean over members |f - o| - half the mean over all pairs of members |f - f'| (Hersbach 2000, "
        "doi 10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2); of a single forecast its absolute error",
        better="lower",
        unit="{}",
    ),
    "brier": Metric(
        name="Brier score",
        equation="sum((p - e)^2) / n, with p the share of members that say the event, and e 1 where it came (Brier "
        "1950)",
        better="lower",
        unit="1",
    ),
    "spread": Metric(
        name="spread-skill ratio",
        equation="sqrt((m + 1) / m mean variance of the m members) / RMSE of their mean; below 1 the members differ "
        "too little (Fortin et al. 2014, doi 10.1175/JHM-D-14-0008.1). For draws: quantiles as members, which "
        "calibration and models of quantiles have, leave the tails out and stay below 1",
        better=1.0,
        unit="1",
    ),
    "coverage": Metric(
        name="coverage of the central 90 % interval",
        equation="share of o within the 5 % and 95 % quantiles of the members",
        better=0.9,
        unit="1",
    ),
}
"""Metrics by the name that the statistics give them; of a thresholded one (`csi_0.5`), what precedes "_"."""


def better(metric: str) -> Orientation:
    """Which values of a metric are better."""
    return METRICS[metric.partition("_")[0]].better


def perfect(metric: str) -> float | None:
    """The value of a perfect forecast, which skill scores need; None for metrics that no skill score is made of."""
    side = better(metric)
    if metric == "psnr" or isinstance(side, float):
        return None
    return 0.0 if side == "lower" else 1.0


def unit_of(metric: str, source: str) -> str:
    """The unit of a metric of values whose unit is `source`; "" for plain numbers."""
    pattern = METRICS[metric.partition("_")[0]].unit
    if pattern == "1" or ("{}" in pattern and source in ("1", "")):
        return ""
    parts = any(sign in source for sign in " /*")
    return pattern.format(f"({source})" if parts and pattern != "{}" else source)
