"""Trained models that come with the package, by name, and the model card of each.

A shipped model is a run folder beside this file, without what only training needs, and with `card.json`: what it was
trained on, by which command, how good it is on frames that no training saw, and what it cannot do.
`benchmarks/ship.py` puts it there.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextframe.errors import CheckpointError
from nextframe.report.tables import mean, number, title
from nextframe.verification.result import Verification

HOME = Path(__file__).parent.parent / "weights"
CARD = "card.json"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is known of a shipped model."""

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
    """Scores on the held-out frames, beside baselines: CSI at each threshold, and MSE."""
    sample: Mapping[str, Sequence[float]]
    """Its own scores on `sample_windows` windows of these frames, evenly spread: metric -> a value by lead time."""
    sample_windows: int
    """How many windows the sample has."""
    verdicts: Sequence[str]
    """In words, up to which lead time it beats the baselines and where it loses."""
    limits: Sequence[str]
    """What it cannot do, a sentence each."""
    date: str
    """When it was measured and put here."""

    @property
    def event(self) -> str:
        """The metric of the first threshold: "csi_0.5"."""
        return f"csi_{self.skill.thresholds[0]:g}"

    @property
    def training(self) -> str:
        """How long it was trained, in words."""
        return f"{self.epochs} epoch{'s' if self.epochs > 1 else ''} in {self.seconds} s, other programs beside it"

    @property
    def skill_in_short(self) -> str:
        """The mean CSI over all lead times, beside that of the baselines."""
        (name, own), *others = ((name, number(mean(s[self.event]))) for name, s in self.skill.scores.items())
        what = title(self.event, self.skill.units).rpartition(" ")[0]
        beside = ", ".join(f"{other} {value}" for other, value in others)
        return f"{what}, mean of {len(self.skill.lead_time)} lead times: {name} {own} ({beside})"


def shipped() -> tuple[str, ...]:
    """Names of the models that come with the package, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in HOME.glob(f"*/{CARD}")))


def shipped_name(run: str | Path) -> str | None:
    """The name of the shipped model that `run` names; None where it names a folder, which goes first, or no model."""
    name = Path(run).name
    return name if str(Path(run)) == name and name in shipped() and not Path(run).is_dir() else None


def find_run(run: str | Path) -> Path:
    """The folder of a run: `run` itself, or that of the shipped model of this name where no such folder is there.

    Raises:
        CheckpointError: a plain name that is neither a folder nor a shipped model.
    """
    name = shipped_name(run)
    if name is not None:
        return HOME / name
    path = Path(run)
    if path.is_dir() or str(path) != path.name:
        return path
    raise CheckpointError("is neither a run folder nor a shipped model", where=run, hint=_which(path.name))


def nearest(name: str) -> str | None:
    """The shipped model whose name comes near to this one; None where none does."""
    similar = difflib.get_close_matches(name, shipped(), n=1)
    return similar[0] if similar else None


def load_card(name: str) -> Card:
    """The card of a shipped model.

    Raises:
        CheckpointError: no model of that name, or a damaged card.
    """
    if name not in shipped():
        raise CheckpointError("is no shipped model", where=name, hint=_which(name))
    path = HOME / name / CARD
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Card(**{**content, "skill": Verification(**content["skill"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError("cannot be read", where=path, received=error, hint="install nextframe again") from error


def _which(name: str) -> str:
    """What to do where nothing has this name."""
    near = nearest(name)
    asked = f"did you mean {near!r}? " if near else ""
    return f"{asked}shipped with nextframe: {', '.join(shipped()) or 'none'}; or name the folder of a run of your own"
