"""Numbers too small for a processor's full speed count as zero while a network is trained or forecasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from nextframe.engine.status import native

_SMALL, _HALF = np.float32(1e-38), np.float32(0.5)


@contextmanager
def subnormals_are_zero() -> Iterator[None]:
    """While it lasts, float32 numbers below 1.2e-38 count as zero in this thread and in those that share its work.

    Where a network is sure of itself, its gradients get that small, and x86 processors need many times as long for
    them: after a hundred steps on mostly black frames, PyTorch's operations took several times as long. The engine
    flushes them by itself; this does so for all else. Without the engine, threads of PyTorch that have worked before
    are left out.
    """
    before = _set()
    try:
        yield
    finally:
        if not before:
            _set(False)


def _set(zero: bool = True) -> bool:
    """Set the thread's mode, and its helpers'; return whether they counted as zero before."""
    before = bool(_SMALL * _HALF == 0)  # of NumPy, which takes a fraction of the time that a tensor does
    torch.set_flush_denormal(zero)
    if native is not None:
        native.set_subnormals(zero, torch.get_num_threads())
    return before
