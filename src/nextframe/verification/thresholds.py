"""Thresholds of events: chosen from the frames or given, for the values of all channels or channel by channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from nextframe.data.normalise import choose_threshold, fit_normaliser
from nextframe.data.split import Span
from nextframe.data.statistics import measure_spans
from nextframe.errors import ConfigError
from nextframe.frames.pictures import named_as_pictures
from nextframe.frames.readers import Channel
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.verification.additive import Threshold
from nextframe.words import evenly

Thresholds = Sequence[float] | Mapping[str, Sequence[float]]
"""Values from which on something is an event, in source units; or such values by the name of a variable."""

_LOOKED_AT = 8  # frames that tell pictures from masks


def shows_pictures(spans: Sequence[Span]) -> bool:
    """True for a video, no value of which is an event: plain numbers from 0 to 1 or to 255 in channels without a name
    of their own, and more than two of them, unlike the frames of a mask.
    """
    first = spans[0].sequence
    if not named_as_pictures(first.variables, first.units):
        return False
    distinct: set[float] = set()
    for span in evenly(spans, _LOOKED_AT):
        for start in np.linspace(span.start, span.stop - 1, max(1, _LOOKED_AT // len(spans))).astype(int):
            values = np.unique(_finite(span.sequence.read(start, start + 1)))
            distinct.update(values[:3].tolist())
            if values.size and not (values[0] >= 0 and (values[-1] <= 1 or _are_bytes(first, values))):
                return False
    return len(distinct) > 2


def chosen_thresholds(
    given: Thresholds | None, spans: Sequence[Span], *, pictures: bool, usual: float | None = None
) -> tuple[float, ...]:
    """Thresholds of some frames: those that are given, else what is usual; of several variables channel by channel, of
    pictures none.

    Args:
        given: what was asked for.
        spans: the frames.
        pictures: whether they are a video.
        usual: what counts as an event in frames of one channel where nobody asked; chosen from the frames by default.

    Raises:
        ConfigError: thresholds of a variable that is not there.
    """
    first = spans[0].sequence
    apart = first.shape[1] > 1 and not pictures
    if isinstance(given, Mapping):
        for name in given:
            if name not in first.variables:
                raise ConfigError(
                    "names no variable of the frames",
                    where="thresholds",
                    expected=", ".join(first.variables),
                    received=name,
                )
        channels = {name: first.variables.index(name) for name in given}
        if first.shape[1] == 1:
            return tuple(float(value) for values in given.values() for value in values)
        return tuple(Threshold(value, channels[name], name) for name, values in given.items() for value in values)
    if given is not None:
        if not apart:
            return tuple(map(float, given))
        return tuple(Threshold(value, c, name) for c, name in enumerate(first.variables) for value in given)
    if pictures:
        return ()
    if not apart:
        return (usual_threshold(spans) if usual is None else usual,)
    parts = ([replace(span, sequence=channel_of(span.sequence, c)) for span in spans] for c in range(first.shape[1]))
    return tuple(
        Threshold(usual_threshold(part), c, name)
        for (c, name), part in zip(enumerate(first.variables), parts, strict=True)
    )


def usual_threshold(spans: Sequence[Span]) -> float:
    """Threshold of events where nobody names one; in frames that are all the same, dry ones, nothing tells it."""
    statistics = measure_spans(spans)
    if statistics.constant or statistics.empty:
        return 0.5
    return choose_threshold(spans, fit_normaliser(spans, statistics=statistics))


def channel_of(sequence: FrameSequence, channel: int) -> FrameSequence:
    """One channel of a sequence, just as lazy."""
    return replace(
        sequence,
        values=Channel(sequence.values, channel),
        variables=sequence.variables[channel : channel + 1],
        units=sequence.units[channel : channel + 1],
        variable_attributes=sequence.variable_attributes[channel : channel + 1],
        accumulation=sequence.accumulation[channel : channel + 1],
    )


def _finite(values: FloatArray) -> FloatArray:
    return values[np.isfinite(values)]


def _are_bytes(sequence: FrameSequence, values: FloatArray) -> bool:
    return sequence.values.dtype == np.uint8 or (values[-1] <= 255 and np.array_equal(values, np.round(values)))
