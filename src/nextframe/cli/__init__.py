"""The command line: it reads options, calls `nextframe.api`, and prints. It computes nothing itself."""

from __future__ import annotations

from nextframe.cli.program import main

__all__ = ["main"]
