"""Training steps on windows that are in memory, in a process of its own: what a training takes, but for reading.

The order comes as JSON in the first argument, the seconds of each step go to standard output as JSON. The steps are
those of `nextframe train`: its model, its loss, its optimiser, its trainer.

Axes: B batch, T time, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

from lab.reading.archives import showers
from lab.trainer import bare_trainer
from nextframe.data.loading import WindowDataset
from nextframe.data.normalise import Normaliser
from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.frames.sequence import FrameSequence
from nextframe.malloc import keep_freed_memory
from nextframe.models.build import build_model
from nextframe.training.module import ForecastTraining
from nextframe.training.presets import preset_config


class _Clock(Callback):
    """Seconds of each step, from the batch to the weights."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.started = 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        self.started = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        self.seconds.append(time.perf_counter() - self.started)


def training_seconds(*, size: int, crop: int | None, past: int, future: int, batch: int, steps: int) -> list[float]:
    """Seconds of each of some training steps of the default stacked model, on showers.

    Args:
        size: height and width of the frames.
        crop: height and width of the cut that is trained on; None for whole frames.
        past: frames seen.
        future: frames to forecast.
        batch: windows of a batch.
        steps: steps to measure.
    """
    changes = {"past": past, "future": future, "batch_size": batch, "train_crop": crop}
    config = preset_config("stacked").replace(changes)
    frames = next(showers(past + future + batch - 1, size))[:, None]
    windows = cut_windows(
        [Span(FrameSequence(values=frames, name="showers"), 0, len(frames))], past=past, future=future
    )
    normaliser = Normaliser(method="range", offset=(0.0,), scale=(float(frames.max()) or 1.0,))
    (first,) = DataLoader(WindowDataset(windows, normaliser), batch_size=batch)
    keep_freed_memory()
    torch.manual_seed(config.training.seed)
    module = ForecastTraining(build_model(config.model, 1), config, 0.5)
    again: Any = [first] * steps  # a list is a dataset, but not by its type
    trainer = bare_trainer(steps, config.training.gradient_clip, [clock := _Clock()])
    trainer.fit(module, DataLoader(again, batch_size=None))
    return clock.seconds


if __name__ == "__main__":
    print(json.dumps(training_seconds(**json.loads(sys.argv[1]))))
