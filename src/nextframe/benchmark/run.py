"""`benchmark`: contenders do the same work in turn, each in a process of its own, and what it took stands side by
side.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

import nextframe
from nextframe import engine
from nextframe.benchmark.keras_models import keras_backend
from nextframe.benchmark.work import INFERENCE, STREAMING, TRAINING, Task, Work
from nextframe.errors import ConfigError
from nextframe.files import write_text
from nextframe.machine import describe_machine

WORKS: dict[Task, tuple[Work, ...]] = {"training": TRAINING, "inference": INFERENCE, "streaming": STREAMING}
PAUSE = 0.1
"""Seconds between two steps, in which the threads of the contender before go to sleep."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Who takes part, and under what conditions."""

    name: str
    """What the table calls it; its first word chooses the step."""
    engine: bool = True
    """Whether the native engine is on."""
    keeps_memory: bool = False
    """Whether the C library is told to keep freed memory."""


CONTENDERS = (
    Contender(name="nextframe", keeps_memory=True),
    Contender(name="nextframe without its engine", engine=False, keeps_memory=True),
    Contender(name="usual loop, freed memory kept", keeps_memory=True),
    Contender(name="usual loop"),
    Contender(name="keras"),
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one contender took for one piece of work."""

    work: Work
    """The work."""
    task: Task
    """What was done of it."""
    contender: str
    """Who did it."""
    seconds: float
    """Median seconds of a step."""
    fastest: float
    """Seconds of the fastest step."""
    slowest: float
    """Seconds of the slowest step."""
    memory: int
    """Peak memory of its process, in bytes."""
    frames_per_second: float
    """Frames trained on, or forecast, in a second."""
    peak_share: float
    """Arithmetic that direct convolutions would have taken in this time, as a share of what this machine can do."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def benchmark(
    task: Task = "training",
    *,
    steps: int = 5,
    threads: int | None = None,
    keras_python: str | Path | None = None,
    works: Sequence[Work] | None = None,
    contenders: Sequence[Contender] = CONTENDERS,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """Measure every contender that is installed, in turn: A B C A B C ...

    Args:
        task: "training", a step of the tutorial's training; "inference", a forecast of one movie; "streaming", one new
            frame.
        steps: steps measured for each, after one that is not.
        threads: threads of PyTorch and of the engine; by default as many as cores. Keras uses what it finds.
        keras_python: an interpreter that has Keras and its backend, where this one has not.
        works: what to do instead of the tutorial's work.
        contenders: who takes part.
        progress: called with a line of text for each round.

    Returns:
        Results by work, in the order of the contenders.

    Raises:
        ConfigError: an interpreter that has no Keras, or a contender that fails.
    """
    results = []
    for work in works if works is not None else WORKS[task]:
        peak = convolution_peak(work)
        workers = []
        for contender in contenders:
            if contender.name == "keras" and keras_python is None and keras_backend() is None:
                continue
            progress(f"{work.model}: starting {contender.name}")
            workers.append(_Worker(contender, work, task, threads, keras_python))
        taken: list[list[float]] = [[] for _ in workers]
        for n in range(steps):
            progress(f"{work.model}: round {n + 1} of {steps}")
            for worker, seconds in zip(workers, taken, strict=True):
                time.sleep(PAUSE)
                seconds.append(float(worker.ask("step")))
        for worker, seconds in zip(workers, taken, strict=True):
            median = statistics.median(seconds)
            results.append(
                Result(
                    work=work,
                    task=task,
                    contender=worker.name,
                    seconds=median,
                    fastest=min(seconds),
                    slowest=max(seconds),
                    memory=int(worker.ask("memory")),
                    frames_per_second=work.frames(task) / median,
                    peak_share=work.flops(task) / median / peak,
                )
            )
            worker.close()
    return results


def convolution_peak(work: Work, repeats: int = 5) -> float:
    """Operations a second of torch's direct convolution at the size of the work's recurrent one; the best of some."""
    filters, batch = work.filters[-1], max(work.batch, 8)
    frames = torch.rand(batch, filters, work.size, work.size).contiguous(memory_format=torch.channels_last)
    weight = torch.rand(4 * filters, filters, 3, 3).contiguous(memory_format=torch.channels_last)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(repeats + 1):
            started = time.perf_counter()
            functional.conv2d(frames, weight, padding=1)
            best = min(best, time.perf_counter() - started)
    return 2 * 9 * filters * 4 * filters * work.size**2 * batch / best


def ratios(results: Sequence[Result]) -> list[float]:
    """Seconds of each result over those of nextframe on the same work."""
    ours = {result.work: result.seconds for result in reversed(results) if result.contender == "nextframe"}
    return [result.seconds / ours[result.work] if result.work in ours else float("nan") for result in results]


def to_markdown(results: Sequence[Result]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| model | contender | s/step | min to max | frames/s | peak memory | of direct convolution's peak | time |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for result, ratio in zip(results, ratios(results), strict=True):
        lines.append(
            f"| {result.work.model} | {result.contender} | {result.seconds:.3g} | "
            f"{result.fastest:.3g} to {result.slowest:.3g} | {result.frames_per_second:.0f} | "
            f"{result.memory / 2**20:.0f} MiB | {result.peak_share:.0%} | {ratio:.2f} |"
        )
    return "\n".join(lines) + "\n"


def save(results: Sequence[Result], path: Path, command: str) -> None:
    """Write the results with machine, versions and date as JSON, whole or not at all."""
    content = {
        "task": results[0].task,
        "command": command,
        "machine": describe_machine(),
        "engine": engine.describe(),
        "versions": {package: version(package) for package in ("nextframe", "torch")},
        "date": datetime.now(UTC).date().isoformat(),
        "results": [result.to_dict() for result in results],
        "markdown": to_markdown(results),
    }
    write_text(path, json.dumps(content, indent=1) + "\n")


class _Worker:
    """A contender's process."""

    def __init__(
        self, contender: Contender, work: Work, task: Task, threads: int | None, keras_python: str | Path | None
    ) -> None:
        self.name = contender.name
        order = {
            "contender": contender.name,
            "work": asdict(work),
            "task": task,
            "threads": threads,
            "keeps_memory": contender.keeps_memory,
        }
        environment = {
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "NEXTFRAME_ENGINE": "on" if contender.engine else "off",
        }
        python = sys.executable
        if contender.name == "keras" and keras_python is not None:
            python = str(keras_python)
            # That interpreter has no nextframe installed: it takes this one's source, of which it imports no torch.
            environment["PYTHONPATH"] = str(Path(nextframe.__file__).parent.parent)
        command = [python, "-m", "nextframe.benchmark.worker", json.dumps(order)]
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        except OSError as error:
            raise ConfigError("cannot be started", where=python, received=error) from error
        self._until("ready")

    def ask(self, what: str) -> str:
        """Send a line and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _until(self, word: str) -> None:
        while self._answer() != word:
            pass

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, error = self._process.communicate()
            last = error.strip().splitlines()[-1:] or ["no message"]
            raise ConfigError("failed", where=f"benchmark of {self.name}", received=last[0])
        return line.strip()
