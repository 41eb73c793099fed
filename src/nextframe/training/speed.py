"""Speed of a training step on this machine: on the engine, and on the plain PyTorch path beside it.

The tutorial's two models, on a few of its movies. The two paths take turns, so that what else the machine does slows
both, and each round gives a ratio of its own.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

import nextframe.engine as engine
from nextframe.malloc import keep_freed_memory
from nextframe.models.build import build_model
from nextframe.training.module import make_optimizer
from nextframe.training.presets import preset_config
from nextframe.words import count

MOVIES = 1
"""Movies of a step; the tutorial's batches are of 10 and 8."""
SIZE = 40
"""Height and width of the tutorial's frames."""
FRAMES = {"stacked": (15, 0), "encoder-decoder": (9, 10)}
"""Model -> frames read, and frames that its decoder forecasts from; as the tutorial trains them."""
SECONDS = 3.0
"""Seconds for which each model is measured, its warm-up included, but for the rounds that it needs at least."""
ROUNDS = (1, 15)
"""Rounds of each model, at least and at most."""

Step = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Seconds of training steps of one model."""

    model: str
    """Name of what was trained."""
    plain: tuple[float, ...]
    """Seconds of each step on PyTorch's operations."""
    on_engine: tuple[float, ...]
    """Seconds of each step on the engine, in the same rounds; empty where it is not there."""

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ratios of the plain path's seconds to the engine's in each round, in order of size.

        >>> Speed(model="stacked", plain=(4.0, 6.0, 5.0), on_engine=(2.0, 2.0, 2.0)).ratios
        (2.0, 2.5, 3.0)
        """
        return tuple(sorted(slow / fast for slow, fast in zip(self.plain, self.on_engine, strict=False)))

    def __str__(self) -> str:
        """A sentence without a full stop.

        >>> str(Speed(model="stacked", plain=(4.0, 6.0, 5.0), on_engine=(2.0, 2.0, 2.0)))
        '2 s on the engine, 5 s without it: 2.5 times as fast (2.0 to 3.0 in 3 rounds)'
        """
        plain = f"{statistics.median(self.plain):.3g} s"
        if not self.on_engine:
            return f"{plain}, without the engine"
        ratios = self.ratios
        spread = f"{ratios[0]:.1f} to {ratios[-1]:.1f} " if len(ratios) > 1 else ""
        return (
            f"{statistics.median(self.on_engine):.3g} s on the engine, {plain} without it: "
            f"{statistics.median(ratios):.1f} times as fast ({spread}in {count(len(ratios), 'round')})"
        )


def measure(models: Sequence[str] = tuple(FRAMES), *, movies: int = MOVIES, seconds: float = SECONDS) -> list[Speed]:
    """Time training steps in about ten seconds, with the threads that PyTorch has; no weights are kept.

    Args:
        models: keys of `FRAMES`.
        movies: movies of a step.
        seconds: how long each model is measured; at least one round is.
    """
    keep_freed_memory()  # as trainings do
    paths = (True, False) if engine.built() else (False,)
    results = []
    for model in models:
        step = training_step(model, movies)
        started = time.perf_counter()
        for path in paths:  # allocations, until they have settled
            _seconds(step, path)
        taken: dict[bool, list[float]] = {path: [] for path in paths}
        least, most = ROUNDS
        for done in range(most):
            if done >= least and time.perf_counter() - started > seconds:
                break
            for path in paths:
                taken[path].append(_seconds(step, path))
        results.append(Speed(model=model, plain=tuple(taken[False]), on_engine=tuple(taken.get(True, ()))))
    return results


def training_step(model: str, movies: int = MOVIES) -> Step:
    """A function that does one step of the tutorial's training: forward and backward pass, and the optimiser."""
    read, forecast = FRAMES[model]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = preset_config(model, "tutorial")
        network = build_model(config.model, 1)
        frames = (torch.rand(movies, read + forecast + (not forecast), 1, SIZE, SIZE) > 0.9).float()
    optimizer = make_optimizer(network, config.training)

    def loss() -> Tensor:
        if forecast:
            return binary_cross_entropy(network(frames[:, :read], frames[:, read:])[0], frames[:, read:])
        return binary_cross_entropy(network(frames[:, :-1])[0], frames[:, 1:])

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def _seconds(step: Step, on_engine: bool) -> float:
    """Seconds of one step, with the engine or without it; what was chosen before is chosen again."""
    before = engine.use(on_engine)
    try:
        started = time.perf_counter()
        step()
        return time.perf_counter() - started
    finally:
        engine.use(before)
