"""`MultiscaleConvLSTM`: ConvLSTM layers on coarser and coarser grids, and back, in the shape of a U.

    down:  D_0 = ConvLSTM(X),  D_l = ConvLSTM(halve(D_(l-1)))      l = 1 ... L - 1
    up:    U_(L-1) = D_(L-1),  U_l = ConvLSTM([D_l, double(U_(l+1))])

halve is a 3x3 convolution of stride 2 and a leaky ReLU of slope 0.2, double repeats every pixel 2x2. The links D_l are
those of a U-Net (Ronneberger et al. 2015, arXiv 1505.04597), the scales those of Shi et al. 2017 (arXiv 1706.03458).
Every level works frame by frame, so that the model reads any number of frames and forecasts the next at each of them.

Shapes: B batch, T time, C input channels, F filters of a level, L levels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from nextframe.architectures import architecture
from nextframe.config import Norm
from nextframe.models.causal_stack import CausalStack
from nextframe.models.convlstm import ConvLSTM2d, ConvLSTMState
from nextframe.models.layers import frame_by_frame
from nextframe.models.network import Outputs


def double(features: Tensor, like: Tensor) -> Tensor:
    """Features (T, B, F, h, w) with every pixel repeated 2x2, cut to the height and width of others."""

    def repeated(images: Tensor) -> Tensor:
        return functional.interpolate(images, scale_factor=2.0, mode="nearest")

    return frame_by_frame(repeated, features)[..., : like.shape[3], : like.shape[4]]


class MultiscaleConvLSTM(CausalStack):
    """See `CausalStack` for the arguments; `filters` are those of the levels, from the finest grid to the coarsest.

    A grid of odd size has a coarser one of half its size, rounded up.
    """

    def __init__(
        self,
        in_channels: int = 1,
        filters: Sequence[int] = architecture("multiscale").filters,
        kernel_size: int = 3,
        *,
        norm: Norm = "layer",
        **outputs: Unpack[Outputs],
    ) -> None:
        levels = list(filters)
        # The readout reads the finest level, which comes last on the way up.
        super().__init__(in_channels, levels[::-1], kernel_size, **outputs)
        self.add_readout(norm, [*levels, *levels[-2::-1]])
        self.stride = 2 ** (len(levels) - 1)
        inputs = [in_channels + self.static_channels, *levels[1:]]
        self.down = nn.ModuleList(ConvLSTM2d(c, f, kernel_size) for c, f in zip(inputs, levels, strict=True))
        steps = list(pairwise(levels))
        self.halves = nn.ModuleList(nn.Conv2d(fine, coarse, 3, stride=2, padding=1) for fine, coarse in steps)
        self.up = nn.ModuleList(ConvLSTM2d(fine + coarse, fine, kernel_size) for fine, coarse in reversed(steps))

    def read(self, frames: Tensor, state: tuple[ConvLSTMState, ...] | None) -> tuple[Tensor, tuple[ConvLSTMState, ...]]:
        states: list[ConvLSTMState] = []

        def layer(scan: nn.Module, features: Tensor) -> Tensor:
            assert isinstance(scan, ConvLSTM2d)
            n = len(states)
            outputs, after = scan.scan(features, None if state is None else state[n])
            states.append(after)
            return self.normed(n, outputs)

        features, levels = frames, []
        for n, scan in enumerate(self.down):
            if n:
                features = functional.leaky_relu(frame_by_frame(self.halves[n - 1], features), 0.2)
            features = layer(scan, features)
            levels.append(features)
        for scan, link in zip(self.up, levels[-2::-1], strict=True):
            features = layer(scan, torch.cat([link, double(features, link)], dim=2))
        return features, tuple(states)
