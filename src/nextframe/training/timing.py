"""Training by the clock: the course of the learning rate over the budget, and its end."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from nextframe.training.clock import Clock
from nextframe.training.plan import Plan

WARM = 0.1
"""Share of a training in which the learning rate rises."""
_FIRST, _LAST = 1 / 25, 4e-6  # shares of the peak, as PyTorch's OneCycleLR has them


def one_cycle(done: float) -> float:
    """Share of the peak learning rate once a share of the training is done (L. Smith and N. Topin 2018, arXiv
    1708.07120): it rises and falls as a cosine.

    >>> [round(one_cycle(done), 3) for done in (0, 0.05, 0.1, 0.55, 1)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    if done < WARM:
        return _FIRST + (1 - _FIRST) * (1 - math.cos(math.pi * done / WARM)) / 2
    return _LAST + (1 - _LAST) * (1 + math.cos(math.pi * min((done - WARM) / (1 - WARM), 1))) / 2


class Timing(Callback):
    """Sets the learning rate by the time that has passed, and ends the training when its time is over, or after so many
    steps.

    Args:
        clock: tells the time.
        plan: of the training; kept with its state.
        schedule: whether the learning rate follows the clock.
    """

    def __init__(self, clock: Clock, plan: Plan, *, schedule: bool) -> None:
        self.clock, self.plan, self.schedule = clock, plan, schedule

    @property
    def state_key(self) -> str:
        return "_Timing"

    def state_dict(self) -> dict[str, Any]:
        return {"trained": self.clock.trained, "length": self.clock.length, "plan": asdict(self.plan)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.clock.restore(state_dict["trained"], state_dict["length"])

    def done(self, trainer: lightning.Trainer) -> float:
        """Share of the training that lies behind, the same for all processes that share it."""
        done = max(self.clock.done, trainer.global_step / self.plan.steps)
        if trainer.world_size > 1:
            done = float(trainer.strategy.broadcast(torch.tensor(done)))
        return min(done, 1.0)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.clock.begin()

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        pl_module.behind = done = self.done(trainer)  # type: ignore[assignment]
        if self.schedule:
            for group in trainer.optimizers[0].param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * one_cycle(done)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = trainer.callback_metrics.get("loss")
        self.clock.show("training" if loss is None else f"training, step {trainer.global_step}, loss {float(loss):.3g}")
        if self.done(trainer) >= 1:
            trainer.should_stop = True

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.clock.show("validating")
