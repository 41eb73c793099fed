"""Sizes that no computer holds are refused in a sentence before anything is taken or written."""

from pathlib import Path
from typing import Any

import pytest
import torch

from nextframe import api
from nextframe.cli import main, program
from nextframe.data.split import split_as
from nextframe.errors import ConfigError, NextframeError
from nextframe.frames.source import open_source
from nextframe.models.build import build_model
from nextframe.training import memory
from nextframe.training.presets import preset_config

HUGE = 99_999_999_999_999
SMALL: dict[str, Any] = {
    "data": "squares:movies=4,frames=12,size=16",
    "past": 3,
    "future": 2,
    "filters": (2,),
    "epochs": 1,
    "accelerator": "cpu",
}
QUANTILES = {"loss": "quantile", "output": "linear"}


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("stacked", {"filters": (HUGE,)}, "filters: is too large"),
        ("stacked", {"filters": (2, 65_536)}, "filters=2,65536"),
        ("encoder-decoder", {"filters": (65_536,)}, "of memory"),
        ("simvp", {"filters": (65_536, 65_536)}, "of memory"),
        ("stacked", {"kernel_size": HUGE}, "kernel_size: is too large"),
        ("stacked", {"kernel_size": 65_535}, "of memory"),
        ("stacked", {"patch": HUGE, "train_crop": None}, "patch: is too large"),
        ("stacked", {"patch": 65_536, "train_crop": None}, "of memory"),
        ("stacked", {"quantiles": HUGE, **QUANTILES}, "quantiles: is too large"),
        ("stacked", {"quantiles": 65_535, "filters": (65_536,), **QUANTILES}, "of memory"),
        ("stacked", {"members": HUGE}, f"members={HUGE}"),
        ("stacked", {"past": HUGE}, "holds no window"),
        ("stacked", {"future": HUGE}, "holds no window"),
        ("stacked", {"workers": HUGE}, "sixteen a core"),
        ("stacked", {"crop": f"0:{HUGE},0:16"}, "crop"),
        ("stacked", {"coarsen": HUGE}, "coarsen"),
    ],
)
def test_absurd_sizes_are_refused(tmp_path: Path, model: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(NextframeError, match=said):
        api.fit(model=model, out=tmp_path / "run", progress=False, **{**SMALL, **options})
    assert not (tmp_path / "run").exists()


def test_steps_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 40_000)
    config = preset_config("stacked").replace({**SMALL, "train_crop": None})
    part = split_as(open_source(config.data.data), config.data).train
    with pytest.raises(ConfigError, match=r"batch_size=10, 5 frames of 256 pixels, 2 filters: take at least 102 kB"):
        memory.hold_batch(config, part)
    memory.hold_batch(config.replace({"batch_size": 2}), part)
    memory.hold_batch(config.replace({"train_crop": 8}), part)


def test_weights_are_counted_as_they_are_built() -> None:
    config = preset_config("stacked")
    network = build_model(config.model, 3)
    assert memory._weights(config, 3, 0, None) == sum(tensor.numel() for tensor in network.state_dict().values())
    assert memory._weights(config, 3, 0, torch.nn.Linear(4, 2)) == 10


@pytest.mark.parametrize(
    "error", [MemoryError("std::bad_alloc"), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")]
)
def test_memory_that_ends_is_one_sentence(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(program, "app", full)
    assert main(["--help"]) == 2
    assert capsys.readouterr().err.startswith("nextframe: takes more memory than there is (received ")
