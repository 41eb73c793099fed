"""Start of a training from a model that is there: one that comes with the package, or a run folder of one's own.

Weights, recipe and normalisation are those of that model. What belongs to its frames alone (where they lie, how they
are cut and divided) is not taken over to other frames.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nextframe.config import Coordinates, DataConfig, ModelConfig, RunConfig
from nextframe.data.door import Door
from nextframe.data.hindcast import held_to_hindcasts
from nextframe.data.motion import Motion
from nextframe.data.simple import Model
from nextframe.data.statistics import FrameStatistics
from nextframe.engine import subnormals_are_zero
from nextframe.errors import CheckpointError, ConfigError, DataError
from nextframe.frames.sequence import FloatArray, FrameSource
from nextframe.frames.units import same_unit
from nextframe.models.network import Network
from nextframe.models.own import built, home_of
from nextframe.models.rollout import rollout
from nextframe.runs.folder import load_config, load_model, member_folders
from nextframe.runs.manifest import MANIFEST, Manifest, read_manifest
from nextframe.runs.shipped import find_run

OF_THE_MODEL = (
    *("past", "future", "coordinates", "edges", "normalisation", "static"),
    *("covariates", "future_covariates"),
    *("rain_unit", "coarsen", "grey", "missing"),
)
"""Options of the data section that are the model's: what it reads, in which unit and on which grid."""
OF_THE_DOOR = ("edges", "normalisation", "mask", "static", "covariates", "future_covariates")
"""Options of the data section that tell what a network reads of the frames."""
OF_THE_RECIPE = (
    *("optimizer", "weight_decay", "schedule", "gradient_clip", "loss", "loss_in", "loss_scale", "min_seen"),
    *("scheduled_sampling", "rollout_training", "batch_size", "train_crop", "augment"),
)
"""Options of the training section that are the model's recipe, but for the learning rate."""
LEARNING_RATE = 0.3
"""Learning rate, as a share of that which the model was trained with."""
MINUTES = 1.0
"""Budget of such a training where nothing else is said."""
_OUTSIDE = 0.05  # of a sigmoid's range 0..1


def tuned(start: str, model: str | None, options: Mapping[str, Any]) -> RunConfig:
    """The configuration of a training that starts from a model: its own, with some options changed.

    Args:
        start: run folder, or name of a shipped model.
        model: architecture, where one is named; it has to be that of the model.
        options: fields of the configuration by their names.

    Raises:
        CheckpointError: no such run, or one without weights.
        ConfigError: options that describe another network, or that do not make sense.
    """
    folder = find_run(start)
    if not (folder / "config.yaml").is_file():
        raise CheckpointError("holds no run", where=start, hint="name a run folder or a shipped model to start {from_}")
    base = load_config(folder / "config.yaml")
    asked = {"model": model, **options} if model is not None else dict(options)
    _hold_architecture(start, base, asked)
    data = base.data
    if "data" in options:
        blocks = () if "coarsen" in options else ("resolution",)  # two ways to say the same
        data = DataConfig(**{name: getattr(data, name) for name in (*OF_THE_MODEL, *blocks)})
    rate = LEARNING_RATE * base.training.learning_rate
    training = replace(base.training, from_=start, learning_rate=rate, minutes=MINUTES, patience=None)
    return RunConfig(data=data, model=base.model, training=training).replace({**asked, "from_": start})


def options_of(start: str) -> dict[str, Any]:
    """Options of a training that starts from a model, whose lengths of windows and budget are left open."""
    config = tuned(start, None, {})
    sections = (
        (config.model, [field.name for field in fields(ModelConfig) if field.name != "model"]),
        (
            config.data,
            OF_THE_DOOR,
        ),
    )
    options = {name: getattr(section, name) for section, names in sections for name in names}
    recipe = {name: getattr(config.training, name) for name in ("from_", "learning_rate", *OF_THE_RECIPE)}
    return {**options, **recipe}


def excludes(start: str, config: RunConfig, given: Collection[str]) -> list[str]:
    """Options that were asked for and that are those of another training than one that starts from a model: another
    network, another reading of the frames, another loss, members that are to differ.
    """
    own = tuned(start, None, {})
    asked = [field.name for field in fields(ModelConfig) if field.name in given or field.name == "model"]
    sections = (
        ("model", asked),
        ("data", [name for name in OF_THE_DOOR if name in given]),
        ("training", [name for name in ("loss", "members") if name in given]),
    )
    return [
        name
        for section, names in sections
        for name in names
        if getattr(getattr(config, section), name) != getattr(getattr(own, section), name)
    ]


def model_of(start: str, coordinates: Coordinates) -> Model:
    """Forecasts of a model to start from, as it is, but in other coordinates perhaps."""
    network, manifest = load_model(_folder(start, 0))
    edges = manifest.config.data.edges
    door = Door(
        manifest.normaliser,
        coordinates=coordinates,
        edges=edges,
        limits=manifest.bounds,
        mask=manifest.mask,
        shrinkage=manifest.shrinkage,
    )

    def along_motion(past: FloatArray, lead_times: int) -> tuple[FloatArray, list[Motion | None]]:
        (movie,) = past
        motion = door.motion(movie)
        frames, _ = door.enter(door.align(movie, len(movie), motion))
        with torch.inference_mode(), subnormals_are_zero():
            said = door.leave(rollout(network, frames[None], lead_times)[0])
        return door.move_on(said, movie[-1], motion)[None, None], [motion]

    def forecast(past: FloatArray, lead_times: int) -> FloatArray:
        if door.proves:
            ((moved,),) = held_to_hindcasts(past[None], lead_times, along_motion)
        else:
            ((moved,),) = along_motion(past[None], lead_times)[0]
        held: FloatArray = door.hold(moved[None], past[None])[0]
        return held

    return forecast


def for_module(module: nn.Module, options: Mapping[str, Any]) -> tuple[nn.Module, str, dict[str, Any]]:
    """A network of the user's, the name of its class, and the options of its training: with the numbers of frames that
    it is made for.

    Raises:
        ConfigError: no module, a network of the package, or another model to start from.
    """
    home = home_of(module)
    if options.get("from_") is not None:
        raise ConfigError(
            "is a network already",
            where="from_",
            received=f"from_={options['from_']!r} and a {type(module).__name__}",
            hint="a training starts from the weights that the module has; those of a run are load_run(run).networks",
        )
    return module, home, {**_made_for(module), **options}


def for_class(home: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the training of a class by where it is imported from: with the numbers of frames that what it
    builds is made for.

    Raises:
        ConfigError: a class that cannot be imported, or not be built without arguments.
    """
    with torch.random.fork_rng(devices=[]):
        return {**_made_for(built(home, {})), **options}


def _made_for(module: nn.Module) -> dict[str, int]:
    numbers = {name: getattr(module, name, None) for name in ("past", "future")}
    return {name: number for name, number in numbers.items() if isinstance(number, int)}


def read_start(start: str, member: int = 0) -> Manifest:
    """The manifest of a model to start from.

    Args:
        start: run folder, or name of a shipped model.
        member: of an ensemble, the member of this number; they are taken in turn.
    """
    return read_manifest(_folder(start, member) / MANIFEST)


def load_start(network: Network, start: str, member: int = 0) -> None:
    """Give a network the weights of a model to start from; arguments as `read_start`.

    Raises:
        CheckpointError: a model that cannot be read, or another network.
    """
    weights = load_model(_folder(start, member))[0].state_dict()
    own = network.state_dict()
    differing = sorted(
        name
        for name in own.keys() | weights.keys()
        if name not in own or name not in weights or own[name].shape != weights[name].shape
    )
    if differing:
        raise CheckpointError(
            "is another network than is to be trained",
            where=start,
            received=f"{differing[0]} differs",
            hint="train on frames of the same kind, and leave out what changes the network",
        )
    network.load_state_dict(weights)


def hold_start(start: str, manifest: Manifest, source: FrameSource, statistics: FrameStatistics) -> None:
    """Hold frames to be of the kind that a model to start from knows.

    Raises:
        DataError: another number of channels, another unit, or values that its output cannot have.
    """
    first = source.sequences[0]
    channels = source.frame_shape[0]
    if channels != manifest.channels and not manifest.config.model.channelwise:
        raise DataError(
            f"has frames of other channels than {start}",
            where=source.name,
            expected=f"{manifest.channels} ({', '.join(manifest.variables)})",
            received=channels,
            hint="{grey=True} reads colour as grey",
        )
    for name, own, given in zip(manifest.variables, manifest.units, first.units, strict=False):
        if "1" not in (own, given) and not same_unit(own, given):
            raise DataError(
                f"is not in the unit of {start}, in which {name} was in {own}", where=source.name, received=given
            )
    extremes = float(statistics.low.min()), float(statistics.high.max())
    low, high = map(manifest.normaliser.apply_scalar, extremes)
    if manifest.config.model.output == "sigmoid" and not (low >= -_OUTSIDE and high <= 1 + _OUTSIDE):
        raise DataError(
            f"holds values that {start} cannot forecast",
            where=source.name,
            expected=f"values that its normalisation ({manifest.normaliser.describe()}) brings to 0..1",
            received="values from {:g} to {:g}".format(*extremes),
            hint="start from a model of such frames, or from none",
        )


def _folder(start: str, member: int) -> Path:
    folder = find_run(start)
    members = member_folders(folder)
    return members[member % len(members)] if members else folder


def _hold_architecture(start: str, base: RunConfig, asked: Mapping[str, Any]) -> None:
    """Hold options to describe the network of the model to start from, on the frames that it knows."""
    network = [field.name for field in fields(ModelConfig)]
    changed = base.replace({name: value for name, value in asked.items() if name in (*network, *OF_THE_MODEL)})
    for section, names in (("model", network), ("data", ["past", "future"] if base.model.model == "simvp" else [])):
        for name in names:
            was, wanted = (getattr(getattr(config, section), name) for config in (base, changed))
            if was != wanted:
                raise ConfigError(
                    f"differs from that of {start}, from which the training is to start",
                    where=name,
                    expected=was,
                    received=wanted,
                    hint="leave it out, or train without {from_}",
                )
