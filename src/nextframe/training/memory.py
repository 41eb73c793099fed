"""Memory that a training takes at least, held against what is free before any of it is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from nextframe.architectures import architecture
from nextframe.config import RunConfig
from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.errors import ConfigError
from nextframe.machine import cores, free_memory
from nextframe.models.build import build_model
from nextframe.models.own import shapes
from nextframe.words import size

_NUMBER = 4
"""Bytes of a float32."""
_COPIES = 3
"""Numbers that a training keeps for each weight at least: it, its gradient, and what the optimiser remembers."""
_WORKERS = 16
"""Processes that read data, a core, at most."""
_SMALLER = "take a smaller network"


def hold_network(config: RunConfig, channels: int, further: int = 0, *, module: nn.Module | None = None) -> None:
    """Refuse a network whose training no memory here could hold, or an ensemble whose forecasts none could, before it
    is built.

    Args:
        config: the training; its members are those that forecast together.
        channels: channels C of a frame.
        further: channels of static fields, covariates and a mask.
        module: the network of the user's, which is there already.

    Raises:
        ConfigError: they do not fit.
    """
    members = config.training.members
    number = _weights(config, channels, further, module)
    where = _sizes(config) if members == 1 or _COPIES * _NUMBER * number > free_memory() else f"members={members}"
    _hold(max(members, _COPIES) * _NUMBER * number, where, _SMALLER if members == 1 else "take fewer")


def _weights(config: RunConfig, channels: int, further: int, module: nn.Module | None) -> int:
    """Number of a network's weights."""
    if module is not None:
        return sum(parameter.numel() for parameter in module.parameters())
    if architecture(config.model.model).own:
        return 0  # its class is imported later
    try:
        with torch.device("meta"):
            network = build_model(config.model, channels, further, past=config.data.past, future=config.data.future)
    except RuntimeError as error:
        raise ConfigError(
            "make a network with more weights than computers count", where=_sizes(config), hint=_SMALLER
        ) from error
    return sum(map(math.prod, shapes(network).values()))


def _sizes(config: RunConfig) -> str:
    """Options that the size of a network comes from."""
    model = config.model
    named = {"filters": model.filters, "kernel_size": model.kernel_size, "quantiles": model.quantiles}
    named["patch"] = model.patch
    return ", ".join(
        f"{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}" for name, value in named.items()
    )


def hold_batch(config: RunConfig, part: Sequence[Span]) -> None:
    """Refuse steps that no memory here could hold: the outputs of the first layer, which are kept for every frame of a
    batch until its gradient is there.

    Args:
        config: the training; on a GPU, which has a memory of its own, nothing is refused.
        part: to train on.

    Raises:
        ConfigError: they do not fit.
        DataError: no window.
    """
    data, training, model = config.data, config.training, config.model
    windows = cut_windows(part, past=data.past, future=data.future, stride=data.stride, part="training")
    elsewhere = torch.cuda.is_available() or torch.backends.mps.is_available()
    if not model.filters or (elsewhere and training.accelerator != "cpu"):
        return
    cut = training.train_crop or math.inf
    pixels = int(min(min(h, cut) * min(w, cut) for h, w in {span.sequence.shape[-2:] for span in part}))
    frames = data.past + data.future
    needed = _NUMBER * min(training.batch_size, len(windows)) * frames * pixels // model.patch**2 * model.filters[0]
    where = f"batch_size={training.batch_size}, {frames} frames of {pixels:,} pixels, {model.filters[0]} filters"
    _hold(needed, where, "take smaller batches with {batch_size}, or cuts of the frames with {train_crop}")


def hold_workers(workers: int) -> None:
    """Refuse more processes that read data than could ever help.

    Raises:
        ConfigError: more than `_WORKERS` a core.

    >>> hold_workers(2)
    """
    most = _WORKERS * cores()
    if workers > most:
        raise ConfigError("must be at most sixteen a core", where="workers", expected=f"0 to {most}", received=workers)


def _hold(needed: int, where: str, hint: str) -> None:
    free = free_memory()
    if needed > free:
        raise ConfigError(
            f"take at least {size(needed)} of memory", where=where, received=f"{size(free)} that are free", hint=hint
        )
