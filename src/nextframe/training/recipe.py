"""Recipe for the frames at hand: what a training takes where nobody says, chosen from facts of the training part.

What was asked for always stands. What is chosen is said, and stands in the run's `config.yaml` as if it had been asked
for, so that the run can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nextframe.architectures import OF_THE_PACKAGE, OPTIONS, architecture
from nextframe.config import Normalisation, RunConfig
from nextframe.data.normalise import normaliser_for
from nextframe.data.simple import (
    ADAPTIVE,
    GAIN,
    SIMPLE,
    USUAL,
    WINDOWS,
    Model,
    SimpleSkill,
    held_against,
    measure_simple,
    name_of,
)
from nextframe.data.split import Span, Split, split_as
from nextframe.data.statistics import FrameStatistics, measure_some
from nextframe.data.windows import Window, cut_windows, windows_with_past
from nextframe.errors import DataError
from nextframe.frames.pictures import named_as_pictures
from nextframe.frames.sequence import FrameSource
from nextframe.plugins import Late
from nextframe.training.lengths import fit_lengths
from nextframe.training.sizes import coarsening, sizes
from nextframe.words import evenly, joined

# Models to start from need torch, which an inspection of frames does without.
excludes, model_of, options_of = (
    Late(f"nextframe.training.start:{name}") for name in ("excludes", "model_of", "options_of")
)

SHARE = 0.06
"""Share of the budget that measuring the simple forecasts may take."""
PATIENCE = 10.0
"""Seconds that it may take without a budget."""
STANDARD: Normalisation = "standard"
"""Normalisation of a residual, in whose range errors are measured."""
FILM = 1_000_000
"""Values of a frame beyond which a network without patches takes longer than a few minutes are worth."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts of the training part that a recipe is chosen by."""

    statistics: FrameStatistics
    eight_bit: bool
    pictures: bool = False
    """True for plain pictures, in colour or grey, which have neither name nor unit of their own."""
    values: int = 1
    """Values of a frame, of all its channels."""

    @property
    def amounts(self) -> bool:
        """True for amounts, as of rain: never negative, and mostly none or small."""
        return self.statistics.rain_like and not self.eight_bit

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

    @property
    def film(self) -> bool:
        """True for frames of a film, small enough for a network that takes each pixel by itself."""
        return self.eight_bit and self.pictures and not self.two_valued and self.values <= FILM


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A row: what is chosen for frames of a kind."""

    title: str
    """Words that name it."""
    fits: Callable[[Facts], bool]
    """Tells whether it is for frames of these facts."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the default preset, or from the recipe of the model that it starts from."""
    start: str = ""
    """Shipped model that it starts from, where that is better than the simple forecast that it adds to; else empty."""
    residual: bool = False
    """True where the network adds to the best simple forecast."""
    simple: tuple[str, ...] = USUAL
    """Simple forecasts of which the best is taken."""
    filters: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Filters by architecture, where they differ from its own."""


RECIPES = (
    Recipe(
        title="pictures of 0 and 1: sigmoid and binary cross-entropy",
        fits=lambda facts: facts.two_valued,
    ),
    Recipe(
        title="films of 8 bits: the weights of the shipped model video, tuned,",
        fits=lambda facts: facts.film,
        start="video",
        residual=True,
        options={"learning_rate": 1e-4, "batch_size": 4},
        simple=(*USUAL, ADAPTIVE),
    ),
    Recipe(
        title="amounts, most of them none or small: a linear residual of their logarithms",
        fits=lambda facts: facts.amounts,
        residual=True,
        options={
            "normalisation": "log",
            "output": "linear",
            "residual": True,
            "loss": "relative-mse",
            "loss_in": "source",
            "learning_rate": 1e-3,
            "rollout_training": 1.0,
            "batch_size": 8,
            "augment": "turns-and-amounts",
        },
        simple=("persistence", ADAPTIVE),
        filters={"stacked": (24, 24)},
    ),
    Recipe(
        title="a linear residual",
        fits=lambda facts: True,
        residual=True,
        options={
            "normalisation": STANDARD,
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
        facts = _facts(source, statistics)
        rows = _rows(facts, config, given)
        windows, part = _measured_on(parts, config) if rows[0].residual else ((), "")
    except DataError:
        return Choice(config=config, notes=tuple(notes))
    seen = _Seen(source=source, facts=facts, windows=windows, part=part, config=config, given=given, measure=measure)
    chosen = _chosen(rows, seen)
    config = config.replace(_taken(chosen.options, config, given))
    notes.append(_sentence(chosen.title, config))
    return Choice(config=config, notes=tuple(notes), simple=chosen.simple, statistics=statistics)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """Facts that a row chooses by: the frames, and what was asked for."""

    source: FrameSource
    facts: Facts
    windows: Sequence[Window]
    part: str
    """Words for where the windows are."""
    config: RunConfig
    given: Collection[str]
    measure: bool

    @property
    def asked(self) -> bool:
        """True where the user has chosen the simple forecast."""
        return "coordinates" in self.given

    def names(self, row: Recipe) -> tuple[str, ...]:
        """Simple forecasts that a row takes the best of."""
        if self.asked or self.config.data.stays:
            return tuple(dict.fromkeys(("persistence", name_of(self.config.data.coordinates))))
        return row.simple

    def measured(
        self, row: Recipe, names: Sequence[str], models: Mapping[str, Model] | None = None, **limits: int
    ) -> SimpleSkill:
        """Errors of simple forecasts, and of models beside them, in the range of a row's normalisation."""
        normaliser = normaliser_for(
            self.facts.statistics,
            self.config.data.normalisation
            if "normalisation" in self.given
            else row.options.get("normalisation", STANDARD),
            output="linear",
            eight_bit=self.facts.eight_bit,
            where=self.source.name,
        )
        minutes = self.config.training.minutes
        seconds = PATIENCE if minutes is None else SHARE * 60 * minutes
        return measure_simple(self.windows, normaliser, names=names, models=models or {}, seconds=seconds, **limits)


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """Options that a row makes of the frames, and words for them."""

    title: str
    options: dict[str, Any]
    simple: SimpleSkill | None = None


def _facts(source: FrameSource, statistics: FrameStatistics) -> Facts:
    first = source.sequences[0]
    return Facts(
        statistics=statistics,
        eight_bit=first.values.dtype == np.uint8,
        pictures=named_as_pictures(first.variables, first.units),
        values=math.prod(source.frame_shape),
    )


def _rows(facts: Facts, config: RunConfig, given: Collection[str]) -> list[Recipe]:
    """The rows that are for such frames and go with what was asked for, in their order."""
    if _asks_otherwise(config, given):
        return [RECIPES[0]]
    return [row for row in RECIPES if row.fits(facts) and not (row.start and excludes(row.start, config, given))]


def _chosen(rows: Sequence[Recipe], seen: _Seen) -> _Chosen:
    """Take the first row, or where that starts from a model that a simple forecast beats, the next."""
    row, shape = rows[0], seen.source.frame_shape
    if not row.residual:
        return _Chosen(title=row.title, options={**row.options, **sizes(shape, residual=False)})
    names, simple = seen.names(row), None
    if seen.measure and seen.windows and not (seen.asked and "loss_scale" in seen.given):
        simple = seen.measured(row, names)
    best = name_of(seen.config.data.coordinates) if simple is None or seen.asked else simple.best
    tried = ""
    if row.start and simple is not None:
        tuned = seen.measured(row, (best,), {row.start: model_of(row.start, SIMPLE[best])}, limit=simple.windows)
        tried = f", and {row.start} from there {float(np.nanmean(tuned.mse[row.start])):.3g}"
        if held_against(tuned.mse[row.start], tuned.mse[best]) >= GAIN:
            row = next(other for other in rows if other.residual and not other.start)
    options: dict[str, Any] = {**row.options, "coordinates": SIMPLE[best]}
    if row.start:
        options = {**options_of(row.start), **options}
    else:
        options |= sizes(shape, residual=True)
        options["edges"] = "last" if seen.facts.statistics.missing == 0 else "missing"
        if seen.config.model.model in row.filters:
            options["filters"] = row.filters[seen.config.model.model]
        if simple is not None:
            # Relative errors are those of amounts, in source units; others are measured in the model's range.
            relative = row.options["loss"] == "relative-mse"
            options["loss_scale"] = _loss_scale(np.sqrt(simple.mse[best]) if relative else simple.usual[best])
    return _Chosen(title=f"{row.title} on {_base(seen, names, simple, best, tried)}", options=options, simple=simple)


def _base(seen: _Seen, names: Sequence[str], simple: SimpleSkill | None, best: str, tried: str) -> str:
    """The simple forecast that a residual adds to, in words."""
    if simple is not None:
        errors = ", ".join(f"{name} {float(np.nanmean(mse)):.3g}" for name, mse in simple.mse.items())
        why = "as asked for" if seen.asked else f"the best simple forecast of the {seen.part}"
        return f"{best}, {why} (mean squared error: {errors}{tried}; {simple.windows} windows)"
    if not (seen.measure or seen.asked) and len(names) > 1 and seen.windows:
        return (
            f"the best simple forecast of the {seen.part} ({joined(names, 'or')}: a training measures them first, "
            "and so does {measure=True})"
        )
    return best


def _taken(options: Mapping[str, Any], config: RunConfig, given: Collection[str]) -> dict[str, Any]:
    """Chosen options that the architecture takes, and that were not asked for otherwise."""
    network = architecture(config.model.model)
    left_out = (*OF_THE_PACKAGE, "train_crop") if network.own else ()  # it has sizes of its own, or takes whole frames
    takes = {"past", "future"} | network.takes
    chosen = {
        name: value
        for name, value in options.items()
        if name not in given and name not in left_out and (name not in OPTIONS or name in takes)
    }
    if "loss" in given and config.training.loss not in ("huber", "relative-mse"):
        chosen.pop("loss_scale", None)
    if "patch" in given and "train_crop" not in given and chosen.get("train_crop") is not None:
        chosen["train_crop"] = chosen["train_crop"] // options.get("patch", 1) * config.model.patch
    if "train_crop" in given and "patch" in chosen and (config.training.train_crop or 0) % chosen["patch"]:
        chosen["patch"] = 1
    return chosen


def _measured_on(parts: Split, config: RunConfig) -> tuple[Sequence[Window], str]:
    """Windows to measure simple forecasts on, whose past is known, and words for where they are: of the validation
    part, and where these are few, of the training part as well. Simple forecasts learn nothing from it, and a few
    windows are one weather, of which a dry one tells nothing of the motion of rain.
    """

    def windows(spans: Sequence[Span], number: int | None = None) -> Sequence[Window]:
        if not spans:
            return ()
        every = cut_windows(spans, past=config.data.past, future=config.data.future)
        return windows_with_past(every if number is None else evenly(every, number))

    held_out = windows(parts.validation)
    if len(held_out) >= WINDOWS or not held_out:
        return held_out, "validation part"
    return [*held_out, *windows(parts.train, WINDOWS - len(held_out))], "validation and training parts"


def _loss_scale(errors: ArrayLike) -> tuple[float, ...]:
    """Usual errors of a forecast at each lead time, none of them near nothing."""
    usual = np.array(errors, np.float64)
    floor = max(1e-3, 0.1 * float(np.nanmax(usual, initial=0)))
    return tuple(float(f"{value:.4g}") for value in np.maximum(np.nan_to_num(usual, nan=1.0), floor))


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
