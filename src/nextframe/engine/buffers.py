"""Large buffers, used again from step to step.

A training step takes buffers of hundreds of megabytes and gives them back. The C library would return them to the
system, or, told to keep them, would not find a place for an aligned block of the same size where the last one lay.
Either way the next step's first touch of every page costs a fault, together up to a third of its time. Here a buffer
is handed out again once nothing refers to its memory any more, also in part, for a tensor that is somewhat smaller.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LEAST_BYTES = 2**20
"""Smaller ones are left to the C library."""
KEPT_CALLS = 256
"""A buffer that no call has asked for, in so many, is given back."""

LARGEST_SHARE = 4
"""A buffer of up to so many times the size may serve; a larger one is kept for what fills it."""

_ALIGNMENT = 64


@dataclass
class _Buffer:
    memory: NDArray[np.float32]
    lent: weakref.ref[NDArray[np.float32]]
    """Memory that a tensor was made of; dead when the last tensor on this memory is."""
    used: int
    """Number of the call that asked for it last."""


class Buffers:
    """Memory of float32 tensors by size; safe to be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = 0
        self._buffers_by_size: dict[int, list[_Buffer]] = {}

    def take(self, shape: Sequence[int]) -> Tensor:
        """An uninitialised tensor, contiguous, on the CPU."""
        count = math.prod(shape)
        if 4 * count < LEAST_BYTES:
            return torch.empty(*shape)
        with self._lock:
            self._calls += 1
            buffer = self._free(count)
            memory = _aligned(count) if buffer is None else buffer.memory
            view = memory[:count].reshape(shape)  # an object of its own, which the tensor's storage keeps alive
            if buffer is None:
                self._buffers_by_size.setdefault(count, []).append(_Buffer(memory, weakref.ref(view), self._calls))
            else:
                buffer.lent, buffer.used = weakref.ref(view), self._calls
            self._forget()
        return torch.from_numpy(view)

    def _free(self, count: int) -> _Buffer | None:
        """The smallest buffer that is free and holds so many values; None where none is of about the size."""
        sizes = sorted(size for size in self._buffers_by_size if count <= size <= LARGEST_SHARE * count)
        return next((one for size in sizes for one in self._buffers_by_size[size] if one.lent() is None), None)

    def release(self) -> None:
        """Give all memory back that nothing refers to; the rest goes when its last tensor does."""
        with self._lock:
            self._buffers_by_size.clear()

    def _forget(self) -> None:
        oldest = self._calls - KEPT_CALLS
        for count, buffers in list(self._buffers_by_size.items()):
            self._buffers_by_size[count] = recent = [one for one in buffers if one.used > oldest]
            if not recent:
                del self._buffers_by_size[count]


def _aligned(count: int) -> NDArray[np.float32]:
    raw = np.empty(count + _ALIGNMENT // 4, np.float32)
    skip = -raw.ctypes.data % _ALIGNMENT // 4
    return raw[skip : skip + count]


_buffers = Buffers()
take = _buffers.take
release = _buffers.release
