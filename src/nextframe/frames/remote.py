"""Stores on servers by their addresses (https, s3, gs), through obstore: with time-outs, and retried a few times.

Buckets are read anonymously, but where the environment names keys (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS).
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import PosixPath
from typing import Any

from nextframe.plugins import library

_ADDRESS = re.compile(r"(https?|s3|gs)://.", re.IGNORECASE)
CONNECT, ANSWER = 10, 60
"""Seconds within which a server is to take a connection, and to have answered a request."""
RETRIES = 3
"""Further attempts at a request that failed on its way."""
_KEYS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY"),
}

_opened: set[int] = set()
"""Processes that have opened a store."""


class Remote(PosixPath):
    """An address, which goes where paths go: it counts as a folder that is there, since only opening it can tell.

    >>> str(Remote("https://example.org/radar.zarr")), Remote("s3://bucket/radar.zarr").name
    ('https://example.org/radar.zarr', 'radar.zarr')
    """

    def __str__(self) -> str:
        return super().__str__().replace(":/", "://", 1)

    def absolute(self) -> Remote:
        """The address itself, which no folder comes before."""
        return self

    def exists(self, **_: Any) -> bool:
        """True."""
        return True

    def is_dir(self, **_: Any) -> bool:
        """True."""
        return True

    def is_file(self, **_: Any) -> bool:
        """False."""
        return False


def is_address(name: str) -> bool:
    """True where a name is the address of a server.

    >>> is_address("s3://bucket/radar.zarr"), is_address("squares:size=40"), is_address("C:/data")
    (True, False, False)
    """
    return _ADDRESS.match(name) is not None


def store_at(address: Remote) -> Any:
    """A store for zarr.

    Raises:
        ConfigError: obstore is not installed.
    """
    obstore = library("obstore.store", extra="cloud", where=address)
    again = library("nextframe.frames.asked_again", extra="cloud", where=address)
    url = str(address)
    scheme = url.partition(":")[0].lower()
    keys = _KEYS.get(scheme, ())
    anonymous = {"skip_signature": True} if keys and not any(os.environ.get(key) for key in keys) else {}
    store = obstore.from_url(
        url,
        client_options={"connect_timeout": f"{CONNECT}s", "timeout": f"{ANSWER}s", "allow_http": True},
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=ANSWER)},
        **anonymous,
    )
    _opened.add(os.getpid())
    return again.AskedAgain.of(store, retries=RETRIES, seconds=ANSWER)


def errors() -> tuple[type[Exception], ...]:
    """Errors of a server, where the library that raises them is loaded."""
    import sys

    module = sys.modules.get("obstore.exceptions")
    return () if module is None else (module.BaseError,)


def in_use() -> bool:
    """True where this process has opened a store: its threads do not live on in a process that is forked from it."""
    return os.getpid() in _opened
