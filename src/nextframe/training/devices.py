"""Devices that train together: a process for each, started by the first, which alone writes and speaks.

The others are programs of their own that take their work, pickled, from the first one, and not that one's script run
again. They end with it.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment, find_free_network_port
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from torch import distributed

from nextframe.config import TrainingConfig
from nextframe.errors import ConfigError, NextframeError, first_line
from nextframe.training.checkpoints import WholeCheckpoints

_PATIENCE = 10  # seconds for a process to tell why it has ended
_PROGRAM = "from nextframe.training.devices import help_another; help_another()"


@dataclass(frozen=True)
class Place:
    """One of the processes that train together."""

    rank: int = 0
    """Its number; the first one's is 0."""
    processes: int = 1
    """How many there are."""
    port: int = 0
    """Where the first one is to be found by the others."""

    @property
    def first(self) -> bool:
        """Whether it writes, and speaks."""
        return self.rank == 0


def first_place(devices: int) -> Place:
    """The place of the process that was started by the user."""
    return Place(0, devices, find_free_network_port()) if devices > 1 else Place()


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
            max_epochs=training.epochs,
            gradient_clip_val=training.gradient_clip,
            callbacks=list(callbacks),
            plugins=[WholeCheckpoints()],
            logger=_Boards(run, name="", version="tensorboard") if boards else False,
            use_distributed_sampler=False,  # ours know their share
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
    """Where the processes find each other."""

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
def helpers(place: Place, work: Callable[[Any, Place], None], task: Any) -> Iterator[None]:
    """The other processes, each at `work(task, place)`, while the first one does its part; none for one process.

    Raises:
        ConfigError: a task that cannot be handed to another process, or a process that cannot be started.
        NextframeError: what one of them has stopped with.
    """
    if place.processes == 1:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // place.processes))
    others: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(1, place.processes):
            others.append(_start(work, task, Place(rank, place.processes, place.port)))
        for other in others:
            if (error := _read_report(other)) is not None:
                raise ConfigError("cannot start another process", where="devices", received=error, hint=_ALONE)
        try:
            yield
        except (RuntimeError, ConnectionError) as error:  # of the connection, if one of the others has ended
            for other in others:
                with suppress(subprocess.TimeoutExpired):
                    other.wait(_PATIENCE)
                report = _read_report(other) if other.poll() is not None else None
                if isinstance(report, NextframeError):
                    raise report from error
                if report is not None:
                    error.add_note(f"another process that trains with this one has ended:\n{report}")
            raise
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
        for other in others:
            with suppress(subprocess.TimeoutExpired):
                other.wait(_PATIENCE if sys.exc_info()[0] is None else 1)
            other.kill()
            other.wait()
            for stream in (other.stdin, other.stdout):
                if stream is not None:
                    stream.close()
        torch.set_num_threads(threads)


_ALONE = "use {devices=1}"


def _start(work: Callable[[Any, Place], None], task: Any, place: Place) -> subprocess.Popen[bytes]:
    try:
        pickled = pickle.dumps((work, task, place, torch.get_num_threads()), protocol=5)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ConfigError(
            "frames of this kind cannot be handed to another process",
            where="devices",
            received=first_line(error),
            hint=_ALONE,
        ) from error
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    other = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert other.stdin is not None
    with suppress(BrokenPipeError):  # it has ended, and its report is read next
        other.stdin.write(pickled)
        other.stdin.close()
    return other


def _read_report(other: subprocess.Popen[bytes]) -> object:
    """What another process reports next: None that all is well, else its error, or the text of it."""
    assert other.stdout is not None
    try:
        return pickle.load(other.stdout)
    except (EOFError, pickle.UnpicklingError):
        return None if other.poll() == 0 else f"it has ended with code {other.wait()}"


def help_another() -> None:
    """Do what another process asks for; the whole life of a process that `helpers` starts."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the first one decides when to end
        signal.signal(number, signal.SIG_IGN)
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        work, task, place, threads = pickle.load(sys.stdin.buffer)
        torch.set_num_threads(threads)
    except Exception:
        _report(reports, traceback.format_exc())
        raise SystemExit(1) from None
    _report(reports, None)
    try:
        work(task, place)
    except Exception as error:
        _report(reports, error if isinstance(error, NextframeError) else traceback.format_exc())
        raise SystemExit(1) from None


def _report(to: BinaryIO, report: object) -> None:
    with suppress(BrokenPipeError):  # the first process has gone, and with it whoever would listen
        pickle.dump(report, to)
        to.flush()


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


def _of_boards(failed: threading.ExceptHookArgs) -> bool:
    """Whether TensorBoard's own thread could not write."""
    return type(failed.thread).__module__.startswith("tensorboard") and isinstance(failed.exc_value, OSError)
