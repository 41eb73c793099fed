"""Channels of plain pictures, which have no name or unit of their own."""

from __future__ import annotations

from collections.abc import Collection

_NAMES = ({"frame"}, {"brightness"}, {"red", "green", "blue"}, {"red", "green", "blue", "alpha"})


def named_as_pictures(variables: Collection[str], units: Collection[str]) -> bool:
    """True where channels are called as those of pictures are, and have no unit.

    >>> named_as_pictures(("red", "green", "blue"), ("1", "1", "1")), named_as_pictures(("rain",), ("mm/h",))
    (True, False)
    """
    return set(units) == {"1"} and set(variables) in _NAMES
