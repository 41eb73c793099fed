"""Which path a size takes: the engine where it pays, and nowhere else."""

import pytest
import torch

from nextframe import engine
from nextframe.models.convlstm import ConvLSTM2d


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "batch", "channels", "filters", "size", "training", "expected"),
    [
        (15, 10, 1, 40, 40, True, True),  # the tutorial's layers
        (15, 10, 40, 40, 40, True, True),
        (10, 8, 1, 128, 40, True, True),
        (1, 1, 40, 40, 40, False, True),  # one new frame
        (1, 1, 1, 128, 40, False, True),
        (4, 1, 1, 256, 64, True, True),
        (1, 1, 128, 128, 2, False, False),  # many weights for a few pixels
        (5, 1, 128, 128, 4, True, False),
        (5, 8, 4, 4, 64, True, False),  # half a register's filters on many pixels
    ],
)
def test_the_engine_runs_where_it_pays(
    steps: int, batch: int, channels: int, filters: int, size: int, training: bool, expected: bool
) -> None:
    frames = torch.zeros(steps, batch, channels, size, size)
    assert engine.pays(frames, ConvLSTM2d(channels, filters).weight_h, training=training) == expected


def test_the_other_path_gives_the_same_numbers() -> None:
    layer = ConvLSTM2d(128, 128)
    frames = torch.randn(2, 1, 128, 3, 3)
    assert not engine.pays(frames, layer.weight_h, training=True)
    hidden, state = layer.scan(frames)
    expected, last = layer.scan_by_the_equations(frames)
    torch.testing.assert_close(hidden, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(state.cell, last.cell, atol=1e-5, rtol=1e-5)
