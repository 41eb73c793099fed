"""`Desk`: one computation at a time, with all cores; a bounded line waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from nextframe.service.limits import Refused

Result = TypeVar("Result")


class Desk:
    """Computes for one request after the other.

    Args:
        waiting: requests that may wait.
    """

    def __init__(self, waiting: int) -> None:
        self._waiting = waiting
        self._line = 0
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nextframe")

    @property
    def line(self) -> int:
        """Computations that wait or are under way."""
        return self._line

    async def compute(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Do some work when its turn has come; work that nobody waits for any more is not begun.

        Raises:
            Refused: too many wait already.
        """
        if self._line > self._waiting:
            raise Refused(503, f"{self._waiting} requests wait already: come again in some seconds", retry_after=2)
        self._line += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work, *arguments)
        finally:
            self._line -= 1

    def close(self) -> None:
        """Finish what is under way, and forget what waits."""
        self._worker.shutdown(wait=True, cancel_futures=True)
