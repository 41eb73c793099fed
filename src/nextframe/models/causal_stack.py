"""`CausalStack`: what the recurrent architectures share: a recurrence over the frames, and the causal readout on top.

Shapes: B batch, T time, C input channels, S static channels, F filters, H height, W width. Output t is the forecast of
frame t + 1 and depends on no frame after t.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nextframe.config import Norm, OutputActivation
from nextframe.errors import ConfigError
from nextframe.models.convlstm import check_frames
from nextframe.models.layers import activate, check_output, make_norm, repeated
from nextframe.models.network import Network
from nextframe.models.stacked import TemporalReadout


class CausalState(NamedTuple):
    """Memory of such a model between frames."""

    inside: Any
    """The state of the recurrence."""
    recent: Tensor
    """The readout's input at the last two frames, (B, 2, F, H, W)."""


class CausalStack(Network):
    """A recurrence over frames with `TemporalReadout` on top; a subclass says what the recurrence is, by its `layers`
    or in `read`.

    Args:
        in_channels: channels C of the frames.
        filters: filters of each layer; as many layers as numbers.
        kernel_size: of the recurrent layers, odd.
        norm: "batch", "layer" (over a pixel's channels), "group" (over a frame), or "none"; after each layer.
        output: "sigmoid" for values in 0..1, or "linear".
        residual: add the input frame to the output, so that the network forecasts the change; takes a linear output.
        quantiles: quantiles Q of each value that the output holds, an odd number.
        static_channels: channels S that never change, which follow those of the frame in every input.

    Raises:
        ConfigError: no layer, an even kernel, or options that exclude each other.
    """

    one_step = True
    layers: nn.ModuleList

    def __init__(
        self,
        in_channels: int,
        filters: Sequence[int],
        kernel_size: int,
        *,
        norm: Norm,
        output: OutputActivation,
        residual: bool,
        quantiles: int,
        static_channels: int,
    ) -> None:
        super().__init__()
        check_output(output, residual, quantiles)
        if not filters or min(filters) < 1:
            raise ConfigError("names no layer, or an empty one", where="filters", received=tuple(filters))
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ConfigError("is not odd", where="kernel_size", received=kernel_size)
        self.in_channels, self.output, self.residual, self.quantiles = in_channels, output, residual, quantiles
        self.static_channels, self.radius = static_channels, kernel_size // 2
        self.inputs = (in_channels + static_channels, *filters[:-1])
        """Input channels of each layer."""
        self.norms = nn.ModuleList(make_norm(norm, f) for f in filters)
        self.readout = TemporalReadout(filters[-1], quantiles * in_channels)
        if residual:
            nn.init.zeros_(self.readout.weight)  # an untrained network then forecasts persistence

    def read(self, frames: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Frames (T, B, C + S, H, W), after a state or from the start (None), to features (T, B, F, H, W) and state.

        One of `layers` after the other, each followed by its norm, where a subclass says nothing else; each has a
        `scan` of features and its own state.
        """
        features, states = frames, []
        for n, layer in enumerate(self.layers):
            features, after = layer.scan(features, None if state is None else state[n])  # type: ignore[operator]
            features = self.normed(n, features)
            states.append(after)
        return features, tuple(states)

    def normed(self, layer: int, features: Tensor) -> Tensor:
        """The norm of a layer, on its output (T, B, F, H, W)."""
        normed: Tensor = self.norms[layer](features.flatten(0, 1)).unflatten(0, features.shape[:2])
        return normed

    def forward(self, frames: Tensor, state: CausalState | None = None) -> tuple[Tensor, CausalState]:
        """Forecast the next frame at each frame.

        Args:
            frames: (B, T, C + S, H, W).
            state: what an earlier call returned; the model goes on from there.

        Returns:
            Output (B, T, Q C, H, W); output t forecasts frame t + 1. And the state to go on from.

        Raises:
            ShapeError: frames that are not (B, T, C + S, H, W) with this model's channels.
        """
        logits, state = self.logits(frames, state)
        return activate(logits, self.output), state

    def logits(self, frames: Tensor, state: CausalState | None = None) -> tuple[Tensor, CausalState]:
        """`forward` without the output's activation, for losses that take logits."""
        check_frames(frames, self.in_channels + self.static_channels, type(self).__name__)
        features, inside = self.read(frames.transpose(0, 1), None if state is None else state.inside)
        before = torch.zeros_like(features[:1]).repeat(2, 1, 1, 1, 1) if state is None else state.recent.transpose(0, 1)
        logits = self.readout(features, None if state is None else before).transpose(0, 1)
        if self.residual:
            logits = logits + repeated(frames[:, :, : self.in_channels], self.quantiles)
        recent = torch.cat([before, features[-2:]])[-2:]
        return logits, CausalState(inside, recent.transpose(0, 1))

    def begin(self, past: Tensor) -> tuple[Tensor, CausalState]:
        output, state = self(past)
        return output[:, -1], state

    def step(self, frame: Tensor, state: CausalState) -> tuple[Tensor, CausalState]:
        output, state = self(frame[:, None], state)
        return output[:, -1], state
