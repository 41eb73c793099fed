"""Forecasts as NumPy arrays."""

from __future__ import annotations

from pathlib import Path

from nextframe.files import write_array
from nextframe.forecasting.forecast import Forecast
from nextframe.outputs.writer import Beside


def write_npy(forecast: Forecast, path: Path, beside: Beside) -> None:
    """Write the values (K, C, H, W) in source units."""
    with path.open("wb") as stream:  # by its path, NumPy would give it another suffix where that is not ".npy"
        write_array(stream, forecast.values)
