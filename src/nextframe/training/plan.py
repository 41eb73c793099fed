"""Plan of a training by the clock: what fits into its minutes and into memory, from a few steps measured before.

The measured steps are those of a copy: they leave no trace in the weights.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import default_collate

from nextframe.config import RunConfig
from nextframe.data.loading import HeldOutDataset, WindowDataset
from nextframe.data.windows import Window
from nextframe.engine import subnormals_are_zero
from nextframe.machine import free_memory, peak_memory
from nextframe.training.clock import HELD_BACK, Clock
from nextframe.training.losses import masked_mean
from nextframe.training.module import ForecastTraining, make_optimizer
from nextframe.words import duration, size

ROUNDS = 8
"""Validations that a training has, where they are cheap enough."""
HELD_OUT = (2, 24)
"""Windows of a validation, at least and at most."""
CALIBRATED = (3, 200)
"""Forecasts of the calibration, at least and at most."""
MOTIONS = 0.2
"""Share of the training that finding the motions of its windows may take."""
STEPS = 150
"""Steps that a training has at least, if smaller batches can see to it."""
PASSES = 300
"""Times that a training reads each window at most: what it has not learnt by then, it learns by heart."""
BYTES = 40
"""Bytes that training keeps for each pixel, frame and filter, about."""


FILTERS = 64
"""Filters that a network is taken to have where nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Numbers that a training by the clock goes by."""

    windows: int
    """Windows to train on, of those that there are."""
    held_out: int
    """Windows of each validation."""
    round: int
    """Steps from one validation to the next."""
    steps: int
    """Steps after which nothing is gained by going on."""
    calibration: int
    """Forecasts that calibration is to stand on."""
    batch: int
    """Windows of a step."""
    after: float
    """Seconds that calibration takes, about."""
    note: str
    """Sentence on time and memory."""


@dataclass(frozen=True)
class _Cost:
    """Seconds that parts of the work take, of one window each but for the step."""

    motion: float
    read: float
    step: float
    validation: float


def batch_that_fits(config: RunConfig, shape: tuple[int, ...]) -> int:
    """Windows of a step of frames (C, H, W), such that it takes at most half of the free memory, about."""
    model, training, data = config.model, config.training, config.data
    height, width = (min(side, training.train_crop or side) / model.patch for side in shape[-2:])
    each = BYTES * height * width * (data.past + data.future) * (sum(model.filters) or FILTERS)
    return max(1, min(training.batch_size, int(free_memory() / 2 / each)))


def make_plan(
    module: ForecastTraining,
    to_train: Sequence[Window],
    to_validate: Sequence[Window],
    clock: Clock,
    *,
    given_batch: bool,
) -> Plan:
    """Measure a few steps, and divide what is left of the budget.

    Args:
        module: the training, with untrained weights.
        to_train: windows of the training part.
        to_validate: windows of the validation part.
        clock: tells what is left.
        given_batch: whether the user has chosen the batch.
    """
    training = module.config.training
    batch = min(training.batch_size, len(to_train))
    cost = _measure(module, to_train, to_validate, batch)
    total, looked = clock.total, clock.elapsed
    held = max(HELD_BACK * total - looked, 0.08 * total)
    calibrating = cost.motion + 1.2 * cost.validation
    calibration = _between(0.35 * held / calibrating, *CALIBRATED, len(to_validate))
    rounds, checked = ROUNDS, 0
    while rounds >= 2 and checked < 2 * HELD_OUT[0]:
        checked = _between(0.65 * held / (rounds * cost.validation + cost.motion), *HELD_OUT, len(to_validate))
        rounds //= 2
    rounds = max(2 * rounds, 2)
    validating = checked * (rounds * cost.validation + cost.motion)
    left = max(total - looked - calibration * calibrating - validating, 0.2 * total)
    step = cost.step + batch * cost.read
    if not given_batch and left * (1 - MOTIONS) < STEPS * step:
        smaller = max(1, int(batch * left * (1 - MOTIONS) / (STEPS * step)))
        step, batch = step * smaller / batch, smaller
    windows = len(to_train)
    if cost.motion > 0.01:
        windows = _between(MOTIONS * left / cost.motion, 2 * batch, len(to_train), len(to_train))
    steps = max(1, int((left - windows * cost.motion) / step))
    most = max(STEPS, PASSES * -(-windows // batch))
    steps, enough = min(steps, most), most
    trained = steps * step + windows * cost.motion
    after = calibration * calibrating
    whole = looked + trained + validating + after
    note = (
        f"takes about {_time(whole)} in all: {_time(looked)} so far, {_time(trained)} of training ({steps} steps of "
        f"{batch} windows), {_time(validating)} of validation ({checked} windows, {rounds} times), {_time(after)} of "
        f"calibration; about {size(_memory(to_train, to_validate, windows if cost.motion else 0))} of memory"
    )
    return Plan(
        windows=windows,
        held_out=checked,
        round=max(1, steps // rounds),
        steps=enough,
        calibration=calibration,
        batch=batch,
        after=after,
        note=note,
    )


def _measure(
    module: ForecastTraining,
    to_train: Sequence[Window],
    to_validate: Sequence[Window],
    batch: int,
) -> _Cost:
    """Seconds of the parts, from one or two of each."""
    probe = copy.deepcopy(module)
    training = module.config.training
    door = module.door
    normaliser = door.normaliser
    options: dict[str, Any] = {
        name: getattr(door, name) for name in ("static", "covariates", "coordinates", "edges", "mask")
    }
    held_out = HeldOutDataset(to_validate, normaliser, losses=False, **options)
    middle = len(to_validate) // 2
    first, _ = _timed(lambda: held_out[middle])
    read, item = _timed(lambda: held_out[middle])
    motion = max(first - read, 0.0) if held_out.door.moves else 0.0
    batch_of_one = default_collate([item])
    with torch.inference_mode(), subnormals_are_zero():
        probe.eval()
        probe.validation_step(batch_of_one, 0)
        validated, _ = _timed(lambda: probe.validation_step(batch_of_one, 0))
    probe.train()
    options["in_place"] = probe.config.losses_in_place
    data = WindowDataset(to_train, normaliser, cut=training.train_crop, seed=training.seed, **options)
    _timed(lambda: data[0, 0])
    read_all, drawn = _timed(lambda: [data[0, draw] for draw in range(1, batch + 1)])
    one, items = read_all / batch, default_collate(drawn)
    optimizer = make_optimizer(probe.model, training)
    rolls = training.rollout_training > 0.5

    def step() -> None:
        optimizer.zero_grad()
        losses, valid = probe.rollout_losses(items) if rolls else probe.losses(items, None)
        masked_mean(losses, valid).backward()
        optimizer.step()

    with subnormals_are_zero():
        warm, _ = _timed(step)
        taken = [_timed(step)[0] for _ in range(2 if warm < 5 else 1)]
    return _Cost(motion=motion, read=one, step=min(taken), validation=validated + read)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def _between(value: float, least: int, most: int, there: int) -> int:
    return max(1, min(int(max(value, least)), most, there))


def _time(seconds: float) -> str:
    return duration(round(max(seconds, 1.0)))


def _memory(to_train: Sequence[Window], to_validate: Sequence[Window], motions: int) -> int:
    """Peak of the process so far, and what is kept in memory later on: decoded frames, motions."""
    sequences = {id(window.sequence): window.sequence for window in (*to_train[:1], *to_validate[:1], to_train[-1])}
    frames = sum(len(s) * int(torch.tensor(s.shape[1:]).prod()) * s.values.dtype.itemsize for s in sequences.values())
    height, width = to_train[0].sequence.shape[-2:]
    return peak_memory() + min(frames, 2**30) + min(motions * 2 * height * width * 4, 2**30)
