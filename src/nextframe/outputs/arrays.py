"""Forecasts as NumPy arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nextframe.forecasting.forecast import Forecast
from nextframe.outputs.writer import Beside


def write_npy(forecast: Forecast, path: Path, beside: Beside) -> None:
    """Write the values (K, C, H, W) in source units."""
    with path.open("wb") as stream:  # by its path, NumPy would give it another suffix where that is not ".npy"
        np.save(stream, forecast.values)
