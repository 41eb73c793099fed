"""The server: uvicorn's, whose connections end when a client keeps them waiting."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 1024
"""Connections that are held at most."""
GRACE = 30
"""Seconds that requests under way have to come to their end."""


class Connection(H11Protocol):
    """A connection that is closed when it has waited too long for its client: for a request, or to take an answer."""

    patience = 30.0
    """Seconds that it waits."""
    _since = 0.0
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # asyncio turns Nagle's algorithm off for sockets that name TCP alone, as uvicorn's do not; with it, an answer
        # of two parts waits 40 ms for the client's delayed acknowledgement of the first.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        self._since = self.loop.time()
        self._end_if_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._look is not None:
            self._look.cancel()

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._since = self.loop.time()
        super().resume_writing()

    def _end_if_idle(self) -> None:
        without_request = self.cycle is None or self.cycle.response_complete
        if (without_request or self.flow.write_paused) and self.loop.time() - self._since > self.patience:
            self.transport.abort()
        else:
            self._look = self.loop.call_later(self.patience / 4, self._end_if_idle)


class Server(uvicorn.Server):
    """A server that tells those who listen for events that it ends.

    Args:
        app: the application.
        end: called when it begins to end.
        host: address to listen at.
        port: port to listen at.
        patience: seconds that a connection waits for its client.
    """

    def __init__(self, app: Any, *, end: Callable[[], None], host: str, port: int, patience: float) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            http=type("Connection", (Connection,), {"patience": patience}),
            ws="none",
            log_level="warning",
            access_log=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=GRACE,
            limit_concurrency=CONNECTIONS,
        )
        super().__init__(config)
        self._end = end

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        self._end()
        await super().shutdown(None if sockets is None else list(sockets))
