"""`Patched`: a model that works on patches of p x p pixels in place of pixels (space-to-depth).

The grid shrinks p times along both axes and the channels grow p^2 times, so that a hidden state costs a p^2-th and a
kernel reaches p times as far; X. Shi et al. 2015 (arXiv 1506.04214, section 4) read and write frames in this way. The
rearrangement is that of W. Shi et al. 2016 (arXiv 1609.05158), and back, without interpolation.

Shapes: B batch, T time, C channel, S static channel, Q quantile, H height, W width, p side of a patch.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from nextframe.errors import ConfigError
from nextframe.models.layers import activate
from nextframe.models.network import Network


class Patched(Network):
    """Frames (B, T, C, H, W) in and out, and in between a model of frames (B, T, C p^2, H/p, W/p).

    Channels stay in order: those of the frame before the static ones in the input, quantile after quantile in the
    output; each becomes p^2 neighbouring ones. Frames whose size p does not divide are filled up at the bottom and on
    the right with their last row and column, and the outputs are cut to size again. Where a model feeds
    its own frames back within one call, each of them is so together with what it says of this margin; `begin` and
    `step` fill the margin anew.

    Args:
        inner: the model of patches; its `in_channels` and `static_channels` are multiples of p^2.
        patch: side p of a patch, in pixels.

    Raises:
        ConfigError: a patch of no pixels, or channels that make no whole patches.
    """

    def __init__(self, inner: Network, patch: int) -> None:
        if patch < 1:
            raise ConfigError("is too small", where="patch", expected="at least 1", received=patch)
        channels = (inner.in_channels, inner.static_channels)
        if any(number % patch**2 for number in channels):
            raise ConfigError(
                f"are no whole patches of {patch} x {patch} pixels",
                where="the inner model's in_channels and static_channels",
                expected=f"multiples of {patch**2}",
                received=channels,
            )
        in_channels, static_channels = (number // patch**2 for number in channels)
        options = inner.options
        options["static_channels"] = static_channels
        super().__init__(in_channels, **options)
        self.inner, self.patch, self.task = inner, patch, inner.task
        self.stride = patch * inner.stride

    def forward(self, frames: Tensor, *others: Any, **options: Any) -> tuple[Tensor, Any]:
        """The inner model's `forward`; frames among its further arguments (the future) are cut into patches too."""
        logits, state = self.logits(frames, *others, **options)
        return activate(logits, self.output), state

    def logits(self, frames: Tensor, *others: Any, **options: Any) -> tuple[Tensor, Any]:
        """The inner model's `logits`, with arguments as `forward` takes them."""
        logits, state = self.inner.logits(
            self._patches(frames),
            *(self._patches(other) for other in others),
            **{name: self._patches(option) for name, option in options.items()},
        )
        return self._frames(logits, frames), state

    def begin(self, past: Tensor) -> tuple[Tensor, Any]:
        output, state = self.inner.begin(self._patches(past))
        return self._frames(output, past), state

    def step(self, frame: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, state = self.inner.step(self._patches(frame), state)
        return self._frames(output, frame), state

    @property
    def streams(self) -> bool:
        return self.inner.streams

    def trained_frames(self, past: int, future: int) -> int:
        return self.inner.trained_frames(past, future)

    def training_logits(self, past: Tensor, future: Tensor, feedback: Tensor | None = None) -> Tensor:
        logits = self.inner.training_logits(self._patches(past), self._patches(future), feedback)
        return self._frames(logits, past)

    def rollout_logits(self, past: Tensor, lead_times: int, later: Tensor | None = None) -> Tensor:
        return self._frames(self.inner.rollout_logits(self._patches(past), lead_times, self._patches(later)), past)

    def reach(self, past: int, lead_times: int) -> int | None:
        inside = self.inner.reach(past, lead_times)
        return None if inside is None else self.patch * inside + self.patch - 1

    def _patches(self, frames: Any) -> Any:
        """Frames (..., C, H, W) as patches (..., C p^2, H/p, W/p); everything else, such as a state, as it is."""
        if not isinstance(frames, Tensor) or frames.ndim < 4:
            return frames
        below, right = (-size % self.patch for size in frames.shape[-2:])
        if below or right:
            ahead = frames.shape[:-3]
            filled = functional.pad(frames.flatten(0, -4), (0, right, 0, below), mode="replicate")
            frames = filled.unflatten(0, ahead)
        return functional.pixel_unshuffle(frames, self.patch)

    def _frames(self, patches: Tensor, like: Tensor) -> Tensor:
        """Patches (..., Q C p^2, H/p, W/p) as frames (..., Q C, H, W), of the size of some others."""
        height, width = like.shape[-2:]
        return functional.pixel_shuffle(patches, self.patch)[..., :height, :width]
