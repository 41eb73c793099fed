"""`open_source`: frames by name or by path, one entry point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from nextframe.errors import ConfigError, DataError
from nextframe.frames.sequence import FrameSource
from nextframe.frames.squares import MovingSquares


def open_source(
    name: str | Path,
    *,
    variable: Sequence[str] = (),
    grey: bool = False,
    crop: Sequence[int] = (),
    coarsen: int = 1,
    missing: Literal["auto", "error", "mask"] = "auto",
) -> FrameSource:
    """Open frames."""
    text = str(name)
    kind, _, options = text.partition(":")
    if kind == "squares":
        chosen: dict[str, int] = {}
        for option in filter(None, options.split(",")):
            key, _, value = option.partition("=")
            if key not in MovingSquares.__dataclass_fields__ or not value.isdecimal():
                raise ConfigError(
                    "unknown option", where=text, received=option, expected="movies, frames, size, seed = number"
                )
            chosen[key] = int(value)
        return FrameSource(name=text, sequences=MovingSquares(**chosen).sequences())
    raise DataError("no such source", where=text)
