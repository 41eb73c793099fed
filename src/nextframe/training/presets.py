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
    "optimizer": "adamw",
    "learning_rate": 3e-3,
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
    "optimizer": "rmsprop",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "gradient_clip": None,
    "train_crop": 24,
    "epochs": 5,
    "batch_size": 8,
}

_PRESETS: dict[tuple[str, str], dict[str, Any]] = {
    ("stacked", "tutorial"): _STACKED_TUTORIAL,
    ("stacked", "default"): _STACKED_DEFAULT,
    ("encoder-decoder", "tutorial"): _ENCODER_DECODER_TUTORIAL,
    ("encoder-decoder", "default"): _ENCODER_DECODER_DEFAULT,
}


def preset_config(model: ModelKind, preset: Preset = "default") -> RunConfig:
    """The configuration of a preset.

    Args:
        model: "stacked" or "encoder-decoder".
        preset: "tutorial", the tutorial's settings to the letter; or "default", our recipe (docs/results/recipes).

    Raises:
        ConfigError: an unknown model or preset.
    """
    if model not in get_args(ModelKind):
        raise ConfigError("unknown model", where="model", expected=" or ".join(get_args(ModelKind)), received=model)
    if preset not in get_args(Preset):
        raise ConfigError("unknown preset", where="preset", expected=" or ".join(get_args(Preset)), received=preset)
    return RunConfig().replace({"model": model, **_PRESETS[model, preset]})
