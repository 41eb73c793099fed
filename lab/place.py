"""Where things are in the repository, and how the laboratory names and starts itself."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The repository."""
SOURCE = ROOT / "src"
"""The package's source."""
RESULTS = ROOT / "lab" / "results"
"""What was measured, as JSON, and pictures of it."""
DOCS = ROOT / "docs"
"""The pages."""


def this_command() -> str:
    """The command that runs now, as results and pages name it: `python -m lab training --steps 3`."""
    return shlex.join(["python", "-m", "lab", *sys.argv[1:]])


def environment(*, bare: bool = False) -> dict[str, str]:
    """Variables of a process that imports the laboratory, in whatever folder it is started.

    Args:
        bare: for an interpreter that has no nextframe installed: it takes this one's source, of which it imports no
            torch.
    """
    before = os.environ.get("PYTHONPATH", "")
    places = [str(SOURCE), str(ROOT)] if bare else [str(ROOT), *filter(None, [before])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
