"""Masked arrays of NumPy, whose masks `numpy.asarray` leaves out without a word, so that fill values pass for data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def unmasked(array: Any) -> NDArray[Any]:
    """An array whose masked values are NaN; any other as NumPy takes it.

    >>> unmasked(np.ma.masked_equal([1, 255, 3], 255)).tolist(), unmasked([1, 2]).tolist()
    ([1.0, nan, 3.0], [1, 2])
    """
    if not isinstance(array, np.ma.MaskedArray):
        return np.asarray(array)
    values = array.data if array.dtype.kind == "f" else array.data.astype(np.float64)
    return np.where(np.ma.getmaskarray(array), np.nan, values)
