"""The command line: it reads options, calls `nextframe.api`, and prints. It computes nothing itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from nextframe.cli.ending import never_lost

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code, as `nextframe.cli.program.main` does; Ctrl-C is heard while that
    is still being imported, too.

    Args:
        arguments: what follows the program's name; by default the process's own.
    """
    try:
        with never_lost():
            from nextframe.cli import program

            return program.main(arguments)
    except KeyboardInterrupt:
        print("nextframe: interrupted", file=sys.stderr)
        return 130
