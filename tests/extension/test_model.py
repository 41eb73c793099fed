"""The leaky memory is its equation."""

import torch
from tiny.model import LeakyMemory2d


def test_a_memory_fades() -> None:
    layer = LeakyMemory2d(1, 1, 3)
    with torch.no_grad():
        for parameter in layer.convolution.parameters():
            parameter.zero_()
        _, memory = layer.scan(torch.zeros(3, 1, 1, 4, 4), torch.ones(1, 1, 4, 4))
    torch.testing.assert_close(memory, torch.full((1, 1, 4, 4), 0.5**3))
