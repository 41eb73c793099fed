"""The font of pictures: one that has the signs of mathematics and every script's letters, as matplotlib brings it."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

_FILE = "mpl-data/fonts/ttf/DejaVuSans.ttf"


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans in so many pixels, found beside matplotlib without importing it; else Pillow's own font.

    >>> font(12).getlength("≥ 1") > font(12).getlength("1")
    True
    """
    spec = find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / _FILE
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)
