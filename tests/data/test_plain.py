"""Windows for a training loop of one's own are plain tensors with times."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import nextframe
from nextframe.errors import ConfigError, DataError


def test_items_are_pasts_and_the_futures_that_follow_them() -> None:
    frames = np.arange(10, dtype=np.float32)[:, None, None] * np.ones((4, 6), np.float32)
    pairs = nextframe.windows(frames, past=4, future=3, stride=2)
    assert len(pairs) == 2
    past, future = pairs[1]
    assert past.shape == (4, 1, 4, 6)
    assert future.shape == (3, 1, 4, 6)
    assert past[:, 0, 0, 0].tolist() == [2, 3, 4, 5]
    assert future[:, 0, 0, 0].tolist() == [6, 7, 8]
    assert pairs.times(1) is None
    batch = next(iter(DataLoader(pairs, batch_size=2)))
    assert [part.shape for part in batch] == [(2, 4, 1, 4, 6), (2, 3, 1, 4, 6)]
    past.zero_()
    assert torch.equal(pairs[1][0][:, 0, 0, 0], torch.tensor([2.0, 3, 4, 5]))


def test_times_are_those_of_the_frames_and_none_lies_across_a_gap() -> None:
    xr = pytest.importorskip("xarray")
    minutes = np.array([0, 5, 10, 15, 40, 45, 50, 55])
    times = np.datetime64("2020-01-01T00:00", "ns") + minutes * np.timedelta64(1, "m")
    rain = xr.DataArray(np.random.default_rng(0).random((8, 4, 4), np.float32), dims=("time", "y", "x"), name="rain")
    pairs = nextframe.windows(rain.assign_coords(time=times), past=2, future=2)
    assert len(pairs) == 2
    np.testing.assert_array_equal(pairs.times(1), times[4:])


def test_what_leaves_no_window_is_refused() -> None:
    with pytest.raises(DataError, match="holds no window"):
        nextframe.windows("squares:movies=1,frames=5,size=16", past=4, future=3)
    with pytest.raises(ConfigError, match="past"):
        nextframe.windows("squares:movies=1,frames=5,size=16", past=0)
