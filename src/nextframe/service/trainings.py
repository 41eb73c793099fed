"""Trainings on uploaded frames: one at a time, in a process of its own, bounded in time, memory and number."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nextframe.errors import NextframeError
from nextframe.files import write_array
from nextframe.forecasting.load import load_run
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.told import told_of
from nextframe.runs.metrics import METRICS, read_metrics
from nextframe.service.judge import plain
from nextframe.service.limits import Limits, Refused, room_on_disk, said

_NAME = re.compile(r"trained-(\d+)")
_LOOK = 0.3
"""Seconds between two looks at a training."""
_GRACE = 120.0
"""Seconds beyond its budget that a training has to end by itself."""

State = Literal["running", "done", "failed", "cancelled"]


@dataclass(eq=False)
class Training:
    """A training, under way or ended."""

    name: str
    """What it is called, and its model."""
    folder: Path
    """Its run folder."""
    seconds: float
    """Its budget."""
    state: State = "running"
    """What has become of it."""
    epochs: list[dict[str, float]] = field(default_factory=list)
    """Scores by epoch, so far."""
    error: str = ""
    """Why it has failed."""
    started: float = field(default_factory=time.monotonic)
    """When it began, by the monotonic clock."""
    process: subprocess.Popen[str] | None = None
    """What trains."""

    def described(self) -> dict[str, Any]:
        """Itself for JSON."""
        done = self.state == "done"
        return {
            "id": self.name,
            "state": self.state,
            "seconds": self.seconds,
            "epochs": plain(self.epochs),
            **({"model": self.name} if done else {}),
            **({"error": self.error} if self.error else {}),
        }


class Trainings:
    """All trainings of a service.

    Args:
        models: where trained models are put, by name.
        folder: where run folders are.
        limits: of one training, and of the models that are kept.
        used: names of models that may not go, as a stream forecasts with them.
    """

    def __init__(
        self,
        models: MutableMapping[str, TrainedForecaster],
        folder: Path,
        limits: Limits,
        used: Callable[[], set[str]],
    ) -> None:
        self.models, self.folder, self.limits, self._used = models, folder, limits, used
        self._lock = threading.Lock()
        self._trainings: dict[str, Training] = {}
        self._watcher: threading.Thread | None = None
        self._last = 0
        for left in folder.glob("trained-*.npy"):  # by a service that was killed
            left.unlink(missing_ok=True)
        for run in sorted(folder.glob("trained-*"), key=lambda path: (len(path.name), path.name)):
            self._found(run)

    def _found(self, run: Path) -> None:
        """Take in a run of an earlier service; one that did not come to its end goes."""
        said = _NAME.fullmatch(run.name)
        if said is None or run.name in self.models:
            return
        self._last = max(self._last, int(said[1]))
        try:
            self.models[run.name] = load_run(run)
        except NextframeError:
            shutil.rmtree(run, ignore_errors=True)
            return
        training = self._trainings[run.name] = Training(run.name, run, 0.0, "done")
        self._look(training)

    def names(self) -> list[str]:
        """Names of the trainings that are known."""
        return list(self._trainings)

    def find(self, name: str) -> Training:
        """A training.

        Raises:
            Refused: none of that name.
        """
        if name not in self._trainings:
            raise Refused(404, f"there is no training {name!r}")
        return self._trainings[name]

    def begin(self, frames: FrameSequence, seconds: float, options: dict[str, Any]) -> Training:
        """Begin a training.

        Args:
            frames: what it trains on.
            seconds: its budget.
            options: of the configuration.

        Raises:
            Refused: another one is under way, no such budget, or a full disk.
        """
        if not 0 < seconds <= self.limits.training_seconds:
            raise Refused(422, f"seconds must be above 0 and at most {self.limits.training_seconds:g}")
        with self._lock:
            if any(training.state == "running" for training in self._trainings.values()):
                raise Refused(503, "a training is under way: come again when it has ended", retry_after=30)
            self._last += 1
            while f"trained-{self._last}" in self.models:
                self._last += 1
            name = f"trained-{self._last}"
            training = Training(name, self.folder / name, seconds)
            self._trainings[name] = training
            self._forget()
        kept = self.folder / f"{name}.npy"
        try:
            with room_on_disk():
                self._start(training, frames, kept)
        finally:
            if training.process is None:  # nothing runs, and the next one may
                del self._trainings[name]
                kept.unlink(missing_ok=True)
        with self._lock:
            if training.state == "cancelled" and training.process is not None:  # before there was a process to kill
                training.process.kill()
        asked = {
            "frames": str(kept.with_suffix("")),
            "told": told_of(frames),
            "out": str(training.folder),
            "options": {**options, "minutes": seconds / 60},
            "bytes": self.limits.training_bytes,
        }
        self._watcher = threading.Thread(target=self._watch, args=(training, asked), daemon=True)
        self._watcher.start()
        return training

    def _start(self, training: Training, frames: FrameSequence, kept: Path) -> None:
        """Put the frames where the training's process finds them, and begin it."""
        shutil.rmtree(training.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        with kept.open("wb") as stream:
            write_array(stream, frames.read(0, len(frames)))
        training.process = subprocess.Popen(
            [sys.executable, "-m", "nextframe.service.trainer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 2))},  # forecasts have the rest
            start_new_session=True,
        )

    def cancel(self, name: str) -> Training:
        """End a training, or remove the model of one that has ended.

        Raises:
            Refused: none of that name, or a model that a stream forecasts with.
        """
        training = self.find(name)
        with self._lock:
            if training.state == "running":
                training.state = "cancelled"
                if training.process is not None:
                    training.process.kill()
            elif name in self._used():
                raise Refused(409, f"a stream forecasts with {name}")
            else:
                self._remove(name)
        return training

    def close(self) -> None:
        """End what is under way."""
        for training in list(self._trainings.values()):
            if training.state == "running":
                self.cancel(training.name)
        if self._watcher is not None:
            self._watcher.join(10)

    def _watch(self, training: Training, asked: dict[str, Any]) -> None:
        """Follow a training to its end."""
        process = training.process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
        except OSError:
            pass  # it has ended already
        deadline = training.started + training.seconds + _GRACE
        while True:
            try:
                process.wait(_LOOK)
                break
            except subprocess.TimeoutExpired:
                self._look(training)
                if time.monotonic() > deadline:
                    training.error = "it took too long"
                    process.kill()
        self._look(training)
        answer = process.stdout.readline()
        process.stdout.close()
        with contextlib.suppress(OSError):
            process.stdin.close()
        self._ended(training, answer)
        Path(asked["frames"] + ".npy").unlink(missing_ok=True)

    def _look(self, training: Training) -> None:
        if (training.folder / METRICS).is_file():
            try:
                training.epochs = read_metrics(training.folder)
            except NextframeError:
                return  # the next look finds it whole

    def _ended(self, training: Training, answer: str) -> None:
        """State of a training whose process has ended with this answer."""
        model = None
        try:
            told = json.loads(answer) if answer else {"error": training.error or "the training was ended by the system"}
            training.error = str(told.get("error", ""))
            model = None if training.error else load_run(training.folder)
        except NextframeError as error:
            training.error = said(error)
        except ValueError as error:
            training.error = str(error)
        with self._lock:
            if training.state == "cancelled":
                training.error, model = "", None
            elif model is None:
                training.state = "failed"
            else:
                self.models[training.name] = model
                training.state = "done"
        if model is None:
            shutil.rmtree(training.folder, ignore_errors=True)

    def _forget(self) -> None:
        """Forget the oldest trainings, and their models, for which there is no more room."""
        ended = [each.name for each in self._trainings.values() if each.state != "running"]
        used = self._used()
        for name in ended:
            if len(self._trainings) <= self.limits.trained:
                return
            if name not in used:
                self._remove(name)

    def _remove(self, name: str) -> None:
        self.models.pop(name, None)
        shutil.rmtree(self._trainings.pop(name).folder, ignore_errors=True)
