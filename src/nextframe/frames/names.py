"""Names of files in the order that people give them."""

from __future__ import annotations

import re
from pathlib import Path


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Sort key by which "frame2" comes before "frame10".

    >>> [path.name for path in sorted([Path("frame10.png"), Path("frame2.png")], key=natural_order)]
    ['frame2.png', 'frame10.png']
    """
    return [
        (int(part), "") if part.isdecimal() else (0, part.lower()) for part in re.split(r"(\d+)", path.name) if part
    ]
