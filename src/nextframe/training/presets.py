"""Presets: the tutorial's recipes, the Keras example's of today, and ours.

A preset is a set of options that the user's own options override.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from nextframe.architectures import OF_THE_PACKAGE, OPTIONS, architecture, names
from nextframe.config import RunConfig
from nextframe.errors import ConfigError

Preset = Literal["default", "tutorial", "keras-2021"]

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

# The example as it is since 2021: the 19 frames before the last are read, and each is followed by the next. It lowers
# its learning rate where the validation loss stays, for which there is no schedule here.
_KERAS_2021: Mapping[str, Any] = {
    "data": "moving-mnist:movies=1000,frames=20",
    "past": 10,
    "future": 10,
    "validation": 0.1,
    "test": 0.0,
    "filters": (64, 64, 64),
    "kernel_size": (5, 3, 1),
    "norm": "batch",
    "norm_last": False,
    "cell_activation": "relu",
    "temporal_padding": "same",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "gradient_clip": None,
    "epochs": 20,
    "batch_size": 5,
    "patience": 10,
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

LETTER: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "tutorial": {"stacked": _STACKED_TUTORIAL, "encoder-decoder": _ENCODER_DECODER_TUTORIAL},
    "keras-2021": {"stacked": _KERAS_2021},
}
"""Presets that follow others to the letter: by preset and architecture."""


def presets() -> list[tuple[str, Preset]]:
    """Every architecture with each of its presets."""
    rows: list[tuple[str, Preset]] = [(name, "default") for name in names()]
    return rows + [(model, preset) for preset in get_args(Preset) for model in LETTER.get(preset, ())]


def preset_config(model: str, preset: Preset = "default") -> RunConfig:
    """The configuration of a preset.

    Args:
        model: name of an architecture; all but "stacked" and "encoder-decoder" have the default preset only.
        preset: "default", our recipe (docs/results/recipes); "tutorial", the tutorial's settings to the letter, after
            the Keras example on moving squares; or "keras-2021", that example as it is since 2021, on Moving MNIST
            ("stacked" alone).

    Raises:
        ConfigError: an unknown model or preset, or a preset that the model does not have.
    """
    row = architecture(model)
    if preset not in get_args(Preset):
        raise ConfigError("unknown preset", where="preset", expected=" or ".join(get_args(Preset)), received=preset)
    if preset in LETTER:
        if model not in LETTER[preset]:
            raise ConfigError(
                f"does not exist for model={model!r}", where=f"preset={preset!r}", hint="use {preset=default}"
            )
        return RunConfig().replace({"model": model, **LETTER[preset][model]})
    taken = {
        name: value
        for name, value in RECIPE.items()
        if (name not in OPTIONS or name in {"past", "future"} | row.takes) and not (row.own and name in OF_THE_PACKAGE)
    }
    return RunConfig().replace({"model": model, "filters": row.filters, **taken, **row.recipe})
