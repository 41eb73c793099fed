"""`benchmark`: every contender does the same work in a process of its own, and what it took is set side by side."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.nn import functional

from nextframe.benchmark.keras_models import keras_backend, keras_step
from nextframe.benchmark.usual import usual_step
from nextframe.benchmark.work import INFERENCE, TRAINING, Step, Task, Work
from nextframe.models.build import build_model
from nextframe.models.rollout import rollout
from nextframe.models.stacked import StackedConvLSTM
from nextframe.training.losses import elementwise_loss
from nextframe.training.memory import keep_freed_memory
from nextframe.training.module import make_optimizer
from nextframe.training.presets import preset_config

CONTENDERS = ("nextframe", "usual loop", "keras")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one contender took for one piece of work."""

    work: Work
    """The work."""
    task: Task
    """Training or inference."""
    contender: str
    """Who did it."""
    seconds: float
    """Median seconds of a step."""
    memory: int
    """Peak memory of its process, in bytes."""
    frames_per_second: float
    """Frames trained on, or forecast, in a second."""
    peak_share: float
    """Arithmetic that direct convolutions would have taken in this time, as a share of what this machine can do."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def benchmark(task: Task = "training", *, steps: int = 5, works: Sequence[Work] | None = None) -> list[Result]:
    """Measure every contender that is installed.

    Args:
        task: "training", a step of the tutorial's training; or "inference", a forecast of one movie.
        steps: steps measured, after one that is not.
        works: what to do instead of the tutorial's work.

    Returns:
        Results by work, this package first.
    """
    results = []
    for work in works if works is not None else (TRAINING if task == "training" else INFERENCE):
        peak = convolution_peak(work)
        for contender in CONTENDERS:
            if contender == "keras" and keras_backend() is None:
                continue
            seconds, memory = _in_a_process(contender, work, task, steps)
            name = f"keras on {keras_backend()}" if contender == "keras" else contender
            results.append(
                Result(
                    work=work,
                    task=task,
                    contender=name,
                    seconds=seconds,
                    memory=memory,
                    frames_per_second=work.frames(task) / seconds,
                    peak_share=work.flops(task) / seconds / peak,
                )
            )
    return results


def convolution_peak(work: Work, repeats: int = 5) -> float:
    """Operations a second of torch's direct convolution at the size of the work's recurrent one; the best of some."""
    filters = work.filters[-1]
    frames = torch.rand(work.batch, filters, work.size, work.size).contiguous(memory_format=torch.channels_last)
    weight = torch.rand(4 * filters, filters, 3, 3).contiguous(memory_format=torch.channels_last)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(repeats + 1):
            started = time.perf_counter()
            functional.conv2d(frames, weight, padding=1)
            best = min(best, time.perf_counter() - started)
    return 2 * 9 * filters * 4 * filters * work.size**2 * work.batch / best


def nextframe_step(work: Work, task: Task, movie: torch.Tensor) -> Step:
    """One step of the work, on a movie (B, T + K, 1, H, W)."""
    config = preset_config(work.model, "tutorial").replace({"filters": work.filters, "temporal_padding": "causal"})
    model = build_model(config.model, 1)
    past, future = movie[:, : work.past], movie[:, work.past :]
    if task == "inference":
        model.eval()
        return torch.inference_mode()(lambda: rollout(model, past, work.future))
    keep_freed_memory()
    optimizer = make_optimizer(model, config.training)

    def train() -> None:
        optimizer.zero_grad()
        if isinstance(model, StackedConvLSTM):
            logits, target = model.logits(movie[:, :-1])[0], movie[:, 1:]
        else:
            logits, target = model.logits(past, future)[0], future
        elementwise_loss(logits, target, "bce", "sigmoid").mean().backward()
        optimizer.step()

    return train


def _in_a_process(contender: str, work: Work, task: Task, steps: int) -> tuple[float, int]:
    """Seconds of a step and peak memory, in a process that does nothing else."""
    order = json.dumps({"contender": contender, "work": asdict(work), "task": task, "steps": steps})
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "nextframe.benchmark.run", order]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["seconds"], answer["memory"]


def _measure(order: str) -> None:
    """What the process does: one step that is not measured, then those that are."""
    told = json.loads(order)
    work = Work(**{**told["work"], "filters": tuple(told["work"]["filters"])})
    torch.manual_seed(0)
    movie = (torch.rand(work.batch, work.past + work.future, 1, work.size, work.size) > 0.9).float()
    task: Task = told["task"]
    if told["contender"] == "keras":
        step = keras_step(work, task, movie.movedim(2, -1).numpy())
    else:
        step = (nextframe_step if told["contender"] == "nextframe" else usual_step)(work, task, movie)
    step()
    seconds = []
    for _ in range(told["steps"]):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(json.dumps({"seconds": statistics.median(seconds), "memory": memory}))


if __name__ == "__main__":
    _measure(sys.argv[1])
