"""Files mapped to memory.

One that becomes shorter under a map ends the whole process with a bus error when what is gone is touched; therefore its
size is looked at before every read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError


@dataclass(frozen=True)
class WholeFile:
    """A file as long as it was when this was made."""

    path: Path
    size: int = field(init=False)
    """Bytes."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", self.path.stat().st_size)

    def check(self) -> None:
        """Look whether it still is.

        Raises:
            DataError: it has become shorter, or is gone.
        """
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < self.size:
            raise DataError(
                "has become shorter since it was opened",
                where=self.path,
                expected=f"{self.size:,} bytes",
                received=f"{size:,} bytes",
                hint="the file may be truncated: fetch or write it again, and start anew",
            )


@dataclass(frozen=True)
class Mapped:
    """Frames (T, C, H, W) of an array that is mapped to memory."""

    array: NDArray[Any]
    file: WholeFile

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def __getitem__(self, frames: slice, /) -> NDArray[Any]:
        self.file.check()
        return np.array(self.array[frames])  # read now, not when somebody comes to look at a value
