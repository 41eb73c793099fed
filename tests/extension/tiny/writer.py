"""Plain text: a first line with K, C, H and W, then the values of a frame a line.

Axes: K lead time, C channel, H height, W width.
"""

from pathlib import Path

import numpy as np

from nextframe.forecasting.forecast import Forecast
from nextframe.outputs.writer import Beside


def write_text(forecast: Forecast, path: Path, beside: Beside) -> None:
    """Write the values (K, C, H, W) in source units, each with as many digits as bring it back."""
    frames = forecast.values.reshape(len(forecast.values), -1)
    with path.open("w", encoding="utf-8") as file:
        print(*forecast.values.shape, file=file)
        np.savetxt(file, frames, fmt="%.9g")
