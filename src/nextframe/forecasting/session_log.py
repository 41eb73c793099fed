"""Log of a session: what was forecast and what came, until somebody asks how good it was.

To verify costs more than to forecast small frames; so it is done when it is asked for, or when the log has grown large.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nextframe.forecasting.baselines import DEFAULT, make_baseline
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.live_skill import interval_of
from nextframe.frames.sequence import FloatArray
from nextframe.plugins import Late

# Scores are of a level above this one; a session is asked for them, and makes none of its own accord.
_ROLLING = Late("nextframe.verification.rolling:Rolling")
_SETTINGS = Late("nextframe.verification.additive:Settings")
LARGEST = 64 * 2**20
"""Bytes of a log from which on it is worked through."""
_SECOND = np.timedelta64(10**9, "ns")
_BEGIN = np.datetime64("1970-01-01", "ns")


@dataclass(eq=False)
class SessionLog:
    """Record of what was forecast and what came, in order.

    Args:
        name: of the forecaster.
        lead_times: number of lead times that are verified.
        threshold: of events, in source units.
    """

    name: str
    lead_times: int
    threshold: float
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    rolling: Any = None
    count: int = 0
    size: int = 0

    def came(self, time: Any, frame: FloatArray) -> None:
        """Note a frame (C, H, W); frames without a time are a second apart."""
        self.count += 1
        if self.entries or self.rolling is not None:
            self._note(("frame", self._moment(time), frame))

    def issued(self, time: Any, forecast: Forecast, recent: FloatArray, step: np.timedelta64 | None) -> None:
        """Note a forecast, and the last two frames (T, C, H, W) that it was made from."""
        members = 0 if forecast.members is None else forecast.members.nbytes
        entry = ("forecast", self._moment(time), forecast, recent, _SECOND if time is None else step)
        self._note(entry, size=forecast.values.nbytes + members)

    def anew(self) -> SessionLog:
        """An empty log of the same forecaster."""
        return SessionLog(self.name, self.lead_times, self.threshold)

    def skill(self, window: str) -> Any:
        """Scores of the forecasts whose truth came within a window: `nextframe.verification.rolling.Skill`."""
        self._work_through()
        return None if self.rolling is None else self.rolling.skill(window)

    def _moment(self, time: Any) -> np.datetime64:
        return _BEGIN + self.count * _SECOND if time is None else time

    def _note(self, entry: tuple[Any, ...], size: int = 0) -> None:
        self.entries.append(entry)
        self.size += size + sum(part.nbytes for part in entry if isinstance(part, np.ndarray))
        if self.size > LARGEST:
            self._work_through()

    def _work_through(self) -> None:
        for kind, time, *noted in self.entries:
            if kind == "frame":
                if self.rolling is not None:
                    self.rolling.observe(time, noted[0])
                continue
            forecast, recent, step = noted
            if self.rolling is None:
                if step is None:
                    continue
                settings = _SETTINGS(thresholds=(self.threshold,), scales=(5,))
                self.rolling = _ROLLING(lead_times=self.lead_times, time_step=step, settings=settings)
            made = {self.name: forecast.values}
            made |= {name: make_baseline(name).predict(recent[None], self.lead_times)[0] for name in DEFAULT}
            bounds = interval_of(forecast)
            self.rolling.issue(
                time,
                {name: self._fitted(each) for name, each in made.items()},
                bounds=None if bounds is None else tuple(map(self._fitted, bounds)),
            )
        self.entries.clear()
        self.size = 0

    def _fitted(self, values: FloatArray) -> FloatArray:
        """A forecast of as many lead times as are verified, missing where it has fewer."""
        fitted = np.full((self.lead_times, *values.shape[1:]), np.nan, np.float32)
        known = values[: self.lead_times]
        fitted[: len(known)] = known
        return fitted
