"""The models that come with the package, for `nextframe inspect --models`, and the card of one of them."""

from __future__ import annotations

from rich.console import Console

from nextframe.report.cards import load_card, model_lines, render_card


def print_models(console: Console) -> None:
    """Print a line for each shipped model: its name, size, what it forecasts, and its skill."""
    for line in model_lines():
        console.print(line, soft_wrap=True)


def print_card(name: str, console: Console) -> None:
    """Print the card of a shipped model.

    Raises:
        CheckpointError: no model of that name.
    """
    console.print(render_card(load_card(name)))
