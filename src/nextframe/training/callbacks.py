"""Happenings of a training: what is written, said and watched after a step or an epoch, as Lightning's callbacks."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import rich
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping, RichProgressBar
from lightning.pytorch.callbacks import ProgressBar as LightningBar
from torch import Tensor

from nextframe.data.simple import GAIN, name_of
from nextframe.errors import TrainingError
from nextframe.progress import NotebookBar, in_notebook
from nextframe.runs.folder import WEIGHTS, save_model
from nextframe.runs.lock import check_still_there
from nextframe.runs.manifest import MANIFEST, Manifest, read_manifest
from nextframe.runs.metrics import append_metrics
from nextframe.training.checkpoints import BEST, FOLDER, LAST
from nextframe.training.module import ForecastTraining

MONITOR = "val_score"
"""Column of metrics.csv that tells the best weights: the smaller, the better. Of a residual, whose untrained network
forecasts as the simple forecast does, errors are relative to those of that one; else the squared error itself."""

Tell = Callable[[str], None]
"""Takes a line that is to be said."""


def on_console(line: str) -> None:
    """Say a line where the progress bar stands, above it."""
    if in_notebook():
        print(line)  # rich would make a table of it
    else:
        rich.get_console().print(line, markup=False, highlight=False, soft_wrap=True)


class EpochReport(Callback):
    """After each epoch: a row in metrics.csv, a line as the tutorial prints it, and the weights if they are the best
    yet.

    Args:
        run: the run folder.
        manifest: of the weights.
        tell: takes the line.
    """

    def __init__(self, run: Path, manifest: Manifest, tell: Tell) -> None:
        self.run, self.manifest, self.tell = run, manifest, tell
        self.best = GAIN if manifest.config.model.residual else float("inf")
        self.improved = False
        self.started = self.before = self.seconds = 0.0

    @property
    def state_key(self) -> str:
        return "_EpochReport"  # as checkpoints of version 0.1 have it

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "seconds": self.before + time.perf_counter() - self.started}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.before = state_dict["best"], state_dict.get("seconds", 0.0)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.started = time.perf_counter()  # of the rest of an epoch that was begun before
        if (self.run / WEIGHTS).exists():
            return
        assert isinstance(pl_module, ForecastTraining)
        config = self.manifest.config
        start = pl_module.start_score  # infinite where the training is resumed, which knows its best already
        if config.training.from_ is not None and start == start and start < float("inf"):
            # Shrinkage can make as good as the simple forecast of anything, which is no reason to take it.
            self.best = min(start, GAIN) if pl_module.door.moves else start
        if trainer.is_global_zero and (config.model.residual or config.training.from_ is not None):
            save_model(self.run, pl_module.model, replace(self.manifest, shrinkage=pl_module.shrinkage))

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.started, self.before = time.perf_counter(), 0.0

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.seconds = self.before + time.perf_counter() - self.started

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        values = {k: v.item() for k, v in trainer.callback_metrics.items() if k.startswith(("train_", "val_"))}
        score = values[MONITOR] if values[MONITOR] == values[MONITOR] else float("inf")  # NaN is never the best
        self.improved = score < self.best
        self.best = min(score, self.best)
        if not trainer.is_global_zero:
            return
        epoch = trainer.current_epoch + 1
        check_still_there(self.run)
        append_metrics(self.run, {"epoch": epoch, "seconds": round(self.seconds, 2), **values})
        if self.improved or not (self.run / WEIGHTS).exists():
            assert isinstance(pl_module, ForecastTraining)
            now = replace(self.manifest, epoch=epoch, shrinkage=pl_module.shrinkage)
            save_model(self.run, pl_module.model, now)
        config = self.manifest.config
        which = f"epoch {epoch}/{trainer.max_epochs}" if config.training.minutes is None else f"round {epoch}"
        validation = f"validation loss {values['val_loss']:.4e}  " if "val_loss" in values else ""
        simple = name_of(config.data.coordinates)
        second, against = _second_score(values)
        self.tell(
            f"{which}  {self.seconds:.0f} s  loss {values['train_loss']:.4e}  {validation}rollout: "
            f"MSE {values['val_rollout_mse']:.4e} ({simple} {values['val_persistence_mse']:.4e}), "
            f"{second} ({simple} {against})"
        )


def _second_score(values: Mapping[str, float]) -> tuple[str, str]:
    """Score beside the MSE, the model's and the simple forecast's: PSNR of pictures, else CSI."""
    if "val_rollout_psnr" in values:
        return f"PSNR {values['val_rollout_psnr']:.2f} dB", f"{values['val_persistence_psnr']:.2f}"
    return f"CSI {values['val_rollout_csi']:.3f}", f"{values['val_persistence_csi']:.3f}"


class Checkpoints(Checkpoint):
    """Keeps best.ckpt and last.ckpt after each epoch; on SIGTERM, last.ckpt after the step at hand, and ends the
    process as that signal does, with code 143. A validation that has begun is brought to its end before. On Ctrl-C it
    says that there is one.

    Args:
        run: the run folder.
        report: tells whether the epoch is the best yet.
        tell: told of the end.
    """

    def __init__(self, run: Path, report: EpochReport, tell: Tell) -> None:
        self.folder, self.report, self.tell = run / FOLDER, report, tell
        self.run = run
        self.asked_to_end = False
        self._handler: Any = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.is_global_zero and threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGTERM, self._note)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._restore()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        self._restore()
        if isinstance(exception, KeyboardInterrupt) and trainer.is_global_zero and (self.folder / LAST).exists():
            self.tell(f"{self.run}: interrupted; its last checkpoint is there, resume it to go on")

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not trainer.is_last_batch and of_any(trainer, self.asked_to_end):
            trainer.save_checkpoint(self.folder / LAST)
            self._end(f"in epoch {trainer.current_epoch + 1}, after step {trainer.global_step}")

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self.report.improved:
            trainer.save_checkpoint(self.folder / BEST)
        trainer.save_checkpoint(self.folder / LAST)
        if of_any(trainer, self.asked_to_end):
            self._end(f"after epoch {trainer.current_epoch + 1}")

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked_to_end = True

    def _restore(self) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGTERM, self._handler)
            self._handler = None

    def _end(self, when: str) -> None:
        self.tell(f"{self.run}: ended by SIGTERM {when}; its checkpoint is saved, resume it to go on")
        raise SystemExit(128 + signal.SIGTERM)


class FiniteLoss(Callback):
    """Stops a training whose loss is NaN or infinite, before such a loss reaches the weights.

    Args:
        run: the run folder.

    Raises:
        TrainingError: on the step, or the validation, at which the loss is not finite.
    """

    def __init__(self, run: Path) -> None:
        self.run = run

    def on_before_backward(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, loss: Tensor
    ) -> None:
        if of_any(trainer, not torch.isfinite(loss).all()):
            when = f"at step {trainer.global_step + 1}, in epoch {trainer.current_epoch + 1}"
            raise self._error(trainer, pl_module, f"loss is {_what(loss)} {when}")

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, ForecastTraining)
        total = pl_module.validation_loss.total
        if not trainer.sanity_checking and of_any(trainer, not torch.isfinite(total).all()):
            when = f"after step {trainer.global_step}, at the end of epoch {trainer.current_epoch + 1}"
            raise self._error(trainer, pl_module, f"validation loss is {_what(total)} {when}")

    def _error(self, trainer: lightning.Trainer, module: lightning.LightningModule, what: str) -> TrainingError:
        assert isinstance(module, ForecastTraining)
        training = module.config.training
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        kept = "no weights were kept: it was the first epoch"
        if (self.run / WEIGHTS).exists():
            kept = f"the weights after epoch {read_manifest(self.run / MANIFEST).epoch} are kept"
        remedies = [f"a smaller {{learning_rate={training.learning_rate / 10:g}}}"]
        if training.gradient_clip is None:
            remedies.append("{gradient_clip=1}")
        if "16" in training.precision:
            remedies.append("{precision=32-true}")
        return TrainingError(
            f"{what}, with learning rate {rate:.3g}; {kept}", where=self.run, hint=f"try {' or '.join(remedies)}"
        )


class Patience(EarlyStopping):
    """Lightning's early stopping, which stays stopped when the run is resumed.

    Args:
        epochs: how many without a better score end the training.
    """

    def __init__(self, epochs: int) -> None:
        # A rollout that is not finite is an epoch without a better score.
        super().__init__(MONITOR, patience=epochs, check_on_train_epoch_end=True, check_finite=False)

    @property
    def state_key(self) -> str:
        return "_EarlyStopping{'monitor': 'val_rollout_mse', 'mode': 'min'}"  # as checkpoints of version 0.1 have it

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class ProgressBar(RichProgressBar):
    """Lightning's bar, which counts epochs as the line after each does, without the number that it gives to log
    folders.
    """

    def _get_train_description(self, current_epoch: int) -> str:
        # Lightning's own has "Epoch 0/0" for the first of one. It offers no public place to say otherwise.
        description = f"Epoch {current_epoch + 1}/{self.trainer.max_epochs}"
        return description.ljust(len(self.validation_description))

    def get_metrics(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        return {k: v for k, v in super().get_metrics(trainer, pl_module).items() if k != "v_num"}


class NotebookProgress(LightningBar):
    """A bar of the whole training in a notebook's output, which takes no widgets."""

    def __init__(self) -> None:
        super().__init__()
        self.bar: NotebookBar | None = None
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def enable(self) -> None:
        self._enabled = True

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        epochs = trainer.max_epochs or 1
        if self._enabled and trainer.is_global_zero:
            self.bar = NotebookBar("training", int(self.total_train_batches) * epochs)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._show(trainer, "")

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._show(trainer, ", validating", now=True)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._show(trainer, ", done", now=True)

    def _show(self, trainer: lightning.Trainer, doing: str, *, now: bool = False) -> None:
        if self.bar is not None:
            epoch = min(trainer.current_epoch + 1, trainer.max_epochs or 1)
            self.bar.update(trainer.global_step, f"epoch {epoch}/{trainer.max_epochs}{doing}", now=now)


def of_any(trainer: lightning.Trainer, decision: bool | Tensor) -> bool:
    """Decision of processes that train together: true if one of them says so; all of them are to ask at once."""
    if trainer.world_size == 1:
        return bool(decision)
    return trainer.strategy.reduce_boolean_decision(bool(decision), all=False)


def _what(values: Tensor) -> str:
    return "NaN" if bool(values.isnan().any()) else "infinite"
