"""Windows for a training loop of one's own: pasts and futures as plain tensors, in source units, with their times.

Axes: T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from nextframe.data.split import whole_spans
from nextframe.data.windows import Windows, cut_windows
from nextframe.frames.sequence import FrameSource


class PlainWindows(Dataset[tuple[Tensor, Tensor]]):
    """Every window of a source, none across a gap in time; each is read when it is asked for.

    An item is a past (T, C, H, W) and the future that follows it (K, C, H, W), float32 in source units, NaN where a
    value is missing.

    Args:
        source: the frames.
        past: frames T that are seen.
        future: frames K that follow them.
        stride: frames between the starts of two windows.

    Raises:
        ConfigError: a length or stride below 1.
        DataError: no stretch without a gap is long enough for one window.
    """

    def __init__(self, source: FrameSource, *, past: int, future: int, stride: int = 1) -> None:
        self.source = source
        self.windows: Windows = cut_windows(whole_spans(source), past=past, future=future, stride=stride)
        """The windows, with the sequence and the first frame of each."""

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        past, future = self.windows[index].read()
        # Copies, as frames may be those that the source keeps.
        return torch.from_numpy(np.array(past, np.float32)), torch.from_numpy(np.array(future, np.float32))

    def times(self, index: int) -> NDArray[np.datetime64] | None:
        """Times of a window's frames (T + K,), past and future; None where the source knows none."""
        window = self.windows[index]
        times = window.sequence.times
        return None if times is None else times[window.start : window.stop]
