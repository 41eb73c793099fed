"""`Desk`: one piece of work at a time; a bounded line waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from nextframe.service.limits import Refused

Result = TypeVar("Result")


class Desk:
    """Works for one request after the other, in a thread of its own.

    Whoever leaves the line takes along what he wanted, so that clients that go away leave nothing behind.

    Args:
        waiting: requests that may wait.
        name: of its thread.
    """

    def __init__(self, waiting: int, name: str) -> None:
        self._waiting = waiting
        self._line: deque[asyncio.Future[None]] = deque()
        self._busy = False
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    @property
    def line(self) -> int:
        """Pieces of work that wait or are under way."""
        return len(self._line) + self._busy

    @property
    def full(self) -> bool:
        """True where nobody more may wait."""
        return self.line > self._waiting

    async def compute(self, work: Callable[..., Result], *arguments: Any, first: bool = False) -> Result:
        """Do some work when its turn has come; work that nobody waits for any more is not begun.

        Args:
            work: what is to be done.
            *arguments: its arguments.
            first: whether it goes before all that wait, however many.

        Raises:
            Refused: too many wait already.
        """
        if self.full and not first:
            raise Refused(503, f"{self._waiting} requests wait already: come again in some seconds", retry_after=2)
        await self._turn(first)
        try:
            done = asyncio.get_running_loop().run_in_executor(self._worker, work, *arguments)
            try:
                return await asyncio.shield(done)
            except asyncio.CancelledError:  # whoever waited has gone; what is under way cannot be stopped
                await asyncio.wait({done})
                raise
        finally:
            self._next()

    def close(self) -> None:
        """Finish what is under way."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    async def _turn(self, first: bool) -> None:
        if not self._busy:
            self._busy = True
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._line.appendleft if first else self._line.append)(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine in self._line:
                self._line.remove(mine)
            else:  # its turn had just come
                self._next()
            raise

    def _next(self) -> None:
        if self._line:
            self._line.popleft().set_result(None)
        else:
            self._busy = False
