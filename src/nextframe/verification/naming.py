"""Names of scores: metric, threshold and scale of "fss_0.5_15px", and what its row says of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from nextframe.verification.metrics import METRICS, Metric, Orientation, metrics

_SCALE = re.compile(r"\d+px")


@dataclass(frozen=True)
class Score:
    """A metric at a threshold and a scale, as it is named in the scores."""

    metric: Metric
    threshold: str = ""
    """"0.5"; empty where it has none."""
    channel: str = ""
    """Variable whose values count alone; empty where all do."""
    scale: str = ""
    """"5" for pixels; empty where it has none."""


def score_named(key: str) -> Score:
    """A score by its name in a verification; of a metric that is not known here, a row that says nothing of it.

    >>> score = score_named("fss_0.5_15px")
    >>> score.metric.label, score.threshold, score.scale
    ('FSS', '0.5', '15')
    >>> score_named("csi_rain_rate_0.5").channel
    'rain_rate'
    """
    rows = [row for row in metrics() if key == row.name or key.startswith(f"{row.name}_")]
    if not rows:
        unknown = replace(METRICS[0], name=key, title=key, label=key, equation="", unit="1", perfect=None, leads=None)
        return Score(replace(unknown, better=None))
    row = max(rows, key=lambda row: len(row.name))
    rest, _, scale = key[len(row.name) + 1 :].rpartition("_")
    if not _SCALE.fullmatch(scale):
        rest, scale = key[len(row.name) + 1 :], ""
    channel, _, threshold = rest.rpartition("_")
    return Score(row, threshold=threshold, channel=channel, scale=scale.removesuffix("px"))


def better(key: str) -> Orientation | None:
    """Better values of a score."""
    return score_named(key).metric.better


def perfect(key: str) -> float | None:
    """The value of a perfect forecast, which skill scores need; None for metrics that no skill score is made of."""
    return score_named(key).metric.perfect


def unit_of(key: str, source: str) -> str:
    """The unit of a score of values whose unit is `source`; "" for plain numbers.

    >>> unit_of("mse", "mm/h"), unit_of("csi_0.5", "mm/h")
    ('(mm/h)²', '')
    """
    pattern = score_named(key).metric.unit
    if pattern == "1" or ("{}" in pattern and source in ("1", "")):
        return ""
    parts = any(sign in source for sign in " /*")
    return pattern.format(f"({source})" if parts and pattern != "{}" else source)
