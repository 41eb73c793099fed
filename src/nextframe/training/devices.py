"""Devices that train together: a process for each, started by the first, which alone writes and speaks.

The others are programs of their own that take their work, pickled, from the first one, and not that one's script run
again. They end with it.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

import torch
from lightning.fabric.plugins.environments.lightning import find_free_network_port
from torch import distributed

from nextframe.errors import ConfigError, NextframeError, first_line

_PATIENCE = 10  # seconds for a process to tell why it has ended
_PROGRAM = "from nextframe.training.devices import help_another; help_another()"
_ALONE = "use {devices=1}"


@dataclass(frozen=True)
class Place:
    """One of the processes that train together."""

    rank: int = 0
    """Its number; the first one's is 0."""
    processes: int = 1
    """Number of them."""
    port: int = 0
    """Port at which the others find the first one."""

    @property
    def first(self) -> bool:
        """The one that writes, and speaks."""
        return self.rank == 0


def first_place(devices: int) -> Place:
    """The place of the process that was started by the user."""
    return Place(0, devices, find_free_network_port()) if devices > 1 else Place()


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
    """Next report of another process: None that all is well, else its error, or the text of it."""
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
    except Exception:  # noqa: BLE001 - whatever it is, the first process tells it
        _report(reports, traceback.format_exc())
        raise SystemExit(1) from None
    _report(reports, None)
    try:
        work(task, place)
    except Exception as error:  # noqa: BLE001 - as above: nobody reads what this process says
        _report(reports, error if isinstance(error, NextframeError) else traceback.format_exc())
        raise SystemExit(1) from None


def _report(to: BinaryIO, report: object) -> None:
    with suppress(BrokenPipeError):  # the first process has gone, and with it whoever would listen
        pickle.dump(report, to)
        to.flush()
