"""Results of a function of arrays that are remembered by what it was given: the flow between two frames is asked for
again by each window that holds both.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from nextframe.frames.sequence import FloatArray


class Remembered:
    """A function of one array and a number, whose last results are kept; any thread may call it.

    Args:
        function: makes an array, or None.
        limit: bytes of results that are kept, at most.

    >>> calls = []
    >>> twice = Remembered(lambda frames, radius: calls.append(radius) or 2 * frames, limit=1000)
    >>> twice(np.ones(2), 3).tolist(), twice(np.ones(2), 3).tolist(), twice(np.zeros(2), 3).tolist(), calls
    ([2.0, 2.0], [2.0, 2.0], [0.0, 0.0], [3, 3])
    """

    def __init__(self, function: Callable[[FloatArray, int], FloatArray | None], limit: int) -> None:
        self.function, self.limit = function, limit
        self._kept: OrderedDict[bytes, FloatArray | None] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __call__(self, frames: FloatArray, number: int) -> FloatArray | None:
        """The function's result, which is not to be written to."""
        told = f"{number} {frames.dtype} {frames.shape}".encode()
        digest = hashlib.blake2b(told, digest_size=16)
        digest.update(np.ascontiguousarray(frames).data)
        key = digest.digest()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        motion = self.function(frames, number)
        if motion is not None:
            motion.flags.writeable = False
        with self._lock:
            if key not in self._kept:
                self._kept[key] = motion
                self._bytes += 0 if motion is None else motion.nbytes
            while self._bytes > self.limit:
                _, old = self._kept.popitem(last=False)
                self._bytes -= 0 if old is None else old.nbytes
        return motion
