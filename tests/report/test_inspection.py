"""What the doctor says of frames."""

from pathlib import Path

import numpy as np

from nextframe.api import inspect_path


def test_dry_is_zero_also_where_an_offset_left_values_below_it(tmp_path: Path) -> None:
    rain = np.zeros((20, 10, 10))
    rain[:, 5:] = np.random.default_rng(0).gamma(1.0, 2.0, (20, 5, 10))
    rain[::2, 0, 0] = -0.02
    np.save(tmp_path / "rain.npy", rain)
    channel = inspect_path(tmp_path / "rain.npy", past=1, future=1).channels[0]
    assert channel.low is not None
    assert channel.low < 0
    assert channel.dry == 0
    assert channel.dry_share == 0.495


def test_dry_is_the_smallest_value_where_nothing_is_zero(tmp_path: Path) -> None:
    np.save(tmp_path / "ground.npy", np.random.default_rng(0).integers(3, 5, (20, 8, 8)).astype(np.uint8))
    channel = inspect_path(tmp_path / "ground.npy", past=1, future=1).channels[0]
    assert channel.dry == 3
    assert channel.dry_share is not None
    assert 0.4 < channel.dry_share < 0.6
