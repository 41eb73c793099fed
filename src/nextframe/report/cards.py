"""Model cards: what is known of the trained models that come with the package, as data and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nextframe.errors import CheckpointError
from nextframe.report.tables import score_tables
from nextframe.runs.shipped import CARD, HOME, card_content, shipped
from nextframe.verification.result import Verification
from nextframe.verification.titles import heading, mean, number
from nextframe.words import count


@dataclass(frozen=True, kw_only=True)
class Card:
    """Facts of a shipped model, and its scores."""

    name: str
    """Its name, and that of its folder."""
    title: str
    """What it forecasts, in a few words."""
    data: str
    """What it was trained on, in words."""
    licence: str
    """Licence of the data and of the weights, and whom to credit."""
    command: str
    """The command that trained it."""
    recipe: Mapping[str, Mapping[str, Any]]
    """The resolved configuration of its training."""
    parameters: int
    """Number of trained parameters, of all members."""
    epochs: int
    """Epochs of its training; of each member."""
    seconds: int
    """Seconds that the epochs took, of all members, on a machine that did other work besides."""
    held_out: str | None
    """A source of generated frames that no training saw; None where the test part of its own data is held out."""
    skill: Verification
    """Scores on the held-out frames, beside baselines: CSI at each threshold, or PSNR and SSIM of videos, and MSE."""
    sample: Mapping[str, Sequence[float]]
    """Its own scores on `sample_windows` windows of these frames, evenly spread: metric -> a value by lead time."""
    sample_windows: int
    """Number of windows of the sample."""
    verdicts: Sequence[str]
    """In words, up to which lead time it beats the baselines and where it loses."""
    limits: Sequence[str]
    """What it cannot do, a sentence each."""
    date: str
    """When it was measured and put here."""

    @property
    def headline(self) -> str:
        """The metric that leads: of the first threshold ("csi_0.5"), or "psnr" of videos, which have no events."""
        return f"csi_{self.skill.thresholds[0]:g}" if self.skill.thresholds else "psnr"

    @property
    def training(self) -> str:
        """Length of its training, in words."""
        return f"{count(self.epochs, 'epoch')} in {self.seconds} s, other programs beside it"

    @property
    def skill_in_short(self) -> str:
        """The mean of the leading score over all lead times, beside that of the baselines."""
        (name, own), *others = ((name, number(mean(s[self.headline]))) for name, s in self.skill.scores.items())
        what = heading(self.headline, self.skill.units)
        beside = ", ".join(f"{other} {value}" for other, value in others)
        return f"{what}, mean of {len(self.skill.lead_time)} lead times: {name} {own} ({beside})"


def load_card(name: str) -> Card:
    """The card of a shipped model.

    Raises:
        CheckpointError: no model of that name, or a damaged card.
    """
    content = card_content(name)
    try:
        return Card(**{**content, "skill": Verification(**content["skill"])})
    except (TypeError, KeyError) as error:
        where = HOME / name / CARD
        raise CheckpointError("cannot be read", where=where, received=error, hint="install nextframe again") from error


def model_lines() -> list[Text]:
    """A line for each shipped model: its name, size, what it forecasts, and its skill."""
    cards = [load_card(name) for name in shipped()]
    width = max(len(card.name) for card in cards)
    return [
        Text(f"{card.name:<{width}}  {card.parameters:>9,} parameters  {card.title}; {card.skill_in_short}")
        for card in cards
    ]


def render_card(card: Card) -> RenderableType:
    """A whole card, for rich's console: facts, scores, where the model wins and loses, and what it cannot do."""
    facts = Table(show_header=False, box=None, pad_edge=False)
    for name, fact in (
        ("forecasts", card.title),
        ("trained on", card.data),
        ("licence", card.licence),
        ("command", card.command),
        ("training", card.training),
        ("parameters", f"{card.parameters:,}"),
        ("measured", f"{card.date} on {card.skill.machine}"),
        ("files", str(HOME / card.name)),
    ):
        facts.add_row(name, Text(fact))
    return Group(
        Text(card.name, style="bold"),
        facts,
        Text(),
        score_tables(card.skill, [card.headline, "mse"]),
        *map(Text, card.verdicts),
        Text("\nWhat it cannot do", style="bold"),
        *(Text(f"- {limit}") for limit in card.limits),
    )
