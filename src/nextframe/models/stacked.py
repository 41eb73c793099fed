"""`StackedConvLSTM`: ConvLSTM layers with a norm after each, and a 3-D convolution on top; the tutorial's first model.

Shapes: B batch, T time, C input channels, F filters, H height, W width. Output t is the forecast of frame t + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor, nn

from nextframe.config import CellActivation, GateActivation, Norm, TemporalPadding
from nextframe.errors import ConfigError
from nextframe.models.causal_stack import CausalStack, StackState
from nextframe.models.convlstm import ConvLSTM2d
from nextframe.models.layers import activate
from nextframe.models.network import Outputs
from nextframe.models.readout import reach_of_layers


class StackedConvLSTM(CausalStack):
    """Fed any number of frames, it forecasts the next one at each of them.

    With no argument: three ConvLSTM layers of 40 filters 3x3, batch normalisation after each, a 3x3x3 convolution
    with a sigmoid; 291,481 parameters as Keras counts them (the batch norms' running statistics included).

    Args:
        in_channels: channels C of the frames.
        filters: filters of each layer; as many layers as numbers.
        kernel_size: of the ConvLSTM layers, odd: one number, or one for each layer.
        norm: "batch" (the tutorial's), "layer" (over a pixel's channels), "group" (over a frame), or "none".
        norm_last: normalise after the last layer, too, and not between the layers alone.
        temporal_padding: what the 3-D convolution sees around frame t. "causal": t-2, t-1 and t, so that output t
            depends on no frame after t. "same", the tutorial's: t-1, t and t+1, of which t+1 has already read the
            very frame that output t is to forecast. Only the last output of such a stack is a forecast.
        gate_activation: "sigmoid" or the "hard_sigmoid" of old Keras.
        cell_activation: see `ConvLSTM2d`.
        peepholes: see `ConvLSTM2d`.
        output: "sigmoid" for values in 0..1, or "linear".
        residual: add the input frame to the output, so that the network forecasts the change; takes a linear output.
        quantiles: quantiles Q of each value that the output holds, an odd number: those of levels m / (Q + 1),
            each as likely as another. Outputs then have Q C channels, quantile after quantile.
        static_channels: channels S that never change (elevation), which follow those of the frame in every input, and
            are not forecast: inputs then have C + S channels.

    Raises:
        ConfigError: no layer, or options that exclude each other.

    >>> model = StackedConvLSTM(filters=(8, 8), norm="layer").eval()
    >>> movies = torch.rand(2, 7, 1, 16, 16)
    >>> output, state = model(movies)
    >>> output.shape  # output t is the forecast of frame t + 1
    torch.Size([2, 7, 1, 16, 16])
    >>> following, state = model.step(output[:, -1], state)
    >>> following.shape
    torch.Size([2, 1, 16, 16])
    """

    def __init__(
        self,
        in_channels: int = 1,
        filters: Sequence[int] = (40, 40, 40),
        kernel_size: int | Sequence[int] = 3,
        *,
        norm: Norm = "batch",
        norm_last: bool = True,
        temporal_padding: TemporalPadding = "causal",
        gate_activation: GateActivation = "sigmoid",
        cell_activation: CellActivation = "tanh",
        peepholes: bool = False,
        **outputs: Unpack[Outputs],
    ) -> None:
        super().__init__(in_channels, filters, kernel_size, **outputs)
        if temporal_padding not in ("causal", "same"):
            raise ConfigError("unknown", where="temporal_padding", expected="causal or same", received=temporal_padding)
        self.temporal_padding: TemporalPadding = temporal_padding
        self.layers = nn.ModuleList(
            ConvLSTM2d(c, f, k, gate_activation=gate_activation, cell_activation=cell_activation, peepholes=peepholes)
            for c, f, k in zip(self.inputs, filters, self.kernel_sizes, strict=True)
        )
        self.add_readout(norm, filters, sees_next=temporal_padding == "same", norm_last=norm_last)

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
        if self.temporal_padding == "causal":
            return super().logits(frames, state)
        if state is not None:
            raise ConfigError(
                "cannot go on from a state: each output depends on the frame after it",
                where="temporal_padding='same'",
                hint="give it the whole movie, or train with {temporal_padding=causal}",
            )
        logits, (layers, recent) = super().logits(frames)
        return logits, StackState(layers, recent[:, :0])

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

    @property
    def streams(self) -> bool:
        return self.temporal_padding == "causal"

    def reach(self, past: int, lead_times: int) -> int | None:
        return reach_of_layers(self.norms, self.kernel_sizes, past, lead_times)
