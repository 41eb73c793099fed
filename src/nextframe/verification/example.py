"""`Example`: one window of a verification with everyone's forecast, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextframe.forecasting.forecast import Forecast
from nextframe.frames.sequence import FloatArray


@dataclass(frozen=True, kw_only=True)
class Example:
    """One window with everyone's forecast, to look at."""

    past: FloatArray
    """(T, C, H, W) in source units."""
    truth: FloatArray
    """(K, C, H, W)."""
    forecasts: Sequence[Forecast]
    """One for each forecaster, the model first; without members."""
    threshold: float | None = None
    """From which value of the first channel on something is an event; None where nothing is."""
    probability: FloatArray | None = None
    """Probability (K, C, H, W) of such values by the first forecaster; None where it knows none."""
