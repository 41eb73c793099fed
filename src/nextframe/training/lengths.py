"""Lengths of windows and shares of parts that fit the frames, however few there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nextframe.config import DataConfig
from nextframe.data.split import Split, split_as
from nextframe.data.windows import Windows
from nextframe.errors import DataError
from nextframe.frames.sequence import FrameSource

FEWER = (2 / 3, 1 / 2)
"""Shares of the frames to forecast that are tried first where these are more than half as many again as those of the
past: a model that starts from few frames keeps its lead times as far as it can."""
SHORTER = ((6, 6), (5, 5), (4, 4), (3, 3), (3, 2), (2, 2), (2, 1), (1, 1))
"""Frames of past and future that are tried where the usual ones do not fit."""
SHARES = (0.15, 0.2, 0.25)
"""Shares of validation and of test that are tried where the usual ones do not fit."""
ENOUGH = 8
"""Windows that the validation and the test part of a sequence divided in time hold, where there is room."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Lengths and shares that differ from the configuration's."""

    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def fit_lengths(source: FrameSource, data: DataConfig, given: Collection[str] = ()) -> Lengths:
    """The longest usual windows, and the smallest usual shares, with which each part holds windows enough.

    Nothing is read, and nothing changed where the configuration's own do, or where nothing does.

    >>> from nextframe.frames.source import open_source
    >>> dict(fit_lengths(open_source("squares:movies=1,frames=120"), DataConfig()).options)
    {'validation': 0.2, 'test': 0.2}
    >>> dict(fit_lengths(open_source("squares:movies=1,frames=40"), DataConfig()).options)
    {'past': 3, 'future': 3, 'validation': 0.2, 'test': 0.2}
    >>> hourly = DataConfig(past=4, future=12)
    >>> dict(fit_lengths(open_source("squares:movies=1,frames=86"), hourly).options)
    {'future': 8, 'validation': 0.2, 'test': 0.2}
    """
    by_time = data.split == "time" or (data.split == "auto" and len(source.sequences) < 3)
    for past, future in _lengths(data, given):
        for validation, test in _shares(data, given):
            try:
                parts = split_as(source, replace(data, past=past, future=future, validation=validation, test=test))
            except DataError:
                continue
            enough = min(ENOUGH, max(1, (past + future) // 2)) if by_time else 1
            if not _fit(parts, past, future, data.stride, enough):
                continue
            new = {"past": past, "future": future, "validation": validation, "test": test}
            options = {name: value for name, value in new.items() if value != getattr(data, name)}
            return Lengths(options=options, notes=_notes(source, data, options))
    return Lengths()


def _lengths(data: DataConfig, given: Collection[str]) -> Iterator[tuple[int, int]]:
    yield data.past, data.future
    if data.future > 1.5 * data.past and "future" not in given:
        yield from ((data.past, round(share * data.future)) for share in FEWER)
    for past, future in SHORTER:
        shorter = (data.past if "past" in given else past, data.future if "future" in given else future)
        if shorter[0] <= data.past and shorter[1] <= data.future and shorter != (data.past, data.future):
            yield shorter


def _shares(data: DataConfig, given: Collection[str]) -> Iterator[tuple[float, float]]:
    yield data.validation, data.test
    for share in SHARES:
        validation = data.validation if "validation" in given else max(share, data.validation)
        named = data.test_from is not None or data.test_source
        test = data.test if "test" in given or named else max(share, data.test)
        if (validation, test) != (data.validation, data.test) and validation + test < 1:
            yield validation, test


def _fit(parts: Split, past: int, future: int, stride: int, enough: int) -> bool:
    held_out = [part for part in (parts.validation, parts.test) if part]
    counts = [len(Windows(part, past=past, future=future, stride=stride)) for part in held_out]
    return len(Windows(parts.train, past=past, future=future, stride=stride)) >= 1 and min(counts, default=1) >= enough


def _notes(source: FrameSource, data: DataConfig, options: Mapping[str, Any]) -> tuple[str, ...]:
    if not options:
        return ()
    frames = sum(map(len, source.sequences))
    said = []
    if "past" in options or "future" in options:
        past, future = options.get("past", data.past), options.get("future", data.future)
        said.append(f"windows of {past} + {future} frames")
    shares = [f"{options[name]:.0%} for the {what}" for name, what in _PARTS.items() if name in options]
    if shares:
        said.append(f"{' and '.join(shares)} held out")
    return (f"{frames} frames are few: {', '.join(said)}",)


_PARTS = {"validation": "validation", "test": "test"}
