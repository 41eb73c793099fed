"""`SimVP`: a block of frames from a block of frames, by convolutions alone; the rival that has no recurrence.

Z. Gao et al. 2022 (arXiv 2206.05099): an encoder of convolutions for each frame, a translator that mixes the features
of all frames, time standing in for channels, and a decoder for each forecast frame, which also sees the features of the
encoder's first layer. The translator's blocks are the gated attention of C. Tan et al. 2022 (arXiv 2211.12509): large
depthwise kernels, one of them dilated, say where to look, and gate what is there.

Shapes: B batch, P frames read, K frames of a block, C channel, S static channel, F features of a frame, Q quantile,
H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional

from nextframe.architectures import architecture
from nextframe.config import Norm
from nextframe.errors import ConfigError
from nextframe.models.blocks import Blocks
from nextframe.models.layers import make_norm, repeated
from nextframe.models.network import Outputs


class SimVP(Blocks):
    """Reads the last P frames and forecasts K at once; more of them by reading its own.

    Args:
        in_channels: channels C of the frames.
        filters: features F of a frame, one equal number for each block of the translator.
        kernel_size: of encoder and decoder, odd.
        past: frames P that a forecast starts from; of a shorter past the first frame is repeated.
        future: frames K of a block.
        norm: "batch", "layer" (over a pixel's channels), "group" (over a frame), or "none".
        output: "sigmoid" for values in 0..1, or "linear".
        residual: add the last frame to the output, so that the network forecasts the change; takes a linear output.
        quantiles: quantiles Q of each value that the output holds, an odd number.
        static_channels: channels S that never change, which follow those of the frame in every input.

    Raises:
        ConfigError: no block, blocks of different size, an even kernel, or options that exclude each other.
    """

    stride = 4

    def __init__(
        self,
        in_channels: int = 1,
        filters: Sequence[int] = architecture("simvp").filters,
        kernel_size: int = 3,
        *,
        past: int = 7,
        future: int = 8,
        norm: Norm = "layer",
        **outputs: Unpack[Outputs],
    ) -> None:
        super().__init__(in_channels, **outputs)
        if not filters or len(set(filters)) > 1 or filters[0] < 1:
            raise ConfigError(
                "differ, or name no block",
                where="filters",
                expected="one number, for each block of the translator",
                received=tuple(filters),
            )
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ConfigError("is not odd", where="kernel_size", received=kernel_size)
        self.past, self.future = past, future
        size, features = kernel_size, filters[0]

        def convolved(channels: int, *, stride: int = 1, larger: int = 1) -> nn.Module:
            steps = [nn.Conv2d(channels, features * larger**2, size, stride, size // 2), nn.PixelShuffle(larger)]
            return nn.Sequential(*steps, make_norm(norm, features), nn.SiLU())

        self.first = convolved(in_channels + self.static_channels)
        self.encoder = nn.Sequential(convolved(features, stride=2), convolved(features), convolved(features, stride=2))
        self.translator = nn.Sequential(*(_GatedAttention(past * features, norm) for _ in filters))
        self.to_future = nn.Conv2d(past * features, future * features, 1)
        self.decoder = nn.Sequential(convolved(features, larger=2), convolved(features), convolved(features, larger=2))
        self.last = convolved(2 * features)
        self.readout = nn.Conv2d(features, self.quantiles * in_channels, 1)
        if self.residual:
            for parameter in self.readout.parameters():
                nn.init.zeros_(parameter)  # an untrained network then forecasts persistence

    def whole_block(self, frames: Tensor) -> Tensor:
        """`block` of frames whose height and width are multiples of `stride`."""
        flat = frames.flatten(0, 1)
        seen = self.first(flat)
        features = self.encoder(seen).unflatten(0, (-1, self.past)).flatten(1, 2)
        features = self.to_future(self.translator(features)).unflatten(1, (self.future, -1)).flatten(0, 1)
        # Of the first layer's features those of the last frame, the one nearest to what is forecast.
        nearest = seen.unflatten(0, (-1, self.past))[:, -1:].repeat(1, self.future, 1, 1, 1).flatten(0, 1)
        features = self.last(torch.cat([self.decoder(features), nearest], dim=1))
        logits: Tensor = self.readout(features).unflatten(0, (-1, self.future))
        if self.residual:
            logits = logits + repeated(frames[:, -1:, : self.in_channels], self.quantiles)
        return logits


class _GatedAttention(nn.Module):
    """A block of the translator: attention by large kernels, then a network for each pixel; both are added to what
    they read, (B, P F, H, W).
    """

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.norms = nn.ModuleList(make_norm(norm, channels) for _ in range(2))
        self.inward, self.outward = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)
        # Together they reach 11 pixels to every side: 2, and then 3 steps of 3.
        self.look = nn.Sequential(
            nn.Conv2d(channels, channels, 5, padding=2, groups=channels),
            nn.Conv2d(channels, channels, 7, padding=9, dilation=3, groups=channels),
            nn.Conv2d(channels, 2 * channels, 1),
        )
        self.mix = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels),
            nn.GELU(),
            nn.Conv2d(2 * channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.norms
        value, gate = self.look(functional.gelu(self.inward(first(x)))).chunk(2, dim=1)
        x = x + self.outward(value * torch.sigmoid(gate))
        mixed: Tensor = x + self.mix(second(x))
        return mixed
