"""`python -m lab TASK [OPTIONS]`, from the repository's root: what measures the package, and writes the pages."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence

from cyclopts import CycloptsError

from lab.tasks import SECTIONS, TASKS
from nextframe.cli.face import on_command_line
from nextframe.errors import NextframeError


def overview() -> str:
    """All tasks, with a clause each."""
    width = max(map(len, TASKS))
    lines = ["Usage: python -m lab TASK [OPTIONS]   (python -m lab TASK --help lists the options of one)"]
    for title, tasks in SECTIONS:
        lines += ["", f"{title}:", *(f"  {task.name:{width}}  {task.does}" for task in tasks)]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a task and return the exit code: 2 for a mistake that the user can mend, told in one sentence."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("--help", "-h"):
        print(overview())
        return 0
    name, *options = given
    if name not in TASKS:
        similar = difflib.get_close_matches(name, TASKS, n=1)
        hint = f"did you mean {similar[0]}?" if similar else "python -m lab --help lists them"
        print(f"lab: no task {name!r}; {hint}", file=sys.stderr)
        return 2
    try:
        TASKS[name].main(options)
    except (CycloptsError, NextframeError) as error:
        text = error.render(on_command_line) if isinstance(error, NextframeError) else str(error)
        print(f"lab: {' '.join(text.split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
