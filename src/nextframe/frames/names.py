"""Names of files: their order, and the times in them."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np

from nextframe.errors import ConfigError, DataError
from nextframe.frames.steps import instant


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Sort key by which "frame2" comes before "frame10".

    >>> [path.name for path in sorted([Path("frame10.png"), Path("frame2.png")], key=natural_order)]
    ['frame2.png', 'frame10.png']
    """
    return [
        (int(part), "") if part.isdecimal() else (0, part.lower()) for part in re.split(r"(\d+)", path.name) if part
    ]


_CODES = {"Y": 4, "j": 3, "f": 6, **dict.fromkeys("mdHMSy", 2)}
"""Codes of `datetime.strptime` that stand in names -> their digits."""


def time_in_name(path: Path, pattern: str) -> np.datetime64:
    """The time that the name of a file holds.

    Args:
        path: the file.
        pattern: what a time looks like there, by the codes of `datetime.strptime`: "%Y%m%d%H%M".

    Raises:
        ConfigError: a pattern that no time could be read by.
        DataError: no such time in the name, or several.

    >>> time_in_name(Path("radar_20200131-1205.tif"), "%Y%m%d-%H%M")
    np.datetime64('2020-01-31T12:05:00.000000000')
    """
    expression = _expression(pattern)
    times = set()
    for match in re.finditer(expression, path.name):
        with suppress(ValueError):
            times.add(datetime.strptime(match[0], pattern))
    if not times:
        raise DataError(
            "has no such time in its name", where=path, expected=pattern, hint="write {time_format} as the name has it"
        )
    if len(times) > 1:
        raise DataError(
            "has several such times in its name",
            where=path,
            expected=pattern,
            received=" and ".join(str(time) for time in sorted(times)),
            hint="let {time_format} begin with what stands before the time, as in 'rain_%Y%m%d%H%M'",
        )
    return instant(times.pop(), path)


@cache
def _expression(pattern: str) -> str:
    """A regular expression for the times of a pattern.

    Raises:
        ConfigError: codes that are unknown, or too few for a date.
    """
    parts = re.split(r"(%.)", pattern)
    codes = {part[1] for part in parts if part.startswith("%")}
    unknown = sorted(codes - {*_CODES, "b", "B", "%"})
    days = {"j"} <= codes or ({"d"} <= codes and codes & {"m", "b", "B"})
    if unknown or not codes & {"Y", "y"} or not days:
        raise ConfigError(
            "is no pattern of times",
            where="time_format",
            expected="the codes %Y %m %d %H %M %S (%y, %j, %b), a whole date at least",
            received=pattern,
        )
    patterns = {
        **{f"%{code}": rf"\d{{{digits}}}" for code, digits in _CODES.items()},
        "%b": "[A-Za-z]{3}",
        "%B": "[A-Za-z]+",
        "%%": "%",
    }
    expression = "".join(patterns.get(part, re.escape(part)) for part in parts)
    return rf"(?<!\d){expression}" if expression.startswith(r"\d") else expression
