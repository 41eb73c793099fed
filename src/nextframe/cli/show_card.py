"""The models that come with the package, for `nextframe inspect --models`, and the card of one of them."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nextframe.report.tables import print_table
from nextframe.runs.shipped import HOME, load_card, shipped


def print_models(console: Console) -> None:
    """Print a line for each shipped model: its name, size, what it forecasts, and its skill."""
    cards = [load_card(name) for name in shipped()]
    for card in cards:
        size = f"{card.parameters:>9,} parameters"
        line = f"{card.name:<{max(len(c.name) for c in cards)}}  {size}  {card.title}; {card.skill_in_short}"
        console.print(line, highlight=False, soft_wrap=True)


def print_card(name: str, console: Console) -> None:
    """Print the card of a shipped model.

    Raises:
        CheckpointError: no model of that name.
    """
    card = load_card(name)
    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_row("forecasts", card.title)
    facts.add_row("trained on", card.data)
    facts.add_row("licence", card.licence)
    facts.add_row("command", Text(card.command))
    facts.add_row("training", card.training)
    facts.add_row("parameters", f"{card.parameters:,}")
    facts.add_row("measured", f"{card.date} on {card.skill.machine}")
    facts.add_row("files", Text(str(HOME / card.name)))
    console.print(Text(card.name, style="bold"), facts, Text(), sep="\n")
    print_table(card.skill, [card.event, "mse"], console=console)
    console.print(*card.verdicts, sep="\n", highlight=False)
    console.print("\nWhat it cannot do", style="bold")
    console.print(*(f"- {limit}" for limit in card.limits), sep="\n", highlight=False)
