"""Trainings on archives that are larger than the cache of their decoded frames: fewer decodings, and as repeatable."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nextframe.config import RunConfig
from nextframe.frames.cache import cached
from nextframe.frames.sequence import FrameSequence, FrameSource
from nextframe.training.checkpoints import find_resume_point, read_checkpoint
from nextframe.training.fit import train
from nextframe.training.module import ForecastTraining
from nextframe.training.presets import preset_config


class Dear:
    """Frames that are drawn anew when they are read, and how many were."""

    shape, dtype = (200, 1, 12, 12), np.dtype(np.float32)

    def __init__(self) -> None:
        self.read = 0

    def __getitem__(self, frames: slice, /) -> np.ndarray:
        numbers = range(*frames.indices(self.shape[0]))
        self.read += len(numbers)
        return np.stack([np.random.default_rng(n).random(self.shape[1:], np.float32) for n in numbers])


def config(**options: object) -> RunConfig:
    tiny: dict[str, Any] = {
        "data": "dear", "past": 6, "future": 4, "validation": 0.1, "test": 0.0, "filters": (3,), "epochs": 2,
        "batch_size": 8, "accelerator": "cpu",
    }  # fmt: skip
    return preset_config("stacked").replace({**tiny, **options})


def run(out: Path, reader: Dear, kept: int, *, resume: bool = False, **options: object) -> dict[str, torch.Tensor]:
    """Train with so many frames kept; the weights at the end."""
    (sequence,) = cached([FrameSequence(values=reader, name="dear")], kept * 4 * 12 * 12)
    train(FrameSource(name="dear", sequences=(sequence,)), config(**options), out, progress=False, resume=resume)
    return dict(read_checkpoint(out / "checkpoints" / "last.ckpt")["state_dict"])


@pytest.mark.slow
def test_a_training_decodes_each_frame_a_few_times_an_epoch(tmp_path: Path) -> None:
    local, whole = Dear(), Dear()
    run(tmp_path / "local", local, 125)
    run(tmp_path / "whole", whole, 70)  # which is too little to mix
    assert local.read < 0.5 * whole.read


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("more", [{}, {"importance": 0.5}], ids=["all", "by importance"])
def test_a_training_by_pools_goes_on_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, more: dict[str, object]
) -> None:
    options: dict[str, Any] = {"workers": workers, **more}
    whole = run(tmp_path / "whole", Dear(), 125, **options)
    before = ForecastTraining.training_step

    def training_step(self: ForecastTraining, batch: Any, batch_index: int) -> Any:
        if self.current_epoch == 1 and batch_index == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return before(self, batch, batch_index)

    monkeypatch.setattr(ForecastTraining, "training_step", training_step)
    with pytest.raises(SystemExit):
        run(tmp_path / "run", Dear(), 125, **options)
    monkeypatch.setattr(ForecastTraining, "training_step", before)
    point = find_resume_point(tmp_path / "run", print)
    assert point is not None
    assert (point.epochs, point.batches) == (1, 5)
    resumed = run(tmp_path / "run", Dear(), 125, resume=True, **options)
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())
