"""Axes of an array: named by the user, told by its shape, or asked for.

Letters: N movie, T time, C channel, H height, W width. What an array means cannot always be seen: twelve steps of six
satellite bands have the shape of twelve movies of six frames. Where two readings are likely, none is guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from nextframe.errors import ShapeError
from nextframe.words import joined

NAMES = {"N": "movie", "T": "time", "C": "channel", "H": "height", "W": "width"}
"""Axes by their letters, in the order that frames are kept in."""
CHANNELS = 4
"""Length of a second axis up to which it is channels, as documented: red, green, blue, alpha."""
RED_GREEN_BLUE = (3, 4)
"""Lengths of the last axis of colour pictures, without and with alpha."""
BANDS = 16
"""Length up to which an axis may well be channels: the bands of a satellite's imager."""
_LONGEST = 4
"""Height over width, or width over height, up to which two axes look like those of a picture."""


def in_words(axes: str) -> str:
    """Letters as words.

    >>> in_words("NTHW")
    '(movie, time, height, width)'
    """
    return f"({', '.join(NAMES[letter] for letter in axes)})"


def as_movies(array: NDArray[Any], axes: str, where: object) -> NDArray[Any]:
    """Bring an array to (N, T, C, H, W), without a copy.

    Raises:
        ShapeError: axes of another number than the array has.

    >>> import numpy as np
    >>> as_movies(np.zeros((20, 32, 40, 3)), "THWC", "a.npy").shape
    (1, 20, 3, 32, 40)
    """
    if len(axes) != array.ndim:
        raise ShapeError(
            f"has {array.ndim} axes, not {in_words(axes)}",
            where=where,
            received=array.shape,
            hint="name each of its axes with {axes}",
        )
    for letter in NAMES:
        if letter not in axes:
            array, axes = array[None], letter + axes
    return array.transpose([axes.index(letter) for letter in NAMES])


def axes_of(shape: tuple[int, ...], where: object) -> str:
    """Tell an array's axes by its shape.

    - three axes: THW; but not where frames of one to four columns or of another size than a square stand last
    - four: THWC where the last is 1, or at most 16 beside square frames, or 3 or 4 beside frames of more than 16 pixels
      that are at most four times as long as wide; TCHW where the second is at most 4; NTHW where
      it is more than 16, but not where frames would be of one to four rows or columns, or a square stands first
    - five: NTCHW; NTHWC where the last is 1, or at most 16 beside square frames

    Raises:
        ShapeError: a shape that does not tell, or that no frames have.

    >>> axes_of((12, 24, 24, 2), "a.npy"), axes_of((6, 12, 24, 24, 1), "a.npy")
    ('THWC', 'NTHWC')
    """
    tell = _TELL.get(len(shape))
    likely = () if tell is None else tell(*shape)
    if len(likely) == 1:
        return likely[0]
    if not likely:
        raise ShapeError(
            "has another number of axes than frames have",
            where=where,
            expected="(time, height, width), with movies and channels where there are such",
            received=shape,
            hint="save one array of all frames",
        )
    raise ShapeError(
        "has axes that its shape does not tell",
        where=where,
        expected=joined([in_words(axes) for axes in likely], "or"),
        received=shape,
        hint=f"name them: {joined([f'{{axes={axes}}}' for axes in likely], 'or')}",
    )


def axes_for(shape: tuple[int, ...], channels: int) -> str:
    """Axes of an array whose frames have so many channels; empty where that alone does not tell.

    >>> axes_for((7, 12, 64, 64), 12), axes_for((7, 64, 64, 12), 12), axes_for((7, 12, 64, 64), 1)
    ('TCHW', 'THWC', '')
    """
    fitting = [axes for axes in _WITH_CHANNELS.get(len(shape), ()) if shape[axes.index("C")] == channels]
    return fitting[0] if len(fitting) == 1 else ""


_WITH_CHANNELS = {4: ("TCHW", "THWC"), 5: ("NTCHW", "NTHWC")}


def _of_three(a: int, b: int, c: int) -> tuple[str, ...]:
    narrow = c <= CHANNELS and b > BANDS
    return ("THW", "HWT") if narrow or (a == b != c and a > BANDS) else ("THW",)


def _of_four(a: int, b: int, c: int, d: int) -> tuple[str, ...]:
    if d == 1 and min(b, c) > 1:
        return ("THWC",)
    if b == c != d and d <= BANDS and d < b:
        return ("THWC",)
    if d in RED_GREEN_BLUE and min(b, c) > BANDS and a != b and max(b, c) <= _LONGEST * min(b, c):
        return ("THWC",)
    if b <= CHANNELS:
        return ("TCHW", "THWC") if d <= CHANNELS and c > d else ("TCHW",)
    if (b == c != d and d < b) or (d <= BANDS and 2 * d <= min(b, c)):
        return ("THWC", "NTHW")
    if b > BANDS and (c <= CHANNELS or d <= CHANNELS or (a == b and b not in (c, d))):
        return ("NTHW", "HWCT" if c <= d else "HWTC")
    return ("TCHW", "NTHW") if b <= BANDS else ("NTHW",)


def _of_five(n: int, t: int, a: int, b: int, c: int) -> tuple[str, ...]:
    if c == 1 and min(a, b) > 1:
        return ("NTHWC",)
    if b == c or a == 1:
        return ("NTCHW",)
    if a == b and c <= BANDS and c < a:
        return ("NTHWC",)
    return ("NTCHW",) if a <= CHANNELS < c or a <= BANDS < min(b, c) else ("NTCHW", "NTHWC")


_TELL: dict[int, Callable[..., tuple[str, ...]]] = {3: _of_three, 4: _of_four, 5: _of_five}
