"""`Network`: what training, rollouts and forecasters ask of a model, whatever is inside it.

Shapes: B batch, T time, K lead time, C channel, S static channel, Q quantile, H height, W width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor, nn

from nextframe.config import OutputActivation
from nextframe.models.layers import activate, check_output, median


class Outputs(TypedDict, total=False):
    """Options of what a network reads and writes, which all of them take."""

    output: OutputActivation
    """"sigmoid" for values in 0..1 (the default), or "linear"."""
    residual: bool
    """Add the last frame read to the output, so that the network forecasts the change; takes a linear output."""
    quantiles: int
    """Quantiles Q of each value that the output holds, an odd number: those of levels m / (Q + 1), each as likely as
    another. Outputs then have Q C channels, quantile after quantile."""
    static_channels: int
    """Channels S that are read and not forecast (elevation, covariates), which follow those of the frame in every
    input: inputs then have C + S channels."""
    masked: bool
    """True where the last C static channels are a mask that says which values of the frame are there, as 1, and which
    are missing, as 0. Frames fed back have the mask of the last one seen, and 0 where that has, as missing values do.
    """


class Network(nn.Module, ABC):
    """A model that forecasts frames (B, T, C, H, W) of any length, height and width.

    Its `forward` takes what its `logits` takes.

    Args:
        in_channels: channels C of a frame.
        output: see `Outputs`.
        residual: see `Outputs`.
        quantiles: see `Outputs`.
        static_channels: see `Outputs`.
        masked: see `Outputs`.

    Raises:
        ConfigError: options that exclude each other.
    """

    task: Literal["one-step", "teacher-forcing"]
    """Kind of its outputs while it is trained, in the words of `check_causal`: at each frame a forecast of the next
    one, or forecasts of the future alone, given the true frames before each."""
    stride: int = 1
    """Frames moved by a multiple of so many pixels, along either axis, give outputs moved as much."""

    def __init__(
        self,
        in_channels: int = 1,
        *,
        output: OutputActivation = "sigmoid",
        residual: bool = False,
        quantiles: int = 1,
        static_channels: int = 0,
        masked: bool = False,
    ) -> None:
        super().__init__()
        check_output(output, residual, quantiles)
        self.in_channels, self.static_channels, self.masked = in_channels, static_channels, masked
        self.output, self.residual, self.quantiles = output, residual, quantiles

    @property
    def options(self) -> Outputs:
        """Options that it was made with, as a network around it is made with them, too."""
        return {
            "output": self.output,
            "residual": self.residual,
            "quantiles": self.quantiles,
            "static_channels": self.static_channels,
            "masked": self.masked,
        }

    @abstractmethod
    def logits(self, *args: Any, **options: Any) -> tuple[Tensor, Any]:
        """The output before its activation, and the state after it."""

    @abstractmethod
    def begin(self, past: Tensor) -> tuple[Tensor, Any]:
        """Read the past (B, T, C + S, H, W); return the next frame (B, Q C, H, W) and a state."""

    @abstractmethod
    def step(self, frame: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Read one more frame (B, C + S, H, W); return the next one and the state after it."""

    @property
    def streams(self) -> bool:
        """True where `begin` and `step` take true frames one after the other without end: what is forecast from the
        state after them is what the whole past, read at once, would give.
        """
        return False

    @abstractmethod
    def trained_frames(self, past: int, future: int) -> int:
        """Number of outputs of `training_logits`, for so many frames of past and future."""

    @abstractmethod
    def training_logits(self, past: Tensor, future: Tensor, feedback: Tensor | None = None) -> Tensor:
        """Forecasts to be held against the truth: those of the last N frames of past and future, N as `trained_frames`.

        Args:
            past: (B, T, C + S, H, W).
            future: the true future (B, K, C + S, H, W); no forecast reads the frame that it is of.
            feedback: (B, K) of booleans, for scheduled sampling (Bengio et al. 2015, arXiv 1506.03099): where True, the
                model's own forecast stands for the true frame that is read at that lead time.

        Returns:
            Logits (B, N, Q C, H, W).
        """

    @abstractmethod
    def rollout_logits(self, past: Tensor, lead_times: int, later: Tensor | None = None) -> Tensor:
        """Logits (B, K, Q C, H, W) of a free rollout, through which gradients flow back; see `rollout`."""

    def beside(self, past: Tensor, future: Tensor | None) -> Tensor:
        """Frames (B, K or 1, C + S, H, W) whose static channels stand with each forecast that is fed back: those of the
        future where it is told, with the mask of the last frame seen.
        """
        if future is None or not self.static_channels:
            return past[:, -1:]
        if not self.masked:
            return future
        mask = past[:, -1:, -self.in_channels :].expand(-1, future.shape[1], -1, -1, -1)
        return torch.cat([future[:, :, : -self.in_channels], mask], dim=2)

    def shown(self, logits: Tensor, like: Tensor) -> Tensor:
        """Forecasts (B, T, Q C, H, W) as frames to read (B, T, C + S, H, W): their medians, with the static channels of
        the frames (B, T or 1, C + S, H, W) that they stand for.
        """
        frames = median(activate(logits, self.output), self.quantiles)
        if not self.static_channels:
            return frames
        static = like[:, :, self.in_channels :].expand(-1, frames.shape[1], -1, -1, -1)
        if self.masked:
            frames = frames * static[:, :, -self.in_channels :]
        return torch.cat([frames, static], dim=2)

    def reach(self, past: int, lead_times: int) -> int | None:
        """Radius of the receptive field of a rollout, in pixels; None where no bound is known.

        The last of `lead_times` forecast frames depends, at each pixel, on no pixel of the `past` frames that lies
        further away along either axis.
        """
        return None


class FromPast(Network):
    """A network that starts from the whole past: `logits(past, future=None, *, lead_times=1, feedback=None)` are those
    of the future, with the true frames before each where the future is given.
    """

    task = "teacher-forcing"

    def trained_frames(self, past: int, future: int) -> int:
        return future

    def training_logits(self, past: Tensor, future: Tensor, feedback: Tensor | None = None) -> Tensor:
        return self.logits(past, future, feedback=feedback)[0]

    def rollout_logits(self, past: Tensor, lead_times: int, later: Tensor | None = None) -> Tensor:
        return self.logits(past, lead_times=lead_times)[0]
