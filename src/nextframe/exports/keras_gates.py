"""Gates of a ConvLSTM in Keras and here: the one place that knows their orders and slopes.

Keras holds kernels (height, width, in, 4 F), its gates input, forget, cell, output; here they are (4 F, in, height,
width), the gates input, forget, output, cell.

Old Keras' hard sigmoid is 0.2 x + 0.5, as it is here; that of Keras 3 is x / 6 + 0.5. Rows of the three sigmoid gates
that are multiplied by the quotient of the slopes turn one into the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]

KERAS_3_SLOPE, OUR_SLOPE = 1 / 6, 0.2


def kernel_from_keras(kernel: Weights) -> Weights:
    """A kernel of Keras (h, w, in, 4 F) as ours (4 F, in, h, w).

    >>> kernel = np.arange(8, dtype=np.float32).reshape(1, 1, 1, 8)  # gates i, f, c, o of two filters
    >>> kernel_from_keras(kernel).ravel().tolist()
    [0.0, 1.0, 2.0, 3.0, 6.0, 7.0, 4.0, 5.0]
    """
    return rows_swapped(kernel.transpose(3, 2, 0, 1))


def kernel_to_keras(kernel: Weights) -> Weights:
    """The inverse of `kernel_from_keras`."""
    return rows_swapped(kernel).transpose(2, 3, 1, 0)


def rows_swapped(rows: Weights) -> Weights:
    """Rows (4 F, ...) with the last two gates in each other's place: from Keras to here, and back."""
    i, f, third, fourth = np.split(rows, 4)
    return np.concatenate([i, f, fourth, third])


def sigmoid_gates_scaled(rows: Weights, factor: float) -> Weights:
    """Our rows (4 F, ...), those of the three sigmoid gates multiplied."""
    scaled = rows.copy()
    scaled[: 3 * len(rows) // 4] *= np.float32(factor)
    return scaled
