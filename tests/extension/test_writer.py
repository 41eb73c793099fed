"""Plain text holds the forecast."""

from pathlib import Path

import numpy as np

from nextframe import Persistence, open_source, save_forecast


def test_plain_text_brings_the_values_back(tmp_path: Path) -> None:
    movie = open_source("squares:movies=1,frames=4,size=8").sequences[0]
    forecast = Persistence().forecast(movie, lead_times=2)
    save_forecast(forecast, path := tmp_path / "next.frames")
    (sequence,) = open_source(path).sequences
    np.testing.assert_array_equal(sequence.read(0, 2), forecast.values)
