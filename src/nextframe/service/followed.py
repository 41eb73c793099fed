"""A folder that the service follows: its products become the stream `watch`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nextframe.service.follow import Follower
from nextframe.service.streams import Stream

if TYPE_CHECKING:
    from nextframe.service.app import Service

NAME = "watch"


def follow(service: Service, pattern: str, out: Path, stop: threading.Event, tell: Callable[[str], None]) -> None:
    """Follow a folder with the first model until it is stopped."""
    name, model = next(iter(service.models.items()))
    stream = Stream(NAME, name)
    service.streams.adopt(stream)
    follower = Follower(model, pattern, out, tell=tell)
    for product in follower.run(stop=stop):
        stream.count += 1
        service.streams.keep(stream, product.past, product.forecast)
        stream.rolling = follower.judge.kept.rolling if follower.judge is not None else None
        service.monitor.frames.labels(NAME, "next").inc()
        service.monitor.forecasts.labels(NAME, "fallback" if product.why else "model").inc()
        for skill in stream.skill().values():
            service.monitor.judge(NAME, skill)
        if service.loop is not None:
            event = {"stream": NAME, "forecast": service.streams.key(product.forecast, stream), "why": product.why}
            service.loop.call_soon_threadsafe(service.streams.announce, event)
