"""The trainer of what is measured: that of `nextframe train`, without logs, checkpoints and progress bar."""

from __future__ import annotations

from collections.abc import Sequence

import lightning
from lightning.pytorch.callbacks import Callback


def bare_trainer(steps: int, gradient_clip: float | None, callbacks: Sequence[Callback]) -> lightning.Trainer:
    """A trainer on the CPU that stops after so many steps, however many epochs these are."""
    return lightning.Trainer(
        accelerator="cpu",
        devices=1,
        max_steps=steps,
        max_epochs=-1,
        gradient_clip_val=gradient_clip,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
