"""Batches of a training: its windows, in the order of the epoch, as loaders of data."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from nextframe.config import RunConfig
from nextframe.data.covariates import Covariates
from nextframe.data.importance import ImportanceSampler, draw_probabilities, draw_weights, window_content
from nextframe.data.loading import HeldOutDataset, RoundSampler, SeededSampler, WindowDataset
from nextframe.data.mixed import Epochs, SameSize, cut_that_fits, draw_by_source, repeated_by_source
from nextframe.data.normalise import Normaliser
from nextframe.data.pools import pools_of
from nextframe.data.split import Split
from nextframe.data.windows import Window, Windows, cut_windows, differ
from nextframe.errors import ConfigError, DataError
from nextframe.frames import remote
from nextframe.frames.sequence import FloatArray
from nextframe.training.checkpoints import ResumePoint
from nextframe.training.devices import Place
from nextframe.training.plan import Plan
from nextframe.words import evenly

Loader = DataLoader[dict[str, torch.Tensor]]


def make_loaders(
    parts: Split,
    config: RunConfig,
    normaliser: Normaliser,
    threshold: float,
    static: FloatArray,
    *,
    covariates: Covariates | None = None,
    mask: bool = False,
    place: Place,
    resumed: ResumePoint | None,
    plan: Plan | None = None,
) -> tuple[Loader, Loader]:
    """Loaders of the training and of the validation part.

    Args:
        parts: the frames.
        config: how they are cut, drawn and batched.
        normaliser: how values come into the model's range.
        threshold: where the content of a window levels off, in source units, where windows are drawn by it.
        static: (S, H, W), in the model's range.
        covariates: what changes with time beside the frames.
        mask: True where the network reads which values are there.
        place: whose share of each batch is loaded.
        resumed: where the training goes on, if it was begun before.
        plan: of a training by the clock.

    Raises:
        ConfigError: no validation part.
        DataError: a part without a window, or with fewer than there are devices.
    """
    data, training = config.data, config.training
    if not parts.validation:
        raise ConfigError("is zero", where="validation", hint="hold out a share, to see what the training is worth")

    def windows(part: Any, name: str) -> Windows:
        cut = cut_windows(part, past=data.past, future=data.future, stride=data.stride, part=name)
        if len(cut) < place.processes:
            raise DataError(
                "holds fewer windows than there are devices",
                where=f"{name} part",
                expected=f"{place.processes} or more",
                received=len(cut),
                hint=f"use {{devices={len(cut)}}}",
            )
        return cut

    to_train, to_validate = windows(parts.train, "training"), windows(parts.validation, "validation")
    share = (place.rank, place.processes)
    some: Sequence[Window] = to_train
    held_out: Sequence[Window] = to_validate
    if plan is not None:
        held_out = evenly(to_validate, plan.held_out)
        if training.importance is None:
            some = repeated_by_source(evenly(to_train, plan.windows))
    sampler: SeededSampler | RoundSampler = SeededSampler(len(some), training.seed, share=share)
    weights = None
    if training.importance is not None:
        probabilities = draw_probabilities(window_content(to_train, max(threshold, 1e-12)), training.importance)
        sampler, weights = ImportanceSampler(probabilities, training.seed, share=share), draw_weights(probabilities)
    by_source = draw_by_source(some)
    if by_source is not None and (plan is None or isinstance(sampler, ImportanceSampler)):
        by_content = sampler.probabilities if isinstance(sampler, ImportanceSampler) else 1.0
        sampler = ImportanceSampler(by_source * by_content, training.seed, share=share)
    own = max(1, min(training.batch_size // place.processes, len(sampler)))  # windows of a batch
    if plan is not None and training.importance is None:
        sampler = RoundSampler(len(some), plan.round * own * place.processes, training.seed, share=share)
    draws = len(some) if isinstance(sampler, RoundSampler) else len(sampler) * place.processes
    pools = pools_of(some, draws, batch=own, processes=place.processes, workers=training.workers)
    sampler.pools = pools
    if resumed is not None:
        sampler.resume(resumed.epochs, resumed.batches * own * place.processes)
    inputs: dict[str, Any] = {
        "coordinates": data.coordinates,
        "edges": data.edges,
        "static": static if len(static) else None,
        "covariates": covariates,
        "mask": mask,
    }
    common: dict[str, Any] = {
        "num_workers": training.workers,
        # Threads that speak to a server do not live on in a process that is forked.
        "multiprocessing_context": "spawn" if training.workers and remote.in_use() else None,
        "persistent_workers": training.workers > 0,
        "worker_init_fn": _leave_signals,
    }
    in_place = config.losses_in_place
    mixed = differ(some)
    cut = training.train_crop if isinstance(sampler, RoundSampler) else None
    order: Any = sampler
    if mixed or in_place:  # cut before they are put together, since a batch is of one size, and ways are of places
        if mixed or training.train_crop is not None:
            cut = cut_that_fits(some, training.train_crop, patch=config.model.patch)
        order = sampler if isinstance(sampler, RoundSampler) else Epochs(sampler, len(some))
    train_set = WindowDataset(
        some, normaliser, weights, cut=cut, seed=training.seed, in_place=in_place, pools=pools, **inputs
    )
    validation_set = HeldOutDataset(held_out, normaliser, losses=plan is None, **inputs)
    size = training.batch_size // place.processes if plan is None else 1
    batches: dict[str, Any] = {
        "batch_size": size,
        "sampler": range(place.rank, len(validation_set), place.processes),
    }
    if differ(held_out):
        batches = {"batch_sampler": SameSize(held_out, size, share)}
    return (
        DataLoader(train_set, batch_size=own, sampler=order, drop_last=True, **common),
        DataLoader(validation_set, **batches, **common),
    )


def _leave_signals(worker: int) -> None:
    """Leave SIGTERM to the process that trains, which may send it to all of its group: it saves a checkpoint first."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
