"""`export`: a trained model into a file that runs without nextframe, compared with the model before it is let go."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from nextframe.data.covariates import hold_without
from nextframe.errors import ConfigError, NextframeError, first_line
from nextframe.exports.description import KIND, describe
from nextframe.exports.forecaster import ExportedForecaster, open_exported
from nextframe.exports.formats import ExportFormat, format_of, require
from nextframe.exports.graph import graphs, members_of
from nextframe.exports.parts import part_path
from nextframe.files import cannot_be_written, check_writable
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.generated import GENERATED
from nextframe.frames.sequence import FloatArray
from nextframe.frames.source import open_source

ROLLOUT = 20
"""Frames that are fed back in the comparison."""
ALLOWED = 1e-3
"""Largest difference over the first lead times, as a share of the range of values, that is let go. Later ones may
differ by more where a model makes much of little: there it differs as much from itself on another processor."""
_EARLY = 3
_TIMED = 10


@dataclass(frozen=True, kw_only=True)
class Exported:
    """Files of an exported model, and how they compare with it."""

    files: tuple[Path, ...]
    """Files that were written."""
    difference: float | None
    """Largest difference from the model over `ROLLOUT` frames fed back, of two batches and sizes, as a share of the
    range of values; None where nothing was run."""
    seconds: float | None
    """Seconds of one further frame, of the size that the model was trained on, one movie."""
    own_seconds: float | None
    """The same of the model itself."""
    remarks: tuple[str, ...] = ()
    """What has to be known of it, a sentence each."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files)


def export(model: TrainedForecaster, path: str | Path) -> Exported:
    """Write a trained model as a file that runs without nextframe.

    Args:
        model: what `fit` or `load_run` has returned.
        path: where to write; its suffix chooses the format (`nextframe.exports.formats`). The description goes to a
            JSON file beside it. An encoder-decoder makes two files, `model.encoder.onnx` and `model.decoder.onnx`.

    Raises:
        ConfigError: an unknown suffix, a library that is missing, a model that this format cannot hold, or a place that
            cannot be written to.
        NextframeError: files whose forecasts are not those of the model.
    """
    path = Path(path)
    row = format_of(path)
    require(row)
    if isinstance(model, ExportedForecaster):
        raise ConfigError("is exported already", where=model.path, hint="export the run that it came from")
    hold_without(model.manifest.covariates, model.run or model.name, "an exported file")
    if row.whole is not None:
        files, difference = row.whole(model, path)
        return Exported(files=tuple(files), difference=difference, seconds=None, own_seconds=None)
    return _export_graphs(model, path, row)


def _export_graphs(model: TrainedForecaster, path: Path, row: ExportFormat) -> Exported:
    beside = path.with_suffix(".json")
    _hold_free(beside)
    with _told_of_own(model):
        parts = graphs(model)
    names = {part: part_path(path, part) for part in parts}
    for place in (*names.values(), beside):
        check_writable(place)
    description = describe(model, parts, {part: name.name for part, name in names.items()})
    assert row.write is not None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
            written: list[Path] = []
            with _told_of_own(model):
                for part, name in names.items():
                    written += row.write(parts[part], description, Path(folder) / name.name)
                if row.whole_beside is not None:
                    written += row.whole_beside(parts, description, Path(folder) / path.name)
                difference, seconds, own = _compare(model, open_exported(Path(folder) / path.name))
            described = Path(folder) / beside.name
            described.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
            files = [path.with_name(file.name) for file in (*written, described)]
            for file, place in zip((*written, described), files, strict=True):
                file.replace(place)
    except OSError as error:
        raise cannot_be_written(path, error) from error
    return Exported(
        files=tuple(files),
        difference=difference,
        seconds=seconds,
        own_seconds=own,
        remarks=tuple(description["around"]),
    )


@contextmanager
def _told_of_own(model: TrainedForecaster) -> Iterator[None]:
    """Faults of tracing a network of the user's, and of running it on frames of other sizes, in a sentence."""
    try:
        yield
    except (NextframeError, OSError):
        raise
    except Exception as error:  # of many types, those of the network's own code among them
        if model.manifest.own is None:
            raise
        raise ConfigError(
            "cannot be exported: it is not traced, or does not take frames of any size",
            where=model.manifest.config.model.model,
            received=first_line(error),
            hint="use operations on tensors alone, and a `stride` where sizes are to be multiples of it",
        ) from error


def _hold_free(beside: Path) -> None:
    """Hold the description's place to be free, or that of an earlier export: a run's own `model.json` is none."""
    if not beside.exists():
        return
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise ConfigError(
            "is in the way: the description of the exported model would be written over it",
            where=beside,
            hint="choose another name or folder",
        )


def _compare(model: TrainedForecaster, exported: ExportedForecaster) -> tuple[float, float, float]:
    """Largest difference over rollouts as a share of the range of values; seconds a step of the export and the model.

    Raises:
        NextframeError: a difference that is no rounding.
    """
    own = _without_motion(model)
    twin = copy.copy(exported)
    twin.door = replace(exported.door, coordinates="eulerian")
    low, high = _range(model)
    span = (high - low)[:, None, None]
    largest = early = 0.0
    for past in _pasts(model):
        true, read = (_distribution(forecasters, past) for forecasters in (own, [twin]))
        by_lead = np.max(_apart(model, true, read) / span, axis=(0, 1, 3, 4, 5))
        largest, early = max(largest, float(by_lead.max())), max(early, float(by_lead[:_EARLY].max()))
    if not early <= ALLOWED:
        raise NextframeError(
            "forecasts something else than the model, and is not written",
            where=exported.path.name,
            expected=f"differences below {ALLOWED:g} of the range of values",
            received=f"{early:.2g}",
            hint="report this, with the model",
        )
    past = _blobs(model, 1, model.manifest.height, model.manifest.width)
    return largest, _seconds_a_step([twin], past), _seconds_a_step(own, past)


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
    static = members_of(model)[0].door.static
    name = model.config.data.data.partition(":")[0]
    for batch, size in ((1, (19, 23)), (3, (29, 22))):
        if static is not None:
            yield _blobs(model, batch, *static.shape[1:])
        elif (
            name in GENERATED and model.manifest.channels == 1
        ):  # what it knows; elsewhere rounding grows faster from frame to frame
            frames = model.config.data.past
            movies = open_source(f"{name}:movies={batch},frames={frames},seed=1000").sequences
            yield np.stack([movie.read(0, frames)[..., : 16 + size[0], : 16 + size[1]] for movie in movies])
        else:
            yield _blobs(model, batch, *size)


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


def _seconds_a_step(forecasters: Sequence[Any], past: FloatArray) -> float:
    """Seconds of one further frame: the difference between a long rollout and a short one."""

    def seconds(lead_times: int) -> float:
        started = perf_counter()
        for forecaster in forecasters:
            forecaster.raw_distribution(past, lead_times)
        return perf_counter() - started

    seconds(1)
    return max(seconds(1 + _TIMED) - seconds(1), 0.0) / _TIMED


def _range(model: TrainedForecaster) -> tuple[FloatArray, FloatArray]:
    """Values of each channel that stand at the ends of the model's range (C,), in source units."""
    channels = model.manifest.channels
    ends = (-2.0, 2.0) if model.normaliser.method == "standard" else (0.0, 1.0)
    low, high = (model.normaliser.invert(np.full((channels, 1, 1), end, np.float32))[:, 0, 0] for end in ends)
    return low, high


def _blobs(model: TrainedForecaster, batch: int, height: int, width: int) -> FloatArray:
    """Pasts (batch, T, C, height, width) of shapes that move, in source units, with a few gaps."""
    count, channels = max(model.config.data.past, 2), model.manifest.channels
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    low, high = (end[:, None, None] for end in _range(model))
    movies = np.empty((batch, count, channels, height, width), np.float32)
    for movie in movies:
        y, x, v, u = draw.uniform(0, height), draw.uniform(0, width), *draw.uniform(-1.5, 1.5, 2)
        for n, frame in enumerate(movie):
            distance = (rows - y - v * n) ** 2 + (columns - x - u * n) ** 2
            frame[:] = low + (high - low) * np.exp(-distance / 18)
    movies[:, 0, :, :2, :3] = np.nan
    return movies
