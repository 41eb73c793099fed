"""Orientation: frames upright, as the file says that they are to be shown."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError

Matrix = tuple[int, int, int, int]
"""Place where a stored pixel (x, y) is shown, as (a, b, c, d): at (a x + c y, b x + d y); x to the right, y down."""

EXIF: dict[int, Matrix] = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""Orientations by their number in EXIF (CIPA DC-008, tag 274), as TIFF has them too."""


def upright(values: NDArray[Any], matrix: Matrix, where: object = None) -> NDArray[Any]:
    """Turn and mirror frames (..., H, W) as a matrix says; its scale is not heeded.

    Raises:
        DataError: an angle that is not a multiple of 90 degrees, which would invent pixels.

    >>> upright(np.array([[1, 2], [3, 4]]), EXIF[6])  # a telephone held upright: turned clockwise
    array([[3, 1],
           [4, 2]])
    """
    a, b, c, d = matrix
    small = max(map(abs, matrix)) / 1000
    if abs(b) <= small and abs(c) <= small:
        return values[..., :: _sign(d), :: _sign(a)]
    if abs(a) <= small and abs(d) <= small:
        return np.swapaxes(values, -1, -2)[..., :: _sign(b), :: _sign(c)]
    raise DataError(
        f"is to be shown at a slant of {math.degrees(math.atan2(b, a)):.0f} degrees",
        where=where,
        expected="a multiple of 90 degrees",
        hint="turn its pixels with ffmpeg, which does so when it codes a video anew",
    )


def _sign(number: int) -> int:
    return -1 if number < 0 else 1
