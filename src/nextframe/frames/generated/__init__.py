"""Sources that are drawn as they are read: moving squares, moving digits, clips."""

from __future__ import annotations

from nextframe.plugins import Late

GENERATED = {
    "squares": Late("nextframe.frames.generated.squares:MovingSquares"),
    "moving-mnist": Late("nextframe.frames.generated.moving_digits:MovingDigits"),
    "clips": Late("nextframe.frames.generated.clips:MovingClips"),
}
"""Generated sources by their names; the fields of their classes are options ("squares:movies=20,seed=1")."""
