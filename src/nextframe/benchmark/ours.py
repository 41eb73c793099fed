"""This package's own step of work, to be measured."""

from __future__ import annotations

import torch

from nextframe.benchmark.work import Step, Task, Work
from nextframe.models.build import build_model
from nextframe.models.rollout import rollout
from nextframe.models.stacked import StackedConvLSTM
from nextframe.training.losses import elementwise_loss
from nextframe.training.module import make_optimizer
from nextframe.training.presets import preset_config


def nextframe_step(work: Work, task: Task, movie: torch.Tensor) -> Step:
    """One step of the work, on a movie (B, T + K, 1, H, W)."""
    config = preset_config(work.model, "tutorial").replace({"filters": work.filters, "temporal_padding": "causal"})
    model = build_model(config.model, 1)
    past, future = movie[:, : work.past], movie[:, work.past :]
    if task == "inference":
        model.eval()
        return torch.inference_mode()(lambda: rollout(model, past, work.future))
    if task == "streaming":
        model.eval()
        with torch.inference_mode():
            _, state = model.begin(past)
        return torch.inference_mode()(lambda: model.step(future[:, 0], state))  # type: ignore[arg-type]
    optimizer = make_optimizer(model, config.training)

    def train() -> None:
        optimizer.zero_grad()
        if isinstance(model, StackedConvLSTM):
            logits, target = model.logits(movie[:, :-1])[0], movie[:, 1:]
        else:
            logits, target = model.logits(past, future)[0], future
        elementwise_loss(logits, target, "bce", "sigmoid").mean().backward()
        optimizer.step()

    return train
