"""Trained models that come with the package, by name.

A shipped model is a run folder in `weights`, without what only training needs, and with `card.json`: what it was
trained on, by which command, how good it is on frames that no training saw, and what it cannot do (`report.cards`).
`python -m lab ship` puts it there.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextframe.errors import CheckpointError

HOME = Path(__file__).parent.parent / "weights"
CARD = "card.json"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Frames and thresholds that a shipped model was measured with, as its card states them."""

    held_out: str | None
    """Source of generated frames that no training saw; None where the test part of its own data is held out."""
    thresholds: tuple[float, ...]
    """Thresholds of its scores, in source units."""


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


def card_content(name: str) -> dict[str, Any]:
    """The card of a shipped model as plain values.

    Raises:
        CheckpointError: no model of that name, or a damaged card.
    """
    if name not in shipped():
        raise CheckpointError("is no shipped model", where=name, hint=_which(name))
    path = HOME / name / CARD
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError("cannot be read", where=path, received=error, hint="install nextframe again") from error
    return content


def measured(name: str) -> Measured:
    """Frames and thresholds that a shipped model was measured with; errors of `card_content`.

    >>> measured("radar-rain").thresholds
    (0.2, 1.0, 3.0)
    """
    content = card_content(name)
    return Measured(held_out=content["held_out"], thresholds=tuple(content["skill"]["thresholds"]))


def _which(name: str) -> str:
    """Advice where nothing has this name."""
    near = nearest(name)
    asked = f"did you mean {near!r}? " if near else ""
    return f"{asked}shipped with nextframe: {', '.join(shipped()) or 'none'}; or name the folder of a run of your own"
