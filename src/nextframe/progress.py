"""Bars of progress: on a terminal as rich draws them, in a notebook as HTML, for which no widgets are needed."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, TypeVar

Item = TypeVar("Item")

_BETWEEN = 0.2  # seconds between two updates, which travel to a browser


def in_notebook() -> bool:
    """True in a notebook, whose outputs are HTML; a terminal's IPython is none."""
    shell = sys.modules.get("IPython")
    running: Any = None if shell is None else shell.get_ipython()
    return running is not None and hasattr(running, "kernel")


class NotebookBar:
    """A bar in the output of a notebook's cell.

    Args:
        label: text before it.
        total: number of steps.
    """

    def __init__(self, label: str, total: int) -> None:
        shown: Any = import_module("IPython.display")  # which is there in a notebook, and carries no types
        self.label, self.total, self.done = label, total, 0
        self._html, self._began, self._shown = shown.HTML, time.monotonic(), 0.0
        self._place = shown.display(shown.HTML(self._page("")), display_id=True)

    def update(self, done: int, text: str = "", *, now: bool = False) -> None:
        """Show how many steps are done, and a text behind the bar; at most some times a second unless it is `now`."""
        self.done = done
        if now or done >= self.total or time.monotonic() - self._shown >= _BETWEEN:
            self._shown = time.monotonic()
            if self._place is not None:
                self._place.update(self._html(self._page(text)))

    def _page(self, text: str) -> str:
        passed = time.monotonic() - self._began
        behind = f"{self.done}/{self.total}, {passed:.0f} s" + (f", {text}" if text else "")
        bar = f'<progress value="{self.done}" max="{self.total}" style="width: 40%"></progress>'
        return f"<div>{html.escape(self.label)} {bar} {html.escape(behind)}</div>"


def track(items: Sequence[Item], label: str) -> Iterator[Item]:
    """Items one after the other, with a bar of those that are done."""
    if not in_notebook():
        from rich.progress import track as on_terminal

        yield from on_terminal(items, description=label)
        return
    bar = NotebookBar(label, len(items))
    for number, item in enumerate(items):
        yield item
        bar.update(number + 1)
