"""`EncoderDecoder`: one ConvLSTM stack reads the past, a second one, started from its state, writes the future.

The forecasting network of Shi et al. 2015 (arXiv 1506.04214), section 3.2, in the form of the tutorial's second model.
Shapes: B batch, T past frames, K lead times, C channels, F filters, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor, nn

from nextframe.config import CellActivation, GateActivation, Norm
from nextframe.errors import ConfigError, ShapeError
from nextframe.models.convlstm import ConvLSTM2d, ConvLSTMState, check_frames
from nextframe.models.layers import activate, frame_by_frame, kernel_sizes, make_norm, repeated
from nextframe.models.network import FromPast, Outputs

LayerStates = tuple[ConvLSTMState, ...]


class EncoderDecoder(FromPast):
    """Reads frames 1 .. T-1 with the encoder; the decoder starts from frame T and writes frames T+1 .. T+K.

    The decoder is fed the true previous frame where the future is given (teacher forcing), and its own otherwise. The
    encoder's outputs are discarded; only its state goes on. With no argument: one layer of 128 filters 3x3 in the
    encoder and one in the decoder, a 1x1 convolution with a sigmoid.

    Args:
        in_channels: channels C of the frames.
        filters: filters of each layer, in the encoder and in the decoder alike; as many layers as numbers.
        kernel_size: of the ConvLSTM layers, odd: one number, or one for each layer.
        norm: between the layers, where there is more than one: "batch" (the tutorial's), "layer", "group" or "none".
        gate_activation: "sigmoid" or the "hard_sigmoid" of old Keras.
        cell_activation: see `ConvLSTM2d`.
        peepholes: see `ConvLSTM2d`.
        output: "sigmoid" for values in 0..1, or "linear".
        residual: add the decoder's input frame to its output; takes a linear output.
        quantiles: quantiles Q of each value that the output holds; see `StackedConvLSTM`.
        static_channels: channels S that never change (elevation), which follow those of the frame in every input, and
            are not forecast: inputs then have C + S channels.

    Raises:
        ConfigError: no layer, or options that exclude each other.

    >>> model = EncoderDecoder(filters=(8,))
    >>> past, future = torch.rand(2, 5, 1, 16, 16), torch.rand(2, 3, 1, 16, 16)
    >>> forced, _ = model(past, future)  # with the true frame before each, as it is trained
    >>> free, _ = model(past, lead_times=10)  # with its own
    >>> forced.shape, free.shape
    (torch.Size([2, 3, 1, 16, 16]), torch.Size([2, 10, 1, 16, 16]))
    """

    def __init__(
        self,
        in_channels: int = 1,
        filters: Sequence[int] = (128,),
        kernel_size: int | Sequence[int] = 3,
        *,
        norm: Norm = "batch",
        gate_activation: GateActivation = "sigmoid",
        cell_activation: CellActivation = "tanh",
        peepholes: bool = False,
        **outputs: Unpack[Outputs],
    ) -> None:
        super().__init__(in_channels, **outputs)
        if not filters:
            raise ConfigError("names no layer", where="filters")
        self.kernel_sizes = kernel_sizes(kernel_size, len(filters))
        inputs = (in_channels + self.static_channels, *filters[:-1])

        def stack() -> nn.ModuleList:
            return nn.ModuleList(
                ConvLSTM2d(
                    c, f, k, gate_activation=gate_activation, cell_activation=cell_activation, peepholes=peepholes
                )
                for c, f, k in zip(inputs, filters, self.kernel_sizes, strict=True)
            )

        self.encoder, self.decoder = stack(), stack()
        self.encoder_norms = nn.ModuleList(make_norm(norm, f) for f in filters[:-1])
        self.decoder_norms = nn.ModuleList(make_norm(norm, f) for f in filters[:-1])
        self.readout = nn.Conv2d(filters[-1], self.quantiles * in_channels, 1)
        nn.init.xavier_uniform_(self.readout.weight)
        nn.init.zeros_(self.readout.bias)  # type: ignore[arg-type]
        if self.residual:
            nn.init.zeros_(self.readout.weight)  # an untrained network then forecasts persistence

    def forward(
        self, past: Tensor, future: Tensor | None = None, *, lead_times: int = 1, feedback: Tensor | None = None
    ) -> tuple[Tensor, LayerStates]:
        """Forecast the frames that follow the past.

        Args:
            past: (B, T, C, H, W).
            future: the true future (B, K, C, H, W), for teacher forcing: output k sees it up to frame k - 1.
            lead_times: number K of frames, where no future is given.
            feedback: (B, K) of booleans, for scheduled sampling (Bengio et al. 2015, arXiv 1506.03099): where True, the
                decoder's input at lead time k is its own output of k - 1 instead of the true frame.

        Returns:
            Output (B, K, C, H, W), in 0..1 with the sigmoid, and the decoder's state after the last frame.

        Raises:
            ShapeError: frames that are not (B, T, C, H, W) with this model's channels, or a future of another size.
        """
        logits, states = self.logits(past, future, lead_times=lead_times, feedback=feedback)
        return activate(logits, self.output), states

    def logits(
        self,
        past: Tensor,
        future: Tensor | None = None,
        *,
        lead_times: int = 1,
        feedback: Tensor | None = None,
        later: Tensor | None = None,
    ) -> tuple[Tensor, LayerStates]:
        """`forward` without the output's activation, for losses that take logits; `later` as in `rollout_outputs`."""
        states: LayerStates | None = self.encode(past)
        like = self.beside(past, future if later is None else later)
        previous = past[:, -1]
        if future is None:
            lead_times, forced = max(lead_times, 1), past[:, -1:]
        else:
            if future.shape[0] != past.shape[0] or future.shape[2:] != past.shape[2:]:
                raise ShapeError(
                    "the future has another shape than the past",
                    where="EncoderDecoder",
                    expected=(past.shape[0], "K", *past.shape[2:]),
                    received=tuple(future.shape),
                )
            lead_times, forced = future.shape[1], torch.cat([past[:, -1:], future[:, :-1]], dim=1)
            if feedback is None:
                return self._decode(forced, states)
        outputs = []
        for k in range(lead_times):
            if k > 0 and feedback is not None:
                previous = torch.where(feedback[:, k].view(-1, 1, 1, 1), previous, forced[:, k])
            logits, states = self._decode(previous[:, None], states)
            outputs.append(logits)
            previous = self.shown(logits, like[:, min(k, like.shape[1] - 1)][:, None])[:, 0]
        assert states is not None
        return torch.cat(outputs, dim=1), states

    def rollout_logits(self, past: Tensor, lead_times: int, later: Tensor | None = None) -> Tensor:
        return self.logits(past, lead_times=lead_times, later=later)[0]

    def encode(self, past: Tensor) -> LayerStates | None:
        """The encoder's state after all frames of `past` (B, T, C, H, W) but the last; None where there is no other."""
        check_frames(past, self.in_channels + self.static_channels, "EncoderDecoder")
        if past.shape[1] == 1:
            return None
        return self._run(self.encoder, self.encoder_norms, past[:, :-1].transpose(0, 1), None)[1]

    def encode_one(self, frame: Tensor, state: LayerStates | None) -> LayerStates:
        """The encoder's state after one more frame (B, C, H, W); `encode` frame by frame."""
        return self._run(self.encoder, self.encoder_norms, frame[None], state)[1]

    def begin(self, past: Tensor) -> tuple[Tensor, LayerStates]:
        """Read the past (B, T, C, H, W) and forecast the next frame (B, C, H, W); the first step of a rollout."""
        output, states = self(past)
        return output[:, -1], states

    def step(self, frame: Tensor, state: LayerStates) -> tuple[Tensor, LayerStates]:
        """Read one more frame (B, C, H, W) with the decoder and forecast the next; costs one step."""
        logits, states = self.logits_of_step(frame, state)
        return activate(logits, self.output), states

    def logits_of_step(self, frame: Tensor, state: LayerStates) -> tuple[Tensor, LayerStates]:
        """`step` before its output is activated."""
        logits, states = self._decode(frame[:, None], state)
        return logits[:, -1], states

    def reach(self, past: int, lead_times: int) -> int | None:
        if any(isinstance(norm, nn.GroupNorm) for norm in self.decoder_norms):
            return None
        # Along the recurrence while the past is read; then up all layers with each frame.
        radii = [size // 2 for size in self.kernel_sizes]
        return (past - 1) * max(radii) + lead_times * sum(radii)

    def _decode(self, frames: Tensor, states: LayerStates | None) -> tuple[Tensor, LayerStates]:
        features, states = self._run(self.decoder, self.decoder_norms, frames.transpose(0, 1), states)
        logits = frame_by_frame(self.readout, features).transpose(0, 1)
        return (
            logits + repeated(frames[:, :, : self.in_channels], self.quantiles) if self.residual else logits
        ), states

    @staticmethod
    def _run(
        layers: nn.ModuleList, norms: nn.ModuleList, features: Tensor, states: LayerStates | None
    ) -> tuple[Tensor, LayerStates]:
        after = []
        for n, layer in enumerate(layers):
            assert isinstance(layer, ConvLSTM2d)
            if n > 0:
                features = frame_by_frame(norms[n - 1], features)
            features, state = layer.scan(features, None if states is None else states[n])
            after.append(state)
        return features, tuple(after)
