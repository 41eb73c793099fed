"""This package's own step of work, to be measured."""

from __future__ import annotations

import torch
from torch import Tensor

from lab.speed.passes import training_pass
from lab.speed.work import PASSES, Step, Task, Work
from nextframe.models.build import build_model
from nextframe.models.convlstm import recompute_in_segments
from nextframe.models.rollout import rollout
from nextframe.training.losses import elementwise_loss
from nextframe.training.module import make_optimizer
from nextframe.training.presets import preset_config


def nextframe_step(
    work: Work, task: Task, movie: Tensor, *, compiled: bool = False, recompute: int | None = None
) -> Step:
    """One step of the work.

    Args:
        work: the work.
        task: what is done of it.
        movie: (B, T + K, 1, H, W).
        compiled: whether `torch.compile` compiles the model.
        recompute: steps of a segment that the backward pass computes again.
    """
    options = {"filters": work.filters, "kernel_size": work.kernel, "temporal_padding": "causal"}
    config = preset_config(work.model, "tutorial").replace(options)
    model = build_model(config.model, 1).to(movie.device)
    recompute_in_segments(model, recompute)
    if compiled:
        for name in ("logits", "begin", "step"):
            setattr(model, name, torch.compile(getattr(model, name), dynamic=False))
    past, future = movie[:, : work.past], movie[:, work.past :]
    if task in PASSES:

        def loss() -> Tensor:
            logits = model.training_logits(past, future)
            return elementwise_loss(logits, movie[:, -logits.shape[1] :], "bce", "sigmoid").mean()

        return training_pass(task, loss, make_optimizer(model, config.training))
    model.eval()
    if task == "inference":
        return Step(torch.inference_mode()(lambda: rollout(model, past, work.future)))
    with torch.inference_mode():
        _, state = model.begin(past)
    return Step(torch.inference_mode()(lambda: model.step(future[:, 0], state)))
