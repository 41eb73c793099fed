"""Options of the command line, made from the configuration's dataclasses: a field's docstring is its option's help.

An option that is not given is absent, not a default, so that precedence is: preset, then `--config FILE`, then options.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from keyword import iskeyword
from typing import Annotated, Any, TypedDict, get_args, get_origin

from cyclopts import Group, Parameter, Token
from docstring_parser import parse_from_object

from nextframe.config import COVARIATES as SOURCES
from nextframe.config import DataConfig, ModelConfig, Reading, RunConfig, TrainingConfig, hints
from nextframe.errors import ConfigError
from nextframe.training.presets import preset_config, presets
from nextframe.words import did_you_mean

SECTIONS: Mapping[str, type] = {"data": DataConfig, "model": ModelConfig, "training": TrainingConfig}
"""Sections of a configuration, each a group of options."""

READING = tuple(field.name for field in fields(Reading))
"""Fields of the data section that say how a source is read; a run's own are the default for later frames."""

SEVERAL = ("data", *SOURCES)
"""Fields whose option may be given several times, each a value as a whole."""

COMMAND_OPTIONS = ("model", "preset", "out", "resume", "overwrite", "progress")
"""Options of `nextframe train` that a configuration file may hold beside the fields of the sections."""


def separated(kind: Callable[[str], Any], called: str, shown: str = "") -> Parameter:
    """One token that holds several values separated by commas; the option may also be repeated."""

    def convert(type_: Any, tokens: Sequence[Token]) -> tuple[Any, ...]:
        try:
            given = [token.value for token in tokens]
            # "none" is no number, and what an option of numbers takes for no value at all.
            items = [] if given == ["none"] and kind is not str else given
            values = tuple(kind(item) for each in items for item in each.split(",") if item)
            if kind is float and not all(map(math.isfinite, values)):
                raise ValueError("not finite")
            return values
        except ValueError:
            text = ",".join(token.value for token in tokens)
            raise ValueError(f'"{text}" is not {called} separated by commas.') from None

    return Parameter(converter=convert, n_tokens=1, negative=(), metavar=f"{(shown or kind.__name__).upper()},...")


MATCHED = Parameter(negative=(), show_default=False)
"""Option that takes a choice, or stands alone."""
NUMBERS = separated(float, "numbers")
NAMES = separated(str, "names")
WHOLE_NUMBERS = separated(int, "whole numbers")
_KINDS: Mapping[type, Parameter] = {int: WHOLE_NUMBERS, float: NUMBERS, str: NAMES}


_GIVEN = (
    "SOURCE in place of the training's, in its order, several times for several; needed for other frames than its own."
)
COVARIATES = Parameter(
    help=f"Covariates that the run reads up to the last frame seen: a {_GIVEN}", negative=(), metavar="SOURCE"
)
FUTURE_COVARIATES = Parameter(
    help=f"Covariates that the run reads at each lead time: a {_GIVEN}", negative=(), metavar="SOURCE"
)


def hold_threshold(text: str) -> str:
    """A threshold as it was typed: a number, which may have the name of a variable before it.

    Raises:
        ValueError: no finite number.

    >>> hold_threshold("rain=0.5")
    'rain=0.5'
    """
    if not math.isfinite(float(text.rpartition("=")[2])):
        raise ValueError("not finite")
    return text


THRESHOLDS = separated(hold_threshold, "numbers", "float")


def by_variable(given: Sequence[str] | None) -> list[float] | dict[str, list[float]] | None:
    """Thresholds as they were typed: numbers, or numbers by the name of a variable, which holds on until the next name.

    Raises:
        ConfigError: numbers before the first name.

    >>> by_variable(["0.5", "2"]), by_variable(["rain=1", "5", "temperature=280"]), by_variable(None)
    ([0.5, 2.0], {'rain': [1.0, 5.0], 'temperature': [280.0]}, None)
    """
    if not given:
        return None
    if not any("=" in text for text in given):
        return [float(text) for text in given]
    numbers: dict[str, list[float]] = {}
    variable = ""
    for text in given:
        name, _, number = text.rpartition("=")
        variable = name or variable
        if not variable:
            raise ConfigError("is of no variable", where="thresholds", received=number, hint="name one: rain=1,5")
        numbers.setdefault(variable, []).append(float(number))
    return numbers


def option_types(sections: Collection[str], defaults: Mapping[str, str], leave_out: Collection[str] = ()) -> Any:
    """The fields of some sections as a `TypedDict` of options for cyclopts, none of them required.

    Args:
        sections: names of sections, in the order of the help page.
        defaults: text of each field's default value, shown in the help; fields left out show none.
        leave_out: fields that are no options.
    """
    options: dict[str, Any] = {}
    for order, name in enumerate(sections):
        section = SECTIONS[name]
        types = hints(section)
        described = {
            param.arg_name: param.description or ""
            for part in reversed(section.__mro__[:-1])
            for param in parse_from_object(part).params
        }
        group = Group(name.capitalize(), sort_key=10 + order)
        for field in fields(section):
            if field.name in leave_out:
                continue
            text = " ".join(described[field.name].split())
            if field.name in defaults:
                text += f" [default: {defaults[field.name]}]"
            extra = [Parameter(help=text, group=group)]
            kind = types[field.name]
            if field.name in SEVERAL:
                kind = list[str]
                extra.append(Parameter(negative=(), metavar="SOURCE"))
            elif get_origin(kind) is tuple:
                extra.insert(0, _KINDS[get_args(kind)[0]])
            options[field.name] = Annotated[kind, *extra]
    return TypedDict("Options", options, total=False)  # type: ignore[operator]


def reading_options() -> Any:
    """Options of how to read later frames, for commands that take a run."""
    others = [field.name for field in fields(DataConfig) if field.name not in READING]
    return option_types(["data"], {}, leave_out=others)


def section_defaults(*configs: RunConfig) -> dict[str, str]:
    """Each field's default as one would type it; "by preset" where these configurations differ."""
    texts: dict[str, str] = {}
    for section in SECTIONS:
        for field in fields(SECTIONS[section]):
            values = {_typed(getattr(getattr(config, section), field.name)) for config in configs}
            text = values.pop() if len(values) == 1 else "by preset"
            if text:
                texts[field.name] = text
    return texts


def _typed(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if value is None else str(value)


def preset_defaults() -> dict[str, str]:
    """Defaults of `nextframe train`, over all its models and presets."""
    return section_defaults(*(preset_config(model, preset) for model, preset in presets()))


def _field(key: str) -> str:
    """The field that a key of a file names: `from` is a word of Python's own, and its field `from_`."""
    name = key.replace("-", "_")
    return f"{name}_" if iskeyword(name) else name


def merge(file: Mapping[str, Any], given: Mapping[str, Any], *, where: object = "--config") -> dict[str, Any]:
    """Options of a configuration file, flat or in sections, overridden by those given on the command line.

    Raises:
        ConfigError: a key of the file that is no option.
    """
    flat: dict[str, Any] = {}
    for key, value in file.items():
        flat.update(value if key in SECTIONS and isinstance(value, Mapping) else {key: value})
    flat = {_field(str(key)): value for key, value in flat.items()}
    known = [*COMMAND_OPTIONS, *(field.name for section in SECTIONS.values() for field in fields(section))]
    for key in flat:
        if key not in known:
            hint = did_you_mean(key, known) or "see `nextframe train --help`"
            raise ConfigError(f"unknown option {key!r}", where=where, hint=hint)
    if "data" in given:  # it takes the place of several, too
        flat.pop("sources", None)
    return {**flat, **given}
