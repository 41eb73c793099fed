"""Limits of the service, and how it says that one is reached: problems by RFC 9457, a sentence each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from nextframe.errors import NextframeError
from nextframe.files import FULL

_FOLDERS = re.compile(r"(?<![\w./])/(?:[^\s/:]+/)+")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what clients may ask for, so that memory and time are bounded whatever they do."""

    upload: int = 64 * 2**20
    """Bytes of a request's body."""
    in_place: int = 2**20
    """Bytes of JSON up to which it is read by the service itself, and not by the process that reads files."""
    pixels: int = 8_000_000
    """Pixels of a frame, all channels together."""
    frames: int = 200
    """Frames of an upload."""
    lead_times: int = 120
    """Frames to forecast."""
    values: int = 96_000_000
    """Values of an upload, and of a forecast: frames times pixels."""
    told: int = 16_000_000
    """Values of an answer as JSON."""
    held: int = 2**30
    """Bytes of bodies, frames and answers of all requests together."""
    requests: int = 256
    """Requests under way."""
    waiting: int = 32
    """Requests that wait for a computation; further ones are told to come again."""
    listeners: int = 128
    """Clients that listen for events."""
    streams: int = 64
    """Streams in memory; the least recently used ones go to disk."""
    stream_bytes: int = 2**30
    """Bytes of the streams in memory."""
    stored: int = 1000
    """Streams in memory and on disk together."""
    kept: int = 12
    """Forecasts of a stream that are kept."""
    reading_seconds: float = 30.0
    """Time that an uploaded file may take to be read."""
    reading_bytes: int = 4 * 2**30
    """Memory that reading an uploaded file may take."""
    training_seconds: float = 120.0
    """Time that a training may take."""
    training_bytes: int = 16 * 2**30
    """Address space that a training may take, most of which its libraries do but reserve."""
    trained: int = 4
    """Trainings whose models are kept; the oldest ones go."""
    patience: float = 30.0
    """Seconds within which a body has to come, and that a connection waits for its client to ask or to read."""


class Refused(Exception):
    """A request that is not answered, and why.

    Args:
        status: HTTP status code.
        detail: why, in a sentence.
        retry_after: seconds after which it may be tried again.
    """

    def __init__(self, status: int, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.retry_after = status, detail, retry_after

    @classmethod
    def because(cls, error: NextframeError) -> Refused:
        """A request that holds a mistake which its client can mend."""
        return cls(422, said(error))

    @property
    def problem(self) -> dict[str, Any]:
        """The answer's body, by RFC 9457.

        >>> Refused(413, "the body is larger than 64 MiB").problem["title"]
        'Request Entity Too Large'
        """
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        headers = {"content-type": "application/problem+json"}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return headers if self.retry_after is None else {**headers, "retry-after": str(self.retry_after)}


NO_ROOM = "the service's disk is full: come again when there is room"
"""Sentence of a request that needs more of it."""


@contextmanager
def room_on_disk() -> Iterator[None]:
    """Hold a full disk to be no defect, and none of the client's.

    Raises:
        Refused: there is no more room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise Refused(507, NO_ROOM, retry_after=60) from error


def said(error: NextframeError) -> str:
    """An error as clients read it: options as a query has them, and files without the folders of this machine.

    >>> from nextframe.errors import DataError
    >>> said(DataError("has three channels", where="/srv/runs/rain", hint="{grey=True} reads them as grey"))
    'rain: has three channels; grey=true reads them as grey'
    """
    return _FOLDERS.sub("", error.render(_in_query))


def _in_query(name: str, value: str | None) -> str:
    return f"{name}={'' if value is None else value.lower() if value in ('True', 'False') else value}"
