"""`Stream`: frames that come one by one, the forecasts from them, and what these were worth."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.forecasting.adapt import Adapted
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.live_skill import Skill
from nextframe.forecasting.session import Session
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.service.judge import Judge

_SALT = secrets.token_hex(4)
_NUMBERS = count()
_ANSWERS = 8
"""Answers of a forecast that are kept; further ones are made each time that they are asked for."""


@dataclass(frozen=True)
class Shown:
    """Form in which a forecast is answered."""

    format: str
    """One of `answers.formats()`."""
    past: bool = False
    """Whether the frames before it are shown, too."""
    beside: tuple[str, ...] = ()
    """Baselines that are shown beside it."""
    packed: bool = False
    """Whether frames in JSON are packed."""
    truth: int = 0
    """Frames of the truth that are shown, of those that have come."""


@dataclass(eq=False)
class Kept:
    """A forecast that is kept, and the answers that were made of it."""

    forecast: Forecast
    """The forecast."""
    answers: dict[Shown, bytes] = field(default_factory=dict)
    """Answers by what they show."""
    version: str = field(default_factory=lambda: f"{_SALT}-{next(_NUMBERS)}")
    """Name that no other forecast has, of this time or of another."""

    def keep(self, shown: Shown, answer: bytes) -> bytes:
        """An answer, which is kept as long as there are few."""
        if len(self.answers) < _ANSWERS:
            self.answers[shown] = answer
        return answer

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        members = 0 if self.forecast.members is None else self.forecast.members.nbytes
        return self.forecast.values.nbytes + members + sum(map(len, self.answers.values()))


@dataclass(eq=False)
class Stream:
    """A stream as the service holds it."""

    name: str
    """What clients call it."""
    model: str
    """Name of the model that forecasts."""
    session: Session | None = None
    """Its past; None where its forecasts come from elsewhere, as those of a folder that is followed."""
    adapted: Adapted = field(default_factory=lambda: Adapted(()))
    """How its frames are brought to what the training's were."""
    forecasts: OrderedDict[str, Kept] = field(default_factory=OrderedDict)
    """Initial time -> forecast, the last ones."""
    past: FrameSequence | None = None
    """Frames that the last forecast starts from."""
    came: dict[np.datetime64, FloatArray] = field(default_factory=dict)
    """Valid time -> frame that came (C, H, W), the last ones: the truth of earlier forecasts."""
    judge: Judge | None = None
    """Judge of its forecasts; None before the first that can be judged."""
    count: int = 0
    """Frames that have come."""

    @property
    def skill(self) -> Mapping[str, Skill]:
        """Scores by window."""
        return {} if self.judge is None else self.judge.skills

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes."""
        session = 0 if self.session is None else self.session.nbytes
        past = 0 if self.past is None else 4 * int(self.past.shape[0] * self.past.shape[1]) * _area(self.past)
        came = sum(frame.nbytes for frame in list(self.came.values()))
        return session + past + came + sum(kept.nbytes for kept in list(self.forecasts.values()))

    def keep(self, past: FrameSequence | None, forecast: Forecast, number: int) -> str:
        """Keep a forecast, in order of initial times, and forget the oldest ones beyond a number; return what it is
        called in an address: its initial time, else the number of its frame.
        """
        if forecast.init_time is None:
            key = str(self.count)
        else:
            key = str(forecast.init_time.astype("datetime64[s]")).replace("-", "").replace(":", "") + "Z"
        kept = {name: each for name, each in self.forecasts.items() if name != key}
        later = [name for name, each in kept.items() if _is_later(each.forecast, forecast)]  # than a late frame's
        ordered = {**{name: each for name, each in kept.items() if name not in later}, key: Kept(forecast)}
        ordered |= {name: kept[name] for name in later}
        self.forecasts = OrderedDict(list(ordered.items())[-number:])
        if not later:
            self.past = past
        if past is not None and past.times is not None:
            self._remember(past, past.times, number)
        return key

    def _remember(self, past: FrameSequence, times: NDArray[Any], number: int) -> None:
        """Remember the frames that came since those that are known, as many as kept forecasts may need."""
        came = dict(self.came)
        for n, time in enumerate(times.astype("datetime64[ns]")):
            if n == len(past) - 1 or time not in came:  # the last one may have come in place of another
                came[time] = past.read(n, n + 1)[0]
        self.came = {time: came[time] for time in sorted(came)[-(number + len(past)) :]}

    def truth_of(self, forecast: Forecast) -> tuple[FloatArray | None, int]:
        """Frames that came at a forecast's valid times (K, C, H, W), NaN where none has come, and how many have; None
        where none has.
        """
        times = forecast.valid_time
        if times is None:
            return None, 0
        came = [self.came.get(time) for time in times.astype("datetime64[ns]")]
        there = [frame for frame in came if frame is not None and frame.shape == forecast.values.shape[1:]]
        if len(there) < len([frame for frame in came if frame is not None]) or not there:  # or of another grid
            return None, 0
        nothing = np.full_like(there[0], np.nan)
        return np.stack([nothing if frame is None else frame for frame in came]), len(there)

    def past_of(self, forecast: Forecast) -> FrameSequence | None:
        """Frames that a kept forecast starts from; None where they are there no more."""
        newest = next(reversed(self.forecasts.values())).forecast
        if forecast is newest or self.past is None or forecast.init_time is None:
            return self.past if forecast is newest else None
        init_time = forecast.init_time.astype("datetime64[ns]")
        times = [time for time in self.came if time <= init_time][-len(self.past) :]
        frames = [self.came[time] for time in times]
        if not times or times[-1] != init_time or any(frame.shape != self.past.shape[1:] for frame in frames):
            return None
        return replace(self.past, values=np.stack(frames), times=np.array(times, "datetime64[ns]"), elapsed=None)


def _is_later(one: Forecast, other: Forecast) -> bool:
    return one.init_time is not None and other.init_time is not None and bool(one.init_time > other.init_time)


def _area(past: FrameSequence) -> int:
    return int(past.shape[2] * past.shape[3])
