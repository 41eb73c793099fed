"""Presets: the tutorial's recipes, and ours. A preset is a set of options that the user's own options override."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from nextframe.architectures import OPTIONS, architecture, names
from nextframe.config import RunConfig
from nextframe.errors import ConfigError

Preset = Literal["default", "tutorial"]

# The tutorial trains on movies of 16 frames, 15 in and 15 out, shifted by one: the first 7 and the 9 after them.
_STACKED_TUTORIAL: Mapping[str, Any] = {
    "data": "squares:movies=1000,frames=16",
    "past": 7,
    "future": 9,
    "validation": 0.05,
    "test": 0.0,
    "filters": (40, 40, 40),
    "norm": "batch",
    "temporal_padding": "same",
    "optimizer": "adadelta",
    "learning_rate": 1.0,
    "schedule": "constant",
    "gradient_clip": None,
    "epochs": 5,
    "batch_size": 10,
}

_ENCODER_DECODER_TUTORIAL: Mapping[str, Any] = {
    "data": "squares:movies=1050,frames=20",
    "past": 10,
    "future": 10,
    "validation": 50 / 1050,
    "test": 0.0,
    "filters": (128,),
    "norm": "batch",
    "optimizer": "rmsprop",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "gradient_clip": None,
    "epochs": 20,
    "batch_size": 8,
}

RECIPE: Mapping[str, Any] = {
    "data": "squares:movies=2000,frames=15",
    "past": 7,
    "future": 8,
    "validation": 0.1,
    "test": 0.1,
    "norm": "layer",
    "temporal_padding": "causal",
    "optimizer": "muon",
    "learning_rate": 1e-2,
    "schedule": "one-cycle",
    "gradient_clip": 1.0,
    "min_seen": 2,
    "train_crop": 24,
    "minutes": 5.0,
    "batch_size": 10,
}
"""The default preset of every architecture, but for its filters and what its row says otherwise; an option that it does
not take is left out."""

TUTORIAL: Mapping[str, Mapping[str, Any]] = {
    "stacked": _STACKED_TUTORIAL,
    "encoder-decoder": _ENCODER_DECODER_TUTORIAL,
}
"""The tutorial's settings to the letter, for the architectures that it has."""


def presets() -> list[tuple[str, Preset]]:
    """Every architecture with each of its presets."""
    rows: list[tuple[str, Preset]] = [(name, "default") for name in names()]
    return rows + [(name, "tutorial") for name in TUTORIAL]


def preset_config(model: str, preset: Preset = "default") -> RunConfig:
    """The configuration of a preset.

    Args:
        model: name of an architecture; all but "stacked" and "encoder-decoder" have the default preset only.
        preset: "tutorial", the tutorial's settings to the letter; or "default", our recipe (docs/results/recipes).

    Raises:
        ConfigError: an unknown model or preset, or a preset that the model does not have.
    """
    row = architecture(model)
    if preset not in get_args(Preset):
        raise ConfigError("unknown preset", where="preset", expected=" or ".join(get_args(Preset)), received=preset)
    if preset == "tutorial":
        if model not in TUTORIAL:
            raise ConfigError(
                f"does not exist for model={model!r}", where=f"preset={preset!r}", hint="use {preset=default}"
            )
        return RunConfig().replace({"model": model, **TUTORIAL[model]})
    taken = {
        name: value for name, value in RECIPE.items() if name not in OPTIONS or name in {"past", "future"} | row.takes
    }
    return RunConfig().replace({"model": model, "filters": row.filters, **taken, **row.recipe})
