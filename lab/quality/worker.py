"""A training that is watched, in a process of its own: quality at some steps, and the seconds of training until then.

The trial's name comes in the first argument, and how many held-out movies there are; points go to standard output,
one line of JSON each. The training is that of `nextframe train`: its model, its loss, its optimiser, its trainer.

Axes: N movies, T time, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.utils.data import DataLoader

from lab.quality.trials import HELD_OUT_SEED, TRAINING_SEED, TRIALS, Goal, Trial
from lab.trainer import bare_trainer
from nextframe.config import RunConfig
from nextframe.data.loading import SeededSampler, WindowDataset
from nextframe.data.normalise import Normaliser
from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.engine import subnormals_are_zero
from nextframe.frames.generated.squares import MovingSquares
from nextframe.malloc import keep_freed_memory
from nextframe.models.build import build_model
from nextframe.models.network import Network
from nextframe.models.rollout import rollout
from nextframe.training.losses import elementwise_loss
from nextframe.training.module import ForecastTraining
from nextframe.training.presets import preset_config
from nextframe.training.skill import RolloutSkill

EVENT = 0.5
"""What counts as an event in the CSI."""
WATCHED = 100
"""Held-out movies that every point is measured on; all of them where these promise that a mark is reached."""
TOGETHER = 20
"""Movies forecast at a time."""


def measure(model: Network, goal: Goal, movies: Tensor) -> dict[str, Any]:
    """Loss on true inputs, and CSI of the free rollout by lead time, on movies (N, T, 1, H, W) of zeros and ones."""
    model.eval()
    loss, skill = 0.0, RolloutSkill(goal.frames - goal.past, EVENT)
    with torch.inference_mode():
        for some in movies.split(TOGETHER):
            frames = some.float()
            past, future = frames[:, : goal.past], frames[:, goal.past :]
            logits = model.training_logits(past, future)
            target = frames[:, -logits.shape[1] :]
            loss += elementwise_loss(logits, target, "bce", "sigmoid").mean().item() * len(frames) / len(movies)
            if goal.csi:
                skill.update(rollout(model, past, goal.frames - goal.past), future, torch.ones_like(future).bool())
    csi = skill.compute()["csi"].tolist() if goal.csi else []
    return {"movies": len(movies), "loss": loss, "csi": csi}


class Watcher:
    """Measures quality on few held-out movies, and on all of them where a mark may be reached, or at the end.

    Args:
        goal: what is to be reached.
        movies: held-out movies N.
    """

    def __init__(self, goal: Goal, movies: int) -> None:
        source = MovingSquares(movies=movies, frames=goal.frames, seed=HELD_OUT_SEED)
        self.goal, self.movies = goal, torch.from_numpy(source.render(0, goal.frames))
        self.ahead = {"loss": [goal.loss] if goal.loss is not None else [], "csi": list(goal.csi)}

    def look(self, model: Network, *, last: bool) -> dict[str, Any]:
        """Quality of the model now."""
        found = measure(model, self.goal, self.movies[:WATCHED])
        if len(self.movies) > WATCHED and (last or self._promises(found)):
            found = measure(model, self.goal, self.movies)
            self.ahead = {
                "loss": [mark for mark in self.ahead["loss"] if found["loss"] > mark],
                "csi": [mark for mark in self.ahead["csi"] if mean(found["csi"]) < mark],
            }
        model.train()
        return found

    def _promises(self, found: dict[str, Any]) -> bool:
        reached = any(found["loss"] <= mark for mark in self.ahead["loss"])
        return reached or any(mean(found["csi"]) >= mark for mark in self.ahead["csi"])


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value."""
    return sum(values) / len(values)


def resolved(trial: Trial) -> RunConfig:
    """The configuration of a trial: its preset, the architecture of its goal, its own changes, and its movies."""
    goal = trial.goal
    fixed = {"past": goal.past, "future": goal.frames - goal.past}
    config = preset_config(goal.model, trial.preset).replace({**goal.options, **fixed, **trial.changes})
    movies = _movies(trial, config.training.batch_size)
    return config.replace({"data": f"squares:movies={movies},frames={goal.frames},seed={TRAINING_SEED}"})


def _movies(trial: Trial, batch_size: int) -> int:
    return trial.steps * batch_size if trial.movies is None else trial.movies


class _Watched(Callback):
    """A clock that stands still while quality is measured."""

    def __init__(self, trial: Trial, watcher: Watcher) -> None:
        self.trial, self.watcher = trial, watcher
        self.paused, self.started = 0.0, time.perf_counter()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any, **__: Any
    ) -> None:
        seconds = (began := time.perf_counter()) - self.started - self.paused
        last = trainer.global_step == self.trial.steps or seconds >= self.trial.longest
        if trainer.global_step in self.trial.points or last:
            assert isinstance(pl_module, ForecastTraining)
            found = self.watcher.look(pl_module.model, last=last)
            print(json.dumps({"step": trainer.global_step, "seconds": round(seconds, 2), **found}), flush=True)
            self.paused += time.perf_counter() - began
        trainer.should_stop = last


def train(trial: Trial, movies: int) -> None:
    """Train, and print a point after each of the trial's `points`."""
    config, goal = resolved(trial), trial.goal
    count = _movies(trial, config.training.batch_size)
    source = MovingSquares(movies=count, frames=goal.frames, seed=TRAINING_SEED)
    clock = _Watched(trial, Watcher(goal, movies))
    fit(prepared(config), source, trial.steps, [clock])


def prepared(config: RunConfig, training: type[ForecastTraining] = ForecastTraining) -> ForecastTraining:
    """An untrained model of a configuration, ready to be trained on frames of zeros and ones."""
    torch.manual_seed(config.training.seed)
    return training(build_model(config.model, 1, past=config.data.past, future=config.data.future), config, EVENT)


def fit(module: ForecastTraining, source: MovingSquares, steps: int, callbacks: Sequence[Callback] = ()) -> None:
    """Train for so many steps, on all movies again and again; nothing is printed, saved or validated."""
    keep_freed_memory()
    config = module.config
    spans = [Span(sequence, 0, source.frames) for sequence in source.sequences()]
    windows = cut_windows(spans, past=config.data.past, future=config.data.future)
    data = WindowDataset(windows, Normaliser(method="identity", offset=(0.0,), scale=(1.0,)))
    sampler = SeededSampler(len(windows), config.training.seed)
    loader = DataLoader(data, batch_size=config.training.batch_size, sampler=sampler, drop_last=True)
    with subnormals_are_zero():
        bare_trainer(steps, config.training.gradient_clip, callbacks).fit(module, loader)


def main(name: str, movies: str) -> None:
    """Run the trial of this name."""
    train(next(trial for trial in TRIALS if trial.name == name), int(movies))


if __name__ == "__main__":
    main(*sys.argv[1:])
