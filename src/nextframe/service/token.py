"""The token of a service: a header of programs, or a cookie that the page's form sets, which scripts cannot read.

A browser sends the cookie to this service alone, and never for a page of another site (SameSite=Strict). Pages of other
ports of the same host are of the same site: what a browser says of where a request comes from keeps these out.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from http.cookies import CookieError, SimpleCookie
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, StrictUndefined
from starlette.datastructures import Headers
from starlette.types import Scope

from nextframe.service.limits import Refused

ROUTE = "/token"
"""Route that takes what was typed into the form."""
COOKIE = "nextframe"
"""Name of the cookie."""
_LONGEST = 4096
"""Bytes of a form."""


class Token:
    """A secret that requests bear.

    Args:
        secret: the token itself.
    """

    def __init__(self, secret: str) -> None:
        self._secret, self._bearer = secret.encode(), f"Bearer {secret}".encode()
        # Made from the token, so that it outlives a restart, and is not the token where a browser keeps it on disk.
        self.cookie = hashlib.sha256(b"nextframe cookie\0" + self._secret).hexdigest()
        """Value of the cookie."""

    def admits(self, scope: Scope) -> bool:
        """True for a request that bears the token, or the cookie of a page of this service."""
        headers = Headers(scope=scope)
        if secrets.compare_digest(headers.get("authorization", "").encode("latin-1"), self._bearer):
            return True
        return secrets.compare_digest(_cookie_of(headers).encode("latin-1"), self.cookie.encode()) and _is_of_here(
            headers
        )

    def is_typed(self, text: str) -> bool:
        """True where somebody has typed the token."""
        return secrets.compare_digest(text.strip().encode(), self._secret)


def asks_for_page(scope: Scope) -> bool:
    """True for a browser that asks for the page."""
    return (
        scope["path"] == "/"
        and scope["method"] in ("GET", "HEAD")
        and "text/html" in Headers(scope=scope).get("accept", "")
    )


def form(said: str = "") -> Response:
    """The form that asks for the token, and what was wrong with the last one."""
    shared = files("nextframe.report").joinpath("page/colours.css").read_text(encoding="utf-8")
    style = files("nextframe.service").joinpath("page/style.css").read_text(encoding="utf-8")
    template = files("nextframe.service").joinpath("token.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(template)
    headers = {"www-authenticate": "Bearer", "cache-control": "no-store"}
    return HTMLResponse(page.render(style=shared + style, said=said), 401, headers=headers)


def add_token(app: FastAPI, token: Token, patience: float) -> None:
    """Add the route of the form.

    Args:
        app: the application.
        token: what is to be typed.
        patience: seconds within which the form has to come.
    """

    @app.post(ROUTE, include_in_schema=False)
    async def typed(request: Request) -> Response:
        try:
            said = parse_qs((await _body(request, patience)).decode()).get("token", [""])[0]
        except (UnicodeDecodeError, ValueError):
            said = ""
        if not token.is_typed(said):
            return form("This is not the token of this service.")
        answer = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, token.cookie, httponly=True, samesite="strict", secure=secure)
        return answer


async def _body(request: Request, patience: float) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(patience):
            async for piece in request.stream():
                body += piece
                if len(body) > _LONGEST:
                    raise Refused(413, f"the form is larger than {_LONGEST} bytes")
    except TimeoutError as error:
        raise Refused(408, f"the form did not come within {patience:g} s") from error
    return body


def _cookie_of(headers: Headers) -> str:
    try:
        said = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return said[COOKIE].value if COOKIE in said else ""


def _is_of_here(headers: Headers) -> bool:
    """True unless a browser says that another site's page, or one of another port, has sent the request."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")  # all that a browser says over plain HTTP
    return origin is None or urlsplit(origin).netloc == headers.get("host")
