from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nextframe.cli.options import SECTIONS, merge, option_types, preset_defaults, section_defaults
from nextframe.cli.program import app, with_choices
from nextframe.config import RunConfig
from nextframe.errors import ConfigError
from nextframe.training.presets import preset_config


def options_given(*arguments: str) -> dict[str, Any]:
    """What `nextframe train` would be called with, without calling it."""
    _, bound, _ = app.parse_args(["train", *arguments], exit_on_error=False, print_error=False)
    return dict(bound.kwargs)


def test_every_field_of_the_configuration_is_an_option_with_help() -> None:
    options = get_type_hints(option_types(SECTIONS, {}), include_extras=True)
    names = [field.name for section in SECTIONS.values() for field in fields(section)]
    assert list(options) == names
    for name, hint in options.items():
        described = [parameter.help for parameter in get_args(hint)[1:] if parameter.help]
        assert described, name
        assert described[0].endswith("."), name


def test_options_that_are_not_given_are_absent() -> None:
    assert options_given("stacked") == {}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--filters", "64,32"], {"filters": (64, 32)}),
        (["--filters", "64", "--filters", "32"], {"filters": (64, 32)}),
        (["--variable", "rain,wind"], {"variable": ("rain", "wind")}),
        (["--gradient-clip", "none"], {"gradient_clip": None}),
        (["--gradient-clip", "0.5"], {"gradient_clip": 0.5}),
        (["--learning-rate", "1e-3"], {"learning_rate": 1e-3}),
        (["--kernel-size", "5,3,1"], {"kernel_size": (5, 3, 1)}),
        (["--grey"], {"grey": True}),
        (["--no-grey"], {"grey": False}),
        (["--temporal-padding", "same"], {"temporal_padding": "same"}),
    ],
)
def test_values_arrive_as_the_field_has_them(arguments: list[str], expected: dict[str, Any]) -> None:
    given_options = options_given("stacked", *arguments)
    assert given_options == expected
    RunConfig().replace(given_options)


@pytest.mark.parametrize(
    ("tokens", "matched"),
    [
        (["verify", "run"], False),
        (["verify", "run", "--matched"], "last"),
        (["verify", "--matched", "run"], "last"),
        (["verify", "run", "--matched", "--limit=3"], "last"),
        (["verify", "run", "--matched", "validation"], "validation"),
        (["forecast", "run", "--matched=validation"], "validation"),
        (["forecast", "--matched", "last", "run"], "last"),
    ],
)
def test_matched_stands_alone_or_takes_a_choice(tokens: list[str], matched: object) -> None:
    _, bound, _ = app.parse_args(with_choices(tokens), exit_on_error=False, print_error=False)
    assert bound.arguments.get("matched", False) == matched
    assert str(bound.args[0]) == "run"


def test_defaults_of_the_help_page_are_those_of_the_presets() -> None:
    defaults = preset_defaults()
    assert defaults["patch"] == "1"
    assert defaults["optimizer"] == defaults["kernel_size"] == "by preset"
    assert defaults["recompute"] == "none"
    assert "variable" not in defaults
    assert section_defaults(RunConfig())["filters"] == "40,40,40"


def test_an_option_goes_before_the_file_and_the_file_before_the_preset() -> None:
    file = {"training": {"epochs": 7, "batch_size": 3}, "norm": "group", "preset": "tutorial"}
    merged = merge(file, {"epochs": 9})
    assert merged == {"epochs": 9, "batch_size": 3, "norm": "group", "preset": "tutorial"}
    config = preset_config("stacked", merged.pop("preset")).replace(merged)
    assert (config.training.epochs, config.training.batch_size, config.model.norm) == (9, 3, "group")
    assert config.training.optimizer == preset_config("stacked", "tutorial").training.optimizer


def test_a_file_may_spell_options_as_the_command_line_does() -> None:
    assert merge({"batch-size": 4}, {}) == {"batch_size": 4}


def test_an_unknown_key_of_a_file_is_named_with_the_file_and_the_nearest_option() -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml: unknown option 'epocs'; did you mean 'epochs'\?"):
        merge({"training": {"epocs": 3}}, {}, where=Path("mine.yaml"))


@pytest.mark.long
@given(
    options=st.fixed_dictionaries(
        {},
        optional={
            "epochs": st.integers(1, 10**6),
            "filters": st.lists(st.integers(1, 512), min_size=1, max_size=5).map(tuple),
            "gradient_clip": st.none() | st.floats(1e-6, 1e6),
            "learning_rate": st.floats(1e-9, 10),
            "norm": st.sampled_from(["batch", "layer", "group", "none"]),
            "crop": st.none() | st.tuples(*[st.integers(1, 99)] * 4),
            "patience": st.none() | st.integers(1, 99),
            "grey": st.booleans(),
        },
    )
)
def test_a_saved_configuration_and_a_command_line_say_the_same(options: dict[str, Any]) -> None:
    if options.get("crop") is None:
        options.pop("crop", None)
    config = preset_config("stacked").replace(options)
    saved = merge(yaml.safe_load(yaml.safe_dump(config.to_dict())), {})
    assert preset_config(saved["model"]).replace(saved) == config

    arguments = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(option if value else option.replace("--", "--no-"))
        else:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else "none" if value is None else str(value)
            arguments.append(f"{option}={text}")
    assert preset_config("stacked").replace(options_given("stacked", *arguments)) == config
