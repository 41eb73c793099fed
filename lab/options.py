"""Options of a task, read from what follows its name."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter


def parser(task: str, description: str | None) -> ArgumentParser:
    """A parser that calls the program `python -m lab TASK` and shows a module's docstring as its help."""
    return ArgumentParser(
        prog=f"python -m lab {task}", description=description, formatter_class=RawDescriptionHelpFormatter
    )
