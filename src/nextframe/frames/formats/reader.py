"""Reading the fields of stores that follow each other in time.

Axes: T time, C channel, H height, W width.
"""

from __future__ import annotations

import weakref
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError
from nextframe.frames.formats.stores import Opened, Store
from nextframe.frames.formats.times import in_seconds

_OPEN_FILES = 64


@dataclass(frozen=True)
class Stores:
    """Stores one after another as (T, C, H, W); the files read last stay open."""

    stores: tuple[Store, ...]
    box: tuple[int, int, int, int]
    """What is read of every frame: top, left, height, width."""
    _open: OrderedDict[Path, Opened] = field(default_factory=OrderedDict)
    _ends: list[int] = field(init=False)
    """One past the last step of each store."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self._ends[-1], self.stores[0].shape[1], *self.box[2:]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    @property
    def at_random(self) -> bool:
        """True where any frame costs no more than to fetch its numbers: a few files that hold them as they are.

        Raises:
            DataError: the first file cannot be opened any more.
        """
        if len(self.stores) > _OPEN_FILES:
            return False
        return all(store.mapped is not None or store.is_plain(self._opened(store)) for store in self.stores)

    def cropped(self, box: tuple[int, int, int, int]) -> Stores:
        """The same, of which no more than a box of every frame is read."""
        return Stores(self.stores, (self.box[0] + box[0], self.box[1] + box[1], *box[2:]))

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        start, stop, _ = frames.indices(self.shape[0])
        parts = []
        for n in range(bisect_right(self._ends, start), bisect_left(self._ends, stop) + 1 if start < stop else 0):
            store, offset = self.stores[n], self._ends[n] - self.stores[n].shape[0]
            begin, end = max(start - offset, 0), min(stop - offset, store.shape[0])
            parts.append(self._read(store, begin, end))
        return np.concatenate(parts) if parts else np.empty((0, *self.shape[1:]), np.float32)

    def unwritten(self, step: int) -> bool:
        """True where a frame holds NetCDF's fill value in a variable that declares none.

        Raises:
            DataError: it cannot be read.
        """
        n = bisect_right(self._ends, step)
        store, offset = self.stores[n], self._ends[n] - self.stores[n].shape[0]
        return store.unwritten(self._opened(store), step - offset)

    def _read(self, store: Store, begin: int, end: int) -> NDArray[np.float32]:
        """Steps of one store.

        Raises:
            DataError: numbers that cannot be read; the time of the first such step is named.
        """
        if store.mapped is not None:
            store.mapped.check()
        opened = self._opened(store)
        top, left, height, width = self.box
        rows, columns = slice(top, top + height), slice(left, left + width)
        try:
            return store.read(opened, begin, end, rows, columns)
        except DataError as error:
            for step in range(begin, end):
                try:
                    store.read(opened, step, step + 1, rows, columns)
                except DataError:
                    begin = step
                    break
            when = "" if store.times is None else f" at {in_seconds(store.times[begin])}"
            what = f"{', '.join(store.variables)} cannot be read{when}"
            raise DataError(what, where=store.path, received=error.received or error.what, hint=error.hint) from error

    def _opened(self, store: Store) -> Opened:
        if store.path not in self._open:
            self._open[store.path] = store.open()
            if len(self._open) > _OPEN_FILES:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(store.path)
        return self._open[store.path]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ends", list(accumulate(store.shape[0] for store in self.stores)))
        # Also called before the interpreter ends, when closing a dataset would find its modules gone already.
        weakref.finalize(self, _close, self._open)

    def __getstate__(self) -> dict[str, Any]:
        return {"stores": self.stores, "box": self.box, "_open": OrderedDict()}  # workers open files of their own

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
        self.__post_init__()


def _close(datasets: OrderedDict[Path, Opened]) -> None:
    while datasets:
        datasets.popitem()[1].close()
