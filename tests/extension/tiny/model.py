"""Leaky memory: h_t = a . h_(t-1) + (1 - a) . tanh(W * x_t), with a rate of its own, a, for each filter.

* is a convolution, . a product of values.

Shapes: B batch, T time, C input channels, F filters, H height, W width.
"""

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor, nn

from nextframe.config import Norm
from nextframe.models.causal_stack import CausalStack
from nextframe.models.network import Outputs


class LeakyMemory2d(nn.Module):
    """A layer whose memory fades, stride 1 and 'same' padding."""

    def __init__(self, in_channels: int, filters: int, kernel_size: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, filters, kernel_size, padding=kernel_size // 2)
        self.rate = nn.Parameter(torch.zeros(filters, 1, 1))

    def scan(self, frames: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Frames (T, B, C, H, W) to memories (T, B, F, H, W) and the last of them (B, F, H, W)."""
        inputs = torch.tanh(self.convolution(frames.flatten(0, 1))).unflatten(0, frames.shape[:2])
        memory = torch.zeros_like(inputs[0]) if hidden is None else hidden
        memories = []
        for x in inputs:
            memory = torch.lerp(x, memory, torch.sigmoid(self.rate))
            memories.append(memory)
        return torch.stack(memories), memory


class StackedLeakyMemory(CausalStack):
    """Leaky layers with a norm after each and the causal readout on top; see `CausalStack` for the arguments."""

    def __init__(
        self,
        in_channels: int = 1,
        filters: Sequence[int] = (16, 16),
        kernel_size: int = 3,
        *,
        norm: Norm = "layer",
        **outputs: Unpack[Outputs],
    ) -> None:
        super().__init__(in_channels, filters, kernel_size, **outputs)
        self.add_readout(norm, filters)
        pairs = zip(self.inputs, filters, strict=True)
        self.layers = nn.ModuleList(LeakyMemory2d(c, f, kernel_size) for c, f in pairs)
