"""Frequency bias: how many events were forecast for each that came; above 1 the forecast calls too many."""

from nextframe.verification.metrics import Metric
from nextframe.verification.statistics import Events

FREQUENCY_BIAS = Metric(
    name="fbias",
    title="frequency bias",
    label="frequency bias",
    equation="(hits + false alarms) / (hits + misses)",
    source="Wilks 2019, Statistical Methods in the Atmospheric Sciences, chapter 9",
    over=Events,
    of=lambda sums: (sums.hits + sums.false_alarms) / (sums.hits + sums.misses),
    better=1.0,
)
