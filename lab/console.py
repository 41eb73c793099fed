"""What the measuring tasks print: tables on the standard output, progress on the standard error stream."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence

from rich.table import Table


def told(progress: bool) -> Callable[[str], None]:
    """A function that takes a line on the way: to the standard error stream, or to nowhere."""
    return (lambda line: print(line, file=sys.stderr)) if progress else (lambda _: None)


def table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int], title: str | None = None
) -> Table:
    """A table without lines for rich's console, with some columns to the right."""
    drawn = Table(title=title and f"\n{title}", title_justify="left", box=None, pad_edge=False)
    for n, column in enumerate(titles):
        drawn.add_column(column, justify="right" if n in numbers else "left")
    for row in rows:
        drawn.add_row(*row)
    return drawn
