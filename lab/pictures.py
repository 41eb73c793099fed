"""Pictures of results: two colours, and a file that is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from nextframe.files import replacing
from nextframe.report.figures import COLOURS, png

FASTEST, OTHERS = COLOURS[0], "#a9b4bd"
"""Colours of the fastest, and of all others."""


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(png(figure, dpi=130))
