"""Windows as batches for a torch model.

Axes: T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from nextframe.data.normalise import Normaliser
from nextframe.data.windows import Window


class WindowDataset(Dataset[dict[str, Tensor]]):
    """Windows in the model's range of values, each read from its source when it is asked for.

    An item is a dictionary of `past` (T, C, H, W) and `future` (K, C, H, W), float32, normalised, with 0 where a value
    is missing, and `past_valid` and `future_valid`, booleans of the same shapes that tell which values are real.

    Args:
        windows: the windows, all of one length and frame size.
        normaliser: how values come into the model's range.
        weights: what each window's loss counts (N,); an item then has its `weight` (), too.
    """

    def __init__(
        self, windows: Sequence[Window], normaliser: Normaliser, weights: NDArray[np.float32] | None = None
    ) -> None:
        self.windows, self.normaliser, self.weights = windows, normaliser, weights

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        window = self.windows[index]
        normalised = self.normaliser.apply(window.sequence.read(window.start, window.stop))
        # Readers may hand out read-only memory, which torch has no notion of; then a copy is taken.
        frames = torch.from_numpy(np.require(normalised, requirements=["C", "W"]))
        valid = torch.isfinite(frames)
        frames = torch.nan_to_num(frames, nan=0.0)
        past = window.past
        item = {
            "past": frames[:past],
            "past_valid": valid[:past],
            "future": frames[past:],
            "future_valid": valid[past:],
        }
        if self.weights is not None:
            item["weight"] = torch.tensor(self.weights[index])
        return item


class SeededSampler(Sampler[int]):
    """Shuffles as a pure function of seed and epoch, so that a resumed training sees what an uninterrupted one sees.

    Args:
        length: number of items.
        seed: seed of the shuffling.
    """

    def __init__(self, length: int, seed: int = 0) -> None:
        self.length, self.seed, self.epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; Lightning calls this before each one."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order: list[int] = np.random.default_rng((self.seed, self.epoch)).permutation(self.length).tolist()
        return iter(order)

    def __len__(self) -> int:
        return self.length
