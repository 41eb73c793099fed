"""Plain text: a first line with T, C, H and W, then all values, separated by blanks.

Axes: T time, C channel, H height, W width.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nextframe.config import Reading
from nextframe.errors import DataError, first_line
from nextframe.frames.damage import Damage
from nextframe.frames.sequence import FrameSequence


def open_text(name: str, files: Sequence[Path], reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Read a file whole (`frames.format.Open`).

    Raises:
        DataError: what is no such text.
    """
    (path,) = files
    try:
        with path.open(encoding="utf-8") as file:
            shape = tuple(map(int, file.readline().split()))
            values = np.loadtxt(file, dtype=np.float32).reshape(shape)
    except (OSError, ValueError) as error:
        raise DataError("cannot be read as plain text", where=path, received=first_line(error)) from error
    return (FrameSequence(values=values, name=name),)
