"""Options as the command line writes them."""

from __future__ import annotations

import shlex
import sys

_CALLED = {"source": "input"}
"""Options that the command line has under another name than Python."""


def on_command_line(name: str, value: str | None = None) -> str:
    """An option, and a value that it is to have: `--missing mask`.

    >>> on_command_line("missing", "mask"), on_command_line("resume", "True"), on_command_line("rain_unit")
    ('--missing mask', '--resume', '--rain-unit')
    """
    option = f"--{_CALLED.get(name, name).strip('_').replace('_', '-')}"
    return option if value in (None, "True") else f"{option} {shlex.quote(str(value))}"


def command_line() -> str:
    """The program's own command line, which is kept with the scores that it makes."""
    return shlex.join(["nextframe", *sys.argv[1:]])
