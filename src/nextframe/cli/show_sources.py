"""Several sources side by side, for `nextframe inspect`."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from nextframe.inspection.side_by_side import Side, SideBySide


def sources_table(found: SideBySide) -> Table:
    """A table with a row for each source."""
    table = Table(box=None, pad_edge=False)
    for title in (
        "source",
        "frames",
        "windows",
        "pixels",
        "km",
        "step",
        "unit",
        "wet",
        "median wet",
        "0.99",
        "largest",
    ):
        table.add_column(title, justify="left" if title in ("source", "unit") else "right")
    for title in ("missing", "px/frame", "km/h", "weight"):
        table.add_column(title, justify="right")
    for side in found.sides:
        table.add_row(*_cells(side))
    return table


def _cells(side: Side) -> list[str]:
    speed = side.speed_kmh
    return [
        Path(side.name).name or side.name,
        str(side.frames),
        str(side.windows),
        f"{side.height} x {side.width}",
        "?" if side.pixel is None else f"{side.pixel:.3g}",
        "?" if side.step is None else f"{side.step / 60:g} min",
        side.unit,
        f"{side.wet:.1%}",
        *(f"{value:.3g}" for value in side.quantiles),
        f"{side.missing:.1%}",
        "?" if side.speed is None else f"{side.speed:.2g}",
        "?" if speed is None else f"{speed:.0f}",
        f"{side.weight:g}",
    ]
