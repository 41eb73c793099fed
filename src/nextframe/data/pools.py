"""Local shuffling: an order of windows in which frames that are dear to decode are decoded about once an epoch.

Windows that are shuffled over an archive larger than the cache of its frames find next to nothing in it: a frame is
decoded again for every window that holds it. So windows that follow each other make a block, blocks from anywhere in
the archive, of all sources, make a pool, whose frames fit into the cache, and windows are shuffled within their pool
(shards and a shuffle buffer, as WebDataset has them; A. Aizman et al. 2019, doi 10.1109/BigData47090.2019.9005703).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextframe.data.windows import Window, sequences_of
from nextframe.frames.cache import Cached, at_random

PLACES = 16
"""Blocks of a pool at least, as long as they can be half a window long; and at least as many as a batch has windows."""
FEWEST = 8
"""Blocks of a pool below which windows would be mixed too badly: they are then shuffled as a whole."""
LONGEST = 8
"""Length of a block at most, in windows."""
WORTH = 1.5
"""Times that each frame must be asked for in an epoch, for pools to be worth it."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Pools:
    """Blocks of windows, and how they are ordered.

    Args:
        block: number of the block of each window (N,); a window whose frames are cheap is a block by itself.
        cost: share of its cache that the frames of each block take (B,); 0 where they are cheap.
        starts: first frame of each block (B,).
        stops: one past the last frame of each block (B,).
        sequence: number of the sequence of each block (B,).
        caches: caches of the sequences; None where their frames are cheap.
        batch: windows that a process takes at once.
        lanes: processes of the training, and processes beside each of them that read, at least 1.
    """

    block: Numbers
    cost: NDArray[np.float64]
    starts: Numbers
    stops: Numbers
    sequence: Numbers
    caches: tuple[Cached | None, ...]
    batch: int
    lanes: tuple[int, int]

    def bring(self, window: int) -> None:
        """Read the block of a window, where it is not there."""
        block = self.block[window]
        cache = self.caches[self.sequence[block]]
        if cache is not None:
            cache.bring(int(self.starts[block]), int(self.stops[block]))

    def order(self, windows: Sequence[int], random: np.random.Generator) -> list[int]:
        """Windows that were drawn for an epoch, pool after pool.

        Each process that reads has a cache of its own, and gets batches of pools of its own: where there are several,
        batches of as many pools follow each other in turn.
        """
        drawn = np.asarray(windows, np.int64)
        blocks = random.permutation(np.unique(self.block[drawn]))
        cost = self.cost[blocks]
        pool = np.zeros(len(self.cost), np.int64)
        if cost.any():
            number = math.ceil(cost.sum() / (1 - cost.max()))
            lanes = math.prod(self.lanes)
            if number > lanes:
                number = math.ceil(number / lanes) * lanes
            pool[blocks] = np.minimum((np.cumsum(cost) - cost) / cost.sum() * number, number - 1)
        mixed = np.lexsort((random.random(len(drawn)), pool[self.block[drawn]]))
        order: list[int] = self._dealt(drawn[mixed]).tolist()
        return order

    def _dealt(self, order: Numbers) -> Numbers:
        """The order in which each process takes its own stretch: of the training, window by window; of those that read,
        batch by batch. What fills no batch of a stretch comes last.
        """
        processes, readers = self.lanes
        each = len(order) // (processes * readers)
        batches = each // self.batch
        dealt, rest = order[: processes * readers * each], order[processes * readers * each :]
        lanes = dealt.reshape(processes, readers, each)
        whole = lanes[..., : batches * self.batch].reshape(processes, readers, batches, self.batch)
        last = lanes[..., batches * self.batch :]
        return np.concatenate([whole.transpose(2, 1, 3, 0).ravel(), last.ravel(), rest])


def pools_of(
    windows: Sequence[Window], draws: int, *, batch: int, processes: int = 1, workers: int = 0
) -> Pools | None:
    """Pools of windows some of whose frames are dear to decode and do not fit into the cache that keeps them; None
    where there are none, where windows hardly share frames, or where the cache holds too few blocks to mix.

    Args:
        windows: the windows, in order of sequence and time.
        draws: how many of them are drawn in an epoch.
        batch: windows that each process of the training takes at once.
        processes: processes of the training.
        workers: processes beside each that read.
    """
    sequences = sequences_of(windows)
    caches = [s.values if isinstance(s.values, Cached) else None for s in sequences]
    dear = {id(cache.kept) for cache in caches if cache is not None and not at_random(cache.reader)}
    if not dear:
        return None
    numbers = {id(s): n for n, s in enumerate(sequences)}
    rows = [(numbers[id(w.sequence)], w.start, w.stop) for w in windows]
    sequence, starts, stops = np.array(rows, np.int64).T
    length = int(stops[0] - starts[0])
    apart = (np.diff(sequence) != 0) | (starts[1:] < starts[:-1]) | (starts[1:] > stops[:-1])
    runs = np.flatnonzero(np.concatenate([[True], apart]))  # of windows that follow each other and share frames
    last = np.append(runs[1:], len(starts)) - 1
    spans = np.array([0 if cache is None else _span(cache, length, batch) for cache in caches])
    sizes = np.array([0 if cache is None else cache.frame_bytes for cache in caches])
    pooled = np.zeros(len(caches), bool)
    for kept in dear:
        own = np.array([cache is not None and id(cache.kept) == kept for cache in caches])
        limit = next(cache.kept.limit for cache in caches if cache is not None and id(cache.kept) == kept)
        of = own[sequence[runs]]
        frames = (stops[last] - starts[runs])[of]
        blocks = -(-(starts[last] - starts[runs] + 1)[of] // spans[sequence[runs]][of])
        asked = (last - runs + 1)[of] * length * draws / len(windows)
        read = frames + (blocks - 1) * (length - 1)
        size = sizes[sequence[runs]][of]
        fits = (frames * size).sum() <= limit  # then each frame is decoded once in any order
        mixes = FEWEST * ((spans + length) * sizes)[own].max() <= limit
        pooled |= own & (mixes and not fits and bool((asked * size).sum() >= WORTH * (read * size).sum()))
    if not pooled.any():
        return None

    run = np.repeat(np.arange(len(runs)), last - runs + 1)
    long = starts[last] - starts[runs] + 1
    parts = -(-long // np.maximum(spans[sequence[runs]], 1))
    part = (starts - starts[runs][run]) * parts[run] // long[run]
    edge = (np.diff(run) != 0) | (np.diff(part) != 0) | ~pooled[sequence[1:]]
    first = np.flatnonzero(np.concatenate([[True], edge]))
    last = np.append(first[1:], len(starts)) - 1
    share = np.array([0.0 if cache is None else cache.frame_bytes / cache.kept.limit for cache in caches]) * pooled
    return Pools(
        block=np.repeat(np.arange(len(first)), last - first + 1),
        cost=(stops[last] - starts[first]) * share[sequence[first]],
        starts=starts[first],
        stops=stops[last],
        sequence=sequence[first],
        caches=tuple(cache if own else None for cache, own in zip(caches, pooled.tolist(), strict=True)),
        batch=batch,
        lanes=(processes, max(workers, 1)),
    )


def _span(cache: Cached, length: int, batch: int) -> int:
    """Frames over which the windows of a block begin: as many as leave room for enough blocks, within bounds."""
    room = cache.kept.limit // cache.frame_bytes // max(PLACES, batch) - length
    return max(1, min(max(room, length // 2), LONGEST * length))
