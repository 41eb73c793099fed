"""Windows of sources whose frames differ in size: cuts of one size for a training, batches of one size for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from nextframe.data.loading import SeededSampler
from nextframe.data.windows import Window, runs_of_one_size
from nextframe.errors import ConfigError


def draw_by_source(windows: Sequence[Window]) -> NDArray[np.float64] | None:
    """Probability of each window (N,) by its source's weight, 1 for the heaviest; None where all weigh the same."""
    weights = np.array([window.sequence.weight for window in windows])
    return None if (weights == weights[0]).all() else weights / weights.max()


def repeated_by_source(windows: Sequence[Window]) -> Sequence[Window]:
    """Windows as often as their sources weigh, to the nearest whole number; as they are where all weigh the same."""
    weights = [window.sequence.weight for window in windows]
    if len(set(weights)) < 2:
        return windows
    return [
        window for window, weight in zip(windows, weights, strict=True) for _ in range(round(weight / min(weights)))
    ]


def cut_that_fits(windows: Sequence[Window], side: int | None, *, patch: int = 1) -> int:
    """The side of the square that is cut out of frames that differ in size: the one that is asked for, but at most the
    shortest side of all frames, in whole patches.

    Raises:
        ConfigError: frames that are smaller than a patch.
    """
    smallest = min(windows, key=lambda window: min(window.sequence.shape[2:])).sequence
    least = min(smallest.shape[2:]) // patch * patch
    if least < 1:
        raise ConfigError(
            f"is larger than the frames of {smallest.origin or smallest.name}", where="patch",
            expected=f"at most {min(smallest.shape[2:])}", received=patch,
        )  # fmt: skip
    return least if side is None else min(side, least)


class Epochs(Sampler[tuple[int, int]]):
    """The items of another sampler, each with the number of its draw, which is another one in every epoch: so that a
    data set cuts it elsewhere.

    Args:
        sampler: chooses the items.
        number: number of items that it chooses from.

    >>> keys = Epochs(SeededSampler(3), 3)
    >>> keys.set_epoch(2)
    >>> sorted(keys)
    [(0, 6), (1, 7), (2, 8)]
    """

    def __init__(self, sampler: SeededSampler, number: int) -> None:
        self.sampler, self.number = sampler, number

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((item, item + self.sampler.epoch * self.number) for item in self.sampler)

    def __len__(self) -> int:
        return len(self.sampler)


class SameSize(Sampler[list[int]]):
    """Batches in order, each of windows whose frames are of one size.

    Args:
        windows: the windows.
        size: windows of a batch.
        share: (n, of): every `of`-th batch from the n-th on, the share of one of several processes.
    """

    def __init__(self, windows: Sequence[Window], size: int, share: tuple[int, int] = (0, 1)) -> None:
        self.batches = runs_of_one_size(windows, size)[share[0] :: share[1]]

    def __iter__(self) -> Iterator[list[int]]:
        return (list(range(start, stop)) for start, stop in self.batches)

    def __len__(self) -> int:
        return len(self.batches)
