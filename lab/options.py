"""Options of a task, read from what follows its name."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Collection, Iterable


def parser(task: str, description: str | None) -> ArgumentParser:
    """A parser that calls the program `python -m lab TASK` and shows a module's docstring as its help."""
    return ArgumentParser(
        prog=f"python -m lab {task}", description=description, formatter_class=RawDescriptionHelpFormatter
    )


def wanted(options: ArgumentParser, only: Iterable[str] | None, there: Collection[str], *, kind: str) -> list[str]:
    """Names that were asked for, by default all; one that is not there ends the program with a sentence.

    Args:
        options: parser of the task.
        only: names that were given, if any.
        there: all names.
        kind: what they are names of.
    """
    names = list(there if only is None else only)
    unknown = set(names) - set(there)
    if unknown:
        options.error(f"no {kind} {', '.join(sorted(unknown))}; there are {', '.join(there)}")
    return names
