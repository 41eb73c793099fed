"""Recipe for the frames at hand: what a training takes where nobody says, chosen from facts of the training part.

What was asked for always stands. What is chosen is said, and stands in the run's `config.yaml` as if it had been asked
for, so that the run can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nextframe.architectures import OF_THE_PACKAGE, OPTIONS, architecture
from nextframe.config import RunConfig
from nextframe.data.normalise import normaliser_for
from nextframe.data.simple import SIMPLE, USUAL, SimpleSkill, measure_simple, name_of
from nextframe.data.split import split_as
from nextframe.data.statistics import FrameStatistics, measure_some
from nextframe.data.windows import cut_windows, windows_with_past
from nextframe.errors import DataError
from nextframe.frames.sequence import FrameSource
from nextframe.training.lengths import fit_lengths
from nextframe.training.sizes import coarsening, sizes
from nextframe.words import joined

SHARE = 0.06
"""Share of the budget that measuring the simple forecasts may take."""
PATIENCE = 10.0
"""Seconds that it may take without a budget."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts of the training part that a recipe is chosen by."""

    statistics: FrameStatistics
    eight_bit: bool

    @property
    def two_valued(self) -> bool:
        """True for pictures of 0 and 1, or nearly so: nine values in ten within a fiftieth of the range from either
        end, and some at the upper one.
        """
        statistics = self.statistics
        if not (self.eight_bit or statistics.unit_range):
            return False
        values, low, high = statistics.values, statistics.low.min(), statistics.high.max()
        near = 0.02 * (high - low)
        upper = float(np.mean(values >= high - near))
        return upper >= 0.003 and float(np.mean(values <= low + near)) + upper >= 0.9


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A row: what is chosen for frames of a kind."""

    title: str
    """Words that name it."""
    fits: Callable[[Facts], bool]
    """Tells whether it is for frames of these facts."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the default preset."""
    residual: bool = False
    """True where the network adds to the best simple forecast."""
    filters: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Filters by architecture, where they differ from its own."""


RECIPES = (
    Recipe(
        title="pictures of 0 and 1: sigmoid and binary cross-entropy",
        fits=lambda facts: facts.two_valued,
    ),
    Recipe(
        title="a linear residual",
        fits=lambda facts: True,
        residual=True,
        options={
            "normalisation": "standard",
            "output": "linear",
            "residual": True,
            "loss": "huber",
            "learning_rate": 2e-3,
            "rollout_training": 1.0,
            "batch_size": 4,
        },
        filters={"stacked": (24, 24)},
    ),
)
"""Recipes, the first that fits is taken."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A configuration that was chosen for a source."""

    config: RunConfig
    notes: tuple[str, ...] = ()
    """Sentences that say what was chosen otherwise than usual, and why."""
    simple: SimpleSkill | None = None
    """Errors of the simple forecasts; None where they were not measured."""
    statistics: FrameStatistics | None = None
    """Statistics of the training part; None where it cannot be measured."""


def choose(source: FrameSource, config: RunConfig, given: Collection[str] = (), *, measure: bool = True) -> Choice:
    """Choose what was not asked for.

    Args:
        source: the frames, opened as the configuration says.
        config: the configuration of the default preset, with the user's options.
        given: names of the options that the user gave.
        measure: measure the simple forecasts; else what follows from their errors is left open, and that is said.

    Raises:
        DataError: frames that cannot be read.
    """
    lengths = fit_lengths(source, config.data, given)
    config, notes = config.replace(lengths.options), list(lengths.notes)
    try:
        parts = split_as(source, config.data)
        statistics = measure_some(parts.train)
        if statistics.empty or statistics.constant:
            return Choice(config=config, notes=tuple(notes))  # a training says what is wrong with them
    except DataError:
        return Choice(config=config, notes=tuple(notes))
    first = source.sequences[0]
    facts = Facts(statistics=statistics, eight_bit=first.values.dtype == np.uint8)
    row = next(row for row in RECIPES if row.fits(facts))
    if _asks_otherwise(config, given):
        row = RECIPES[0]
    options: dict[str, Any] = dict(row.options)
    if config.model.model in row.filters:
        options["filters"] = row.filters[config.model.model]
    simple: SimpleSkill | None = None
    title = row.title
    if row.residual:
        options["edges"] = "last" if statistics.missing == 0 else "missing"
        names: tuple[str, ...] = USUAL
        if "coordinates" in given or config.data.stays:
            names = tuple(dict.fromkeys(("persistence", name_of(config.data.coordinates))))
        method = config.data.normalisation if "normalisation" in given else options["normalisation"]
        normaliser = normaliser_for(statistics, method, output="linear", eight_bit=facts.eight_bit, where=source.name)
        asked = "coordinates" in given
        if not (asked and "loss_scale" in given) and parts.validation:
            try:
                windows = windows_with_past(
                    cut_windows(parts.validation, past=config.data.past, future=config.data.future)
                )
            except DataError:
                return Choice(config=config, notes=tuple(notes))
            minutes = config.training.minutes
            limit = PATIENCE if minutes is None else SHARE * 60 * minutes
            if measure and windows:
                simple = measure_simple(windows, normaliser, names=names, seconds=limit)
        best = name_of(config.data.coordinates) if simple is None or asked else simple.best
        options["coordinates"] = SIMPLE[best]
        if simple is not None:
            usual = np.array(simple.usual[best])
            floor = max(1e-3, 0.1 * float(np.nanmax(usual, initial=0)))
            options["loss_scale"] = tuple(
                float(f"{value:.4g}") for value in np.maximum(np.nan_to_num(usual, nan=1.0), floor)
            )
            errors = ", ".join(f"{name} {float(np.nanmean(mse)):.3g}" for name, mse in simple.mse.items())
            title += (
                f" on {best}, the best simple forecast of the validation part (mean squared error: {errors}; "
                f"{simple.windows} windows)"
            )
        elif not (measure or asked) and len(names) > 1 and parts.validation:
            title += (
                f" on the best simple forecast of the validation part ({joined(names, 'or')}: a training measures them "
                "first, and so does {measure=True})"
            )
        else:
            title += f" on {best}"
    shape = source.frame_shape
    options.update(sizes(shape, residual=row.residual))
    network = architecture(config.model.model)
    if network.own:  # it has sizes of its own, and may take whole frames alone
        options = {name: value for name, value in options.items() if name not in (*OF_THE_PACKAGE, "train_crop")}
    takes = network.takes
    chosen = {
        name: value
        for name, value in options.items()
        if name not in given and (name not in OPTIONS or name in {"past", "future"} | takes)
    }
    if "loss" in given:
        chosen.pop("loss_scale", None)
    if "patch" in given and "train_crop" not in given and chosen.get("train_crop") is not None:
        chosen["train_crop"] = chosen["train_crop"] // options.get("patch", 1) * config.model.patch
    if "train_crop" in given and "patch" in chosen and (config.training.train_crop or 0) % chosen["patch"]:
        chosen["patch"] = 1
    config = config.replace(chosen)
    notes.append(_sentence(title, config))
    return Choice(config=config, notes=tuple(notes), simple=simple, statistics=statistics)


def choose_for(
    opened_as: Callable[[RunConfig], FrameSource],
    config: RunConfig,
    given: Collection[str] = (),
    *,
    measure: bool = True,
) -> tuple[FrameSource, Choice]:
    """Open a source and choose for it what was not asked for, coarser frames included where they are very large.

    Args:
        opened_as: opens the source as a configuration says.
        config: see `choose`.
        given: see `choose`.
        measure: see `choose`.

    Raises:
        DataError, ConfigError, ShapeError: frames that cannot be read.
    """
    source = opened_as(config)
    notes: tuple[str, ...] = ()
    factor = coarsening(source.frame_shape)
    if factor > 1 and not {"coarsen", "crop"} & set(given):
        height, width = source.frame_shape[-2:]
        config = config.replace({"coarsen": factor})
        notes += (f"frames of {width} x {height} pixels are averaged over blocks of {factor} x {factor}",)
        source = opened_as(config)
    choice = choose(source, config, given, measure=measure)
    return source, replace(choice, notes=(*notes, *choice.notes))


def begin(
    opened_as: Callable[[RunConfig], FrameSource],
    config: RunConfig,
    given: Mapping[str, Any],
    *,
    run: Path,
    resume: bool,
    overwrite: bool,
    preset: str,
) -> tuple[FrameSource, Choice]:
    """Open the source of a training, and resolve its configuration: as it was begun where it goes on, chosen for the
    frames with the default preset, else as it is.

    Args:
        opened_as: opens the source as a configuration says.
        config: of the preset, with the user's options.
        given: the user's options.
        run: the run folder.
        resume: go on with what it holds.
        overwrite: replace what it holds.
        preset: name of the preset.

    Raises:
        DataError, ConfigError, ShapeError: frames or a configuration that cannot be read.
    """
    from nextframe.runs.folder import load_config

    saved = run / "config.yaml"
    if resume and saved.exists():
        config = load_config(saved).replace(given)
    elif config.training.from_ is not None:  # the recipe is that of the model; windows are to fit the frames
        source = opened_as(config)
        lengths = fit_lengths(source, config.data, given)
        return source, Choice(config=config.replace(lengths.options), notes=lengths.notes)
    elif preset == "default" and (overwrite or not saved.exists()):  # else a training refuses to begin
        return choose_for(opened_as, config, given)
    return opened_as(config), Choice(config=config)


def _asks_otherwise(config: RunConfig, given: Collection[str]) -> bool:
    """True where the user's options are those of a sigmoid."""
    model, training = config.model, config.training
    return (
        ("output" in given and model.output == "sigmoid")
        or ("loss" in given and training.loss == "bce")
        or model.quantiles > 1
        or ("temporal_padding" in given and model.temporal_padding == "same")
    )


def _sentence(title: str, config: RunConfig) -> str:
    training, patch = config.training, config.model.patch
    parts = [title]
    if training.loss == "huber":
        parts.append("Huber loss in units of its errors")
    parts.append(f"learning rate {training.learning_rate:g}")
    if patch > 1:
        parts.append(f"patches of {patch} x {patch} pixels")
    parts.append("whole frames" if training.train_crop is None else f"cuts of {training.train_crop} pixels")
    number, unit = (training.epochs, "epoch") if training.minutes is None else (training.minutes, "minute")
    budget = f"{number:g} {unit}{'' if number == 1 else 's'}"
    return f"recipe: {', '.join([*parts, budget])}"
