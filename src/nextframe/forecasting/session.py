"""`Session`: a frame in, a forecast out; what was read of the past is carried along, and never read again.

Frames may come late, twice, out of order, or not at all:

| a frame | then |
|---|---|
| follows the last one by one step | it is read: one step of the network |
| is there already, with the same values | nothing happens |
| is there already, with other values | it takes their place, and what came after is read again |
| belongs before frames that are there | it is put in its place, and what came after is read again |
| follows after a gap in time | the past begins anew with it, until the gap is filled by late frames |
| is older than all that is kept | it is left out |

Axes: C channel, H height, W width, K lead time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from nextframe.config import RunConfig, frames_asked_for
from nextframe.data.covariates import hold_without
from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.live_skill import WINDOWS, Skill
from nextframe.forecasting.saved_session import Saved, load, save
from nextframe.forecasting.session_log import SessionLog
from nextframe.forecasting.streaming import Memory, Stream, refilled, tensors_of
from nextframe.frames.masked import unmasked
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.frames.steps import NEAR
from nextframe.models.network import Network
from nextframe.runs.manifest import Manifest

Arrival = Literal["first", "next", "gap", "late", "replaced", "doubled", "too late"]
"""What became of a frame; see the table of this module."""
KEPT_FRAMES = 24
"""Frames that are kept, at least as many as the forecaster starts from: so late can one come."""
KEPT_BYTES = 256 * 2**20
"""Bytes of memories that are kept beside them, to go on from where a frame comes late."""
ONE = np.timedelta64(1, "ns")


@dataclass(eq=False)
class Seen:
    """A frame that a session has read."""

    frame: FloatArray
    """(C, H, W) in source units, NaN where missing."""
    time: Any
    """Its valid time, a datetime64; None where nobody says."""
    memory: Memory | None = None
    """What the network remembers after it; None where that is not kept."""
    begins: bool = False
    """True where the past begins with it: the first one, or one after a gap."""


class Streamed(Protocol):
    """A trained forecaster, as a session needs it."""

    config: RunConfig
    manifest: Manifest

    @property
    def name(self) -> str:
        """Name in tables and reports."""

    @property
    def networks(self) -> Sequence[Network]:
        """Its networks."""

    def stream(self) -> Stream | None:
        """Its networks, to be given frame after frame; None where they start from a past of some length."""

    def check_kind(self, sequence: FrameSequence) -> None:
        """Hold frames to the units and the place of the training."""

    def check_frames(self, past: FloatArray) -> None:
        """Hold frames (B, T, C, H, W) to the channels, the size and the range of values of the training."""

    def settled(self, members: FloatArray, past: FloatArray) -> FloatArray:
        """The forecast as it is issued, of what the networks say."""

    def calibrated(
        self, forecast: FloatArray, members: FloatArray, past: FloatArray, lead_times: int
    ) -> tuple[FloatArray, FloatArray]:
        """The forecast, and its members as they are issued."""

    def made_of(
        self, past: FrameSequence, values: FloatArray, members: FloatArray | None, *, lead_times: int
    ) -> Forecast:
        """A forecast of these."""

    def forecast(self, past: FrameSequence, lead_times: int, *, members: bool) -> Forecast:
        """Forecast the frames that follow the last one of `past`."""


class Session:
    """A forecaster that is given one frame after the other; see `TrainedForecaster.session`.

    Args:
        forecaster: a trained model or an ensemble.
        past: frames that a forecast starts from. By default the whole past where the forecaster carries it along (a
            recurrent stack that sees frames where they are), and as many as it was trained with where it does not (an
            encoder-decoder, Lagrangian coordinates, tiles).
        time_step: time between frames; by default that of the training, else that of the first two frames.
        graded: whether forecasts are kept until their truth comes, for `skill`.

    Raises:
        ConfigError: a past of no frames, or a model that reads covariates.

    >>> import numpy as np
    >>> import nextframe
    >>> session = nextframe.load_run("squares-stacked").session()
    >>> for frame in np.zeros((4, 40, 40), np.float32):
    ...     arrival = session.update(frame)
    >>> arrival, session.forecast(lead_times=3).values.shape
    ('next', (3, 1, 40, 40))
    """

    def __init__(
        self,
        forecaster: Streamed,
        *,
        past: int | None = None,
        time_step: np.timedelta64 | None = None,
        graded: bool = True,
    ) -> None:
        if past is not None and past < 1:
            raise ConfigError("is too small", where="past", expected="at least 1", received=past)
        hold_without(forecaster.manifest.covariates, forecaster.name, "a session")
        self.forecaster = forecaster
        self.stream = forecaster.stream() if past is None else None
        self.past = past or forecaster.config.data.past
        trained = forecaster.manifest.time_step
        self.time_step = time_step
        if time_step is None and trained is not None:
            self.time_step = np.timedelta64(round(trained * 1e9), "ns")
        self.kept: deque[Seen] = deque()
        self.notes: list[str] = []
        """What happened beside the usual, a sentence each, since the last forecast."""
        self.like: FrameSequence | None = None
        """Frames whose unit and grid those have that are given as arrays; by default the first that was a sequence."""
        threshold = float(forecaster.manifest.threshold)
        self._log = SessionLog(forecaster.name, forecaster.config.data.future, threshold) if graded else None

    def __len__(self) -> int:
        """Number of frames that the next forecast starts from, as far as they are kept."""
        return len(self._stretch())

    @property
    def nbytes(self) -> int:
        """Bytes of the frames and memories that are kept, and of forecasts whose truth has not come."""
        memories = (seen.memory for seen in self.kept if seen.memory is not None)
        held = sum(tensor.nbytes for memory in memories for tensor in tensors_of(memory))
        log = 0 if self._log is None else self._log.size
        return held + log + sum(seen.frame.nbytes for seen in self.kept)

    @property
    def time(self) -> np.datetime64 | None:
        """Valid time of the last frame; None before the first, and where nobody says."""
        return self.kept[-1].time if self.kept else None

    def update(self, frame: FrameSequence | ArrayLike, time: np.datetime64 | str | None = None) -> Arrival:
        """Take in one more frame.

        Args:
            frame: (C, H, W) or (H, W) in source units, NaN where missing; or a sequence of one frame as a source has
                it, whose time, unit and grid are then known.
            time: its valid time; by default that of the sequence. Where none is known, frames are taken as they come.

        Returns:
            What became of it; what is out of the usual is said in `notes`.

        Raises:
            ShapeError: a frame of another size than those before it, or that the forecaster cannot take.
            DataError: a frame in another unit or place, or without a time where others have one.
        """
        values, moment = self._taken(frame, time)
        if self.kept and self.kept[-1].frame.shape != values.shape:
            raise ShapeError(
                "has another size than the frames before it",
                where=_named(moment),
                expected=self.kept[-1].frame.shape,
                received=values.shape,
                hint="begin another session",
            )
        if np.isfinite(values).any():
            self.forecaster.check_frames(values[None, None])
        if not self.kept:
            self._append(Seen(values, moment, begins=True))
            return "first"
        last = self.kept[-1]
        if (moment is None) != (last.time is None):
            raise DataError("has no time, or no other has one", where=_named(moment), hint="give every frame its time")
        if moment is None or last.time is None:
            self._append(Seen(values, moment))
            return "next"
        if self.time_step is None and moment > last.time:
            self.time_step = moment - last.time
        near = NEAR * self._step()
        same = next((n for n, seen in enumerate(self.kept) if abs(seen.time - moment) <= near), None)
        if same is not None:
            return self._again(same, values, moment)
        if moment > last.time:
            gap = self._apart(last.time, moment)
            self._append(Seen(values, moment, begins=gap))
            if gap:
                self.notes.append(f"{_named(moment)} follows a gap: the past begins anew with it")
            return "gap" if gap else "next"
        return self._late(values, moment)

    def forecast(self, lead_times: int | None = None, *, members: bool = True) -> Forecast:
        """Forecast the frames that follow the last one.

        Equal to `forecaster.forecast` of the frames since the last gap, but for rounding, where the past is carried
        along; and of the last `past` of them where it is not.

        Args:
            lead_times: number of frames; by default as many as the forecaster was trained for.
            members: whether the forecast is to know its uncertainty.

        Raises:
            ConfigError: no frame yet, or fewer than one lead time.
            DataError: not one value of the forecast is finite.
        """
        lead_times = self.forecaster.config.data.future if lead_times is None else frames_asked_for(lead_times)
        memory = self.kept[-1].memory if self.kept else None
        past = self._sequence(self._stretch() if memory is None else list(self.kept)[-2:])
        self.notes.clear()
        if self.stream is None or memory is None:
            return self._logged(self.forecaster.forecast(past, lead_times, members=members), past)
        drawn = self.stream.members(memory, lead_times)
        seen = memory.past_to(self.kept[-1].frame)
        values = self.forecaster.settled(drawn, seen)
        if members:
            values, drawn = self.forecaster.calibrated(values, drawn, seen, lead_times)
        made = self.forecaster.made_of(past, values, drawn if members else None, lead_times=lead_times)
        return self._logged(made, past)

    def rollout(self, lead_times: int | None = None) -> Iterator[FloatArray]:
        """The forecast frame by frame, (C, H, W) each, each computed when it is asked for.

        Args:
            lead_times: number of frames; by default without end where the past is carried along, else as many as the
                forecaster was trained for, which are then computed at once.

        Raises:
            ConfigError: no frame yet.
        """
        self.sequence()
        memory = self.kept[-1].memory
        if self.stream is None or memory is None:
            yield from self.forecast(lead_times, members=False).values
            return
        for drawn in islice(self.stream.frames(memory), lead_times):
            yield self.forecaster.settled(drawn[None, :, None], memory.past)[0, 0]

    def skill(self, window: str = "24h") -> Skill | None:
        """Scores of the forecasts of this session whose truth has come, beside persistence and extrapolation.

        Args:
            window: length of time up to the last frame: "1h", "6h", "24h" or "7d".

        Returns:
            MSE, bias, CSI, FSS and the like by lead time (`nextframe.forecasting.live_skill.Skill`); None before
            the first forecast, and where the session is not graded.

        Raises:
            ConfigError: another window.
        """
        if window not in WINDOWS:
            raise ConfigError("is no window", where="window", expected=" or ".join(WINDOWS), received=window)
        skill: Skill | None = None if self._log is None else self._log.skill(window)
        return skill

    def sequence(self) -> FrameSequence:
        """The frames that the next forecast starts from, as far as they are kept: since the last gap, and no more than
        `past` where the past is not carried along.

        Raises:
            ConfigError: no frame yet.
        """
        return self._sequence(self._stretch())

    def _sequence(self, stretch: Sequence[Seen]) -> FrameSequence:
        if not stretch:
            raise ConfigError("has seen no frame yet", where="session", hint="give it one: session.update(frame, time)")
        values = np.stack([seen.frame for seen in stretch])
        times = None if stretch[0].time is None else np.array([seen.time for seen in stretch], "datetime64[ns]")
        step = None if times is None else self.time_step
        if self.like is None:
            return FrameSequence(values=values, name="session", missing="mask", times=times, time_step=step)
        return replace(
            self.like, values=values, times=times, elapsed=None, time_step=step, missing="mask", first=0, notes=()
        )

    def save(self, path: str | Path) -> None:
        """Write what is kept to a file (safetensors), from which a session of the same model goes on: frames with their
        times, unit and grid, and the state; forecasts and their scores (`skill`) are not.

        Raises:
            ConfigError: no frame yet, or a place that cannot be written to.
        """
        self.sequence()
        frames = list(self.kept)
        # The earliest memory since the last gap: what came after it can be read again.
        places = [n for n, seen in enumerate(frames) if seen.memory is not None]
        place = places[0] if places else -1
        memory = frames[place].memory if places else None
        saved = Saved(
            frames=np.stack([seen.frame for seen in frames]),
            times=None if frames[0].time is None else np.array([seen.time for seen in frames], "datetime64[ns]"),
            begins=tuple(seen.begins for seen in frames),
            time_step=self.time_step,
            seen=frames[0].frame == 0 if memory is None else memory.seen,
            place=place,
            memory=tuple(tensors_of(memory)),
            like=self.like,
        )
        save(path, saved, self.forecaster.networks)

    def load(self, path: str | Path) -> None:
        """Go on from what `save` has written, in place of what is kept; the scores begin anew.

        Raises:
            CheckpointError: no such file, a damaged one, or a session of another model.
        """
        saved = load(path, self.forecaster.networks)
        times = [None] * len(saved.frames) if saved.times is None else list(saved.times)
        self.kept = deque(
            Seen(frame, time, begins=begins)
            for frame, time, begins in zip(saved.frames, times, saved.begins, strict=True)
        )
        self.time_step, self.like = saved.time_step, saved.like
        self._log = None if self._log is None else self._log.anew()
        if self.stream is None:
            return
        begin = 0
        if saved.place >= 0:
            like = self.stream.read(saved.frames[0], None)
            self.kept[saved.place].memory = refilled(like, iter(saved.memory))._replace(seen=saved.seen)
            begin = saved.place + 1
        if begin < len(self.kept):  # else the memory is that of the last frame
            self._read_again(begin)
        self._forget()

    def _taken(
        self, frame: FrameSequence | ArrayLike, time: np.datetime64 | str | None
    ) -> tuple[FloatArray, np.datetime64 | None]:
        moment: Any = None if time is None else np.asarray(time, "datetime64[ns]")[()]
        if isinstance(frame, FrameSequence):
            if len(frame) != 1:
                raise ShapeError(
                    "holds several frames", where=frame.name, expected="one at a time", received=len(frame)
                )
            self.forecaster.check_kind(frame)
            like = self.like
            earlier, grid = None if like is None else like.grid, frame.grid
            if like is not None and earlier is not None and grid is not None and like.shape[2:] == frame.shape[2:]:
                earlier.hold_in_place(grid, where=frame.name, than="the frames before it")
            self.like = like or frame
            if moment is None and frame.times is not None:
                moment = np.datetime64(frame.times[0], "ns")
            return np.asarray(replace(frame, missing="mask").read(0, 1)[0]), moment
        values = unmasked(frame).astype(np.float32)
        if values.ndim not in (2, 3):
            raise ShapeError("is no frame", where=_named(moment), expected="(C, H, W) or (H, W)", received=values.shape)
        return np.array(values if values.ndim == 3 else values[None]), moment

    def _logged(self, forecast: Forecast, past: FrameSequence) -> Forecast:
        if self._log is not None:
            recent = past.read(max(0, len(past) - 2), len(past))
            self._log.issued(self.kept[-1].time, forecast, recent, self.time_step)
        return forecast

    def _append(self, seen: Seen) -> None:
        before = self.kept[-1] if self.kept else None
        if self.stream is not None:
            seen.memory = self.stream.read(seen.frame, None if seen.begins or before is None else before.memory)
        self.kept.append(seen)
        self._came(seen)
        self._forget()

    def _came(self, seen: Seen) -> None:
        if self._log is not None:
            self._log.came(seen.time, seen.frame)

    def _again(self, place: int, values: FloatArray, moment: np.datetime64) -> Arrival:
        kept = self.kept[place]
        if np.array_equal(kept.frame, values, equal_nan=True):
            return "doubled"
        kept.frame = values
        self.notes.append(f"{_named(moment)} came again with other values, which are taken")
        self._read_again(place)
        return "replaced"

    def _late(self, values: FloatArray, moment: Any) -> Arrival:
        place = sum(bool(seen.time < moment) for seen in self.kept)
        if place == 0 and (len(self.kept) >= self._longest() or not self._fits_before(moment)):
            self.notes.append(f"{_named(moment)} came too late: nothing from before it is kept")
            return "too late"
        seen = Seen(values, moment)
        self.kept.insert(place, seen)
        for before, after in pairwise(self.kept):
            after.begins = self._apart(before.time, after.time)
        if place == 0:
            seen.begins = True
        self._came(seen)
        self.notes.append(f"{_named(moment)} came late, and is put in its place")
        self._read_again(place)
        self._forget()
        return "late"

    def _fits_before(self, moment: np.datetime64) -> bool:
        """True where nothing that the first frame kept remembers would be lost by another one before it."""
        return self.kept[0].begins

    def _read_again(self, place: int) -> None:
        """Read frames again from one on, after the last memory that is kept before it."""
        if self.stream is None:
            return
        frames = list(self.kept)
        begin = place
        while begin > 0 and not frames[begin].begins and frames[begin - 1].memory is None:
            begin -= 1
        if begin == 0 and not frames[0].begins:
            frames[0].begins = True
            self.notes.append(f"the past begins anew with {_named(frames[0].time)}: what came before is not kept")
        for n in range(begin, len(frames)):
            before = None if frames[n].begins or n == 0 else frames[n - 1].memory
            frames[n].memory = self.stream.read(frames[n].frame, before)

    def _forget(self) -> None:
        """Keep no more frames and memories than there is to be room for; the last memory always is."""
        while len(self.kept) > self._longest():
            self.kept.popleft()
        if self.stream is None:
            return
        newest = self.kept[-1].memory
        size = sum(tensor.nbytes for tensor in tensors_of(newest)) if newest is not None else 1
        for seen in list(self.kept)[: -max(1, KEPT_BYTES // max(size, 1))]:
            seen.memory = None

    def _longest(self) -> int:
        return max(KEPT_FRAMES, self.past)

    def _stretch(self) -> list[Seen]:
        """Frames since the last gap, and no more than are asked for."""
        frames = list(self.kept)
        begin = next((n for n in reversed(range(len(frames))) if frames[n].begins), 0)
        if self.stream is None:
            begin = max(begin, len(frames) - self.past)
        return frames[begin:]

    def _step(self) -> np.timedelta64:
        return ONE if self.time_step is None else self.time_step

    def _apart(self, before: Any, after: Any) -> bool:
        """True where there is a gap between two times."""
        return self.time_step is not None and is_gap(before, after, self.time_step)


def is_gap(before: np.datetime64, after: np.datetime64, step: np.timedelta64) -> bool:
    """True where a frame is missing between two that are to be a step apart."""
    return bool(after - before > (1 + 5 * NEAR) * step)


def _named(time: np.datetime64 | None) -> str:
    return "the frame" if time is None else f"the frame of {time.astype('datetime64[s]')}"
