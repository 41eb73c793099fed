"""A store of zarr on a server, whose answers that break off are asked for again.

obstore repeats requests that are refused or not answered. An answer that breaks off in its middle it goes on with only
where the server names the version of what it sends (ETag), which a plain web server does not.
"""

from __future__ import annotations

import atexit
import time
from typing import TYPE_CHECKING

from obstore.exceptions import GenericError
from zarr.storage import ObjectStore

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Obstore
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

_REPEATED = "max_retries"
"""What obstore says of a request that it has repeated itself."""
_LONGEST, _PAUSE = 5.0, 0.05
"""Seconds that the end of the program waits for answers at most, and that a thread has to leave Python."""

_asked: list[str] = []
"""Keys whose answers are on their way."""


class AskedAgain(ObjectStore["Obstore"]):
    """A store that asks a bounded number of times, and no more once an answer may no longer take."""

    retries = 0
    """Further attempts."""
    seconds = 0.0
    """No attempt begins later than this after the first one."""

    @classmethod
    def of(cls, store: Obstore, *, retries: int, seconds: float) -> AskedAgain:
        """A store to read from."""
        made = cls(store, read_only=True)
        made.retries, made.seconds = retries, seconds
        return made

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """The bytes of a key, whole."""
        begun = time.monotonic()
        left = self.retries
        _asked.append(key)
        try:
            while True:
                try:
                    return await super().get(key, prototype, byte_range)
                except GenericError as error:
                    if not left or _REPEATED in str(error) or time.monotonic() - begun > self.seconds:
                        raise
                    left -= 1
        finally:
            _asked.remove(key)


@atexit.register
def _settle() -> None:
    """Wait for answers that are on their way when one of several has failed: obstore's threads, which bring them, end
    a program with a fault where Python has gone before them.
    """
    if not _asked:
        return
    end = time.monotonic() + _LONGEST
    while _asked and time.monotonic() < end:
        time.sleep(_PAUSE)
    time.sleep(_PAUSE)
