"""`TemporalReadout`: the 3-D convolution on top of recurrent layers.

Shapes: B batch, T time, C outputs, F features, H height, W width; time comes first.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

import nextframe.engine as engine


class TemporalReadout(nn.Module):
    """A 3-D convolution with kernel 3x3x3 over (time, height, width), on features with time first.

    One filter is a shape that libraries do slowly. The engine has kernels for it; elsewhere it is computed as three 2-D
    convolutions at once: every frame with the kernel's three time slices (F -> 3 C), and then the results of three
    neighbouring frames are added, which is the same sum and keeps memory in the layout of the ConvLSTM layers.

    Args:
        in_channels: features F.
        out_channels: outputs C.
        sees_next: whether output t sees the features at t-1, t and t+1 ('same' padding in time) instead of t-2, t-1
            and t.

    `weight` has the shape of `torch.nn.Conv3d`'s, (C, F, 3, 3, 3), and starts Glorot uniform as in Keras.
    """

    def __init__(self, in_channels: int, out_channels: int, *, sees_next: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 3, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.sees_next = sees_next
        nn.init.xavier_uniform_(self.weight)

    def forward(self, features: Tensor, recent: Tensor | None = None) -> Tensor:
        """Features (T, B, F, H, W), after two `recent` ones (2, B, F, H, W) or zeros, to outputs (T, B, C, H, W)."""
        if engine.usable(features, self.weight[0]):
            return engine.readout(features, recent, self.weight, self.bias, sees_next=self.sees_next)
        outputs = self.weight.shape[0]
        kernels = self.weight.permute(2, 0, 1, 3, 4).flatten(0, 1)  # rows: time slice, then output
        seen = features if recent is None else torch.cat([recent, features])
        slices = functional.conv2d(seen.flatten(0, 1), kernels, padding=1).unflatten(0, (len(seen), -1))
        around = (1, 1) if self.sees_next else (2, 0)
        missing = (around[0] - (0 if recent is None else len(recent)), around[1])
        slices = functional.pad(slices, (0, 0, 0, 0, 0, 0, 0, 0, *missing))
        first, second, third = slices.split(outputs, dim=2)
        summed: Tensor = first[:-2] + second[1:-1] + third[2:] + self.bias.view(-1, 1, 1)
        return summed


def reach_of_layers(norms: nn.ModuleList, kernel_sizes: Sequence[int], past: int, lead_times: int) -> int | None:
    """`Network.reach` of recurrent layers, a norm after each, with `TemporalReadout` on top.

    Args:
        norms: of the layers, as many as there are.
        kernel_sizes: of each layer, on its input and on its state.
        past: frames read.
        lead_times: frames forecast.
    """
    if any(isinstance(norm, nn.GroupNorm) for norm in norms):
        return None
    # Along the recurrence while the past is read; then up all layers and through the readout with each frame.
    radii = [size // 2 for size in kernel_sizes]
    return (past - 1) * max(radii) + lead_times * (sum(radii) + 1)
