"""Watch over the opening of a path: nothing in the library, a sentence where a face has a way to say it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar

Watch = Callable[[str], AbstractContextManager[None]]
"""Context around the opening of a path, made from the path's name."""

watch: ContextVar[Watch] = ContextVar("watch", default=lambda name: nullcontext())
"""Watch over what `open_source` opens; a face sets its own."""
