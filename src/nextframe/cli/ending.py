"""End by SIGTERM: the exit code, and work that is finished before it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TERMINATED = 128 + signal.SIGTERM
"""Exit code after SIGTERM."""
_MOMENT = 0.05


@contextmanager
def never_lost() -> Iterator[None]:
    """Signals that end the program, which reach it at any moment.

    Python drops what is raised where nothing can take it, such as in the callback of a weak reference, of which each
    import has some. The signal that it was raised for is then sent once more.
    """
    before = sys.unraisablehook
    main = threading.main_thread().ident

    def note(dropped: sys.UnraisableHookArgs) -> None:
        error = dropped.exc_value
        if isinstance(error, KeyboardInterrupt):
            number = signal.SIGINT
        elif isinstance(error, SystemExit) and error.code == TERMINATED:
            number = signal.SIGTERM
        else:
            before(dropped)
            return
        assert main is not None
        threading.Timer(_MOMENT, signal.pthread_kill, (main, number)).start()  # by then this callback has ended

    sys.unraisablehook = note
    try:
        yield
    finally:
        sys.unraisablehook = before


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
