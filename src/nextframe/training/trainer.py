"""Lightning's trainer, as trainings here have it: quiet, with checkpoints of our own, on one device or several."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import lightning
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy

from nextframe.config import TrainingConfig
from nextframe.errors import ConfigError, first_line
from nextframe.training.checkpoints import WholeCheckpoints
from nextframe.training.devices import Place

_ENDLESS = 1_000_000  # rounds of a training that the clock ends


def make_trainer(
    training: TrainingConfig, run: Path, place: Place, callbacks: Sequence[Callback], *, progress: bool
) -> lightning.Trainer:
    """Lightning's trainer.

    Raises:
        ConfigError: devices or an arithmetic that this machine does not have.
    """
    boards = place.first and find_spec("tensorboard") is not None
    try:
        return lightning.Trainer(
            default_root_dir=run,
            accelerator=training.accelerator,
            devices=training.devices,
            strategy=_Together(place) if place.processes > 1 else "auto",
            precision=training.precision,  # type: ignore[arg-type]
            max_epochs=training.epochs if training.minutes is None else _ENDLESS,
            gradient_clip_val=training.gradient_clip,
            callbacks=list(callbacks),
            plugins=[WholeCheckpoints()],
            logger=_Boards(run, name="", version="tensorboard") if boards else False,
            use_distributed_sampler=False,  # ours know their share
            enable_model_summary=False,
            enable_progress_bar=progress,
            # A model to start from is measured before anything is changed: what is kept is to be better than it.
            num_sanity_val_steps=0 if training.from_ is None else -1,
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


class _Boards(TensorBoardLogger):
    """Lightning's, which leaves out what cannot be written: what matters is in metrics.csv, and told there."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        with suppress(OSError, ValueError):  # the latter is what Lightning makes of the former
            super().log_metrics(metrics, step)

    def save(self) -> None:
        with suppress(OSError):
            super().save()

    def finalize(self, status: str) -> None:
        with suppress(OSError):
            super().finalize(status)


class _Together(DDPStrategy):
    """Data-parallel training (gradients averaged over processes) of processes that are there already."""

    def __init__(self, place: Place) -> None:
        # Statistics of batch normalisation are averaged before each validation (`ForecastTraining`), and not sent
        # about at every step, at which the processes' numbers of batches would have to be the same.
        super().__init__(cluster_environment=_Environment(place), broadcast_buffers=False)


class _Environment(LightningEnvironment):
    """Address at which the processes find each other."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        return self._place.port

    def local_rank(self) -> int:
        return self._place.rank

    def node_rank(self) -> int:
        return 0


@contextmanager
def quiet_lightning() -> Iterator[None]:
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
            # Samplers know where an epoch was left.
            ".*your dataloader is not resumable.*",
            # Checkpoints of version 0.1 hold the state of Lightning's own keeper of checkpoints.
            ".*callbacks used to create the checkpoint.*",
            # PyTorch has a new name for it, which earlier ones do not know.
            ".*`broadcast_buffers` is deprecated.*",
            # Scores are summed over processes before they are logged.
            ".*sync_dist=True.*",
        ):
            warnings.filterwarnings("ignore", message=message)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        hook = threading.excepthook
        threading.excepthook = lambda failed: None if _of_boards(failed) else hook(failed)
        try:
            yield
        finally:
            threading.excepthook = hook
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def hearing_ctrl_c() -> Iterator[None]:
    """Ctrl-C as Python has it: a KeyboardInterrupt, and heard afterwards. Lightning makes a SystemExit of it, and
    deaf the whole process.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise stop.__context__ from None
        raise
    finally:
        if threading.current_thread() is threading.main_thread():  # only there can signals be handled
            signal.signal(signal.SIGINT, handler)


def _of_boards(failed: threading.ExceptHookArgs) -> bool:
    """Tell a thread of TensorBoard's that could not write."""
    return type(failed.thread).__module__.startswith("tensorboard") and isinstance(failed.exc_value, OSError)
