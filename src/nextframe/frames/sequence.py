"""`FrameSequence`: frames in order of time, read from disk only when asked for.

Axes: T time, C channel, H height, W width. Values are in the units of the source. A missing value is NaN in what
`read` returns, and stays NaN until the model's door; it is never replaced by a number on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from operator import index
from typing import Any, Protocol, SupportsIndex, overload, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nextframe.config import Missing, Part
from nextframe.errors import DataError, ShapeError
from nextframe.frames.damage import Damage
from nextframe.frames.grid import Grid
from nextframe.frames.steps import nominal_step, steps_between
from nextframe.plugins import Late
from nextframe.words import count, duration, listing, minute, printable

FloatArray = NDArray[np.float32]
APART = "where they are several radars, name each as a source of its own"
"""What to do about files or folders that make no one source."""


@runtime_checkable
class FrameReader(Protocol):
    """Anything with a shape (T, C, H, W) that hands out frames for a slice of time: an ndarray, a memmap, a reader."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...

    def __getitem__(self, frames: slice, /) -> NDArray: ...  # type: ignore[type-arg]


@dataclass(frozen=True, kw_only=True)
class FrameSequence:
    """One sequence of frames, lazy: nothing is read before `read`.

    Raises:
        ShapeError: values that are not (T, C, H, W), or names, units or times that do not fit that shape.
        DataError: times that do not increase.
    """

    values: FrameReader
    """The frames, (T, C, H, W), any numeric type, in source units."""
    name: str
    """What messages and reports call this sequence: a file's path, "squares[12]"."""
    times: NDArray[np.datetime64] | None = None
    """Valid time of each frame, (T,), strictly increasing; None where the source knows none."""
    elapsed: NDArray[np.timedelta64] | None = None
    """Time of each frame since the source's first one, (T,), strictly increasing, for sources that know how much time
    lies between their frames but not on what day: a video. Nothing is made a date that none is."""
    time_step: np.timedelta64 | None = None
    """Nominal time between frames, in months where they follow the calendar, else by default the median of the steps;
    None where the source knows none."""
    variables: tuple[str, ...] = ()
    """Name of each channel; made up ("frame", or "red", "green", "blue") where the source has none."""
    units: tuple[str, ...] = ()
    """Unit of each channel as UDUNITS writes it; "1" for plain numbers."""
    variable_attributes: tuple[Mapping[str, object], ...] = ()
    """What else CF conventions say of each channel (long_name, standard_name, cell_methods), carried to the output."""
    accumulation: tuple[np.timedelta64 | None, ...] = ()
    """Time over which each channel is summed up, as the source states it ("sums of an hour"), for amounts; None where
    it states none, and an amount is then taken to be that of one time step; NaT where it states that frames differ."""
    grid: Grid | None = None
    """Coordinates of the pixels, for gridded sources."""
    missing: Missing = "error"
    """True where NaN is a declared gap in the data ("mask") or a fault of the file ("error")."""
    attributes: Mapping[str, object] = field(default_factory=dict)
    """What else the source says of itself (title, institution, ...), carried to the output."""
    notes: tuple[str, ...] = ()
    """Assumptions that were made in reading it, a sentence each, for whoever looks at results."""
    first: int = 0
    """Number of its first frame in the source, where it is a stretch of it; messages number frames as the source does.
    """
    origin: str = ""
    """Name of the source that it is of, where there are several."""
    part: Part | None = None
    """Part of a published split that it is of, where its data set has one."""
    weight: float = 1.0
    """Share of its windows that a training draws, beside those of other sources."""
    damage: Damage | None = None
    """Count of what could not be read, where such frames are to be skipped; shared by all sequences of a source."""
    whole: tuple[int, int] | None = None
    """Height and width of the source's frames, where these were cut out of them."""

    def __post_init__(self) -> None:
        shape = tuple(self.values.shape)
        if len(shape) != 4:
            raise ShapeError(
                "is not a sequence of frames",
                where=self.name,
                expected="(time, channel, height, width)",
                received=shape,
            )
        if min(shape) == 0:
            raise DataError("is empty", where=self.name, received=f"shape {shape}", hint="check the file")
        channels = shape[1]
        if not self.variables:
            known = {1: ("frame",), 3: ("red", "green", "blue"), 4: ("red", "green", "blue", "alpha")}
            fallback = tuple(f"channel{c}" for c in range(channels))
            object.__setattr__(self, "variables", known.get(channels, fallback))
        if not self.units:
            object.__setattr__(self, "units", ("1",) * channels)
        for texts in ("variables", "units"):  # they come from files, and go to terminals and pages
            object.__setattr__(self, texts, tuple(map(printable, getattr(self, texts))))
        if not self.variable_attributes:
            object.__setattr__(self, "variable_attributes", ({},) * channels)
        if not self.accumulation:
            object.__setattr__(self, "accumulation", (None,) * channels)
        named = {
            "variables": self.variables,
            "units": self.units,
            "variable attributes": self.variable_attributes,
            "accumulations": self.accumulation,
        }
        for what, names in named.items():
            if len(names) != channels:
                raise ShapeError(f"has {channels} channels but {len(names)} {what}", where=self.name)
        instants = self.instants
        if instants is not None:
            if instants.shape != (shape[0],):
                raise ShapeError(f"has {shape[0]} frames but {instants.shape} times", where=self.name)
            steps = np.diff(instants)
            wrong = np.flatnonzero(steps <= np.timedelta64(0))
            if wrong.size:
                before, after = instants[wrong[0]], instants[wrong[0] + 1]
                raise DataError(
                    f"times do not increase: frame {wrong[0] + 1} ({after}) follows {before}",
                    where=self.name,
                    hint="sort the frames by time and drop duplicates",
                )
            if self.time_step is None and shape[0] > 1:
                object.__setattr__(self, "time_step", nominal_step(instants))

    def __len__(self) -> int:
        return int(self.values.shape[0])

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, C, H, W)."""
        time, channels, height, width = self.values.shape
        return time, channels, height, width

    def __repr__(self) -> str:
        frames, channels, height, width = self.shape
        return (
            f"<FrameSequence {self.name}: {count(frames, 'frame')} of {channels} x {height} x {width} "
            f"({self.described()}){self._when()}>"
        )

    def _when(self) -> str:
        """Times of the frames in words, after a comma; empty where the source knows none."""
        step = "" if self.time_step is None else f", every {duration(self.time_step)}"
        return step if self.times is None else f", {minute(self.times[0])} to {minute(self.times[-1])}{step}"

    def _repr_html_(self) -> str:
        return str(Late("nextframe.outputs.show:sequence_html")(self))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """All frames (T, C, H, W), read into memory: `np.asarray(sequence)`; NaN where a value is missing."""
        if copy is False:
            raise ValueError("frames are read into a new array: take copy=None")
        frames = self.read(0, len(self))
        return frames if dtype is None else frames.astype(dtype, copy=False)

    def __iter__(self) -> Iterator[FloatArray]:
        """The frames (C, H, W), one after the other."""
        return (self[number] for number in range(len(self)))

    @overload
    def __getitem__(self, frames: SupportsIndex) -> FloatArray: ...

    @overload
    def __getitem__(self, frames: slice) -> FrameSequence: ...

    def __getitem__(self, frames: slice | SupportsIndex) -> FrameSequence | FloatArray:
        """Frame number `frames`, read, (C, H, W), counted from the end where it is negative; or the frames `start:stop`
        as a sequence of its own, just as lazy; a step other than 1 is not taken.

        Raises:
            IndexError: no such frame, or a step.
            DataError, ShapeError: as `read`, of one frame.
        """
        if not isinstance(frames, slice):
            number = index(frames)
            if not -len(self) <= number < len(self):
                raise IndexError(f"frame {number} of a sequence of {len(self)}")
            number %= len(self)
            frame: FloatArray = self.read(number, number + 1)[0]
            return frame
        start, stop, step = frames.indices(len(self))
        if step != 1:
            raise IndexError("a sequence of frames is cut without a step")
        times = None if self.times is None else self.times[start:stop]
        elapsed = None if self.elapsed is None else self.elapsed[start:stop]
        values = _Stretch(self.values, start, max(start, stop))
        return replace(self, values=values, times=times, elapsed=elapsed, first=self.first + start)

    @property
    def instants(self) -> NDArray[np.datetime64] | NDArray[np.timedelta64] | None:
        """Times of the frames, or else times since the source's first frame; None where it knows neither."""
        return self.elapsed if self.times is None else self.times

    def read(self, start: int, stop: int) -> FloatArray:
        """Read frames `start` to `stop` (exclusive) as float32 (T, C, H, W), NaN where a value is missing.

        Raises:
            IndexError: a range outside the sequence.
            DataError: NaN or infinity where the source declares no missing values, or a number beyond float32; the
                frame is named.
        """
        if not 0 <= start < stop <= len(self):
            raise IndexError(f"frames {start}:{stop} of a sequence of {len(self)}")
        frames = np.asarray(self.values[start:stop])
        if frames.shape != (stop - start, *self.shape[1:]):
            raise DataError(
                f"frames {self.first + start}:{self.first + stop} have another shape than the file announced",
                where=self.name,
                expected=(stop - start, *self.shape[1:]),
                received=frames.shape,
                hint="the file may be truncated",
            )
        if np.issubdtype(frames.dtype, np.inexact):
            finite = np.isfinite(frames)
            if not finite.all():
                if self.missing == "error":
                    bad = np.flatnonzero(~finite.all(axis=(1, 2, 3)))[0]
                    share = 1 - finite[bad].mean()
                    raise DataError(
                        f"frame {self.first + start + bad} holds NaN or infinity ({share:.1%} of its pixels)",
                        where=self.name,
                        hint="repair the frame, or use {missing=mask} to treat NaN as missing",
                    )
                frames = np.where(finite, frames, np.nan)
        return self._narrowed(frames, start)

    def _narrowed(self, frames: NDArray[Any], start: int) -> FloatArray:
        """Frames from `start` on as float32, whose range is not beyond all numbers that files hold."""
        with np.errstate(over="ignore"):
            narrow = frames.astype(np.float32, copy=False)
        if frames.dtype.kind == "f" and frames.dtype.itemsize > narrow.dtype.itemsize:
            beyond = np.isinf(narrow)
            if beyond.any():
                bad = np.flatnonzero(beyond.any(axis=(1, 2, 3)))[0]
                value = frames[bad][beyond[bad]][0]
                raise DataError(
                    f"frame {self.first + start + bad} holds a number beyond float32",
                    where=self.name,
                    expected="at most 3.4e38 from zero",
                    received=f"{value:g} in {beyond[bad].mean():.1%} of its pixels",
                    hint="repair the frame; if that number marks missing values, save them as NaN",
                )
        return narrow

    def described(self) -> str:
        """Variables with their units, for messages: "rain_rate (mm/h)"."""
        return described(self.variables, self.units)

    def segments(self) -> list[tuple[int, int]]:
        """Stretches (start, stop) of frames evenly apart: no step longer than 1.5 nominal time steps, a gap, nor
        half of one or shorter, where the rate is another.

        >>> seconds = np.array([0, 1, 2, 30, 31], "timedelta64[s]")
        >>> FrameSequence(values=np.zeros((5, 1, 4, 4)), name="film", elapsed=seconds).segments()
        [(0, 3), (3, 5)]
        """
        instants = self.instants
        if instants is None or self.time_step is None or len(self) < 2:
            return [(0, len(self))]
        steps = steps_between(instants, self.time_step)
        cuts = [0, *(np.flatnonzero((steps > 1.5) | (steps < 0.51)) + 1).tolist(), len(self)]
        return list(pairwise(cuts))


def described(variables: Sequence[str], units: Sequence[str]) -> str:
    """Variables with their units; plain numbers without.

    >>> described(["rain_rate", "frame"], ["mm/h", "1"])
    'rain_rate (mm/h), frame'
    """
    pairs = zip(variables, units, strict=True)
    return ", ".join(name if unit == "1" else f"{name} ({unit})" for name, unit in pairs)


def stands_beside(variables: Sequence[str], aside: Sequence[str]) -> str:
    """Note that some variables are read, and others that describe them are not.

    >>> stands_beside(["rain_rate"], ["rain_rate_member"])
    'rain_rate was read, without what describes it in the same file: rain_rate_member (to be named with {variable})'
    """
    return (
        f"{listing(variables)} was read, without what describes it in the same file: {listing(aside)} "
        "(to be named with {variable})"
    )


@dataclass(frozen=True)
class _Stretch:
    """Frames `start` to `stop` of another reader."""

    reader: FrameReader
    start: int
    stop: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.stop - self.start, *self.reader.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        return self.reader.dtype

    def __getitem__(self, frames: slice, /) -> NDArray:  # type: ignore[type-arg]
        start, stop, _ = frames.indices(self.stop - self.start)
        return self.reader[self.start + start : self.start + stop]


@dataclass(frozen=True, kw_only=True)
class FrameSource:
    """A named set of sequences that belong together: one video, a batch of generated movies, an archive.

    Raises:
        DataError: no sequence at all.
        ShapeError: sequences of differing frame size or channels; the first that differs is named.
        DataError: sequences of differing variables or units.
    """

    name: str
    """How the user named it: "squares", a path."""
    sequences: tuple[FrameSequence, ...]
    """The sequences, all of one (C, H, W) but of several sources; lengths may differ."""
    several: bool = False
    """True where several sources were brought together, whose frames may differ in height and width."""

    def __post_init__(self) -> None:
        if not self.sequences:
            raise DataError("holds no frames", where=self.name)
        first = self.sequences[0]
        for other in self.sequences[1:]:
            if other.shape[1:] != first.shape[1:] and not (self.several and other.shape[1] == first.shape[1]):
                raise ShapeError(
                    f"frames differ in (channel, height, width) from those of {first.name}",
                    where=other.name,
                    expected=first.shape[1:],
                    received=other.shape[1:],
                    hint=f"bring all frames to one size, or {APART}",
                )
            if (other.variables, other.units) != (first.variables, first.units):
                raise DataError(
                    f"differs in variables or units from {first.name}",
                    where=other.name,
                    expected=first.described(),
                    received=other.described(),
                    hint=APART,
                )

    def __repr__(self) -> str:
        if len(self.sequences) == 1:
            return f"<FrameSource {repr(self.sequences[0]).removeprefix('<FrameSequence ')}"
        channels, height, width = self.frame_shape
        frames = sum(map(len, self.sequences))
        return (
            f"<FrameSource {self.name}: {len(self.sequences):,} sequences, {count(frames, 'frame')} of "
            f"{channels} x {height} x {width} ({self.sequences[0].described()})>"
        )

    def _repr_html_(self) -> str:
        return str(Late("nextframe.outputs.show:source_html")(self))

    @property
    def damage(self) -> Damage | None:
        """Count of what could not be read, where such frames are to be skipped."""
        return self.sequences[0].damage

    @property
    def notes(self) -> tuple[str, ...]:
        """Assumptions that were made in reading it, a sentence each; of some of several sources, with their names."""
        of: dict[str, dict[str, None]] = {}
        for sequence in self.sequences:
            for note in sequence.notes:
                of.setdefault(note, {})[sequence.origin] = None
        every = max(1, len(self.origins))
        named = {note: "" if len(names) == every else f"{listing(names)}: " for note, names in of.items()}
        return tuple(note if note.startswith(named[note]) else named[note] + note for note in of)

    @property
    def mixed(self) -> bool:
        """True where frames differ in height or width."""
        return len({sequence.shape[1:] for sequence in self.sequences}) > 1

    @property
    def of_one_step(self) -> bool:
        """True where all sequences have the time step of the first."""
        steps = {sequence.time_step for sequence in self.sequences if sequence.time_step is not None}
        return not self.several or len(steps) <= 1

    @property
    def origins(self) -> tuple[str, ...]:
        """Names of the sources that it was brought together from, in their order; empty for one."""
        return tuple(dict.fromkeys(sequence.origin for sequence in self.sequences if sequence.origin))

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.sequences[0].shape[1:]
