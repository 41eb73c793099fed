"""Several sources side by side, for `nextframe inspect`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from nextframe.inspection.side_by_side import Side, SideBySide
from nextframe.words import printable


@dataclass(frozen=True)
class _Column:
    """A column of a table that has a row for each source."""

    title: str
    """What stands above it."""
    cell: Callable[[Side], str]
    """What it says of a source."""


_TABLES = (
    (
        _Column("frames", lambda side: f"{side.frames:,}"),
        _Column("windows", lambda side: f"{side.windows:,}"),
        _Column("pixels", lambda side: f"{side.height} x {side.width}"),
        _Column("km", lambda side: "?" if side.pixel is None else f"{side.pixel:.3g}"),
        _Column("step", lambda side: "?" if side.step is None else f"{side.step / 60:g} min"),
        _Column("unit", lambda side: side.unit),
        _Column("weight", lambda side: f"{side.weight:g}"),
    ),
    (
        _Column("wet", lambda side: f"{side.wet:.1%}"),
        _Column("median wet", lambda side: f"{side.quantiles[0]:.3g}"),
        _Column("0.99", lambda side: f"{side.quantiles[1]:.3g}"),
        _Column("largest", lambda side: f"{side.quantiles[2]:.3g}"),
        _Column("missing", lambda side: f"{side.missing:.1%}"),
        _Column("px/frame", lambda side: "?" if side.speed is None else f"{side.speed:.2g}"),
        _Column("km/h", lambda side: "?" if side.speed_kmh is None else f"{side.speed_kmh:.0f}"),
    ),
)
"""What the sources are, and what is in them: two tables, since one would be wider than a terminal."""


def sources_tables(comparison: SideBySide) -> Iterator[Table]:
    """Tables with a row for each source, whose numbers are never cut short."""
    for columns in _TABLES:
        table = Table(box=None, pad_edge=False)
        table.add_column("source", overflow="fold")
        for column in columns:
            table.add_column(column.title, justify="right", no_wrap=True, min_width=_width(column, comparison))
        for side in comparison.sides:
            cells = (Text(printable(column.cell(side))) for column in columns)
            table.add_row(Text(printable(Path(side.name).name or side.name)), *cells)
        yield table


def _width(column: _Column, comparison: SideBySide) -> int:
    return max(len(column.title), *(len(printable(column.cell(side))) for side in comparison.sides))
