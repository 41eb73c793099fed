"""The doctor before training: what is in a source, what is wrong with it, and what there is to beat.

Nothing is trained and nothing is changed. Faults of the frames are reported, each in a sentence that says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np

from nextframe.config import SplitBy
from nextframe.data.coverage import coverage
from nextframe.data.normalise import Normaliser, normaliser_for, threshold_for
from nextframe.data.split import Span, split, whole_spans
from nextframe.data.statistics import Statistics
from nextframe.data.windows import Window, cut_windows
from nextframe.errors import DataError, NextframeError
from nextframe.forecasting.baselines import Persistence
from nextframe.frames.sequence import FrameSequence, FrameSource
from nextframe.inspection.findings import findings, overlap, prospects, shortage
from nextframe.inspection.survey import EVERYTHING, survey
from nextframe.verification.verify import verify
from nextframe.words import Face, duration, evenly, in_python, moment, spell

FRAMES, VALUES = 2000, 150_000_000
"""How much of a source is looked at, in frames and in values."""
WINDOWS, WINDOW_VALUES = 100, 30_000_000
"""How much of the test part persistence is verified on, in windows and in values to forecast."""
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS = 32


@dataclass(frozen=True, kw_only=True)
class ChannelSummary:
    """One variable of the frames, in source units, missing values left out; None where all are missing."""

    name: str
    """Name of the variable."""
    unit: str
    """Its unit."""
    low: float | None
    """Smallest value."""
    high: float | None
    """Largest value."""
    mean: float | None
    """Mean."""
    deviation: float | None
    """Standard deviation."""
    quantiles: dict[str, float]
    """Values by the share that lies below them, from a sample."""
    dry: float | None
    """The value where nothing happens (no rain, black ground): the smallest one, or zero where more values are zero."""
    dry_share: float | None
    """Share of the values that equal `dry`, from a sample."""
    histogram: tuple[int, ...]
    """Number of sampled values in equal bins from `low` to `high`."""


@dataclass(frozen=True, kw_only=True)
class PartSummary:
    """One part of the split."""

    sequences: int
    """Sequences, or stretches of one, that it holds."""
    frames: int
    """Frames that it holds."""
    windows: int
    """Windows of past and future frames that can be cut from it."""
    windows_lost: int
    """Windows of consecutive frames that a gap in time runs through; they are not cut."""
    short_frames: int
    """Frames between gaps in stretches too short for one window."""
    event_share: float | None
    """Share of its values at or above the threshold, from a sample; None where nothing could be read."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found; `render` shows it on the terminal, `to_dict` makes JSON of it."""

    name: str
    """How the user named the source."""
    sequences: int
    """Number of sequences."""
    frames: int
    """Number of frames of all sequences."""
    frames_looked_at: int
    """Number of frames that were read; all, or runs spread evenly over the source."""
    lengths: tuple[int, int]
    """Frames of the shortest and of the longest sequence."""
    height: int
    """Height of the frames."""
    width: int
    """Width of the frames."""
    dtype: str
    """Type of the values in the source."""
    time_step: str | None
    """Time between frames; None where the source knows none."""
    time_span: tuple[str, str] | None
    """First and last time; None where the source knows none."""
    channels: tuple[ChannelSummary, ...]
    """The variables."""
    missing_share: float
    """Share of the values that are NaN or infinite."""
    constant_frames: int
    """Frames whose values are all the same, of those looked at."""
    duplicate_frames: int
    """Frames that equal the one before them, of those looked at, constant and empty ones left out."""
    gaps: int
    """Gaps in time; no window is cut across one."""
    empty_frames: int
    """Frames without a single value, of those looked at."""
    lost: str
    """What no window can use, in a sentence: gaps and where they are, short stretches, empty frames."""
    damage: str
    """What could not be read and was left out, where that was asked for, in a sentence."""
    overlap: dict[str, float]
    """Share of the frames of the validation and of the test part whose content is also in an earlier part."""
    normalisation: str
    """The normalisation that would be chosen."""
    normalisation_reason: str
    """Why."""
    normalised_histogram: tuple[int, ...]
    """The sampled values as the model would see them, in equal bins."""
    threshold: float | None
    """What would count as an event, in source units; None where there is nothing to learn."""
    past: int
    """Frames of a window that are seen."""
    future: int
    """Frames of a window that are to be forecast."""
    parts: dict[str, PartSummary]
    """Training, validation and test part."""
    persistence: dict[str, list[float | None]]
    """Scores of repeating the last frame on the test part, by lead time; empty where they cannot be had."""
    persistence_windows: int
    """Windows that these scores were taken from."""
    problems: tuple[str, ...]
    """What is wrong, each in a sentence that says what to do."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


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
        overlap=overlap(seen.frames),
        normalisation="none" if normaliser is None else normaliser.describe(),
        normalisation_reason="" if normaliser is None else _reason(normaliser, normalisation, statistics, output),
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
    )


def _channels(sequence: FrameSequence, statistics: Statistics) -> tuple[ChannelSummary, ...]:
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
                quantiles={f"{q:g}": float(np.quantile(values, q)) for q in QUANTILES} if some else {},
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


def _normalised_histogram(statistics: Statistics, normaliser: Normaliser) -> tuple[int, ...]:
    values = normaliser.apply(statistics.sample[:, None, :])
    return _histogram(values[np.isfinite(values)])


def _reason(normaliser: Normaliser, asked: str, statistics: Statistics, output: str) -> str:
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


def _event_share(statistics: Statistics | None, threshold: float | None) -> float | None:
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
    """Scores of repeating the last frame, by lead time; None where a score is not defined."""
    scores = verify([Persistence()], windows, thresholds=[threshold]).scores["persistence"]
    wanted = {name: values for name, values in scores.items() if name in ("mse", "mae") or name.startswith("csi")}
    return {
        name: [float(v) if v is not None and np.isfinite(v) else None for v in values]
        for name, values in wanted.items()
    }


__all__ = ["ChannelSummary", "Inspection", "PartSummary", "inspect_source"]
