"""`measure`: contenders do the same work in turn, each in a process of its own, and what it took stands side by
side.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from lab.speed.contenders import Contender, contenders_on
from lab.speed.peak import convolution_peak
from lab.speed.process import Process
from lab.speed.results import Measured, Result, threads_text
from lab.speed.work import PASSES, SWEEP, TUTORIAL, Accelerator, Task, Work
from nextframe.errors import ConfigError
from nextframe.machine import cores

PAUSE = 0.1
"""Seconds between two steps, in which the threads of the contender before go to sleep."""
LONGEST = 20.0
"""Seconds that direct convolutions of a step may take at their peak; in a sweep, longer work is left out."""


def measure(
    task: Task = "training",
    *,
    steps: int = 5,
    threads: Sequence[int] = (),
    kernel: int = 3,
    sweep: bool = False,
    accelerator: Accelerator = "cpu",
    keras_python: str | Path | None = None,
    works: Sequence[Work] | None = None,
    contenders: Sequence[Contender] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Measured:
    """Measure every contender that is installed, in turn: A B C A B C ...

    Args:
        task: "training", a step of the tutorial's training; "forward" or "backward", one pass of it; "inference", a
            forecast of one movie; "streaming", one new frame.
        steps: steps measured for each, after three that are not.
        threads: thread counts to measure with, one after the other; by default as many as cores.
        kernel: height and width of the ConvLSTM kernels.
        sweep: measure one layer over many sizes instead of the tutorial's work.
        accelerator: "cpu" or "cuda".
        keras_python: an interpreter that has Keras and its backend, where this one has not.
        works: what to do instead of the tutorial's work.
        contenders: who takes part; by default those of the accelerator, and Keras where it is installed.
        progress: called with a line of text for each round.

    Returns:
        Results by thread count, then by work, in the order of the contenders.

    Raises:
        ConfigError: no GPU, an interpreter that has no Keras, or a contender that fails other than in compilation.
    """
    if sweep and task not in PASSES:
        raise ConfigError("measures passes of a training", where="sweep", expected=" or ".join(PASSES), received=task)
    if steps < 1 or min(threads, default=1) < 1:
        raise ConfigError("is too small", where="steps, threads", expected="at least 1", received=(steps, *threads))
    if kernel < 1 or kernel % 2 == 0:
        raise ConfigError("is not odd", where="kernel", received=kernel)
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise ConfigError("finds no GPU that PyTorch could use", where="accelerator=cuda", hint="measure with cpu")
    if contenders is None:
        contenders = contenders_on(accelerator, task, keras_python, sweep=sweep)
    if works is None:
        works = SWEEP if sweep else TUTORIAL[task]
    results: list[Result] = []
    left_out: list[str] = []
    versions: dict[str, dict[str, str]] = {}

    def leave_out(line: str) -> None:
        left_out.append(line)
        progress(line)

    for count in threads or (cores(),):
        for work in (replace(work, kernel=kernel) for work in works):
            title = f"{work.label}, {threads_text(count)}"
            peak = convolution_peak(work, threads=count, accelerator=accelerator)
            expected = work.flops(task) / peak
            if sweep and expected > LONGEST:
                leave_out(f"{title}: left out, direct convolutions would take {expected:.0f} s a step")
                continue
            with ExitStack() as running:
                processes = []
                for contender in contenders:
                    progress(f"{title}: starting {contender.name}")
                    try:
                        process = Process(
                            contender,
                            work,
                            task,
                            threads=count,
                            accelerator=accelerator,
                            keras_python=keras_python,
                        )
                    except ConfigError as error:
                        if not contender.compiled:
                            raise
                        leave_out(f"{title}: left out, {error}")
                        continue
                    processes.append(running.enter_context(process))
                for process, seconds in zip(processes, _in_turn(processes, steps, title, progress), strict=True):
                    versions[process.contender.name] = process.versions()
                    results.append(
                        Result(
                            work=work,
                            task=task,
                            contender=process.contender.name,
                            threads=count,
                            seconds=(median := statistics.median(seconds)),
                            fastest=min(seconds),
                            slowest=max(seconds),
                            memory=process.peak_memory(),
                            idle_memory=process.idle_memory(),
                            frames_per_second=work.frames(task) / median,
                            peak=peak,
                            peak_share=expected / median,
                        )
                    )
    if not results:
        raise ConfigError("leave nothing that was measured", where="these options", received="; ".join(left_out))
    return Measured(
        results=tuple(results),
        left_out=tuple(left_out),
        versions=versions,
        accelerator=accelerator,
        device=torch.cuda.get_device_name() if accelerator == "cuda" else None,
    )


def _in_turn(
    processes: Sequence[Process], steps: int, title: str, progress: Callable[[str], None]
) -> list[list[float]]:
    """Seconds of each step of each process."""
    taken: list[list[float]] = [[] for _ in processes]
    for n in range(steps):
        progress(f"{title}: round {n + 1} of {steps}")
        for process, seconds in zip(processes, taken, strict=True):
            time.sleep(PAUSE)
            seconds.append(process.step())
    return taken
