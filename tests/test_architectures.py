"""The table of architectures: what reads it, and a row that another package adds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nextframe import architectures
from nextframe.architectures import OPTIONS, Architecture, architecture, names
from nextframe.config import ModelConfig, RunConfig
from nextframe.errors import ConfigError
from nextframe.models.build import build_model
from nextframe.models.network import Network
from nextframe.plugins import Late
from nextframe.training.presets import preset_config, presets

GIVEN = {
    "temporal_padding": "same",
    "gate_activation": "hard_sigmoid",
    "peepholes": True,
    "recompute": 2,
    "min_seen": 2,
    "scheduled_sampling": 0.5,
    "rollout_training": 0.5,
    "norm_last": False,
    "cell_activation": "relu",
}
"""A value of each option that some architectures do not take, other than its default."""


def test_the_table_loads_no_library() -> None:
    code = "import nextframe.architectures as a, sys; a.architectures(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "xarray"} & set(done.stdout.split())


def test_every_option_that_some_take_is_tried_below() -> None:
    assert set(GIVEN) == set(OPTIONS) - {"past", "future"}


@pytest.mark.parametrize("model", names())
@pytest.mark.parametrize("option", GIVEN)
def test_an_option_is_taken_or_refused_as_the_row_says(model: str, option: str) -> None:
    if option in architecture(model).takes:
        config = RunConfig().replace({"model": model, option: GIVEN[option]})
        assert {**config.to_dict()["model"], **config.to_dict()["training"]}[option] == GIVEN[option]
        return
    with pytest.raises(ConfigError, match=rf"^{option}: is for .*model='{model}'") as refused:
        RunConfig().replace({"model": model, option: GIVEN[option]})
    for able in names():
        assert (able in str(refused.value.expected).split(", ")) == (option in architecture(able).takes)


@pytest.mark.parametrize("model", names())
def test_the_default_preset_has_the_filters_of_the_row_and_builds(model: str) -> None:
    config = preset_config(model)
    assert (config.model.model, config.model.filters) == (model, architecture(model).filters)
    assert isinstance(build_model(config.model, 1), Network)
    assert (config.training.min_seen == 2) == ("min_seen" in architecture(model).takes)
    assert (model, "default") in presets()


def test_a_name_that_there_is_not_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"model: unknown model .*predrnn.*received predrn\); did you mean 'predrnn'"):
        ModelConfig(model="predrn")
    with pytest.raises(ConfigError, match="unknown model"):
        preset_config("linear")


def test_a_row_of_options_that_there_are_not_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'mine'.*expected of temporal_padding.*received wings"):
        Architecture(name="mine", home="a:b", title="", filters=(1,), takes=frozenset({"wings"}))


def test_every_home_is_there() -> None:
    for row in architectures.architectures():
        network = Late(row.home).load()
        assert isinstance(network, type), row.home
        assert issubclass(network, Network), row.home


MODULE = '''
"""A package of another author: one architecture."""
from nextframe.architectures import Architecture
from nextframe.models.stacked import StackedConvLSTM

class Shallow(StackedConvLSTM):
    """One layer, whatever is asked for."""
    def __init__(self, *, filters, **options):
        super().__init__(filters=filters[:1], **options)

ROW = Architecture(name="shallow", home="shallow_package:Shallow", title="one layer", filters=(4,),
                   takes=frozenset({"peepholes"}), recipe={"epochs": 1, "train_crop": None})
'''


@pytest.mark.long  # test_extension.py does it with all tables at once
def test_another_package_adds_a_row_and_its_model_is_trained_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "shallow_package.py").write_text(MODULE, encoding="utf-8")
    info = tmp_path / "shallow_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shallow-package\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[nextframe.architectures]\nshallow = shallow_package:ROW\n", encoding="utf-8"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def nextframe(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "nextframe", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)

    assert "shallow" in nextframe("train", "--help").stdout
    small = ["--data", "squares:movies=12,frames=6,size=12", "--past", "3", "--future", "3", "--batch-size", "4"]
    trained = nextframe("train", "shallow", *small, "--out", "run", "--no-progress")
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert nextframe("forecast", "run", "--out", "next.npy").returncode == 0
    refused = nextframe("train", "shallow", *small, "--min-seen", "2")
    assert refused.returncode == 2
    assert "min_seen: is for models that forecast one step at each frame" in refused.stderr
