"""`Network`: what training, rollouts and forecasters ask of a model, whatever is inside it.

Shapes: B batch, T time, C channel, S static channel, Q quantile, H height, W width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from nextframe.config import OutputActivation


class Network(nn.Module, ABC):
    """A model that forecasts frames (B, T, C, H, W) of any length, height and width.

    Its `forward` takes what its `logits` takes.
    """

    in_channels: int
    """Channels C of a frame."""
    static_channels: int
    """Channels S that never change, which follow those of the frame in every input."""
    quantiles: int
    """Quantiles Q of each value in the output, (B, T, Q C, H, W)."""
    output: OutputActivation
    """Activation that makes the output of the logits."""
    one_step: bool
    """Dialect of its training. True: `logits(frames, state=None)`, output t being the forecast of frame t + 1. False:
    `logits(past, future=None, *, lead_times=1, feedback=None)`, the outputs being those of the future, with the true
    previous frame as input where the future is given."""
    stride: int = 1
    """Frames moved by a multiple of so many pixels, along either axis, give outputs moved as much."""

    @abstractmethod
    def logits(self, *args: Any, **options: Any) -> tuple[Tensor, Any]:
        """The output before its activation, and the state after it."""

    @abstractmethod
    def begin(self, past: Tensor) -> tuple[Tensor, Any]:
        """Read the past (B, T, C + S, H, W); return the next frame (B, Q C, H, W) and a state."""

    @abstractmethod
    def step(self, frame: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Read one more frame (B, C + S, H, W); return the next one and the state after it."""

    def reach(self, past: int, lead_times: int) -> int | None:
        """Radius of the receptive field of a rollout, in pixels; None where no bound is known.

        The last of `lead_times` forecast frames depends, at each pixel, on no pixel of the `past` frames that lies
        further away along either axis.
        """
        return None
