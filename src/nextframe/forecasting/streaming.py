"""`Stream`: networks that read true frames one by one, and forecast from what they remember of them.

Axes: B batch, M member, T time, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nextframe.data.door import Door
from nextframe.engine import same_weights, subnormals_are_zero
from nextframe.frames.sequence import FloatArray
from nextframe.models.network import Network
from nextframe.models.rollout import frames_from


class Memory(NamedTuple):
    """Memory that networks have of the frames that they have read."""

    networks: tuple[Any, ...]
    """Next frame and state of each network."""
    unchanging: Tensor
    """Channels that follow those of a frame and never change, and the mask of the last one, (1, S, H, W)."""
    seen: NDArray[np.bool_]
    """True where any of the frames had a value, (C, H, W)."""

    @property
    def past(self) -> FloatArray:
        """A past (1, 1, C, H, W) that is missing where all frames read were."""
        return np.where(self.seen, np.float32(0), np.float32(np.nan))[None, None]

    def past_to(self, last: FloatArray) -> FloatArray:
        """The same past with its last frame (C, H, W), (1, 2, C, H, W)."""
        return np.concatenate([self.past, last[None, None]], axis=1)


class Stream:
    """Networks that read frame after frame, each at the cost of one step; `Network.streams` says which can.

    Args:
        parts: each network with its door.
    """

    def __init__(self, parts: Sequence[tuple[Network, Door]]) -> None:
        self._parts = tuple(parts)
        self._first = [next(network.parameters()) for network, _ in self._parts]
        weights = [weight for network, _ in self._parts for weight in network.parameters()]
        self._weights = [weight for weight in weights if not weight.is_inference()]
        self._compared: set[tuple[str | int, ...]] = set()
        self._versions: list[int] = []

    def _same_weights(self) -> AbstractContextManager[None]:
        """`same_weights`, from one frame to the next as long as no weight was written to."""
        versions = [weight._version for weight in self._weights]
        if versions != self._versions:
            self._versions, self._compared = versions, set()
        return same_weights(self._compared)

    def read(self, frame: FloatArray, memory: Memory | None) -> Memory:
        """Read a frame (C, H, W) in source units, NaN where missing, after those of a memory or as the first one."""
        after, unchanging = [], torch.empty(0)
        for n, (network, door) in enumerate(self._parts):
            tensor, _ = door.enter(frame[None, None])
            tensor = tensor.to(self._first[n].device)
            unchanging = tensor[:, -1, network.in_channels :]
            with torch.inference_mode(), subnormals_are_zero(), self._same_weights():
                state = None if memory is None else memory.networks[n][1]
                after.append(network.begin(tensor) if memory is None else network.step(tensor[:, 0], state))
        seen = np.isfinite(frame)
        return Memory(tuple(after), unchanging, seen if memory is None else seen | memory.seen)

    def frames(self, memory: Memory) -> Iterator[FloatArray]:
        """The forecast without end, frame by frame, (M, C, H, W), each pixel's quantiles in order: each frame costs one
        step of each network.
        """
        rollouts = []
        for (network, _), (frame, state) in zip(self._parts, memory.networks, strict=True):
            rollouts.append(frames_from(network, frame, state, (memory.unchanging,)))
        first = self._parts[0][1]
        outputs = [next(frames) for frames in rollouts]  # computed when the last frame was read
        while True:
            said = [
                np.sort(door.leave(output.unflatten(1, (network.quantiles, -1))[0]), axis=0)
                for (network, door), output in zip(self._parts, outputs, strict=True)
            ]
            yield first.hold(np.concatenate(said)[None], memory.past)[0]
            with torch.inference_mode(), subnormals_are_zero():
                outputs = [next(frames) for frames in rollouts]

    def members(self, memory: Memory, lead_times: int) -> FloatArray:
        """So many frames of the forecast, (1, M, K, C, H, W)."""
        with self._same_weights():
            frames = list(islice(self.frames(memory), lead_times))
        return np.stack(frames, axis=1)[None]


def tensors_of(memory: Any) -> list[Tensor]:
    """All tensors of a memory, in a fixed order; what it is otherwise made of follows from the network."""
    if isinstance(memory, Tensor):
        return [memory]
    if isinstance(memory, (tuple, list)):
        return [tensor for part in memory for tensor in tensors_of(part)]
    return []


def refilled(memory: Any, tensors: Iterator[Tensor]) -> Any:
    """A memory of the same build with other tensors; the inverse of `tensors_of`."""
    if isinstance(memory, Tensor):
        return next(tensors)
    if isinstance(memory, tuple) and hasattr(memory, "_fields"):
        return type(memory)(*(refilled(part, tensors) for part in memory))
    if isinstance(memory, (tuple, list)):
        return type(memory)(refilled(part, tensors) for part in memory)
    return memory
