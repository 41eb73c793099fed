"""Who is measured by the time that a training takes to a quality: the tutorial's recipes, ours, and Keras' own run.

Imports nothing that imports torch: Keras' process reads it, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

HELD_OUT_SEED = 1000
"""Seed of the movies that quality is measured on; no training has seen them, and no search but that of steps."""
TRAINING_SEED = 1
"""Seed of the movies trained on."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is to be reached, on which movies."""

    name: str
    """What tables call it."""
    model: str
    """Architecture."""
    options: Mapping[str, Any]
    """What is part of the architecture, whatever the recipe."""
    past: int
    """Frames seen before a free rollout."""
    frames: int
    """Frames of a movie T; the rest after the past is forecast."""
    loss: float | None
    """Mean binary cross-entropy of the forecasts whose inputs are true frames, to be reached."""
    csi: tuple[float, ...]
    """CSI at 0.5 of the free rollout, averaged over lead times, to be reached; none where no rollout is measured."""


SAME = Goal(
    name="stacked, 'same' padding",
    model="stacked",
    options={"temporal_padding": "same", "norm": "batch"},
    past=7,
    frames=16,
    loss=7.3238e-4,
    csi=(),
)
CAUSAL = Goal(
    name="stacked, causal",
    model="stacked",
    options={"temporal_padding": "causal"},
    past=7,
    frames=15,
    loss=None,
    csi=(0.90, 0.95, 0.98),
)
ENCODER_DECODER = Goal(
    name="encoder-decoder", model="encoder-decoder", options={}, past=10, frames=20, loss=1e-4, csi=(0.90, 0.95, 0.98)
)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A recipe, trained for so many steps towards a goal."""

    name: str
    """What the option `--trials` calls it."""
    goal: Goal
    """What it is to reach."""
    recipe: str
    """What tables call it."""
    steps: int
    """Optimiser steps, at most."""
    preset: Literal["default", "tutorial"] = "default"
    """The options that it starts from."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Options that differ from the preset's."""
    movies: int | None = None
    """Movies trained on, again and again; None for new ones in every step."""
    longest: float = 1800.0
    """Seconds of training after which it is stopped."""
    keras: bool = False
    """Whether Keras on TensorFlow trains it, with the tutorial's recipe."""
    checks: int = 10
    """How often quality is measured on the way, the clock stopped."""

    @property
    def points(self) -> list[int]:
        """Steps after which quality is measured, evenly spread, the last step among them."""
        return sorted({math.ceil(self.steps * n / self.checks) for n in range(1, self.checks + 1)})


def _seeds(trial: Trial) -> tuple[Trial, ...]:
    """A trial with the seeds 0, 1 and 2 of weights, order and cuts: for marks that it reaches by little."""
    others = (replace(trial, name=f"{trial.name}-seed-{n}", changes={**trial.changes, "seed": n}) for n in (1, 2))
    return (trial, *others)


_TUTORIAL: dict[str, Any] = {"preset": "tutorial", "recipe": "the tutorial's"}

TRIALS: tuple[Trial, ...] = (
    Trial(name="same", goal=SAME, recipe="ours", steps=350, changes={"min_seen": 1}),
    Trial(name="same-tutorial", goal=SAME, steps=475, movies=950, checks=5, **_TUTORIAL),
    *_seeds(Trial(name="causal-short", goal=CAUSAL, recipe="ours, short", steps=400)),
    *_seeds(Trial(name="causal", goal=CAUSAL, recipe="ours", steps=1250)),
    Trial(name="causal-long", goal=CAUSAL, recipe="ours, long", steps=6000, longest=2700),
    Trial(name="causal-tutorial", goal=CAUSAL, steps=475, movies=950, checks=5, **_TUTORIAL),
    Trial(
        name="causal-keras",
        goal=CAUSAL,
        recipe="the tutorial's, in Keras",
        preset="tutorial",
        steps=475,
        movies=950,
        checks=5,
        keras=True,
    ),
    Trial(name="encoder-decoder", goal=ENCODER_DECODER, recipe="ours", steps=1700),
    Trial(name="encoder-decoder-long", goal=ENCODER_DECODER, recipe="ours, long", steps=4500, longest=2700),
    Trial(
        name="encoder-decoder-tutorial",
        goal=ENCODER_DECODER,
        steps=2500,
        movies=1000,
        longest=900,
        **_TUTORIAL,
    ),
)
"""What `python -m lab quality` measures."""
