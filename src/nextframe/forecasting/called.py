"""`Called`: any function as a Forecaster, so that it is verified beside models and baselines.

Axes: B batch, T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nextframe.errors import ShapeError
from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.masked import unmasked
from nextframe.frames.sequence import FloatArray

Function = Callable[[FloatArray], Any]
"""A forecast by itself: a past (T, C, H, W) in source units, NaN where a value is missing, to the frames that follow
it, (K, C, H, W)."""


class Called(Forecaster):
    """A function that is given one past at a time.

    Args:
        function: (T, C, H, W) to (K, C, H, W), in source units; of more frames than are asked for the first are taken.
        name: what tables and reports call it; by default its own name.

    >>> still = Called(lambda past: past[-1:].repeat(4, axis=0), name="still")
    >>> still.predict(np.ones((2, 3, 1, 8, 8), np.float32), lead_times=4).shape
    (2, 4, 1, 8, 8)
    """

    def __init__(self, function: Function, name: str | None = None) -> None:
        self.function = function
        self._name = name or str(getattr(function, "__name__", type(function).__name__))

    @property
    def name(self) -> str:
        return self._name

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """The function's forecasts (B, K, C, H, W).

        Raises:
            ShapeError: fewer frames than were asked for, or frames of another shape.
        """
        return np.stack([self._one(movie, lead_times) for movie in past])

    def _one(self, movie: FloatArray, lead_times: int) -> FloatArray:
        said = unmasked(self.function(movie)).astype(np.float32)
        if said.ndim != 4 or said.shape[1:] != movie.shape[1:] or len(said) < lead_times:
            raise ShapeError(
                "does not return the frames that follow its past",
                where=self.name,
                expected=(f"{lead_times} or more", *movie.shape[1:]),
                received=said.shape,
                hint=f"return (K, C, H, W), or verify with {{lead_times={len(said)}}}"
                if said.ndim == 4 and said.shape[1:] == movie.shape[1:] and len(said)
                else "return (K, C, H, W), as the past is (T, C, H, W)",
            )
        return said[:lead_times]
