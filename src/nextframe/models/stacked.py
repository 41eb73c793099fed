"""`StackedConvLSTM`: ConvLSTM layers with a norm after each, and a 3-D convolution on top; the tutorial's first model.

Shapes: B batch, T time, C input channels, F filters, H height, W width. Output t is the forecast of frame t + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

import nextframe.engine as engine
from nextframe.config import GateActivation, Norm, OutputActivation, TemporalPadding
from nextframe.errors import ConfigError
from nextframe.models.convlstm import ConvLSTM2d, ConvLSTMState, check_frames
from nextframe.models.layers import activate, check_output, make_norm, repeated
from nextframe.models.network import Network


class StackState(NamedTuple):
    """Memory of the stack between frames."""

    layers: tuple[ConvLSTMState, ...]
    """The state of each ConvLSTM layer."""
    recent: Tensor
    """The readout's input at the last two frames, (B, 2, F, H, W); empty in time for the 'same' padding."""


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
        slices = functional.conv2d(seen.flatten(0, 1), kernels, padding=1).unflatten(0, seen.shape[:2])
        around = (1, 1) if self.sees_next else (2, 0)
        missing = (around[0] - (0 if recent is None else len(recent)), around[1])
        slices = functional.pad(slices, (0, 0, 0, 0, 0, 0, 0, 0, *missing))
        first, second, third = slices.split(outputs, dim=2)
        summed: Tensor = first[:-2] + second[1:-1] + third[2:] + self.bias.view(-1, 1, 1)
        return summed


class StackedConvLSTM(Network):
    """Fed any number of frames, it forecasts the next one at each of them.

    With no argument: three ConvLSTM layers of 40 filters 3x3, batch normalisation after each, a 3x3x3 convolution
    with a sigmoid; 291,481 parameters as Keras counts them (the batch norms' running statistics included).

    Args:
        in_channels: channels C of the frames.
        filters: filters of each layer; as many layers as numbers.
        kernel_size: of the ConvLSTM layers, odd.
        norm: "batch" (the tutorial's), "layer" (over a pixel's channels), "group" (over a frame), or "none".
        temporal_padding: what the 3-D convolution sees around frame t. "causal": t-2, t-1 and t, so that output t
            depends on no frame after t. "same", the tutorial's: t-1, t and t+1, of which t+1 has already read the
            very frame that output t is to forecast. Only the last output of such a stack is a forecast.
        gate_activation: "sigmoid" or the "hard_sigmoid" of old Keras.
        peepholes: see `ConvLSTM2d`.
        output: "sigmoid" for values in 0..1, or "linear".
        residual: add the input frame to the output, so that the network forecasts the change; takes a linear output.
        quantiles: quantiles Q of each value that the output holds, an odd number: those of levels m / (Q + 1),
            each as likely as another. Outputs then have Q C channels, quantile after quantile.
        static_channels: channels S that never change (elevation), which follow those of the frame in every input, and
            are not forecast: inputs then have C + S channels.

    Raises:
        ConfigError: no layer, or options that exclude each other.
    """

    one_step = True

    def __init__(
        self,
        in_channels: int = 1,
        filters: Sequence[int] = (40, 40, 40),
        kernel_size: int = 3,
        *,
        norm: Norm = "batch",
        temporal_padding: TemporalPadding = "causal",
        gate_activation: GateActivation = "sigmoid",
        peepholes: bool = False,
        output: OutputActivation = "sigmoid",
        residual: bool = False,
        quantiles: int = 1,
        static_channels: int = 0,
    ) -> None:
        super().__init__()
        check_output(output, residual, quantiles)
        if not filters:
            raise ConfigError("names no layer", where="filters")
        if temporal_padding not in ("causal", "same"):
            raise ConfigError("unknown", where="temporal_padding", expected="causal or same", received=temporal_padding)
        self.in_channels, self.output, self.residual, self.quantiles = in_channels, output, residual, quantiles
        self.static_channels, self.radius = static_channels, kernel_size // 2
        self.temporal_padding: TemporalPadding = temporal_padding
        inputs = (in_channels + static_channels, *filters[:-1])
        self.layers = nn.ModuleList(
            ConvLSTM2d(c, f, kernel_size, gate_activation=gate_activation, peepholes=peepholes)
            for c, f in zip(inputs, filters, strict=True)
        )
        self.norms = nn.ModuleList(make_norm(norm, f) for f in filters)
        self.readout = TemporalReadout(filters[-1], quantiles * in_channels, sees_next=temporal_padding == "same")
        if residual:
            nn.init.zeros_(self.readout.weight)  # an untrained network then forecasts persistence

    def forward(self, frames: Tensor, state: StackState | None = None) -> tuple[Tensor, StackState]:
        """Forecast the next frame at each frame.

        Args:
            frames: (B, T, C, H, W).
            state: what an earlier call returned; the stack goes on from there (causal padding only).

        Returns:
            Output (B, T, C, H, W), in 0..1 with the sigmoid; output t forecasts frame t + 1. And the state to go on
            from.

        Raises:
            ShapeError: frames that are not (B, T, C, H, W) with this model's channels.
            ConfigError: a state for the 'same' padding, whose last output changes when a frame follows.
        """
        logits, state = self.logits(frames, state)
        return activate(logits, self.output), state

    def logits(self, frames: Tensor, state: StackState | None = None) -> tuple[Tensor, StackState]:
        """`forward` without the output's activation, for losses that take logits."""
        check_frames(frames, self.in_channels + self.static_channels, "StackedConvLSTM")
        causal = self.temporal_padding == "causal"
        if state is not None and not causal:
            raise ConfigError(
                "cannot go on from a state: each output depends on the frame after it",
                where="temporal_padding='same'",
                hint="give it the whole movie, or train with temporal_padding='causal'",
            )
        features = frames.transpose(0, 1)
        shape = features.shape[:2]
        states = []
        for n, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            assert isinstance(layer, ConvLSTM2d)
            features, layer_state = layer.scan(features, None if state is None else state.layers[n])
            features = norm(features.flatten(0, 1)).unflatten(0, shape)
            states.append(layer_state)
        before = None if state is None else state.recent.transpose(0, 1)
        logits = self.readout(features, before).transpose(0, 1)
        if not causal:
            recent = features[:0]
        elif len(features) >= 2:
            recent = features[-2:]
        else:
            earlier = torch.zeros_like(features) if before is None else before[1:]
            recent = torch.cat([earlier, features])
        if self.residual:
            logits = logits + repeated(frames[:, :, : self.in_channels], self.quantiles)
        return logits, StackState(tuple(states), recent.transpose(0, 1))

    def begin(self, past: Tensor) -> tuple[Tensor, StackState | Tensor]:
        """Read the past (B, T, C, H, W) and forecast the next frame (B, C, H, W); the first step of a rollout."""
        output, state = self(past)
        return output[:, -1], state if self.temporal_padding == "causal" else past

    def step(self, frame: Tensor, state: StackState | Tensor) -> tuple[Tensor, StackState | Tensor]:
        """Read one more frame (B, C, H, W) and forecast the next; state from `begin` or `step`.

        With the causal padding this costs one step, however many frames went before. With the 'same' padding the
        state is the movie so far, which is read again as the tutorial does: its outputs depend on where the movie
        ends.
        """
        if isinstance(state, Tensor):
            return self.begin(torch.cat([state, frame[:, None]], dim=1))
        output, state = self(frame[:, None], state)
        return output[:, -1], state

    def reach(self, past: int, lead_times: int) -> int | None:
        return reach_of_layers(self.norms, self.radius, past, lead_times)


def reach_of_layers(norms: nn.ModuleList, radius: int, past: int, lead_times: int) -> int | None:
    """`Network.reach` of recurrent layers, a norm after each, with `TemporalReadout` on top.

    Args:
        norms: of the layers, as many as there are.
        radius: pixels that a layer's kernels reach to every side, on its input and on its state.
        past: frames read.
        lead_times: frames forecast.
    """
    if any(isinstance(norm, nn.GroupNorm) for norm in norms):
        return None
    # Along the recurrence while the past is read; then up all layers and through the readout with each frame.
    return (past - 1) * radius + lead_times * (len(norms) * radius + 1)
