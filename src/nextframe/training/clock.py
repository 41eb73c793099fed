"""Clock of a run with a budget in minutes: what has passed, what is left, and one bar for all of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nextframe.progress import NotebookBar, in_notebook

HELD_BACK = 0.25
"""Share of a budget that looking at the frames, validation and calibration take together at most."""


class Clock:
    """Time of a run from its very beginning.

    Args:
        minutes: the budget; None where there is none, and nothing ends.
    """

    def __init__(self, minutes: float | None) -> None:
        self.total = math.inf if minutes is None else 60 * minutes
        """Seconds of the whole run."""
        self.kept_back = 0.0
        """Seconds of it that are for what follows the training."""
        self.length = math.inf
        """Seconds of the training, validations within it included."""
        self.calibration: int | None = None
        """Forecasts that calibration may take; None for as many as usual."""
        self._started = time.monotonic()
        self._before = 0.0
        self._since: float | None = None
        self._bar: Any = None
        self._task: Any = None
        self._notebook: NotebookBar | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started

    @property
    def left(self) -> float:
        """Seconds that are left of the whole."""
        return self.total - self.elapsed

    def begin(self) -> None:
        """Begin the training, or go on with it: it has what is left, less what is kept back."""
        if not self._before:
            self.length = max(self.left - self.kept_back, 0.1 * self.total) if math.isfinite(self.total) else math.inf
        self._since = time.monotonic()

    @property
    def trained(self) -> float:
        """Seconds of training that lie behind, those before an interruption included."""
        return self._before + (0.0 if self._since is None else time.monotonic() - self._since)

    @property
    def done(self) -> float:
        """Share of the training that lies behind, 0..1."""
        return min(self.trained / self.length, 1.0)

    def restore(self, trained: float, length: float) -> None:
        """Go on with a training of so many seconds, of which so many lie behind."""
        self._before, self.length = trained, length

    @contextmanager
    def bar(self, shown: bool) -> Iterator[None]:
        """Show a bar of the whole run on a terminal or in a notebook, where it has a budget."""
        import rich
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        console = rich.get_console()
        if shown and math.isfinite(self.total) and in_notebook():
            self._notebook = NotebookBar("training, seconds", round(self.total))
            yield
            return
        if not shown or math.isinf(self.total) or not console.is_terminal:
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
        with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as self._bar:
            self._task = self._bar.add_task("looking at the frames", total=self.total)
            try:
                yield
            finally:
                self._bar = None

    def show(self, doing: str) -> None:
        """Say on the bar what is being done."""
        if self._notebook is not None:
            self._notebook.update(min(round(self.elapsed), self._notebook.total), doing)
        if self._bar is not None:
            self._bar.update(self._task, description=doing, completed=min(self.elapsed, self.total))
