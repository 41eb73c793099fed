"""`train`: from a source of frames and a configuration to a run folder, through Lightning."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

import nextframe.engine as engine
from nextframe.config import RunConfig, TrainingConfig
from nextframe.data.coverage import coverage
from nextframe.data.importance import ImportanceSampler, draw_probabilities, draw_weights, window_content
from nextframe.data.loading import SeededSampler, WindowDataset, note_damage
from nextframe.data.normalise import choose_threshold, fit_normaliser
from nextframe.data.split import Split, split_as
from nextframe.data.static import read_static
from nextframe.data.statistics import measure_spans
from nextframe.data.windows import Windows, cut_windows
from nextframe.errors import CheckpointError, ConfigError, first_line
from nextframe.files import check_writable
from nextframe.frames.sequence import FloatArray, FrameSource
from nextframe.frames.units import same_unit
from nextframe.models.build import build_model
from nextframe.models.causality import check_causal
from nextframe.runs.folder import ModelCard, append_metrics, load_config, save_config, save_model, save_static
from nextframe.training.malloc import keep_freed_memory
from nextframe.training.module import ForecastTraining
from nextframe.words import seconds

MONITOR = "val_rollout_mse"


def train(source: FrameSource, config: RunConfig, run: Path, *, resume: bool = False, progress: bool = True) -> None:
    """Train a model and leave everything about it in the run folder.

    The best weights are those with the smallest mean squared error of the free rollout on the validation part.

    Args:
        source: the frames; split as `config.data` says.
        config: the resolved configuration.
        run: the run folder; made if need be.
        resume: go on from the folder's last checkpoint (the same configuration), or start if there is none.
        progress: show a progress bar and a line for each epoch.

    Raises:
        ConfigError: the folder already holds a run and `resume` is not set, or holds one of another configuration.
        DataError: frames that cannot be trained on (too few, constant, damaged).
        CheckpointError: a last checkpoint that cannot be read.
    """
    checkpoint = _checkpoint_to_resume(run, config, resume)
    if resume and checkpoint is None and progress:
        print(f"{run}: holds no run to resume, a new one begins")
    if config.training.recompute is None:  # it leaves gaps, which matter where memory is to be bounded
        keep_freed_memory()
    parts = split_as(source, config.data)
    statistics = measure_spans(parts.train)
    normaliser = fit_normaliser(
        parts.train, config.data.normalisation, output=config.model.output, statistics=statistics
    )
    threshold = choose_threshold(parts.train, normaliser)
    channels, height, width = source.frame_shape
    first = source.sequences[0]
    static, grid, step = read_static(config.data, first), first.grid, first.time_step
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        model = build_model(config.model, channels, len(static), past=config.data.past, future=config.data.future)
    card = ModelCard(
        config=config,
        normaliser=normaliser,
        threshold=threshold,
        channels=channels,
        height=height,
        width=width,
        variables=first.variables,
        units=first.units,
        time_step=None if step is None else seconds(step),
        grid=(tuple(map(float, grid.y)), tuple(map(float, grid.x))) if len(static) and grid is not None else None,
    )
    _hold_weights_to_unit(config.training, first.units)
    thresholds = [normaliser.apply_scalar(value) for value in config.training.loss_thresholds]
    module = ForecastTraining(model, config, normaliser.apply_scalar(threshold), thresholds)
    training_data, validation_data = _loaders(parts, config, normaliser, threshold, static)
    report = _EpochReport(run, card, progress)
    with _quiet_lightning():
        trainer = _trainer(config, run, progress, report)
    save_static(run, static)
    save_config(run, config)  # from here on the folder is this run's; bad data and bad options have left none
    if progress:
        counts = len(training_data.dataset), len(validation_data.dataset)  # type: ignore[arg-type]
        print(f"{source.name}: {counts[0]} windows to train on, {counts[1]} to validate")
        print(check_causal(model, shape=(1, 6, channels + len(static), 12, 12)).sentence)
    _print_losses(parts, config, statistics.empty_frames)
    with _quiet_lightning():
        try:
            with engine.subnormals_are_zero():
                trainer.fit(module, training_data, validation_data, ckpt_path=checkpoint)
        except (EOFError, RuntimeError, KeyError) as error:
            if checkpoint is not None and trainer.global_step == 0:
                raise CheckpointError("cannot be resumed", where=checkpoint, received=error) from error
            raise
        finally:
            engine.release_buffers()
    if source.damage is not None:
        for loader in (training_data, validation_data):
            assert isinstance(loader.dataset, WindowDataset)
            note_damage(loader.dataset)
        if source.damage.sentence:
            print(f"{source.name}: {source.damage.sentence}")


def train_ensemble(
    source: FrameSource, config: RunConfig, run: Path, *, resume: bool = False, progress: bool = True
) -> None:
    """Train the members of an ensemble, one after the other, each from a seed of its own and into a run folder of its
    own inside `run`; arguments and errors of `train`.
    """
    _checkpoint_to_resume(run, config, resume)
    for n in range(config.training.members):
        if progress:
            print(f"member {n + 1} of {config.training.members}")
        member = config.replace({"seed": config.training.seed + n, "members": 1})
        train(source, member, run / f"member-{n + 1}", resume=resume, progress=progress)
        save_config(run, config)  # not before the first member has shown that the data can be trained on


def _checkpoint_to_resume(run: Path, config: RunConfig, resume: bool) -> Path | None:
    """The checkpoint to go on from, if there is one; holds the folder to be free, or this very run's."""
    saved = run / "config.yaml"
    check_writable(saved)
    if run.exists() and not run.is_dir():
        raise ConfigError("is a file, not a folder for a run", where=run, hint="choose another {out}")
    if saved.exists():
        if not resume:
            raise ConfigError(
                "already holds a run", where=run, hint="use {resume=True} to go on with it, or choose another {out}"
            )
        before = load_config(saved)
        if before != config:
            new, old = config.to_dict(), before.to_dict()
            changed = [key for section in new for key in new[section] if new[section][key] != old[section][key]]
            what = f"its run has another configuration ({', '.join(changed)} differ)"
            raise ConfigError(what, where=run, hint="resume with the options it was started with")
    last = run / "checkpoints" / "last.ckpt"
    return last if last.exists() else None


def _hold_weights_to_unit(training: TrainingConfig, units: Sequence[str]) -> None:
    """Balanced losses have weights for rain in mm/h; in another unit they are to be chosen."""
    unchanged = training.loss_thresholds == TrainingConfig().loss_thresholds
    if training.loss.startswith("balanced") and unchanged and units[0] != "1" and not same_unit(units[0], "mm/h"):
        raise ConfigError(
            "has weights for rain in mm/h",
            where=f"loss={training.loss}",
            received=f"frames in {units[0]}",
            hint="choose {loss_thresholds} in that unit, or bring the frames to mm/h with {rain_unit=mm/h}",
        )


def _print_losses(parts: Split, config: RunConfig, empty_frames: int) -> None:
    """What of the training and the validation part no window uses, a line each where there is such."""
    data = config.data
    for name, spans, empty in (("training", parts.train, empty_frames), ("validation", parts.validation, 0)):
        lost = coverage(spans, past=data.past, future=data.future, stride=data.stride, empty_frames=empty).sentence
        if lost:
            print(f"{name} part: {lost}")


def _loaders(
    parts: Split, config: RunConfig, normaliser: Any, threshold: float, static: FloatArray
) -> tuple[DataLoader[dict[str, torch.Tensor]], DataLoader[dict[str, torch.Tensor]]]:
    data, training = config.data, config.training

    def windows(part: Any, name: str) -> Windows:
        return cut_windows(part, past=data.past, future=data.future, stride=data.stride, part=name)

    if not parts.validation:
        raise ConfigError("is zero", where="validation", hint="hold out a share, to see what the training is worth")
    to_train, to_validate = windows(parts.train, "training"), windows(parts.validation, "validation")
    common: dict[str, Any] = {"num_workers": training.workers, "persistent_workers": training.workers > 0}
    sampler = SeededSampler(len(to_train), training.seed)
    weights = None
    if training.importance is not None:
        probabilities = draw_probabilities(window_content(to_train, max(threshold, 1e-12)), training.importance)
        sampler, weights = ImportanceSampler(probabilities, training.seed), draw_weights(probabilities)
    inputs: dict[str, Any] = {
        "lagrangian": data.coordinates == "lagrangian",
        "static": static if len(static) else None,
    }
    train_set = WindowDataset(to_train, normaliser, weights, **inputs)
    validation_set = WindowDataset(to_validate, normaliser, **inputs)
    batch_size = min(training.batch_size, len(sampler))
    return (
        DataLoader(train_set, batch_size=batch_size, sampler=sampler, drop_last=True, **common),
        DataLoader(validation_set, batch_size=training.batch_size, **common),
    )


def _trainer(config: RunConfig, run: Path, progress: bool, report: Callback) -> lightning.Trainer:
    training = config.training

    def checkpoint(name: str, monitor: str | None) -> ModelCheckpoint:
        return ModelCheckpoint(
            run / "checkpoints",
            filename=name,
            monitor=monitor,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    callbacks: list[Callback] = [report]
    if training.patience is not None:
        callbacks.append(_EarlyStopping(MONITOR, patience=training.patience, check_on_train_epoch_end=True))
    # Not `save_last`, which writes no epoch that is not among the best.
    callbacks += [checkpoint("best", MONITOR), checkpoint("last", None)]
    if progress:
        callbacks.append(_ProgressBar())
    boards = find_spec("tensorboard") is not None
    try:
        return lightning.Trainer(
            default_root_dir=run,
            accelerator=training.accelerator,
            devices=training.devices,
            precision=training.precision,  # type: ignore[arg-type]
            max_epochs=training.epochs,
            gradient_clip_val=training.gradient_clip,
            callbacks=callbacks,
            logger=TensorBoardLogger(run, name="", version="tensorboard") if boards else False,
            enable_model_summary=False,
            enable_progress_bar=progress,
            num_sanity_val_steps=0,
            log_every_n_steps=10,
        )
    except (MisconfigurationException, ImportError, RuntimeError, ValueError) as error:
        given = f"{training.accelerator}, {training.devices}, {training.precision}"
        raise ConfigError(
            f"this machine cannot compute like that ({first_line(error).rstrip('.')})",
            where="accelerator, devices, precision",
            received=given,
            hint="try {accelerator=cpu}, {devices=1}, {precision=32-true}",
        ) from error


class _EarlyStopping(EarlyStopping):
    """Lightning's, which stays stopped when the run is resumed."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class _ProgressBar(RichProgressBar):
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


class _EpochReport(Callback):
    """After each epoch: a row in metrics.csv, a line as the tutorial prints it, and the weights if they are the best
    yet.
    """

    def __init__(self, run: Path, card: ModelCard, progress: bool) -> None:
        self.run, self.card, self.progress = run, card, progress
        self.best = float("inf")
        self.started = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.started = time.perf_counter()

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.seconds = time.perf_counter() - self.started

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        values = {k: v.item() for k, v in trainer.callback_metrics.items() if k.startswith(("train_", "val_"))}
        epoch = trainer.current_epoch + 1
        if not trainer.is_global_zero:
            return
        append_metrics(self.run, {"epoch": epoch, "seconds": round(self.seconds, 2), **values})
        if values[MONITOR] < self.best or not (self.run / "model.safetensors").exists():
            self.best = values[MONITOR]
            assert isinstance(pl_module, ForecastTraining)
            save_model(self.run, pl_module.model, replace(self.card, epoch=epoch))
        if self.progress:
            pl_module.print(
                f"epoch {epoch}/{trainer.max_epochs}  {self.seconds:.0f} s  loss {values['train_loss']:.4e}  "
                f"validation loss {values['val_loss']:.4e}  rollout: "
                f"MSE {values['val_rollout_mse']:.4e} (persistence {values['val_persistence_mse']:.4e}), "
                f"CSI {values['val_rollout_csi']:.3f} (persistence {values['val_persistence_csi']:.3f})"
            )


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Leave out Lightning's remarks on hardware and workers, which say nothing to a forecaster."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",
            ".*LeafSpec.*",
            ".*number of training batches.*",
            ".*exists and is not empty.*",
            ".*GPU available but not used.*",
            # Half precision leaves out first steps whose gradients overflow; the schedule goes on.
            ".*`lr_scheduler.step\\(\\)` before `optimizer.step\\(\\)`.*",
        ):
            warnings.filterwarnings("ignore", message=message)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
