"""Configuration: options by one name each, checked when they are given, the same from YAML, Python and a run folder."""

import dataclasses
from datetime import date
from typing import Any

import pytest
import yaml

from nextframe.config import DataConfig, ModelConfig, Reading, RunConfig, TrainingConfig, choices, hints
from nextframe.errors import ConfigError
from nextframe.frames.source import open_source

SECTIONS = (DataConfig, ModelConfig, TrainingConfig)
FIELDS = [(section, field) for section in SECTIONS for field in dataclasses.fields(section)]
CHOICES = [(section, field.name) for section, field in FIELDS if choices(hints(section)[field.name])]


def test_an_option_has_one_name_over_all_sections() -> None:
    names = [field.name for _, field in FIELDS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("section", [*SECTIONS, Reading])
def test_a_section_is_made_without_a_word_and_cannot_be_changed(section: type[Any]) -> None:
    made = section()
    name = dataclasses.fields(made)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, name, getattr(made, name))


@pytest.mark.parametrize(("section", "name"), CHOICES, ids=lambda part: getattr(part, "__name__", part))
def test_a_slip_in_a_choice_is_told_with_the_choices(section: type[Any], name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: unknown choice .expected one of .*received slip"):
        section(**{name: "slip"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"epochs": "many"}, "epochs: has the wrong type"),
        ({"epochs": 2.5}, "epochs: has the wrong type"),
        ({"epochs": True}, "epochs: has the wrong type"),
        ({"epochs": 0}, "epochs: is too small"),
        ({"grey": "yes"}, "grey: has the wrong type"),
        ({"learning_rate": "fast"}, "learning_rate: has the wrong type"),
        ({"learning_rate": float("nan")}, "learning_rate: is not finite"),
        ({"filters": (8, "x")}, "filters: has the wrong type"),
        ({"filters": (8, 0)}, "filters: is too small"),
        ({"frames": (5, 2)}, "frames: is not a range"),
        ({"crop": (0, 0, 4)}, "crop: is not a box"),
        ({"coarsen": 0}, "coarsen: is too small"),
        ({"kernel": 5}, "unknown option 'kernel'.*did you mean 'kernel_size'"),
        ({"patch": 4, "train_crop": 30}, "train_crop: cannot be cut into whole patches.*use train_crop=28"),
        ({"loss": "bce", "output": "linear"}, "loss: binary cross-entropy needs a sigmoid"),
        ({"quantiles": 5}, "loss='quantile' and quantiles: go together"),
    ],
)
def test_a_mistake_names_its_option(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        RunConfig().replace(options)


def test_values_of_yaml_are_brought_to_their_types() -> None:
    content = yaml.safe_load("learning_rate: 1e-3\ntest_from: 2016-07-01\nfilters: [8, 8]\nvariable: rain\ncrop: []")
    assert content["test_from"] == date(2016, 7, 1)
    config = RunConfig.from_dict(content)
    assert config.training.learning_rate == 0.001
    assert config.data.test_from == "2016-07-01"
    assert config.model.filters == (8, 8)
    assert config.data.variable == ("rain",)
    assert config.data.crop == ()


def test_what_is_saved_reruns_the_run() -> None:
    config = RunConfig().replace({"epochs": 3, "filters": (4, 5), "crop": (0, 0, 8, 8), "missing": "mask"})
    text = yaml.safe_dump(config.to_dict())
    assert RunConfig.from_dict(yaml.safe_load(text)) == config
    flat = {name: value for section in config.to_dict().values() for name, value in section.items()}
    assert RunConfig.from_dict(flat) == config


def test_what_a_file_leaves_out_keeps_its_value() -> None:
    base = RunConfig().replace({"epochs": 7})
    assert RunConfig.from_dict({"model": {"filters": [4]}}, base).training.epochs == 7


def test_a_change_leaves_the_original_as_it_was() -> None:
    config = RunConfig()
    changed = config.replace({"epochs": config.training.epochs + 1})
    assert changed.training.epochs == config.training.epochs + 1
    assert changed.model == config.model == RunConfig().model


def test_how_frames_are_read_is_a_part_of_the_data_section() -> None:
    reading = DataConfig(data="a.nc", grey=True, past=3).reading
    assert type(reading) is Reading
    assert reading == Reading(grey=True)
    assert reading.but({"crop": [0, 0, 4, 4]}) == Reading(grey=True, crop=(0, 0, 4, 4))
    with pytest.raises(ConfigError, match="unknown option 'past'"):
        reading.but({"past": 2})


def test_open_source_takes_what_reading_has() -> None:
    source = open_source("squares:movies=1,frames=6,size=16", frames=(1, 5), crop=(0, 0, 8, 8), coarsen=2)
    assert source.sequences[0].shape == (4, 1, 4, 4)
    with pytest.raises(ConfigError, match=r"unknown option 'croop'.*did you mean 'crop'"):
        open_source("squares", croop=(0, 0, 8, 8))  # type: ignore[call-arg]
