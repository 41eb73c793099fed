"""Self-verification of a stream: the model beside persistence and extrapolation, as the truth comes in."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nextframe.files import write_text
from nextframe.forecasting.baselines import DEFAULT, make_baseline
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.live_skill import COVERAGE, WINDOWS, Skill, interval_of
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.verification.additive import Settings
from nextframe.verification.rolling import Rolling
from nextframe.verification.rolling_files import RollingFolder
from nextframe.words import duration, seconds

SCALES = (5,)
"""Neighbourhoods of the fractions skill score, in pixels along each side."""
DRIFT = np.timedelta64(6, "h")
"""Time for which the model may be behind extrapolation before it is said."""


class Judge:
    """Keeps the scores of a stream's forecasts in a folder.

    Args:
        folder: where; `skill.json` is written beside it.
        model: whose forecasts are judged.
        lead_times: number of lead times.
        time_step: time between them.
        thresholds: of events in source units; by default that of the training.
        drift: time for which the model may be behind extrapolation before it is said.
        name: what the model is called; by default its own name.

    Raises:
        CheckpointError: damaged statistics in the folder.
    """

    def __init__(
        self,
        folder: Path,
        model: TrainedForecaster,
        *,
        lead_times: int,
        time_step: np.timedelta64,
        thresholds: tuple[float, ...] = (),
        drift: np.timedelta64 = DRIFT,
        name: str | None = None,
    ) -> None:
        settings = Settings(thresholds=thresholds or (float(model.manifest.threshold),), scales=SCALES)
        rolling = Rolling(lead_times=lead_times, time_step=time_step, settings=settings)
        self.kept = RollingFolder(folder, rolling)
        self.name, self.drift = name or model.name, drift
        self.lead_times = lead_times
        self.skills: Mapping[str, Skill] = self._skills()
        """Scores by window."""
        self._said: np.datetime64 | None = None
        self._report = folder.parent / "skill.json"

    def take(self, past: FrameSequence, forecast: Forecast, *, by_model: bool, tell: Callable[[str], None]) -> None:
        """Take in the newest frame and the forecast that was made from it.

        Args:
            past: the frames that it starts from; the last one is the truth of earlier forecasts.
            forecast: what was issued.
            by_model: whether the model made it.
            tell: takes the notice that the model has fallen behind.
        """
        assert past.times is not None
        now = past.times[-1].astype("datetime64[ns]")
        last = past.read(len(past) - 1, len(past))[0]
        self.kept.observe(now, last)
        if by_model:  # all are judged on the same forecasts
            forecasts = {self.name: self._judged(forecast.values)}
            recent = past.read(max(len(past) - 2, 0), len(past))[None]
            forecasts |= {name: make_baseline(name).predict(recent, self.lead_times)[0] for name in DEFAULT}
            bounds = interval_of(forecast)
            if bounds is not None:
                bounds = self._judged(bounds[0]), self._judged(bounds[1])
            self.kept.issue(now, forecasts, bounds=bounds)
        self.skills = self._skills()
        write_text(self._report, json.dumps(self.summary(), indent=1))
        self._notice(tell)

    def summary(self) -> dict[str, Any]:
        """Scores of all windows, ready for JSON; values that are not defined are null."""
        rolling = self.kept.rolling
        since = self.behind_since()
        return {
            "time": None if rolling.now is None else f"{rolling.now.astype('datetime64[s]')}Z",
            "lead_time_seconds": [(n + 1) * seconds(rolling.time_step) for n in range(self.lead_times)],
            "model": self.name,
            "thresholds": list(rolling.settings.thresholds),
            "coverage_of": COVERAGE,
            "behind_extrapolation_since": None if since is None else f"{since.astype('datetime64[s]')}Z",
            "windows": {window: described(skill) for window, skill in self.skills.items()},
        }

    def behind_since(self) -> np.datetime64 | None:
        """Time since which the model has had a larger squared error than extrapolation, without a break."""
        return self.kept.rolling.behind_since(self.name, "extrapolation")

    def _skills(self) -> dict[str, Skill]:
        return {window: self.kept.rolling.skill(window) for window in WINDOWS}

    def _judged(self, values: FloatArray) -> FloatArray:
        """A forecast of as many lead times as are judged, missing where it has fewer."""
        if len(values) >= self.lead_times:
            return values[: self.lead_times]
        return np.concatenate([values, np.full((self.lead_times - len(values), *values.shape[1:]), np.nan, np.float32)])

    def _notice(self, tell: Callable[[str], None]) -> None:
        since, now = self.behind_since(), self.kept.rolling.now
        if since is None or now is None:
            self._said = None
        elif now - since >= self.drift and self._said != since:
            self._said = since
            tell(
                f"the model has been behind extrapolation for {duration(now - since)}, since "
                f"{since.astype('datetime64[m]')}Z: train it again on newer frames, or look at what has changed"
            )


def described(skill: Skill) -> dict[str, Any]:
    """Scores for JSON."""
    return {"forecasts": list(skill.count), "scores": plain(skill.scores), "coverage": plain(skill.coverage)}


def plain(values: Any) -> Any:
    """Values as JSON has them: null for those that are not finite."""
    if isinstance(values, Mapping):
        return {name: plain(value) for name, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [plain(value) for value in values]
    return values if not isinstance(values, float) or math.isfinite(values) else None
