"""Many sources as one: each with reading options of its own, brought to one unit, pixel and step.

A source is written as its path and options of its own after two colons: "radar.nc::coarsen=2,weight=3".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from nextframe.config import COVARIATES, Reading, hints, unknown_option
from nextframe.errors import ConfigError, DataError
from nextframe.frames.geography import METRES, Geography
from nextframe.frames.listed import listed
from nextframe.frames.rain import convert_rain, is_rain
from nextframe.frames.readers import coarsen
from nextframe.frames.sequence import FrameReader, FrameSequence
from nextframe.frames.steps import NEAR
from nextframe.frames.units import UnknownUnitError, conversion, factor, same_unit
from nextframe.words import duration, is_calendar, listing, seconds

_OPTION = re.compile(r",(?=\s*\w+\s*=)")
_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(km|m)\s*", re.IGNORECASE)
_TIME = re.compile(r"\s*(\d+)\s*(s|sec|min|m|h|d)\s*", re.IGNORECASE)
_SECONDS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}
_NEAR_PIXEL = 0.3
"""Share by which pixels that stay as they are may differ from the resolution that is asked for."""


@dataclass(frozen=True)
class Described:
    """A source and how it alone is read."""

    source: Any
    """Its path or name, or frames in memory."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of `Reading` for it alone."""
    weight: float = 1.0
    """Share of its windows that are drawn, beside those of others."""
    name: str = ""
    """Name that it goes by; by default its path."""


def is_mapping(source: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell a source and its options in a mapping from a Dataset of xarray, which is a mapping, too."""
    return isinstance(source, Mapping) and not hasattr(source, "coords")


def names_options(source: Any) -> bool:
    """True for a text that has options after two colons, and is not the name of a file that has colons in it.

    >>> names_options("radar.nc::coarsen=2"), names_options("radar.nc")
    (True, False)
    """
    if not isinstance(source, (str, Path)) or "::" not in str(source):
        return False
    try:
        return not Path(source).exists()
    except (OSError, ValueError):  # a name that no file may have
        return True


def described(source: Any) -> Described:
    """A source as it is written: a text with options after two colons, a mapping with `path`, or frames in memory.

    Raises:
        ConfigError: an option that there is not, or a value that it cannot have.

    >>> described("radar.nc::coarsen=2,crop=0,0,64,64,weight=3")
    Described(source='radar.nc', options={'coarsen': 2, 'crop': (0, 0, 64, 64)}, weight=3.0, name='')
    """
    if is_mapping(source):
        given = {str(key).replace("-", "_"): value for key, value in source.items()}
        path = next((given.pop(key) for key in ("path", "data", "source") if key in given), None)
        if path is None:
            raise ConfigError(
                "names no path", where="data", received=f"keys {listing(source)}", hint="give it a key `path`"
            )
        return _checked(path, given)
    if names_options(source):
        path, _, text = str(source).rpartition("::")
        pairs = [pair.partition("=") for pair in _OPTION.split(text) if pair.strip()]
        return _checked(path, {key.strip().replace("-", "_"): value.strip() for key, _, value in pairs})
    return Described(source)


def written(source: Any) -> str:
    """A source in one text, which `described` reads.

    >>> written({"path": "radar.nc", "coarsen": 2, "weight": 3})
    'radar.nc::coarsen=2,weight=3'
    """
    this = described(source)
    options = {**this.options, **({"weight": f"{this.weight:g}"} if this.weight != 1 else {})}
    options |= {"name": this.name} if this.name else {}
    values = (
        f"{key}={','.join(map(str, value)) if isinstance(value, tuple) else value}" for key, value in options.items()
    )
    return f"{this.source}::{','.join(values)}" if options else str(this.source)


def as_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a configuration whose `data` may be a list of sources: their names in `data`, each written in one text
    in `sources`.

    >>> as_options({"data": ["a.nc", {"path": "b.nc", "coarsen": 2}], "epochs": 3})
    {'data': 'a.nc, b.nc', 'epochs': 3, 'sources': ('a.nc', 'b.nc::coarsen=2')}
    """
    options = {key: _each_written(value) if key in COVARIATES else value for key, value in options.items()}
    data = listed(options.get("data"))
    if isinstance(data, (str, Path)) and not names_options(data):
        return dict(options)
    several = list(data) if isinstance(data, (list, tuple)) else [] if data is None else [data]
    if not several or not all(isinstance(one, (str, Path, Mapping)) for one in several):
        return dict(options)
    if len(several) == 1 and written(several[0]) == str(several[0]):
        return {**options, "data": str(several[0])}
    names = [str(this.name or this.source) for this in map(described, several)]
    return {**options, "data": listing(names), "sources": tuple(map(written, several))}


def _each_written(sources: Any) -> tuple[str, ...]:
    several = sources if isinstance(sources, (list, tuple)) else [] if sources is None else [sources]
    return tuple(str(one) if isinstance(one, (str, Path)) else written(one) for one in several)


def _checked(path: Any, given: Mapping[str, Any]) -> Described:
    options = dict(given)
    name = str(options.pop("name", ""))
    weight = options.pop("weight", 1.0)
    try:
        share = float(weight)
    except (TypeError, ValueError):
        share = -1.0
    if not 0 < share < float("inf"):
        raise ConfigError("is no weight", where=f"weight of {path}", expected="a number above 0", received=weight)
    known = hints(Reading)
    for key in options:
        if key not in known:
            raise unknown_option(key, {*known, "name", "weight"}, where=path)
    typed = {key: _typed(key, value, known) for key, value in options.items()}
    sound = Reading().but(typed)
    return Described(path, {key: getattr(sound, key) for key in typed}, share, name)


def _typed(key: str, value: Any, kinds: Mapping[str, Any]) -> Any:
    """A value out of a text as its field takes it."""
    if not isinstance(value, str):
        return value
    if kinds[key] is int:
        return int(value) if value.isdecimal() else value
    if kinds[key] is bool:
        return {"true": True, "yes": True, "false": False, "no": False}.get(value.lower(), value)
    if "tuple" in str(kinds[key]):
        parts = tuple(part.strip() for part in value.split(","))
        return tuple(map(int, parts)) if "int" in str(kinds[key]) and all(p.isdecimal() for p in parts) else parts
    return value


def rain_unit_for(parts: Sequence[Sequence[FrameSequence]]) -> bool:
    """True where sources of these sequences are of rain that only a rate in mm/h brings together: rates, amounts and
    reflectivities, or amounts over differing times.
    """
    every = [sequence for part in parts for sequence in part]
    if len({(sequence.units, sequence.accumulation, sequence.time_step) for sequence in every}) < 2:
        return False
    if any(len(sequence.units) != 1 for sequence in every):
        return False
    first = every[0]
    kinds = list(dict.fromkeys(sequence.units[0] for sequence in every))
    if all(_between(unit, kinds[0]) is not None for unit in kinds):
        over = {sequence.accumulation[0] or sequence.time_step for sequence in every}
        amount = first.units[0].lower() not in METRES and _between(first.units[0], "mm") is not None
        return amount and len(over) > 1
    return all(map(is_rain, kinds))


def _between(unit: str, to: str) -> tuple[float, float] | None:
    """Factor and offset from a unit to another; None where there are none."""
    if same_unit(unit, to):
        return 1.0, 0.0
    if "db" in f"{unit} {to}".lower():  # decibels are no factor of anything
        return None
    try:
        return conversion(unit, to)
    except UnknownUnitError:
        return None


def in_one_unit(parts: Sequence[tuple[FrameSequence, ...]], names: Sequence[str]) -> list[tuple[FrameSequence, ...]]:
    """Sequences with the names and units of the first source's.

    Raises:
        DataError: sources that cannot be brought to one unit.
    """
    first = parts[0][0]
    return [
        tuple(_like(sequence, first, name, names[0]) for sequence in part)
        for part, name in zip(parts, names, strict=True)
    ]


def _like(sequence: FrameSequence, first: FrameSequence, name: str, other: str) -> FrameSequence:
    if len(sequence.units) != len(first.units):
        raise DataError(
            f"holds another number of variables than {other}",
            where=name,
            expected=first.described(),
            received=sequence.described(),
            hint="choose with {variable}",
        )
    factors = []
    for own, unit in zip(sequence.units, first.units, strict=True):
        between = _between(own, unit)
        if between is None:
            raise DataError(
                f"cannot be brought to the unit of {other}",
                where=name,
                expected=first.described(),
                received=sequence.described(),
                hint="leave it out, or choose other variables",
            )
        factors.append(between)
    values: FrameReader = sequence.values
    if any(between != (1.0, 0.0) for between in factors):
        values = _Scaled(values, tuple(factors))
    return replace(sequence, values=values, variables=first.variables, units=first.units)


def metres(resolution: str) -> float:
    """A resolution in metres.

    Raises:
        ConfigError: it is no length.

    >>> metres("2km"), metres("500 m")
    (2000.0, 500.0)
    """
    found = _LENGTH.fullmatch(resolution)
    if found is None or float(found[1]) == 0:
        raise ConfigError("is no length", where="resolution", expected="for example 2km or 500m", received=resolution)
    return float(found[1]) * (1000 if found[2].lower() == "km" else 1)


def step_of(text: str) -> np.timedelta64:
    """A time step.

    Raises:
        ConfigError: it is no duration.

    >>> step_of("10min")
    np.timedelta64(600,'s')
    """
    found = _TIME.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise ConfigError("is no duration", where="time_step", expected="for example 10min or 1h", received=text)
    return np.timedelta64(int(found[1]) * _SECONDS[found[2].lower()], "s")


def to_resolution(sequence: FrameSequence, resolution: str) -> FrameSequence:
    """Frames whose pixels are averaged to about a resolution; never made finer.

    Pixels within 30 % of it stay as they are, and a note says so.

    Raises:
        DataError: pixels of an unknown size, or larger than that.
    """
    wanted = metres(resolution) / 1000
    pixel = None if sequence.grid is None else Geography(sequence.grid).kilometres
    if pixel is None:
        raise DataError(
            "does not say how large its pixels are",
            where=sequence.name,
            hint="average its pixels with {coarsen}, and leave out {resolution}",
        )
    own = float(np.sqrt(pixel[0] * pixel[1]))
    blocks = max(1, round(wanted / own))
    averaged = own * blocks
    if abs(averaged / wanted - 1) > _NEAR_PIXEL:
        raise DataError(
            f"has pixels of {own:.3g} km, of which {resolution} cannot be made without inventing values",
            where=sequence.name,
            expected=f"pixels of {wanted:g} km, or a whole fraction of that",
            hint=f"choose {{resolution={max(1, round(own / wanted)) * wanted:g}km}}, or leave this source out",
        )
    sequence = coarsen(sequence, blocks)
    if abs(averaged / wanted - 1) > 0.02:
        note = f"{sequence.name}: its pixels are of {averaged:.3g} km, the nearest to {resolution} that averaging makes"
        sequence = replace(sequence, notes=(*sequence.notes, note))
    return sequence


def to_time_step(sequence: FrameSequence, text: str, *, average: bool) -> FrameSequence:
    """Frames at a longer time step: those at its multiples are picked, or the frames up to each are averaged.

    Args:
        sequence: the frames.
        text: the step.
        average: average, for amounts and their rates; what is measured at a moment is picked.

    Raises:
        DataError: frames without times, or a step that they cannot be brought to without inventing some.
    """
    wanted, own = step_of(text), sequence.time_step
    instants = sequence.instants
    if own is None or instants is None or is_calendar(own):
        raise DataError(
            "does not say how much time lies between its frames", where=sequence.name, hint="leave out {time_step}"
        )
    ratio = seconds(wanted) / seconds(own)
    count = round(ratio)
    if count < 1 or abs(ratio / count - 1) > NEAR:
        raise DataError(
            f"has a frame every {duration(own)}, of which steps of {text} cannot be made without inventing frames",
            where=sequence.name,
            hint="choose a step that is a multiple of that of every source: {time_step}",
        )
    if count == 1:
        return sequence
    at = _multiples(instants, wanted, own)
    groups = [_group(instants, n, count, own) for n in at] if average else [(n, n + 1) for n in at]
    kept = [(n, group) for n, group in zip(at, groups, strict=True) if group is not None]
    if not kept:
        raise DataError(f"holds no frames {text} apart", where=sequence.name, hint="choose another {time_step}")
    index = np.array([n for n, _ in kept])
    return replace(
        sequence,
        values=_Steps(sequence.values, tuple(group for _, group in kept)),
        times=None if sequence.times is None else sequence.times[index],
        elapsed=None if sequence.elapsed is None else sequence.elapsed[index],
        time_step=wanted.astype("timedelta64[ns]"),
    )


def _multiples(instants: NDArray[Any], wanted: np.timedelta64, own: np.timedelta64) -> list[int]:
    """Numbers of the frames at multiples of a step: of midnight where any are, else of the first frame."""
    step = round(seconds(wanted) * 1e9)
    numbers = instants.astype(instants.dtype.str[:2] + "8[ns]").astype(np.int64)
    reach = round(NEAR * seconds(own) * 1e9)
    for offset in (0, int(numbers[0]) % step):
        away = (numbers - offset + step // 2) % step - step // 2
        found = np.flatnonzero(np.abs(away) <= reach)
        if found.size > 1 or (found.size and len(numbers) < 2):
            return found.tolist()
    return [0]


def _group(instants: NDArray[Any], last: int, count: int, own: np.timedelta64) -> tuple[int, int] | None:
    """The frames of a longer step that ends with one; None where some are missing."""
    first = last - count + 1
    if first < 0:
        return None
    span = (instants[last] - instants[first]) / np.timedelta64(1, "ns")
    whole = (count - 1) * seconds(own) * 1e9
    return (first, last + 1) if abs(span - whole) <= 2 * NEAR * seconds(own) * 1e9 else None


def is_summed(sequence: FrameSequence) -> bool:
    """True for amounts over a time, which have a longer step as their mean rate."""
    if any(over is not None for over in sequence.accumulation):
        return True
    try:
        return factor(sequence.units[0], "mm") is not None
    except UnknownUnitError:
        return False


def in_rain_unit(sequence: FrameSequence, reading: Reading) -> FrameSequence:
    """Frames in the unit of rain that is asked for."""
    return sequence if reading.rain_unit == "as-read" else convert_rain(sequence, reading.rain_unit)


@dataclass(frozen=True)
class _Scaled:
    """Frames in another unit, by channel."""

    reader: FrameReader
    factors: tuple[tuple[float, float], ...]
    """Factor and offset of each."""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.reader.shape

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        scale, offset = np.array(self.factors, np.float32).T[:, :, None, None]
        values: NDArray[np.float32] = np.asarray(self.reader[frames], np.float32) * scale + offset
        return values


@dataclass(frozen=True)
class _Steps:
    """Frames at a longer step, each a frame of another reader or the mean of several."""

    reader: FrameReader
    groups: tuple[tuple[int, int], ...]
    """First frame and one past the last, of each."""

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.groups), *self.reader.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        single = all(stop - start == 1 for start, stop in self.groups)
        return self.reader.dtype if single else np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray:  # type: ignore[type-arg]
        groups = self.groups[frames]
        if not groups:
            return np.empty((0, *self.shape[1:]), self.dtype)
        parts = [self.reader[start:stop] for start, stop in groups]
        return np.stack([part[0] if len(part) == 1 else part.astype(np.float32).mean(0) for part in parts])
