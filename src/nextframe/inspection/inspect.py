"""The doctor before training: what is in a source, what is wrong with it, and what there is to beat.

Nothing is trained and nothing is changed. Faults of the frames are reported, each in a sentence that says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

import numpy as np

from nextframe.config import DataConfig, SplitBy
from nextframe.data.coverage import coverage
from nextframe.data.normalise import Normaliser, normaliser_for, threshold_for
from nextframe.data.split import Span, split, whole_spans
from nextframe.data.static import read_static
from nextframe.data.statistics import FrameStatistics
from nextframe.data.windows import Window, cut_windows
from nextframe.errors import DataError, NextframeError
from nextframe.frames.sequence import FrameSequence, FrameSource
from nextframe.frames.source import Source
from nextframe.inspection.covariates import look_beside
from nextframe.inspection.findings import findings, overlap, prospects, shortage
from nextframe.inspection.result import ChannelSummary, Inspection, PartSummary
from nextframe.inspection.survey import EVERYTHING, survey
from nextframe.words import Face, duration, evenly, in_python, moment, spell

FRAMES, VALUES = 2000, 150_000_000
"""Limits of what is looked at of a source, in frames and in values."""
WINDOWS, WINDOW_VALUES = 100, 30_000_000
"""Limits of what persistence is verified on, in windows of the test part and in values to forecast."""
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS = 32


def inspect_source(
    source: FrameSource,
    *,
    past: int = 7,
    future: int = 8,
    validation: float = 0.1,
    test: float = 0.1,
    gap: int = 0,
    stride: int = 1,
    normalisation: Literal["auto", "identity", "range", "standard", "log"] = "auto",
    output: Literal["sigmoid", "linear"] = "sigmoid",
    by: SplitBy = "auto",
    test_from: datetime | None = None,
    frames: int = FRAMES,
    asked: bool = True,
    recipe: Sequence[str] = (),
    face: Face = in_python,
) -> Inspection:
    """Look at a source as a training with these options would see it.

    Args:
        source: the frames.
        past: frames of a window that are seen.
        future: frames of a window that are to be forecast.
        validation: share held out for validation.
        test: share held out for the test.
        gap: frames dropped between the parts of one sequence.
        stride: frames between the starts of two windows.
        normalisation: how values would be brought to the model's range.
        output: activation of the model's output.
        by: what is divided into parts; see `nextframe.data.split.split`.
        test_from: hold out all frames from this time on, in place of a share.
        frames: look at about this many frames at most.
        asked: whether the user asked for this normalisation, or the recipe chose it.
        recipe: what a training would choose, in sentences.
        face: how options are written in what is said to be wrong.

    Raises:
        DataError: not a single frame can be read.
        ConfigError: options that make no sense whatever the frames.
    """
    problems: list[str] = []
    whole = whole_spans(source)
    parts: dict[str, Sequence[Span]] = {"training": whole}
    try:
        minimum = past + future if by == "event" else 2
        divided = split(source, validation=validation, test=test, gap=gap, minimum=minimum, by=by, test_from=test_from)
        parts = {"training": divided.train, "validation": divided.validation, "test": divided.test}
    except DataError as error:
        problems.append(f"{error.render(face)}.")
    seen = survey(parts, frames=frames, values=VALUES)
    if EVERYTHING not in seen.statistics:
        raise DataError("holds no frame that can be read", where=source.name, received="; ".join(seen.unreadable[:1]))
    statistics = seen.statistics[EVERYTHING]
    training = seen.statistics.get("training", statistics)
    first = source.sequences[0]
    problems += findings(source, seen)
    normaliser, threshold = None, None
    try:
        eight_bit = first.values.dtype == np.uint8
        normaliser = normaliser_for(
            training, normalisation, output=output, eight_bit=eight_bit, where=source.name, variables=first.variables
        )
        threshold = 0.5 if normaliser.method == "identity" else threshold_for(training, where=source.name)
    except DataError as error:
        problems.append(f"{error.render(face)}.")
    windows: dict[str, Sequence[Window]] = {}
    for name, part in parts.items():
        try:
            windows[name] = cut_windows(part, past=past, future=future, stride=stride) if part else ()
        except DataError:
            windows[name] = ()
    problems += shortage(parts, past, future)
    events = {name: _event_share(seen.statistics.get(name), threshold) for name in parts}
    scores: dict[str, list[float | None]] = {}
    verified = _spread(windows.get("test", ()), WINDOWS, WINDOW_VALUES)
    if verified and threshold is not None:
        try:
            scores = _persistence(verified, threshold)
        except NextframeError as error:
            problems.append(f"Persistence cannot be verified: {error.render(face)}.")
    counts = {name: len(cut) for name, cut in windows.items()}
    problems += prospects(counts, events, threshold, scores.get("mse", []))
    reason = "" if normaliser is None else _reason(normaliser, normalisation, statistics, output)
    if reason and not asked and normalisation != "auto":
        reason = "as the recipe has it"
    starts = [sequence.times[0] for sequence in source.sequences if sequence.times is not None]
    ends = [sequence.times[-1] for sequence in source.sequences if sequence.times is not None]
    lengths = [len(sequence) for sequence in source.sequences]
    covered = {name: coverage(spans, past=past, future=future, stride=stride) for name, spans in parts.items()}
    empty = sum(frame.missing == 1 for frame in seen.frames)
    return Inspection(
        name=source.name,
        sequences=len(lengths),
        frames=sum(lengths),
        frames_looked_at=len(seen.frames),
        lengths=(min(lengths), max(lengths)),
        height=source.frame_shape[1],
        width=source.frame_shape[2],
        dtype=str(first.values.dtype),
        time_step=None if first.time_step is None else duration(first.time_step),
        time_span=(moment(min(starts)), moment(max(ends))) if starts else None,
        channels=_channels(first, statistics),
        missing_share=statistics.missing,
        constant_frames=sum(frame.constant for frame in seen.frames),
        duplicate_frames=sum(frame.repeats and not frame.constant and frame.missing < 1 for frame in seen.frames),
        gaps=sum(len(sequence.segments()) - 1 for sequence in source.sequences),
        empty_frames=empty,
        lost=coverage(whole, past=past, future=future, stride=stride, empty_frames=empty).sentence,
        damage="" if source.damage is None else source.damage.sentence,
        notes=source.notes,
        overlap=overlap(seen.frames),
        normalisation="none" if normaliser is None else normaliser.describe(),
        normalisation_reason=reason,
        normalised_histogram=() if normaliser is None else _normalised_histogram(statistics, normaliser),
        threshold=threshold,
        past=past,
        future=future,
        parts={
            name: PartSummary(
                sequences=len(spans),
                frames=sum(map(len, spans)),
                windows=counts[name],
                windows_lost=covered[name].windows_lost,
                short_frames=covered[name].short_frames,
                event_share=events[name],
            )
            for name, spans in parts.items()
        },
        persistence=scores,
        persistence_windows=len(verified) if scores else 0,
        problems=tuple(spell(problem, face) for problem in problems),
        recipe=tuple(spell(line, face) for line in recipe),
    )


def inspect_as(
    source: FrameSource,
    config: DataConfig,
    *,
    held: Mapping[str, Source] | None = None,
    output: Literal["sigmoid", "linear"] = "sigmoid",
    asked: bool = True,
    recipe: Sequence[str] = (),
    face: Face = in_python,
) -> Inspection:
    """Look at a source as a training with a configuration's options would see it; see `inspect_source`.

    Args:
        source: the frames.
        config: the options.
        held: covariates that are in memory, by the names that the configuration has for them.
        output: activation of the model's output.
        asked: whether the user asked for the configuration's normalisation, or the recipe chose it.
        recipe: what a training would choose, in sentences.
        face: how options are written in what is said to be wrong.

    Raises:
        DataError, ShapeError: static fields or covariates that a training would stop at.
    """
    read_static(config, source.sequences[0])
    beside = look_beside(source, config, held or {}, face)
    inspection = inspect_source(
        source,
        past=config.past,
        future=config.future,
        validation=config.validation,
        test=config.test,
        gap=config.gap,
        stride=config.stride,
        normalisation=config.normalisation,
        by=config.split,
        test_from=config.held_out_from,
        output=output,
        asked=asked,
        recipe=recipe,
        face=face,
    )
    problems = (*inspection.problems, *(spell(problem, face) for problem in beside.problems))
    return replace(inspection, covariates=beside.rows, foresight=beside.foresight, problems=problems)


def _channels(sequence: FrameSequence, statistics: FrameStatistics) -> tuple[ChannelSummary, ...]:
    summaries = []
    for c, (name, unit) in enumerate(zip(sequence.variables, sequence.units, strict=True)):
        values = statistics.sample[c][np.isfinite(statistics.sample[c])]
        some = values.size > 0
        low, high = float(statistics.low[c]), float(statistics.high[c])
        # Real files hold a few values just below zero, which are not what is meant by dry.
        dry_share, dry = (
            max((float(np.mean(values == values.dtype.type(v))), v) for v in (low, 0.0)) if some else (0, 0)
        )
        summaries.append(
            ChannelSummary(
                name=name,
                unit=unit,
                low=low if some else None,
                high=high if some else None,
                mean=float(statistics.mean[c]) if some else None,
                deviation=float(statistics.deviation[c]) if some else None,
                quantiles=dict(zip(map("{:g}".format, QUANTILES), np.quantile(values, QUANTILES).tolist(), strict=True))
                if some
                else {},
                dry=dry if some else None,
                dry_share=dry_share if some else None,
                histogram=_histogram(values),
            )
        )
    return tuple(summaries)


def _histogram(values: np.ndarray[Any, Any]) -> tuple[int, ...]:
    """Counts in equal bins from the smallest to the largest value; empty where there is no value or only one."""
    if not values.size or values.min() == values.max():
        return ()
    counts, _ = np.histogram(values.astype(np.float64), bins=BINS)
    return tuple(counts.tolist())


def _normalised_histogram(statistics: FrameStatistics, normaliser: Normaliser) -> tuple[int, ...]:
    values = normaliser.apply(statistics.sample[:, None, :])
    return _histogram(values[np.isfinite(values)])


def _reason(normaliser: Normaliser, asked: str, statistics: FrameStatistics, output: str) -> str:
    if asked != "auto":
        return "as asked for"
    if normaliser.method == "identity":
        return "the values lie in 0..1 already"
    if normaliser.method == "log":
        return f"never negative, and {statistics.dry:.0%} zero or very skewed, as amounts like rain are"
    if normaliser.method == "standard":
        return "a linear output takes any value"
    whole = set(normaliser.scale) == {255.0}
    return "8-bit images" if whole else f"a {output} output reaches 0..1"


def _event_share(statistics: FrameStatistics | None, threshold: float | None) -> float | None:
    if statistics is None or threshold is None or not statistics.values.size:
        return None
    return float(np.mean(statistics.values >= threshold))


def _spread(windows: Sequence[Window], count: int, values: int) -> list[Window]:
    """Some of the windows, evenly spread, that hold at most about so many values to forecast."""
    if not windows:
        return []
    size = windows[0].future * int(np.prod(windows[0].sequence.shape[1:]))
    return evenly(windows, min(count, max(1, values // size)))


def _persistence(windows: Sequence[Window], threshold: float) -> dict[str, list[float | None]]:
    """MSE, MAE and CSI of repeating the last frame, by lead time; None where a score is not defined.

    Those of `nextframe.verification`, whose other scores cost more than all else that is looked at here.
    """
    sums = np.zeros((5, windows[0].future))
    for window in windows:
        past, truth = window.read()
        last = np.broadcast_to(past[-1], truth.shape)
        valid = np.isfinite(last) & np.isfinite(truth)
        error = np.where(valid, last.astype(np.float64) - truth, 0)
        said, was = (last >= threshold) & valid, (truth >= threshold) & valid
        parts = (valid, error**2, np.abs(error), said & was, said | was)
        sums += [part.sum((1, 2, 3)) for part in parts]
    count, squared, absolute, hits, events = sums
    return {
        "mse": _ratio(squared, count),
        "mae": _ratio(absolute, count),
        f"csi_{threshold:g}": _ratio(hits, events),
    }


def _ratio(sums: np.ndarray[Any, Any], counts: np.ndarray[Any, Any]) -> list[float | None]:
    return [float(total / count) if count else None for total, count in zip(sums, counts, strict=True)]
