"""`compare`: an exported model beside its run over long rollouts, and what of the difference is rounding.

A rollout feeds forecasts back, and where a network is unsure, the last bit of one frame decides much of the twentieth.
So the difference between an export and its run is told beside those of the run, and of PyTorch's float32, from the same
network in float64: no two programs that add in another order can be held to less.

Axes: B batch, M member or quantile, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import torch

from nextframe.data.door import Door
from nextframe.errors import NextframeError
from nextframe.exports.cores import plain
from nextframe.exports.forecaster import ExportedForecaster
from nextframe.exports.graph import members_of
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.generated import GENERATED
from nextframe.frames.sequence import FloatArray
from nextframe.frames.source import open_source
from nextframe.models.rollout import rollout_outputs

ROLLOUT = 20
"""Frames that are fed back in the comparison."""
ALLOWED = 1e-4
"""Largest difference over the first lead times, as a share of the range of values, that is let go; or ten times what
rounding makes of the run there, where that is more."""
EARLY = 3
"""The first lead times, of which `ALLOWED` is held: rounding has not grown yet."""
_TIMED, _ROUNDS = 5, 3


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An exported model beside its run, over `ROLLOUT` frames fed back, of two batches and sizes; differences are the
    largest ones, as a share of the range of values.
    """

    difference: float
    """Difference of the export from the run."""
    early_difference: float
    """The same over the first `EARLY` frames alone."""
    own_rounding: float | None
    """Difference of the run from the network in float64, on the movie that has the largest difference; None of a
    network of the user's that knows no float64."""
    rounding: float | None
    """The same of the network by PyTorch's operations in float32."""
    early_own_rounding: float | None
    """`own_rounding` over the first `EARLY` frames alone."""
    early_rounding: float | None
    """`rounding` over the first `EARLY` frames alone."""
    seconds: float
    """Seconds of one further frame of the export, of the size that the model was trained on, one movie."""
    own_seconds: float
    """The same of the run."""


def compare(model: TrainedForecaster, exported: ExportedForecaster) -> Comparison:
    """Compare an export with its run.

    Raises:
        NextframeError: a difference that is no rounding.
    """
    own = _without_motion(model)
    twin = copy.copy(exported)
    twin.door = replace(exported.door, coordinates="eulerian")
    movies = [
        (past[n : n + 1], run[n : n + 1], by_lead)
        for past in _pasts(model)
        for run in (_distribution(own, past),)
        for n, by_lead in enumerate(_by_lead(model, run, _distribution([twin], past)))
    ]
    past, run, difference = max(movies, key=lambda movie: float(np.nan_to_num(movie[2], nan=np.inf).max()))
    # In float64 a frame takes many times as long: one movie tells how much is rounding.
    double, single = (_computed(own, kind, past) for kind in (torch.float64, torch.float32))
    own_rounding = None if double is None else _by_lead(model, double, run)[0]
    rounding = None if double is None or single is None else _by_lead(model, double, single)[0]
    early = float(np.max([by_lead[:EARLY] for *_, by_lead in movies]))  # NaN, where there is one
    early_own_rounding = _largest(own_rounding, EARLY)
    allowed = ALLOWED if early_own_rounding is None else max(ALLOWED, 10 * early_own_rounding)
    if not early <= allowed:
        raise NextframeError(
            "forecasts something else than the model, and is not written",
            where=exported.path.name,
            expected=f"differences below {allowed:.2g} of the range of values",
            received=f"{early:.2g}",
            hint="report this, with the model",
        )
    timed = _with_gaps(_blobs(model, 1, max(model.config.data.past, 2), model.manifest.height, model.manifest.width))
    seconds, own_seconds = _seconds_a_step(([twin], own), timed)
    return Comparison(
        difference=float(difference.max()),
        early_difference=early,
        own_rounding=_largest(own_rounding, ROLLOUT),
        rounding=_largest(rounding, ROLLOUT),
        early_own_rounding=early_own_rounding,
        early_rounding=_largest(rounding, EARLY),
        seconds=seconds,
        own_seconds=own_seconds,
    )


def _largest(by_lead: FloatArray | None, lead_times: int) -> float | None:
    return None if by_lead is None else float(by_lead[:lead_times].max())


def _computed(own: Sequence[ModelForecaster], kind: torch.dtype, past: FloatArray) -> FloatArray | None:
    """A rollout of networks by their equations, in a type of numbers; None where one of the user's has no other than
    float32.
    """
    try:
        return _distribution([_Plain(member, kind) for member in own], past)
    except RuntimeError:
        if own[0].manifest.own is None:
            raise
        return None


class _Plain(ModelForecaster):
    """A member computed by PyTorch's operations alone, in a type of numbers."""

    def __init__(self, member: ModelForecaster, kind: torch.dtype) -> None:
        super().__init__(plain(member.model).to(kind), member.manifest, static=member.door.static)
        self.door, self.kind = member.door, kind

    def _outputs(self, seen: FloatArray, door: Door, lead_times: int, beside: FloatArray | None = None) -> FloatArray:
        frames, _ = door.enter(seen)
        with torch.inference_mode():
            future = rollout_outputs(self.model, frames.to(self.kind), lead_times)
        return np.sort(door.leave(future.unflatten(2, (self.model.quantiles, seen.shape[2])).transpose(1, 2)), axis=1)


def _by_lead(model: TrainedForecaster, true: FloatArray, read: FloatArray) -> FloatArray:
    """Largest difference of each movie at each lead time (B, K), as a share of the range of values."""
    low, high = _range(model)
    shares: FloatArray = _apart(model, true, read) / (high - low)[:, None, None]
    largest: FloatArray = shares.max(axis=(1, 3, 4, 5))
    return largest


def _apart(model: TrainedForecaster, true: FloatArray, read: FloatArray) -> FloatArray:
    """Absolute differences of forecasts (..., C, H, W). Rounding decides if the least value that is one is any."""
    difference: FloatArray = np.abs(true - read)
    for c, least in enumerate(model.manifest.bounds.least):
        if least is not None:
            border = np.maximum(true[..., c, :, :], read[..., c, :, :]) <= least * 1.0001
            difference[..., c, :, :][border] = 0
    return difference


def _pasts(model: TrainedForecaster) -> Iterator[FloatArray]:
    """One past, and three at once of another size, both of odd sizes where the grid is not fixed."""
    static, count = members_of(model)[0].door.static, max(model.config.data.past, 2)
    for batch, size in ((1, (19, 23)), (3, (13, 18))):
        if static is not None:
            yield _with_gaps(_blobs(model, batch, count, *static.shape[1:]))
            continue
        known = _generated(model, batch, model.config.data.past, *(16 + side for side in size))
        yield _with_gaps(_blobs(model, batch, count, *size)) if known is None else known


def known_movies(model: TrainedForecaster, batch: int, count: int, height: int, width: int) -> FloatArray:
    """Movies (batch, count, C, height, width) of what a model knows, in source units and without gaps: elsewhere it is
    unsure, and rounding grows faster from frame to frame.
    """
    known = _generated(model, batch, count, height, width)
    return _blobs(model, batch, count, height, width) if known is None else known


def _generated(model: TrainedForecaster, batch: int, count: int, height: int, width: int) -> FloatArray | None:
    """Movies of the generated source that a model was trained on; None where it was on none, or of larger frames."""
    name = model.config.data.data.partition(":")[0]
    if name not in GENERATED or model.manifest.channels != 1:
        return None
    movies = open_source(f"{name}:movies={batch},frames={count},seed=1000").sequences
    frames = np.stack([movie.read(0, count)[..., :height, :width] for movie in movies])
    return frames if frames.shape[-2:] == (height, width) else None


def _without_motion(model: TrainedForecaster) -> list[Any]:
    """A model's members, without what is done around the networks."""
    twins = []
    for member in members_of(model):
        twin = copy.copy(member)
        twin.door, twin.tiling = replace(member.door, coordinates="eulerian"), None
        twins.append(twin)
    return twins


def _distribution(forecasters: Sequence[Any], past: FloatArray) -> FloatArray:
    members = np.concatenate([each.raw_distribution(past, ROLLOUT)[1] for each in forecasters], axis=1)
    return np.concatenate([members, members.mean(1, keepdims=True)], axis=1)


def _seconds_a_step(kinds: Sequence[Sequence[Any]], past: FloatArray) -> list[float]:
    """Seconds of one further frame of each kind: of rollouts from the last frame, a long one less a short one.

    They take turns, and of each the fastest counts: what else the machine does at that time only adds to it. Where it
    has added to all of the short ones, it is the mean of the long one's frames.
    """

    def seconds(forecasters: Sequence[Any], lead_times: int) -> float:
        started = perf_counter()
        for forecaster in forecasters:
            forecaster.raw_distribution(past[:, -1:], lead_times)
        return perf_counter() - started

    rounds = [[(seconds(kind, 1), seconds(kind, 1 + _TIMED)) for kind in kinds] for _ in range(_ROUNDS)]
    fastest = [tuple(map(min, zip(*turns, strict=True))) for turns in zip(*rounds, strict=True)]
    return [(long - short) / _TIMED if long > short else long / (1 + _TIMED) for short, long in fastest]


def _range(model: TrainedForecaster) -> tuple[FloatArray, FloatArray]:
    """Values of each channel that stand at the ends of the model's range (C,), in source units."""
    channels = model.manifest.channels
    ends = (-2.0, 2.0) if model.normaliser.method == "standard" else (0.0, 1.0)
    low, high = (model.normaliser.invert(np.full((channels, 1, 1), end, np.float32))[:, 0, 0] for end in ends)
    return low, high


def _blobs(model: TrainedForecaster, batch: int, count: int, height: int, width: int) -> FloatArray:
    """Movies (batch, count, C, height, width) of shapes that move, in source units."""
    channels = model.manifest.channels
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    low, high = (end[:, None, None] for end in _range(model))
    movies = np.empty((batch, count, channels, height, width), np.float32)
    for movie in movies:
        y, x, v, u = draw.uniform(0, height), draw.uniform(0, width), *draw.uniform(-1.5, 1.5, 2)
        for n, frame in enumerate(movie):
            distance = (rows - y - v * n) ** 2 + (columns - x - u * n) ** 2
            frame[:] = low + (high - low) * np.exp(-distance / 18)
    return movies


def _with_gaps(movies: FloatArray) -> FloatArray:
    movies[:, 0, :, :2, :3] = np.nan
    return movies
