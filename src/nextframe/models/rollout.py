"""Rollout: forecast frame after frame, each fed back as the input of the next, with the state carried along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat
from typing import Any, Protocol

import torch
from torch import Tensor

from nextframe.config import frames_asked_for
from nextframe.models.layers import median


class Steppable(Protocol):
    """A model that forecasts one frame at a time.

    One with an attribute `quantiles` other than 1 returns so many of each value, (B, Q C, H, W), in increasing order
    of their levels; the middle one is what is fed back. One with an attribute `static_channels` other than 0 reads so
    many channels after those of each frame; they are fed back as they were in the past, or as is told. Where it has
    a true attribute `masked`, the last of them tell which values are there, and what is fed back is 0 elsewhere.
    """

    def begin(self, past: Tensor) -> tuple[Tensor, Any]:
        """Read the past (B, T, C, H, W); return the next frame (B, C, H, W) and a state."""

    def step(self, frame: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Read one more frame (B, C, H, W); return the next one and the state after it."""


def rollout(model: Steppable, past: Tensor, lead_times: int, later: Tensor | None = None) -> Tensor:
    """Forecast any number of frames, whatever number was trained.

    Each further frame costs one step of the model (but for the stack with 'same' temporal padding, which has to read
    the whole movie again). Gradients flow, so that a rollout can be trained; wrap it in `torch.inference_mode()`
    otherwise, and put the model in `eval()` mode.

    Args:
        model: `StackedConvLSTM`, `EncoderDecoder`, or any module with their `begin` and `step`.
        past: (B, T, C, H, W), in the model's range of values.
        lead_times: number K of frames to forecast.
        later: frames (B, K, C + S, H, W) whose static channels S stand with each forecast where it is fed back, for
            channels that change with time; by default those of the last frame of the past. Their other channels are not
            looked at.

    Returns:
        (B, K, C, H, W), in the model's range of values; of a model of quantiles their medians.

    Raises:
        ConfigError: fewer than one lead time.

    >>> from nextframe.models.stacked import StackedConvLSTM
    >>> model = StackedConvLSTM(filters=(4,)).eval()
    >>> with torch.inference_mode():
    ...     rollout(model, torch.rand(1, 5, 1, 12, 12), lead_times=3).shape
    torch.Size([1, 3, 1, 12, 12])
    """
    return median(rollout_outputs(model, past, lead_times, later), getattr(model, "quantiles", 1))


def rollout_outputs(model: Steppable, past: Tensor, lead_times: int, later: Tensor | None = None) -> Tensor:
    """`rollout` with everything that a model of quantiles says, (B, K, Q C, H, W); the medians are fed back."""
    lead_times = frames_asked_for(lead_times)
    first = past.shape[2] - getattr(model, "static_channels", 0)
    static = past[:, -1:, first:] if later is None else later[:, :, first:]
    frames = frames_from(model, *model.begin(past), static.unbind(1))
    return torch.stack(list(islice(frames, lead_times)), dim=1)


def frames_from(model: Steppable, frame: Tensor, state: Any, statics: Sequence[Tensor]) -> Iterator[Tensor]:
    """Rollout without end, frame by frame, (B, Q C, H, W) each; each costs one step when it is asked for.

    Args:
        model: a model of one step.
        frame: the first frame to forecast, as its `begin` returns it.
        state: the state after it.
        statics: further channels (B, S, H, W) to read with each frame that is fed back, the last of them with all that
            follow; where it is masked, the mask among them.
    """
    for static in chain(statics, repeat(statics[-1])):
        yield frame
        shown = median(frame, getattr(model, "quantiles", 1))
        if getattr(model, "masked", False):
            shown = shown * static[:, -shown.shape[1] :]
        frame, state = model.step(torch.cat([shown, static], dim=1) if static.shape[1] else shown, state)
