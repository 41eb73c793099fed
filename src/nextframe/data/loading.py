"""Windows as batches for a torch model.

Axes: T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from nextframe.config import Coordinates, Edges
from nextframe.data.covariates import Covariates
from nextframe.data.door import Door
from nextframe.data.motion import WHOLE, Box, Motion, ways
from nextframe.data.normalise import Normaliser
from nextframe.data.pools import Pools
from nextframe.data.windows import Window
from nextframe.frames.sequence import FloatArray

_KEPT = 2**30  # bytes of windows in Lagrangian coordinates


class WindowDataset(Dataset[dict[str, Tensor]]):
    """Windows in the model's range of values, each read from its source when it is asked for.

    An item is a dictionary of `past` (T, C, H, W) and `future` (K, C, H, W), float32, normalised, with 0 where a value
    is missing, and `past_valid` and `future_valid`, booleans of the same shapes that tell which values are real.

    Args:
        windows: the windows, all of one length and frame size.
        normaliser: how values come into the model's range.
        weights: what each window's loss counts (N,); an item then has its `weight` (), too.
        coordinates: coordinates that every window is brought to (`motion.align`). Of the windows moved, the
            first gigabyte is kept, since moving one takes longer than a training step of it.
        edges: content of gaps; see `Door`.
        cut: side of the square that is cut, at random, from a window that is asked for with the number of the draw,
            (window, draw): a function of seed and draw. Only that part of it is moved and normalised.
        seed: of the cuts.
        static: fields that never change (S, H, W), in the model's range; they follow the channels of every frame of
            `past` and `future`, which then have C + S.
        covariates: what else a model reads with every frame, after the static fields. An item then has `later`, frames
            with what stands beside each forecast that is fed back (`Door.ahead`).
        mask: tell which values are real in C further channels of `past` and `future`, too, after all others.
        in_place: give what moves forecasts back, too: an item then has `shares` and `places` (`motion.ways`), and as
            `truth` (K, C, H, W) the future in source units, NaN where a value is missing.
        pools: of a sampler that gives the windows in their order; frames are then read by their blocks.

    Where damaged frames are skipped, `damaged` (N,) tells which windows were met that hold one, whichever process has
    read them.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        normaliser: Normaliser,
        weights: NDArray[np.float32] | None = None,
        *,
        coordinates: Coordinates = "eulerian",
        edges: Edges = "missing",
        static: FloatArray | None = None,
        covariates: Covariates | None = None,
        mask: bool = False,
        in_place: bool = False,
        cut: int | None = None,
        seed: int = 0,
        pools: Pools | None = None,
    ) -> None:
        self.in_place = in_place
        self.windows, self.weights = windows, weights
        inputs: dict[str, Any] = {"static": static, "covariates": covariates, "mask": mask}
        self.door = Door(normaliser, coordinates=coordinates, edges=edges, **inputs)
        self.cut, self.seed, self.pools = cut, seed, pools
        self._moved: dict[int, FloatArray] = {}
        self._motions: dict[int, Motion | None] = {}
        skips = len(windows) > 0 and windows[0].sequence.damage is not None
        self.damaged = torch.zeros(len(windows) if skips else 0, dtype=torch.bool).share_memory_()

    def __len__(self) -> int:
        return len(self.windows)

    def motion(self, index: int, past: FloatArray) -> Motion | None:
        """The motion of a window, whose past (T, C, H, W) is this; found once where there is room to keep it."""
        if not self.door.moves:
            return None
        if index not in self._motions:
            motion = self.door.motion(past)
            kept = None if motion is None else motion.astype(np.float32)
            if kept is not None and (len(self._motions) + 1) * kept.nbytes > _KEPT:
                return kept
            self._motions[index] = kept
        return self._motions[index]

    def _box(self, draw: int, shape: tuple[int, ...]) -> Box:
        height, width = shape[-2:]
        if self.cut is None or (self.cut >= height and self.cut >= width):
            return WHOLE
        random = np.random.default_rng((self.seed, draw))
        top = int(random.integers(max(height - self.cut, 0) + 1))
        left = int(random.integers(max(width - self.cut, 0) + 1))
        return slice(top, top + self.cut), slice(left, left + self.cut)

    def _beside(self, window: Window, box: Box = WHOLE) -> FloatArray | None:
        """Covariates of a window (T + K, V, H, W), in the model's range; None where there are none."""
        covariates = self.door.covariates
        return None if covariates is None else covariates.read(window.seen, window.future)[..., *box]

    def _frames(self, index: int, window: Window) -> FloatArray:
        """Frames of a window (T + K, C, H, W), in source units."""
        if self.pools is not None:
            self.pools.bring(index)
        return window.sequence.read(window.start, window.stop)

    def _read(self, index: int, window: Window) -> FloatArray:
        if index in self._moved:
            return self._moved[index]
        frames = self._frames(index, window)
        if not self.door.moves:
            return frames
        moved = self.door.align(frames, window.past, self.motion(index, frames[: window.past]))
        if (len(self._moved) + 1) * moved.nbytes <= _KEPT:
            self._moved[index] = moved
        return moved

    def _ways(self, index: int, frames: FloatArray, past: int, box: Box) -> dict[str, Tensor]:
        rows, columns = (slice(*part.indices(size)) for part, size in zip(box, frames.shape[-2:], strict=True))
        motion = self.motion(index, frames[:past])
        shares, places = ways(motion, self.door.motion_planes, len(frames) - past, (rows, columns))
        truth = np.array(frames[past:, :, rows, columns], np.float32)
        return {name: torch.from_numpy(a) for name, a in (("shares", shares), ("places", places), ("truth", truth))}

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Tensor]:
        whole: FloatArray | None = None
        if isinstance(index, tuple):
            index, draw = index
            window = self.windows[index]
            whole = self._frames(index, window)
            box = self._box(draw, whole.shape)
            read = self.door.align(whole, window.past, self.motion(index, whole[: window.past]), box)
        else:
            window, box = self.windows[index], WHOLE
            read = self._read(index, window)
        door, beside = self.door.cut(*box), self._beside(window, box)
        frames, valid = door.enter(read, window.past, beside)
        sequence = window.sequence
        if sequence.damage is not None:
            start, stop = sequence.first + window.start, sequence.first + window.stop
            self.damaged[index] = sequence.damage.touches(sequence.name, start, stop)
        past = window.past
        item = {
            "past": frames[:past],
            "past_valid": valid[:past],
            "future": frames[past:],
            "future_valid": valid[past:],
        }
        if beside is not None:
            item["later"] = door.ahead(read[:past], beside[past:])
        if self.in_place:
            whole = sequence.read(window.start, window.stop) if whole is None else whole
            item |= self._ways(index, whole, past, box)
        if self.weights is not None:
            item["weight"] = torch.tensor(self.weights[index])
        return item


class HeldOutDataset(WindowDataset):
    """Windows to forecast, with the truth in source units: `WindowDataset`, whose items have beside `past` and
    `past_valid` the `truth` (K, C, H, W) and the `last` frame seen (C, H, W), NaN where a value is missing, and the
    `motion` (2, H, W), or a mixture, along which they are moved, zero where they are not.

    Args:
        losses: whether items hold `future` and `future_valid`, too, for losses given the truth.
    """

    def __init__(self, *arguments: Any, losses: bool = True, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.losses = losses

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Tensor]:
        assert isinstance(index, int)
        window = self.windows[index]
        past, truth = window.read()
        motion = self.motion(index, past)
        if self.losses:
            item = super().__getitem__(index)
        else:
            aligned, beside = self.door.align(past, len(past), motion), self._beside(window)
            frames, valid = self.door.enter(aligned, beside=None if beside is None else beside[: len(past)])
            item = {"past": frames, "past_valid": valid}
            if beside is not None:
                item["later"] = self.door.ahead(aligned, beside[len(past) :])
        still = np.zeros((self.door.motion_planes, *past.shape[-2:]), np.float32)
        item["truth"] = torch.from_numpy(np.array(truth, np.float32))
        item["last"] = torch.from_numpy(np.array(past[-1], np.float32))
        item["motion"] = torch.from_numpy(still if motion is None else np.array(motion, np.float32))
        return item


def note_damage(dataset: WindowDataset) -> None:
    """Bring what worker processes have met of damaged frames to the source's count, by reading these windows again."""
    for index in torch.nonzero(dataset.damaged).flatten().tolist():
        window = dataset.windows[index]
        window.sequence.read(window.start, window.stop)


class SeededSampler(Sampler[int]):
    """Shuffles as a pure function of seed and epoch, so that a resumed training sees what an uninterrupted one sees.

    Args:
        length: number of items.
        seed: seed of the shuffling.
        share: (n, of): take every `of`-th item from the n-th on, the share of one of several processes whose batches
            together are those of one process alone.

    Where `pools` are set, windows are shuffled within these (`data.pools`), and the order is a function of the size of
    a batch and the number of processes, too.

    >>> list(SeededSampler(6)), list(SeededSampler(6, share=(0, 2))), list(SeededSampler(6, share=(1, 2)))
    ([3, 2, 5, 4, 0, 1], [3, 5, 0], [2, 4, 1])
    """

    def __init__(self, length: int, seed: int = 0, *, share: tuple[int, int] = (0, 1)) -> None:
        self.length, self.seed, self.share, self.epoch = length, seed, share, 0
        self.pools: Pools | None = None
        self._begun: tuple[int, int] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; Lightning calls this before each one."""
        self.epoch = epoch

    def resume(self, epoch: int, items: int) -> None:
        """Go on in an epoch of which so many items have been taken, by all processes together."""
        # Lightning tells the epoch only after processes that read ahead have begun.
        self.epoch, self._begun = epoch, (epoch, items)

    def order(self) -> list[int]:
        """The order of this epoch."""
        return _pooled(self.pools, self.drawn(), (self.seed, self.epoch))

    def drawn(self) -> list[int]:
        """The items of this epoch, shuffled as a whole."""
        order: list[int] = np.random.default_rng((self.seed, self.epoch)).permutation(self.length).tolist()
        return order

    def __iter__(self) -> Iterator[int]:
        first, processes = self.share
        taken = self._begun[1] if self._begun is not None and self._begun[0] == self.epoch else 0
        whole = self.length // processes * processes
        return iter(self.order()[taken:whole][first::processes])

    def __len__(self) -> int:
        return self.length // self.share[1]


class RoundSampler(Sampler[tuple[int, int]]):
    """Rounds of one endless shuffling, for trainings whose epochs are not passes over the data: yields each window with
    the number of its draw. A function of seed and round.

    Args:
        windows: number of windows.
        items: draws of a round.
        seed: seed of the shuffling.
        share: as in `SeededSampler`.

    >>> sampler = RoundSampler(3, 4)
    >>> first = list(sampler)
    >>> sampler.set_epoch(1)
    >>> first, list(sampler)
    ([(2, 0), (0, 1), (1, 2), (2, 3)], [(0, 4), (1, 5), (2, 6), (1, 7)])
    """

    def __init__(self, windows: int, items: int, seed: int = 0, *, share: tuple[int, int] = (0, 1)) -> None:
        self.windows, self.items, self.seed, self.share, self.epoch = windows, items, seed, share, 0
        self.pools: Pools | None = None
        self._begun: tuple[int, int] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Choose the round that comes next."""
        self.epoch = epoch

    def resume(self, epoch: int, items: int) -> None:
        """Go on in a round of which so many items have been taken, by all processes together."""
        self.epoch, self._begun = epoch, (epoch, items)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        first, processes = self.share
        taken = self._begun[1] if self._begun is not None and self._begun[0] == self.epoch else 0
        start = self.epoch * self.items
        at, order = -1, list[int]()
        for draw in range(start + taken + first, start + self.items // processes * processes, processes):
            turn, place = divmod(draw, self.windows)
            if turn != at:
                at, order = turn, self._order(turn)
            yield order[place], draw

    def _order(self, turn: int) -> list[int]:
        """The order of a pass over the windows."""
        order: list[int] = np.random.default_rng((self.seed, turn)).permutation(self.windows).tolist()
        return _pooled(self.pools, order, (self.seed, turn))

    def __len__(self) -> int:
        return self.items // self.share[1]


def _pooled(pools: Pools | None, order: list[int], key: tuple[int, int]) -> list[int]:
    """Windows in the order of their pools, by another draw than the one that chose them; as they are without pools."""
    return order if pools is None else pools.order(order, np.random.default_rng((*key, 1)))
