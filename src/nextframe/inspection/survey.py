"""A look at every frame, or at a stated number of them, that reports what is wrong instead of stopping at it.

Axes: N frames of a run, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from nextframe.data.split import Span
from nextframe.data.statistics import FrameStatistics, Measurement
from nextframe.errors import NextframeError
from nextframe.frames.sequence import FloatArray

RUN = 8  # frames read together, so that neighbours can be compared also where not every frame is looked at
EVERYTHING = "all"


@dataclass(frozen=True, kw_only=True)
class FrameFacts:
    """Facts of one frame."""

    part: str
    """The part that it belongs to."""
    sequence: str
    """Name of its sequence."""
    index: int
    """Its number in the source."""
    content: bytes
    """Digest of its values; equal for frames that are equal."""
    repeats: bool
    """True where it equals the frame before it."""
    constant: bool
    """True where all values of each channel are the same; False where all are missing."""
    missing: float
    """Share of its values that are NaN or infinite."""
    falls: tuple[bool, ...]
    """True for channels of which any value is less than in the frame before; none where that was not looked at."""
    rises: tuple[bool, ...]
    """True for those of which any is more."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Facts of the frames of some parts."""

    frames: tuple[FrameFacts, ...]
    """The frames that were looked at, in order of part, sequence and time."""
    statistics: dict[str, FrameStatistics]
    """Statistics of each part that holds readable frames, and of "all"."""
    unreadable: tuple[str, ...]
    """Messages of the source where frames could not be read."""


def survey(parts: dict[str, Sequence[Span]], *, frames: int, values: int) -> Survey:
    """Look at the frames of some parts.

    Where there are more than the budget, runs of neighbouring frames are read, spread evenly over each part.

    Args:
        parts: spans by name of the part.
        frames: look at about this many frames at most.
        values: and at about this many values.
    """
    there = sum(len(span) for spans in parts.values() for span in spans)
    first = next(span for spans in parts.values() for span in spans)
    size = int(np.prod(first.sequence.shape[1:]))
    budget = max(RUN, min(frames, values // size))
    total = size * min(there, budget)
    measurements = {name: Measurement(total) for name in parts}
    facts: list[FrameFacts] = []
    unreadable: list[str] = []
    for part, spans in parts.items():
        previous: FrameFacts | None = None
        before: FloatArray | None = None
        for run in _runs(spans, min(1.0, budget / there)):
            # NaN is looked for here, not stumbled over.
            sequence = replace(run.sequence, missing="mask")
            try:
                read = sequence.read(run.start, run.stop)
            except (NextframeError, OSError, ValueError) as error:
                unreadable.append(str(error))
                continue
            for index, frame in enumerate(read, start=sequence.first + run.start):
                previous = _facts(part, sequence.name, index, frame, previous, before)
                before = frame
                facts.append(previous)
            measurements[part].add(read)
    everything = Measurement(total).take(measurements.values())
    results = {name: measurement.result() for name, measurement in {EVERYTHING: everything, **measurements}.items()}
    statistics = {name: result for name, result in results.items() if result is not None}
    return Survey(frames=tuple(facts), statistics=statistics, unreadable=tuple(dict.fromkeys(unreadable)))


def _runs(spans: Sequence[Span], share: float) -> Iterator[Span]:
    """Runs of up to `RUN` frames that make up about a share of the spans, spread evenly over them."""
    runs = [
        Span(span.sequence, start, min(start + RUN, span.stop))
        for span in spans
        for start in range(span.start, span.stop, RUN)
    ]
    chosen = max(1, round(len(runs) * share)) if runs else 0
    for index in np.linspace(0, len(runs) - 1, chosen).round().astype(int).tolist():
        yield runs[index]


def _facts(
    part: str, sequence: str, index: int, frame: FloatArray, previous: FrameFacts | None, before: FloatArray | None
) -> FrameFacts:
    content = blake2b(np.ascontiguousarray(frame).tobytes(), digest_size=16).digest()
    valid = np.isfinite(frame)
    follows = previous is not None and (previous.sequence, previous.index) == (sequence, index - 1)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        changes = frame - before if follows and before is not None else frame[:0]
    noise = 1e-5 * np.nanmax(np.abs(frame), initial=0)
    channels = [values[real] for values, real in zip(frame, valid, strict=True)]
    return FrameFacts(
        part=part,
        sequence=sequence,
        index=index,
        content=content,
        repeats=follows and previous is not None and previous.content == content,
        constant=bool(valid.any() and all(real.size == 0 or real.min() == real.max() for real in channels)),
        missing=float(1 - valid.mean()),
        falls=tuple(bool((change < -noise).any()) for change in changes),
        rises=tuple(bool((change > noise).any()) for change in changes),
    )
