"""End by SIGTERM: the exit code, and work that is finished before it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TERMINATED = 128 + signal.SIGTERM
"""Exit code after SIGTERM."""


@contextmanager
def until_terminated() -> Iterator[threading.Event]:
    """An event that the first SIGTERM sets; the second one ends the program at once.

    Raises:
        SystemExit: at the end, with the code `TERMINATED`, where it was set.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield stop
        return
    before = signal.getsignal(signal.SIGTERM)

    def wish(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, before)
        stop.set()

    signal.signal(signal.SIGTERM, wish)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
    if stop.is_set():
        raise SystemExit(TERMINATED)
