"""`Gate`: what every request passes, in and out: the token, the number of requests, their memory and their latency.

It ends the work for a client that has gone away, and sends answers piece by piece, so that one that reads slowly keeps
no more than a piece in the server's buffers.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, MutableMapping
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nextframe.service.limits import Refused
from nextframe.service.monitoring import Monitor
from nextframe.service.room import Held, Room
from nextframe.service.token import ROUTE, Token, asks_for_page, form

OPEN = ("/healthz", "/readyz")
"""Routes that need no token."""
EVENTS = "/events"
"""End of the routes whose answers go on for as long as the client listens."""
PIECE = 2**17
"""Bytes of a piece of an answer."""
_HELD = "nextframe.held"


class Gate:
    """ASGI middleware.

    Args:
        app: what answers.
        room: memory of all requests.
        monitor: takes latencies.
        requests: requests that may be under way, event streams apart.
        token: token that every request has to bear, but for the form that asks for it; None for none.
    """

    def __init__(self, app: ASGIApp, *, room: Room, monitor: Monitor, requests: int, token: Token | None) -> None:
        self.app, self.room, self.monitor, self.requests, self.token = app, room, monitor, requests, token
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, counts = time.perf_counter(), 0, not scope["path"].endswith(EVENTS)

        async def in_pieces(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            for part in _parts(message):
                await send(part)

        refused = self._refusal(scope, counts)
        held = scope[_HELD] = self.room.hold()
        self._under_way += counts
        try:
            if refused is None:
                await _while_there(self.app, scope, receive, in_pieces)
            else:
                await _answer(refused, scope)(scope, receive, in_pieces)
        finally:
            self._under_way -= counts
            held.release()
            route = getattr(scope.get("route"), "path", "other")
            if counts:
                self.monitor.latency.labels(route, str(status or "gone")).observe(time.perf_counter() - started)

    def _refusal(self, scope: Scope, counts: bool) -> Refused | None:
        if self.token is not None and scope["path"] not in (*OPEN, ROUTE) and not self.token.admits(scope):
            return Refused(401, "the request bears no valid token: Authorization: Bearer ...")
        if counts and self._under_way >= self.requests and scope["path"] not in OPEN:
            return Refused(503, f"{self.requests} requests are under way: come again in some seconds", retry_after=2)
        return None


def held_by(scope: MutableMapping[str, Any]) -> Held:
    """Hold that a request has once it has passed the gate."""
    held: Held = scope[_HELD]
    return held


def _answer(refused: Refused, scope: Scope) -> Response:
    """A problem, or for a browser that asks for the page the form that lets it in."""
    if refused.status == 401 and asks_for_page(scope):
        return form()
    return JSONResponse(refused.problem, refused.status, headers=refused.headers)


def _parts(message: Message) -> Iterator[Message]:
    body = message.get("body", b"")
    if len(body) <= PIECE:
        yield message
        return
    for begin in range(0, len(body), PIECE):
        end = begin + PIECE
        more = end < len(body) or message.get("more_body", False)
        yield {**message, "body": body[begin:end], "more_body": more}


async def _while_there(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, as long as its client is there."""
    whole, answered = asyncio.Event(), False
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        whole.set()  # nobody reads a body

    async def received() -> Message:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            whole.set()
        return message

    async def sent(message: Message) -> None:
        nonlocal answered
        await send(message)
        answered = answered or (message["type"] == "http.response.body" and not message.get("more_body", False))

    async def goes() -> None:
        await whole.wait()
        while (await receive())["type"] != "http.disconnect":
            pass

    work, gone = asyncio.ensure_future(app(scope, received, sent)), asyncio.ensure_future(goes())
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if gone.done() and not answered:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
        else:
            await work
    finally:
        for task in (work, gone):
            task.cancel()
        await asyncio.wait({work, gone})
