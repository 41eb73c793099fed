"""Presets: the tutorial's recipes, and ours. A preset is a set of options that the user's own options override."""

from __future__ import annotations

from typing import Any, Literal, get_args

from nextframe.config import ModelKind, RunConfig
from nextframe.errors import ConfigError

Preset = Literal["default", "tutorial"]

# The tutorial trains on movies of 16 frames, 15 in and 15 out, shifted by one: the first 7 and the 9 after them.
_STACKED_TUTORIAL: dict[str, Any] = {
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

_ENCODER_DECODER_TUTORIAL: dict[str, Any] = {
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

_STACKED_DEFAULT: dict[str, Any] = {
    "data": "squares:movies=2000,frames=15",
    "past": 7,
    "future": 8,
    "validation": 0.1,
    "test": 0.1,
    "filters": (40, 40, 40),
    "norm": "layer",
    "temporal_padding": "causal",
    "optimizer": "muon",
    "learning_rate": 1e-2,
    "schedule": "one-cycle",
    "gradient_clip": 1.0,
    "min_seen": 2,
    "train_crop": 24,
    "epochs": 5,
    "batch_size": 10,
}

_ENCODER_DECODER_DEFAULT: dict[str, Any] = {
    "data": "squares:movies=2000,frames=20",
    "past": 10,
    "future": 10,
    "validation": 0.1,
    "test": 0.1,
    "filters": (128,),
    "norm": "layer",
    "optimizer": "muon",
    "learning_rate": 1e-2,
    "schedule": "one-cycle",
    "gradient_clip": 1.0,
    "train_crop": 24,
    "epochs": 5,
    "batch_size": 8,
}

PRESETS: dict[tuple[ModelKind, Preset], dict[str, Any]] = {
    ("stacked", "tutorial"): _STACKED_TUTORIAL,
    ("stacked", "default"): _STACKED_DEFAULT,
    ("encoder-decoder", "tutorial"): _ENCODER_DECODER_TUTORIAL,
    ("encoder-decoder", "default"): _ENCODER_DECODER_DEFAULT,
    ("convgru", "default"): {**_STACKED_DEFAULT, "filters": (46, 46, 46)},
    ("trajgru", "default"): {**_STACKED_DEFAULT, "filters": (35, 35, 35)},
    ("predrnn", "default"): {**_STACKED_DEFAULT, "filters": (27, 27, 27)},
    ("multiscale", "default"): {**_STACKED_DEFAULT, "filters": (20, 27, 33)},
    ("simvp", "default"): {**_STACKED_DEFAULT, "filters": (16, 16), "min_seen": 1},
}
"""The options of each preset, by model and name."""


def preset_config(model: ModelKind, preset: Preset = "default") -> RunConfig:
    """The configuration of a preset.

    Args:
        model: one of `ModelKind`; all but "stacked" and "encoder-decoder" have the default preset only.
        preset: "tutorial", the tutorial's settings to the letter; or "default", our recipe (docs/results/recipes).

    Raises:
        ConfigError: an unknown model or preset, or a preset that the model does not have.
    """
    if model not in get_args(ModelKind):
        raise ConfigError("unknown model", where="model", expected=" or ".join(get_args(ModelKind)), received=model)
    if preset not in get_args(Preset):
        raise ConfigError("unknown preset", where="preset", expected=" or ".join(get_args(Preset)), received=preset)
    if (model, preset) not in PRESETS:
        raise ConfigError(
            f"does not exist for model={model!r}", where=f"preset={preset!r}", hint="use {preset=default}"
        )
    return RunConfig().replace({"model": model, **PRESETS[model, preset]})
