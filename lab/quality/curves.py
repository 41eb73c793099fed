"""How long a training takes until its forecasts are good: recipes side by side, each in a process of its own.

Seconds are those of training: drawing the movies, steps, and the trainer around them. The clock stands still while
quality is measured, and has not started while libraries are loaded.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab.place import environment
from lab.quality.keras_weights import from_keras
from lab.quality.trials import TRIALS, Goal, Trial
from lab.quality.worker import Watcher, mean, resolved
from lab.speed.contenders import keras_backends
from lab.speed.process import gist
from lab.speed.results import provenance
from nextframe.errors import ConfigError, DataError
from nextframe.files import write_text
from nextframe.machine import describe_machine
from nextframe.models.build import build_model
from nextframe.models.stacked import StackedConvLSTM

HELD_OUT = 1000
"""Held-out movies that a mark is judged on."""
NUMBERS = range(2, 8)
"""Columns of `rows` that hold numbers."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """Quality at one moment of a training."""

    step: int
    """Optimiser steps done."""
    seconds: float
    """Seconds of training until then."""
    movies: int
    """Held-out movies that it was measured on."""
    loss: float
    """Mean binary cross-entropy of the forecasts whose inputs are true frames."""
    csi: tuple[float, ...]
    """CSI at 0.5 of the free rollout, by lead time; none where the goal asks for none."""

    @property
    def mean_csi(self) -> float:
        """The mean over lead times; NaN where no rollout was measured."""
        return mean(self.csi) if self.csi else float("nan")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A trial, and its quality by time."""

    trial: Trial
    """What was trained."""
    points: tuple[Point, ...]
    """In order of time; the last one at the end of the training."""
    seed: int
    """Seed of weights, shuffling and cuts."""
    machine: str
    """Where it was measured."""

    def until(self, *, loss: float | None = None, csi: float | None = None, movies: int = 0) -> float | None:
        """Seconds until a loss this small, or a CSI this large, on at least so many movies; None where it never was."""
        for point in self.points:
            reached = point.loss <= loss if loss is not None else csi is not None and point.mean_csi >= csi
            if reached and point.movies >= movies:
                return point.seconds
        return None


def chosen(names: Sequence[str], keras_python: str | Path | None) -> tuple[Trial, ...]:
    """The trials of these names; by default all, those in Keras where it is installed.

    Raises:
        ConfigError: no such trial, or one that needs a Keras which is not there.
    """
    known = {trial.name: trial for trial in TRIALS}
    for name in names:
        if name not in known:
            raise ConfigError("unknown trial", where="trials", expected=", ".join(known), received=name)
    some = tuple(known[name] for name in names) or TRIALS
    if not any(trial.keras for trial in some) or "tensorflow" in keras_backends(keras_python or sys.executable):
        return some
    if names or keras_python is not None:
        raise ConfigError(
            "has no Keras on TensorFlow",
            where=f"keras_python={keras_python or sys.executable}",
            hint="name an interpreter that has (--keras-python), or leave these trials out (--trials)",
        )
    return tuple(trial for trial in some if not trial.keras)


def measure(
    trials: Sequence[Trial],
    *,
    held_out: int = HELD_OUT,
    keras_python: str | Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
    done: Callable[[Curve], None] = lambda _: None,
) -> tuple[Curve, ...]:
    """Train each trial in turn, alone on the machine.

    Args:
        trials: what to train.
        held_out: movies that a mark is judged on.
        keras_python: an interpreter that has Keras on TensorFlow, where this one has not.
        progress: called with a line of text for each point.
        done: called with each curve when its training has ended, so that it can be kept.

    Raises:
        ConfigError: a training that fails, with the line that says why.
    """
    curves = []
    for trial in trials:
        points = []
        for point in _keras(trial, held_out, keras_python) if trial.keras else _ours(trial, held_out):
            points.append(point)
            quality = f"loss {point.loss:.3g}" + (f", CSI {point.mean_csi:.3f}" if point.csi else "")
            progress(f"{trial.name}: step {point.step}, {point.seconds:.0f} s: {quality} on {point.movies} movies")
        seed, machine = resolved(trial).training.seed, describe_machine()
        curves.append(Curve(trial=trial, points=tuple(points), seed=seed, machine=machine))
        done(curves[-1])
    return tuple(curves)


def _ours(trial: Trial, held_out: int) -> Iterator[Point]:
    return _points([sys.executable, "-m", "lab.quality.worker", trial.name, str(held_out)], trial)


def _points(order: list[str], trial: Trial) -> Iterator[Point]:
    with _running(order, trial, environment()) as (_, lines):
        for line in lines:
            yield _point(json.loads(line))


def _keras(trial: Trial, held_out: int, keras_python: str | Path | None) -> Iterator[Point]:
    """Points of a training in Keras: it waits while its weights are measured here, in a model of ours."""
    watcher = Watcher(trial.goal, held_out)
    model = build_model(resolved(trial).model, 1)
    assert isinstance(model, StackedConvLSTM)
    variables = environment(bare=True) | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as folder:
        python = str(keras_python or sys.executable)
        order = [python, "-m", "lab.quality.keras_training", trial.name, folder]
        with _running(order, trial, variables) as (process, lines):
            assert process.stdin is not None
            for line in lines:
                told = json.loads(line)
                with np.load(Path(folder) / told["weights"]) as file:
                    from_keras(model, [file[name] for name in file.files], told["step"])
                found = watcher.look(model, last=told["last"])
                yield _point({"step": told["step"], "seconds": told["seconds"], **found})
                process.stdin.write("\n")
                process.stdin.flush()


@contextmanager
def _running(
    order: list[str], trial: Trial, variables: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """A process and the lines of JSON that it prints; ended with the context.

    Raises:
        ConfigError: it fails.
    """
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+") as errors,  # a pipe that nobody empties would stop a talkative library
        subprocess.Popen(order, stdin=pipe, stdout=pipe, stderr=errors, text=True, env=variables) as process,
    ):
        assert process.stdout is not None
        try:
            yield process, (line for line in process.stdout if line.startswith("{"))
        except BaseException:
            process.kill()
            raise
        if process.wait():
            errors.seek(0)
            lines = [text.strip() for text in errors if text.strip()]
            raise ConfigError("failed", where=f"trial {trial.name}", received=gist(lines))


def _point(values: dict[str, Any]) -> Point:
    return Point(**{**values, "csi": tuple(values["csi"])})


def save(curves: Sequence[Curve], path: Path, command: str) -> None:
    """Put curves into a JSON file, each with the command, machine, versions and date of its measurement; what the file
    holds of other trials stays.

    Raises:
        DataError: a file that this function did not write.
    """
    before = _held(path) if path.exists() else {}
    now = {
        curve.trial.name: {
            **provenance(command),
            "machine": curve.machine,
            "trial": {**asdict(curve.trial), "goal": curve.trial.goal.name},
            "seed": curve.seed,
            "configuration": None if curve.trial.keras else resolved(curve.trial).to_dict(),
            "points": [asdict(point) for point in curve.points],
        }
        for curve in curves
    }
    kept = {**before, **now}
    order = [trial.name for trial in TRIALS if trial.name in kept]
    write_text(path, json.dumps({"task": "quality", "trials": {n: kept[n] for n in order}}, indent=1) + "\n")


def load(path: Path) -> tuple[Curve, ...]:
    """The curves of a file, of the trials that are still known.

    Raises:
        DataError: a file that `save` did not write.
    """
    known = {trial.name: trial for trial in TRIALS}
    return tuple(
        Curve(
            trial=known[name],
            points=tuple(map(_point, held["points"])),
            seed=held["seed"],
            machine=held["machine"],
        )
        for name, held in _held(path).items()
        if name in known
    )


def _held(path: Path) -> dict[str, Any]:
    """The trials of a file, all that is asked of them being there."""
    try:
        trials: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["trials"]
        for held in trials.values():
            int(held["seed"]), str(held["machine"])
            [_point(values) for values in held["points"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            "holds no results of this benchmark", where=path, received=error, hint="name another file (--out)"
        ) from error
    return trials


def check_writable(path: Path) -> None:
    """Find out before anything is measured whether results can be put into a file, which may hold others.

    Raises:
        DataError: a file that `save` did not write.
    """
    if path.exists():
        _held(path)


def rows(curves: Sequence[Curve]) -> tuple[list[str], list[list[str]]]:
    """Titles, and a row for each curve: when each mark was reached, and the quality at the end; where it was measured,
    if not all were on the same machine. The loss stands where it is to reach a mark.
    """
    titles = ["model", "recipe", "seed", "steps", "seconds", "loss", "CSI", "CSI, last lead time", "marks reached"]
    several = len({curve.machine for curve in curves}) > 1
    lines = []
    for curve in curves:
        last, goal = curve.points[-1], curve.trial.goal
        csi = [f"{last.mean_csi:.3f}", f"{last.csi[-1]:.3f}"] if last.csi else ["", ""]
        cut = last.step < curve.trial.steps
        lines.append(
            [
                goal.name,
                curve.trial.recipe,
                str(curve.seed),
                f"{last.step} of {curve.trial.steps}" if cut else str(last.step),
                f"{last.seconds:.0f}",
                f"{last.loss:.2e}" if goal.loss is not None else "",
                *csi,
                "; ".join(_marks(curve, goal)) or ("none until it was stopped" if cut else "none"),
                *([curve.machine.split(",")[0]] if several else []),
            ]
        )
    return [*titles, "on"] if several else titles, lines


def _marks(curve: Curve, goal: Goal) -> Iterator[str]:
    judged = curve.points[-1].movies
    if goal.loss is not None and (seconds := curve.until(loss=goal.loss, movies=judged)) is not None:
        yield f"loss {goal.loss:g} in {seconds:.0f} s"
    for mark in goal.csi:
        if (seconds := curve.until(csi=mark, movies=judged)) is not None:
            yield f"CSI {mark:.2f} in {seconds:.0f} s"


def to_markdown(curves: Sequence[Curve]) -> str:
    """The table in Markdown."""
    titles, lines = rows(curves)
    marks = ["---:" if column in NUMBERS else "---" for column in range(len(titles))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (titles, marks, *lines)) + "\n"
