"""A folder that the service follows: its products become the stream `watch`."""

from __future__ import annotations

import asyncio
import threading

from nextframe.errors import NextframeError
from nextframe.service.desk import Desk
from nextframe.service.follow import Follower, Make, Product
from nextframe.service.monitoring import Monitor
from nextframe.service.stream import Stream
from nextframe.service.streams import Streams

NAME = "watch"
"""Name of the stream."""
_AGAIN = 10.0
"""Seconds after which it is tried again, when it could not go on."""
_PATIENCE = 30.0
"""Seconds that a product under way has to come to its end."""


class Followed:
    """A thread that follows a folder with the first model; a product takes its turn at the desk before all that wait.

    Args:
        follower: what follows the folder.
        model: name of its model.
        desk: where others compute, too.
        streams: streams of the service, whose loop runs.
        monitor: counts what comes.
    """

    def __init__(self, follower: Follower, model: str, *, desk: Desk, streams: Streams, monitor: Monitor) -> None:
        self._follower, self._desk, self._streams, self._monitor = follower, desk, streams, monitor
        self._stream = Stream(NAME, model)
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        follower.turn = self._at_the_desk
        streams.adopt(self._stream)
        self._thread = threading.Thread(target=self._run, name="nextframe-watch", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """True while the folder is followed."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End after the product that is being made; not to be called on the loop's thread."""
        self._stop.set()
        self._thread.join(_PATIENCE)

    def _at_the_desk(self, make: Make) -> Product | None:
        return asyncio.run_coroutine_threadsafe(self._desk.compute(make, first=True), self._loop).result()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except NextframeError as error:  # such as a disk that is full
                self._follower.tell(str(error))
                self._stop.wait(_AGAIN)

    def _follow(self) -> None:
        stream = self._stream
        for product in self._follower.run(stop=self._stop, again=not stream.forecasts):
            stream.judge = self._follower.judge
            key = stream.keep(product.past, product.forecast, self._streams.limits.kept)
            if product.again:
                continue
            stream.count += product.arrival is not None
            self._monitor.came(NAME, product.arrival, "fallback" if product.why else "model", stream.skill)
            event = {"stream": NAME, "arrival": product.arrival, "forecast": key, "why": product.why}
            self._loop.call_soon_threadsafe(self._streams.announce, event)
