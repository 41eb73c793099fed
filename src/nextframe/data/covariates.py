"""Covariates: fields that change with time, which a model reads beside every frame and does not forecast.

One that is observed (satellite) is read up to the last frame seen, and what was read there stands with every frame that
follows, in training as in forecasts. One that is known for the future (a numerical forecast, the time of day) is read
at the time of the frame that is to be forecast: the model reads it with the frame before.

Axes: T time of the past, K lead time, V channels of covariates, H height, W width.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nextframe.config import CLOCKS, DataConfig
from nextframe.data.covariate_frames import Given, Times, as_list, fitted_to, frames_of, times_of
from nextframe.data.split import Span
from nextframe.errors import ConfigError, DataError
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.frames.source import Source, name_of
from nextframe.frames.steps import NEAR, after
from nextframe.words import count, joined, minute, seconds

_YEAR = 365.2425  # days
_SAMPLE = 200
"""Frames of the training part at whose times a covariate is looked at for its normalisation."""


def _turn_of_day(times: Times) -> NDArray[np.float64]:
    return _days(times, times.astype("datetime64[D]"))


def _turn_of_year(times: Times) -> NDArray[np.float64]:
    return _days(times, times.astype("datetime64[Y]")) / _YEAR


def _days(times: Times, since: Times) -> NDArray[np.float64]:
    lengths = np.asarray(times - since.astype(times.dtype), "timedelta64[ns]")
    return np.asarray(lengths / np.timedelta64(1, "D"), np.float64)


_TURNS: Mapping[str, Callable[[Times], NDArray[np.float64]]] = dict(
    zip(CLOCKS, (_turn_of_day, _turn_of_year), strict=True)
)
"""Share of its turn that a clock has made at some times, which a model reads as its sine and cosine."""


@dataclass(frozen=True, kw_only=True)
class Covariate:
    """A covariate as a model was trained with it."""

    name: str
    """Source, or one of `CLOCKS`."""
    known: bool
    """True where it is known for the future."""
    variables: tuple[str, ...] = ("sine", "cosine")
    """Name of each channel of its source."""
    units: tuple[str, ...] = ("1", "1")
    """Unit of each."""
    offset: tuple[float, ...] = ()
    """Mean of each in the training part, which becomes 0."""
    scale: tuple[float, ...] = ()
    """Standard deviation of each, which becomes 1."""

    @property
    def needs_source(self) -> bool:
        """True where it is read from frames, and not told by the clock."""
        return self.name not in CLOCKS

    @property
    def channels(self) -> int:
        """Channels that a network reads of it: its values, and of a source one for each that says where they are."""
        return len(self.variables) * (2 if self.needs_source else 1)

    @property
    def option(self) -> str:
        """Field of the configuration that names it."""
        return "future_covariates" if self.known and self.needs_source else "covariates"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`, also of what JSON has made of it.

        Raises:
            KeyError, TypeError, ValueError: something else.
        """
        row = cls(
            name=str(values["name"]),
            known=bool(values["known"]),
            variables=tuple(map(str, values["variables"])),
            units=tuple(map(str, values["units"])),
            offset=tuple(map(float, values["offset"])),
            scale=tuple(map(float, values["scale"])),
        )
        lengths = {len(row.units), *((len(row.offset), len(row.scale)) if row.needs_source else ())}
        if lengths != {len(row.variables)} or not all(map(np.isfinite, (*row.offset, *row.scale))) or 0 in row.scale:
            raise ValueError(f"covariate {row.name} is no such thing")
        return row


@dataclass(frozen=True, eq=False)
class Covariates:
    """Covariates of a model, with the frames of those that have a source."""

    rows: tuple[Covariate, ...]
    """The covariates, in the order in which the network reads them."""
    config: DataConfig
    """Reading of the frames, whose crop and coarsening a covariate of the whole grid takes over."""
    sources: Mapping[str, tuple[FrameSequence, ...]] = field(default_factory=dict)
    """Frames of each that has a source, by its name."""
    _tables: Mapping[str, tuple[NDArray[np.int64], Times]] = field(init=False)
    """Numbers of the frames of each, over all of its sequences, in the order of their times; and these."""

    def __post_init__(self) -> None:
        tables = {}
        for name, sequences in self.sources.items():
            instants = np.concatenate([times_of(sequence) for sequence in sequences])
            order = np.argsort(instants, kind="stable")
            tables[name] = order, instants[order]
        object.__setattr__(self, "_tables", tables)

    @property
    def channels(self) -> int:
        """Channels V that a network reads of all of them."""
        return sum(row.channels for row in self.rows)

    def opened(self, observed: Given, future: Given) -> Self:
        """The same with frames to read from.

        Args:
            observed: sources in place of those observed that the training had, in their order.
            future: in place of those known for the future.

        Raises:
            ConfigError: another number of sources than the training had.
            DataError: sources that cannot be read, without times, or of other variables or units.
        """
        sources: dict[str, tuple[FrameSequence, ...]] = {}
        for known, given, option in ((False, observed, "covariates"), (True, future, "future_covariates")):
            needed = [row for row in self.rows if row.needs_source and row.known == known]
            named = [one for one in as_list(given) if not (isinstance(one, str) and one in CLOCKS)]
            if len(needed) != len(named):
                raise ConfigError(
                    f"reads {count(len(needed), 'source')} of covariates here",
                    where=option,
                    expected=joined([row.name for row in needed]) or "none",
                    received=joined([name_of(one) for one in named]) or "none",
                    hint=f"name each, in this order, with {{{option}=SOURCE}}" if needed else "leave them out",
                )
            sources |= {row.name: _open(one, row) for row, one in zip(needed, named, strict=True)}
        return replace(self, sources=sources)

    def require(self) -> None:
        """Hold to there being frames to read from.

        Raises:
            ConfigError: none, where the model needs some.
        """
        missing = [row for row in self.rows if row.needs_source and row.name not in self.sources]
        if missing:
            options = dict.fromkeys(row.option for row in missing)
            raise ConfigError(
                "was trained with covariates, and there are none to forecast with",
                where=joined([row.name for row in missing]),
                hint=f"name them with {joined([f'{{{option}=SOURCE}}' for option in options], 'and')}",
            )

    def read(self, past: FrameSequence, lead_times: int, *, noise: str = "") -> FloatArray:
        """Fields that a network reads beside frames (T + K, V, H, W), in its range: 0 where nothing is there.

        Args:
            past: frames seen.
            lead_times: frames that follow.
            noise: name of a covariate whose values after the last frame seen are to be replaced by noise, for a test.

        Raises:
            DataError: frames without times, or a covariate that lies elsewhere.
            ShapeError: a covariate of a grid that cannot be brought to that of the frames.
        """
        times = times_of(past)
        following = _following(past, times, lead_times + 1)
        planes: list[FloatArray] = []
        for row in self.rows:
            if not row.needs_source:
                turns = 2 * np.pi * _TURNS[row.name](following)
                waves = np.stack([np.sin(turns), np.cos(turns)], axis=1)[..., None, None]
                if row.name == noise:
                    waves[len(times) - 1 :] = np.random.default_rng(0).normal(size=waves[len(times) - 1 :].shape)
                planes.append(np.broadcast_to(waves, (*waves.shape[:2], *past.shape[2:])).astype(np.float32))
                continue
            wanted = following if row.known else times
            values = self._values(row, past, wanted)
            if row.name == noise:
                late = self._found(row, past, wanted)[1] > times[-1] + _reach(NEAR, past.time_step)
                values[late] = np.random.default_rng(0).normal(size=values[late].shape)
            there = np.isfinite(values)
            both = np.concatenate([np.where(there, values, 0), there], axis=1).astype(np.float32)
            planes.append(both if row.known else both[[*range(len(times)), *[len(times) - 1] * lead_times]])
        return np.concatenate(planes, axis=1)

    def absent(self, spans: Sequence[Span]) -> list[str]:
        """Sentences on frames at whose times a covariate has none.

        Raises:
            DataError: a covariate that has none at any of them.
        """
        said = []
        for row in (row for row in self.rows if row.needs_source):
            lacking = frames = 0
            for span in spans:
                piece = span.sequence[span.start : span.stop]
                if len(piece):
                    lacking += int((self._found(row, piece, times_of(piece))[0] < 0).sum())
                    frames += len(piece)
            if frames and lacking == frames:
                own = [times_of(sequence) for sequence in self.sources[row.name]]
                theirs = [times_of(span.sequence)[span.start : span.stop] for span in spans]
                raise DataError(
                    "has no frame at the time of any of the frames",
                    where=f"covariate {row.name}",
                    expected=_period(theirs),
                    received=_period(own),
                    hint="name the covariate of the same time",
                )
            if lacking:
                said.append(f"covariate {row.name}: at {lacking:,} of {frames:,} frames it has none, and is 0 there")
        return said

    def lacking(self, past: FrameSequence, lead_times: int) -> list[str]:
        """Sentences on covariates that have no frame where a forecast from these reads one; arguments of `read`."""
        times, said = times_of(past), []
        for row in (row for row in self.rows if row.needs_source):
            wanted = _following(past, times, lead_times) if row.known else times
            none = int((self._found(row, past, wanted)[0] < 0).sum())
            if none:
                places = f"{none} of the {count(len(wanted), 'time')} at which it is read"
                said.append(f"covariate {row.name} has no frame at {places}, and is 0 there")
        return said

    def normalised(self, spans: Sequence[Span]) -> Self:
        """The same with each covariate brought to mean 0 and standard deviation 1 in the training part.

        Raises:
            DataError: a covariate without a value there.
        """
        rows = []
        for row in self.rows:
            if row.needs_source:
                values = [
                    self._values(replace(row, offset=(0.0,), scale=(1.0,)), piece, times_of(piece))
                    for piece in _sample(spans)
                ]
                channels = [np.concatenate([part[:, c].ravel() for part in values]) for c in range(len(row.variables))]
                there = [channel[np.isfinite(channel)] for channel in channels]
                if any(channel.size == 0 for channel in there):
                    raise DataError("has no value in the training part", where=f"covariate {row.name}")
                row = replace(
                    row,
                    offset=tuple(float(channel.mean(dtype=np.float64)) for channel in there),
                    scale=tuple(float(channel.std(dtype=np.float64)) or 1.0 for channel in there),
                )
            rows.append(row)
        return replace(self, rows=tuple(rows))

    def _values(self, row: Covariate, like: FrameSequence, wanted: Times) -> FloatArray:
        """Values at some times, normalised (N, V, H, W), NaN where nothing is there."""
        numbers, _ = self._found(row, like, wanted)
        values = np.full((len(wanted), len(row.variables), *like.shape[2:]), np.nan, np.float32)
        first = 0
        for sequence in self.sources[row.name]:
            own = (numbers >= first) & (numbers < first + len(sequence))
            if own.any():
                places = numbers[own] - first
                fitted = fitted_to(like, sequence, row.name, self.config)
                low, high = int(places.min()), int(places.max())
                if high - low < 4 * len(places):
                    values[own] = fitted.read(low, high + 1)[places - low]
                else:
                    values[own] = np.concatenate([fitted.read(n, n + 1) for n in places.tolist()])
            first += len(sequence)
        offset, scale = (np.asarray(each, np.float32).reshape(-1, 1, 1) for each in (row.offset, row.scale))
        return (values - offset) / scale

    def _found(self, row: Covariate, like: FrameSequence, wanted: Times) -> tuple[NDArray[np.int64], Times]:
        """Numbers of the frames at some times, over all sequences of a source, and their times; -1 where none is."""
        order, instants = self._tables[row.name]
        steps = [s.time_step for s in (like, *self.sources[row.name]) if s.time_step is not None]
        longest = max(steps, key=seconds, default=np.timedelta64(0, "s"))
        near = _reach(NEAR, like.time_step)
        if row.known:
            place = np.searchsorted(instants, wanted)
            left, right = np.maximum(place - 1, 0), np.minimum(place, len(instants) - 1)
            closest = np.where(abs(instants[left] - wanted) <= abs(instants[right] - wanted), left, right)
            sound = abs(instants[closest] - wanted) <= _reach(0.5, longest)
        else:
            closest = np.searchsorted(instants, wanted + near, side="right") - 1
            age = wanted - instants[np.maximum(closest, 0)]
            sound = (closest >= 0) & (age < np.maximum(_reach(1.0, longest) - near, near))
        closest = np.clip(closest, 0, len(instants) - 1)
        return np.where(sound, order[closest], -1), instants[closest]


def named_in(config: DataConfig, held: Mapping[str, Source] | None = None) -> Covariates | None:
    """The covariates that a configuration names, open and not yet normalised; None where it names none.

    Args:
        config: the configuration.
        held: those that are in memory, by the names that they have there.

    Raises:
        ConfigError: a clock that is misspelt.
        DataError: a source that cannot be read, or has no times.
    """
    if not config.covariates and not config.future_covariates:
        return None
    held = held or {}
    for name in config.covariates:
        similar = difflib.get_close_matches(name, CLOCKS, n=1)
        if similar and similar[0] != name and name not in held and not Path(name).exists():
            raise ConfigError(
                "is neither a clock nor a file", where=f"covariate {name}", hint=f"did you mean {similar[0]!r}?"
            )
    rows = [Covariate(name=name, known=name in CLOCKS) for name in config.covariates]
    rows += [Covariate(name=name, known=True) for name in config.future_covariates]
    sources = {row.name: _open(held.get(row.name, row.name), row) for row in rows if row.needs_source}
    described_rows = [
        row
        if not row.needs_source
        else replace(row, variables=sources[row.name][0].variables, units=sources[row.name][0].units)
        for row in rows
    ]
    return Covariates(tuple(described_rows), config, sources)


def _open(source: Source, row: Covariate) -> tuple[FrameSequence, ...]:
    """Sequences of a source, held to what the training had where that is known."""
    return frames_of(source, trained=(row.variables, row.units) if row.offset else None)


def hold_without(rows: Sequence[Covariate], where: object, what: str) -> None:
    """Refuse a model with covariates where it cannot be given them.

    Args:
        rows: its covariates.
        where: the model.
        what: what cannot give it these.

    Raises:
        ConfigError: there are some.
    """
    if rows:
        raise ConfigError(
            f"reads covariates ({joined([row.name for row in rows])}), which {what} cannot give it",
            where=where,
            hint="take a model without covariates, or forecast from files",
        )


def _sample(spans: Sequence[Span]) -> list[FrameSequence]:
    """Single frames of some spans, evenly spread."""
    every = [(span.sequence, n) for span in spans for n in range(span.start, span.stop)]
    chosen = np.unique(np.linspace(0, len(every) - 1, min(_SAMPLE, len(every))).round().astype(int))
    return [every[n][0][every[n][1] : every[n][1] + 1] for n in chosen.tolist()]


def _following(past: FrameSequence, times: Times, lead_times: int) -> Times:
    """Time of the frame after each one seen, and of those that follow it."""
    if past.time_step is None:
        raise DataError("does not say how much time lies between its frames", where=past.name)
    ahead = after(times[-1], past.time_step, np.arange(1, lead_times + 1))
    return np.concatenate([times[1:], ahead]).astype(times.dtype)


def _reach(share: float, step: np.timedelta64 | None) -> np.timedelta64:
    return np.timedelta64(0, "ns") if step is None else np.timedelta64(round(share * seconds(step) * 1e9), "ns")


def _period(times: Sequence[Times]) -> str:
    return f"{minute(min(each[0] for each in times))} to {minute(max(each[-1] for each in times))}"
