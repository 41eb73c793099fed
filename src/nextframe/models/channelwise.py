"""`Channelwise`: a model of one channel that forecasts each of several by itself.

Red, green and blue move alike, and a network that knows one of them knows all: its weights are shared, channels stand
beside movies in the batch, and frames of any number of channels can be forecast, grey ones too.

Shapes: B batch, T time, K lead time, C channel, Q quantile, H height, W width.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from nextframe.errors import ConfigError
from nextframe.models.layers import activate
from nextframe.models.network import Network


class Channelwise(Network):
    """Frames (B, T, C, H, W) in and out, and in between a model of frames (B C, T, 1, H, W).

    Args:
        inner: the model of one channel.
        channels: channels C of the frames that it is trained on; it reads frames of any number.

    Raises:
        ConfigError: an inner model of several channels, or with static fields.

    >>> import torch
    >>> from nextframe.models.stacked import StackedConvLSTM
    >>> model = Channelwise(StackedConvLSTM(filters=(4,)), channels=3).eval()
    >>> with torch.inference_mode():
    ...     model.begin(torch.rand(2, 5, 3, 12, 12))[0].shape, model.begin(torch.rand(2, 5, 1, 12, 12))[0].shape
    (torch.Size([2, 3, 12, 12]), torch.Size([2, 1, 12, 12]))
    """

    def __init__(self, inner: Network, channels: int) -> None:
        if inner.in_channels != 1 or inner.static_channels:
            raise ConfigError(
                "is of several channels",
                where="the inner model",
                expected="one channel, and no static fields",
                received=(inner.in_channels, inner.static_channels),
            )
        super().__init__(channels, **inner.options)
        self.inner, self.task, self.stride = inner, inner.task, inner.stride

    def forward(self, frames: Tensor, *others: Any, **options: Any) -> tuple[Tensor, Any]:
        """The inner model's `forward`; frames among its further arguments (the future) are taken apart too."""
        logits, state = self.logits(frames, *others, **options)
        return activate(logits, self.output), state

    def logits(self, frames: Tensor, *others: Any, **options: Any) -> tuple[Tensor, Any]:
        """The inner model's `logits`, with arguments as `forward` takes them."""
        logits, state = self.inner.logits(
            _apart(frames),
            *(_apart(other) for other in others),
            **{name: _apart(option) for name, option in options.items()},
        )
        return self._together(logits, frames.shape[2]), state

    def begin(self, past: Tensor) -> tuple[Tensor, Any]:
        output, state = self.inner.begin(_apart(past))
        return self._together(output[:, None], past.shape[2])[:, 0], state

    def step(self, frame: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, state = self.inner.step(_apart(frame[:, None])[:, 0], state)
        return self._together(output[:, None], frame.shape[1])[:, 0], state

    @property
    def streams(self) -> bool:
        return self.inner.streams

    def trained_frames(self, past: int, future: int) -> int:
        return self.inner.trained_frames(past, future)

    def training_logits(self, past: Tensor, future: Tensor, feedback: Tensor | None = None) -> Tensor:
        channels = past.shape[2]
        shown = None if feedback is None else feedback.repeat_interleave(channels, dim=0)
        return self._together(self.inner.training_logits(_apart(past), _apart(future), shown), channels)

    def rollout_logits(self, past: Tensor, lead_times: int, later: Tensor | None = None) -> Tensor:
        return self._together(self.inner.rollout_logits(_apart(past), lead_times), past.shape[2])

    def reach(self, past: int, lead_times: int) -> int | None:
        return self.inner.reach(past, lead_times)

    def _together(self, outputs: Tensor, channels: int) -> Tensor:
        """Outputs (B C, T, Q, H, W) of one channel each as (B, T, Q C, H, W), quantile after quantile."""
        movies: Tensor = outputs.unflatten(0, (-1, channels))
        return movies.permute(0, 2, 3, 1, 4, 5).flatten(2, 3)


def _apart(frames: Any) -> Any:
    """Frames (B, T, C, H, W) as (B C, T, 1, H, W); everything else, such as a state, as it is."""
    if not isinstance(frames, Tensor) or frames.ndim != 5:
        return frames
    return frames.transpose(1, 2).flatten(0, 1).unsqueeze(2)
