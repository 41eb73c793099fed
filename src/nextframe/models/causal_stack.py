"""`CausalStack`: what the recurrent architectures share: a recurrence over the frames, and the readout on top.

Shapes: B batch, T time, C input channels, S static channels, F filters, H height, W width. Output t is the forecast of
frame t + 1 and depends on no frame after t.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Unpack

import torch
from torch import Tensor, nn

from nextframe.config import Norm
from nextframe.errors import ConfigError
from nextframe.models.convlstm import check_frames
from nextframe.models.layers import activate, frame_by_frame, kernel_sizes, make_norm, repeated
from nextframe.models.network import Network, Outputs
from nextframe.models.readout import TemporalReadout


class StackState(NamedTuple):
    """Memory of such a model between frames."""

    layers: Any
    """The state of the recurrence: that of each layer."""
    recent: Tensor
    """The readout's input at the last two frames, (B, 2, F, H, W)."""


class CausalStack(Network):
    """A recurrence over frames with `TemporalReadout` on top; a subclass says what the recurrence is, by its `layers`
    or in `read`, and calls `add_readout`. Beside the arguments it takes those of `Outputs`.

    Args:
        in_channels: channels C of the frames.
        filters: filters of each layer; as many layers as numbers.
        kernel_size: of the recurrent layers, odd: one number, or one for each.

    Raises:
        ConfigError: no layer, an even kernel, or options that exclude each other.
    """

    task = "one-step"
    layers: nn.ModuleList
    norms: nn.ModuleList
    readout: TemporalReadout

    def __init__(
        self, in_channels: int, filters: Sequence[int], kernel_size: int | Sequence[int], **outputs: Unpack[Outputs]
    ) -> None:
        super().__init__(in_channels, **outputs)
        if not filters or min(filters) < 1:
            raise ConfigError("names no layer, or an empty one", where="filters", received=tuple(filters))
        self.kernel_sizes = kernel_sizes(kernel_size, len(filters))
        """Kernel size of each layer."""
        self.inputs = (in_channels + self.static_channels, *filters[:-1])
        """Input channels of each layer."""

    def add_readout(
        self, norm: Norm, filters: Sequence[int], *, sees_next: bool = False, norm_last: bool = True
    ) -> None:
        """Add the norms after the layers, and the readout of the last of them.

        Args:
            norm: "batch", "layer" (over a pixel's channels), "group" (over a frame), or "none".
            filters: of each layer.
            sees_next: see `TemporalReadout`.
            norm_last: whether the last layer is followed by a norm, too.
        """
        norms = [norm] * (len(filters) - 1) + [norm if norm_last else "none"]
        self.norms = nn.ModuleList(make_norm(each, f) for each, f in zip(norms, filters, strict=True))
        self.readout = TemporalReadout(filters[-1], self.quantiles * self.in_channels, sees_next=sees_next)
        if self.residual:
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
        return frame_by_frame(self.norms[layer], features)

    def forward(self, frames: Tensor, state: StackState | None = None) -> tuple[Tensor, StackState]:
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

    def logits(self, frames: Tensor, state: StackState | None = None) -> tuple[Tensor, StackState]:
        """`forward` without the output's activation, for losses that take logits."""
        check_frames(frames, self.in_channels + self.static_channels, type(self).__name__)
        features, layers = self.read(frames.transpose(0, 1), None if state is None else state.layers)
        before = torch.zeros_like(features[:1]).repeat(2, 1, 1, 1, 1) if state is None else state.recent.transpose(0, 1)
        logits = self.readout(features, None if state is None else before).transpose(0, 1)
        if self.residual:
            logits = logits + repeated(frames[:, :, : self.in_channels], self.quantiles)
        recent = features[-2:] if len(features) >= 2 else torch.cat([before[1:], features])
        return logits, StackState(layers, recent.transpose(0, 1))

    def begin(self, past: Tensor) -> tuple[Tensor, Any]:
        output, state = self(past)
        return output[:, -1], state

    def step(self, frame: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, state = self(frame[:, None], state)
        return output[:, -1], state

    @property
    def streams(self) -> bool:
        return True

    def trained_frames(self, past: int, future: int) -> int:
        return past + future - 1

    def training_logits(self, past: Tensor, future: Tensor, feedback: Tensor | None = None) -> Tensor:
        """See `Network.training_logits`. Scheduled sampling is in two passes, the first of them taken as given
        (Mihaylova and Martins 2019, arXiv 1906.07651).
        """
        inputs, seen = torch.cat([past, future], dim=1)[:, :-1], past.shape[1]
        if feedback is not None:
            true = inputs[:, seen:]
            with torch.no_grad():
                own = self.shown(self.logits(inputs)[0][:, seen - 1 : -1], true)
            chosen = feedback[:, 1:].view(*true.shape[:2], 1, 1, 1)
            inputs = torch.cat([past, torch.where(chosen, own, true)], dim=1)
        return self.logits(inputs)[0]

    def rollout_logits(self, past: Tensor, lead_times: int, later: Tensor | None = None) -> Tensor:
        read, state = self.logits(past)
        steps = [read[:, -1:]]
        for k in range(lead_times - 1):
            like = past[:, -1:] if later is None else later[:, k : k + 1]
            read, state = self.logits(self.shown(steps[-1], like), state)
            steps.append(read)
        return torch.cat(steps, dim=1)
