"""`ProtocolScores`: what a verification holds by a published protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ProtocolScores:
    """Scores by a published protocol, one number for all lead times each, the protocol's name in each one's own."""

    name: str
    """"earthformer", "diffcast:meteonet"."""
    data: str
    """Data set that it is made for, in words."""
    unit: str
    """Unit of the thresholds."""
    source: str
    """Publication, and the files of its code that say how."""
    scores: Mapping[str, Mapping[str, float]]
    """Forecaster -> "earthformer.csi_16" -> value; NaN where it is not defined."""
    intervals: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    """Forecaster -> score -> lower and upper bound (95 %); empty where there are too few blocks."""
    notes: Sequence[str] = ()
    """What differs from the publication, in sentences."""
