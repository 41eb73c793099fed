"""Rolling verification: every frame that arrives is the truth of earlier forecasts.

Additive statistics of each valid time are kept, not scores; what a window of the last hour or day gives is their sum.
Those older than a day are put together by the hour, so that a week takes little room.

Axes: K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from nextframe.forecasting.live_skill import WINDOWS, Skill
from nextframe.frames.sequence import FloatArray
from nextframe.frames.steps import NEAR
from nextframe.verification.additive import Additive, Settings, Sums, hold_alike
from nextframe.verification.metrics import scores_of
from nextframe.verification.statistics import Events, Neighbourhoods, Values

KINDS: tuple[type[Additive], ...] = (Values, Events, Neighbourhoods)
"""Statistics that are kept: of values, events and neighbourhoods."""
_HOUR, _DAY = np.timedelta64(1, "h"), np.timedelta64(24, "h")

Parts = tuple[Additive, ...]


@dataclass(frozen=True, kw_only=True)
class Verified(Additive):
    """Counts of the forecasts that were verified, (K,)."""

    forecasts: Sums
    """Forecasts whose truth has come."""


@dataclass(frozen=True, kw_only=True)
class Covered(Additive):
    """Counts of true values between the bounds of an interval, each (K,)."""

    count: Sums
    """Values that have bounds."""
    inside: Sums
    """Those of them that lie between."""

    @classmethod
    def of_bounds(cls, low: FloatArray, high: FloatArray, truth: FloatArray) -> Covered:
        """Counts of one forecast, bounds and truth (K, C, H, W)."""
        hold_alike(low[None], truth[None])
        valid = np.isfinite(low) & np.isfinite(high) & np.isfinite(truth)
        inside = valid & (truth >= low) & (truth <= high)
        return cls(count=_counted(valid), inside=_counted(inside))


def _counted(values: NDArray[np.bool_]) -> Sums:
    return np.asarray(values.sum((1, 2, 3)), np.float64)


@dataclass(eq=False, kw_only=True)
class Issued:
    """Forecasts of one initial time that wait for their truth."""

    init_time: np.datetime64
    """Time of the last frame seen."""
    forecasts: Mapping[str, FloatArray]
    """Forecaster -> values (K, C, H, W); arrays may be maps of files."""
    bounds: tuple[FloatArray, FloatArray] | None = None
    """Lower and upper bound of the first forecaster's interval, (K, C, H, W) each."""
    verified: set[int] = field(default_factory=set)
    """Lead times, from 0 on, whose truth has come."""


class Rolling:
    """Verification of forecasts as their truth arrives.

    Args:
        lead_times: number of lead times K.
        time_step: time between them.
        settings: thresholds and neighbourhoods of the scores.

    >>> frames = np.zeros((3, 1, 8, 8), np.float32)
    >>> rolling = Rolling(lead_times=2, time_step=np.timedelta64(5, "m"), settings=Settings(thresholds=(0.5,)))
    >>> rolling.issue(np.datetime64("2020-01-01T00:00"), {"persistence": frames[:2]})
    >>> rolling.observe(np.datetime64("2020-01-01T00:05"), frames[2] + 1)
    1
    >>> rolling.skill("1h").scores["persistence"]["mse"]
    [1.0, nan]
    """

    def __init__(self, *, lead_times: int, time_step: np.timedelta64, settings: Settings) -> None:
        self.lead_times, self.settings = lead_times, settings
        self.time_step = np.timedelta64(time_step, "ns")
        self.pending: list[Issued] = []
        """Forecasts whose truth has not come for all lead times, in order of time."""
        self.bins: dict[np.datetime64, dict[str, Parts]] = {}
        """Valid time -> forecaster -> sums, each with the axis of lead times last."""
        self.now: np.datetime64 | None = None
        """Time of the last frame that came."""

    def issue(
        self,
        init_time: np.datetime64,
        forecasts: Mapping[str, FloatArray],
        *,
        bounds: tuple[FloatArray, FloatArray] | None = None,
    ) -> None:
        """Take in forecasts (K, C, H, W) that were made at a time, in place of those made before at it; the truth
        that those were held against is not counted again.
        """
        time = _exact(init_time)
        if self.now is not None and time < self._earliest(self.now):
            return  # all of its truth has come
        verified = {k for issued in self.pending if issued.init_time == time for k in issued.verified}
        self.pending = [issued for issued in self.pending if issued.init_time != time]
        self.pending.append(Issued(init_time=time, forecasts=dict(forecasts), bounds=bounds, verified=verified))
        self.pending.sort(key=lambda issued: issued.init_time)

    def observe(self, time: np.datetime64, frame: FloatArray) -> int:
        """Hold the forecasts that are valid at a time against what came (C, H, W); return how many there were.

        Of several forecasters, values count that none of them and not the truth lacks. A time that comes again changes
        nothing.
        """
        moment = _exact(time)
        self.now = moment if self.now is None else max(self.now, moment)
        count = 0
        for issued in self.pending:
            lead = float((moment - issued.init_time) / self.time_step) - 1
            k = round(lead)
            if abs(lead - k) > NEAR or not 0 <= k < self.lead_times or k in issued.verified:
                continue
            if any(values.shape[1:] != frame.shape for values in issued.forecasts.values()):
                continue  # the grid has changed since
            self._add(moment, k, issued, frame)
            issued.verified.add(k)
            count += 1
        earliest = self._earliest(self.now)
        self.pending = [issued for issued in self.pending if issued.init_time >= earliest]
        for issued in self.pending:
            if len(issued.verified) == self.lead_times:  # it is remembered alone that it was graded
                issued.forecasts, issued.bounds = {}, None
        self._put_together(self.now)
        return count

    def skill(self, window: str = "1h", *, until: np.datetime64 | None = None) -> Skill:
        """Scores of the forecasts that became verifiable within a window, up to a time; by default the last one."""
        sums: dict[str, Parts] = {}
        for parts in self._within(WINDOWS[window], until):
            for name, own in parts.items():
                sums[name] = _sum(sums[name], own) if name in sums else own
        scores = {name: {m: v.tolist() for m, v in scores_of(parts).items()} for name, parts in sums.items()}
        first = next(iter(sums.values()), ())
        count: tuple[int, ...] = (0,) * self.lead_times
        coverage: tuple[float, ...] = ()
        for part in first:
            if isinstance(part, Verified):
                count = tuple(map(int, part.forecasts))
            if isinstance(part, Covered):
                with np.errstate(invalid="ignore"):
                    coverage = tuple((part.inside / part.count).tolist())
        return Skill(window=window, scores=scores, count=count, coverage=coverage)

    def behind_since(self, name: str, reference: str, metric: str = "mse") -> np.datetime64 | None:
        """Time since which a forecaster has had a larger error than a reference at every valid time; None where it is
        not behind now.
        """
        since = None
        for time in sorted(self.bins, reverse=True):
            parts = self.bins[time]
            if name not in parts or reference not in parts:
                continue
            own, other = (float(np.nansum(_errors(parts[each]))) for each in (name, reference))
            if own <= other:
                break
            since = time
        return since

    def _earliest(self, now: np.datetime64) -> np.datetime64:
        """Initial time from which on forecasts may wait for their truth."""
        return now - (self.lead_times + 1) * self.time_step

    def _add(self, moment: np.datetime64, k: int, issued: Issued, frame: FloatArray) -> None:
        forecasts = {name: np.asarray(values[k], np.float32) for name, values in issued.forecasts.items()}
        common = np.isfinite(frame)
        for values in forecasts.values():
            common = common & np.isfinite(values)
        truth = np.where(common, frame, np.float32(np.nan))
        first = next(iter(forecasts), None)
        into = self.bins.setdefault(moment, {})
        for name, values in forecasts.items():
            each = (kind.each(values[None, None], truth[None, None], self.settings) for kind in KINDS)
            one: Parts = tuple(part.total() for part in each)
            one += (Verified(forecasts=np.array([float(common.any())])),)
            if name == first and issued.bounds is not None:
                low, high = (np.asarray(bound[k], np.float32)[None] for bound in issued.bounds)
                one += (Covered.of_bounds(low, high, frame[None]),)
            parts = tuple(self._placed(part, k) for part in one)
            into[name] = _sum(into[name], parts) if name in into else parts

    def _placed(self, part: Additive, k: int) -> Additive:
        """Sums of one lead time at its place among all."""
        placed = {}
        for name, value in part.arrays().items():
            if value.ndim:  # sums without an axis count forecasts, of whatever lead time
                whole = np.zeros((*value.shape[:-1], self.lead_times))
                whole[..., k] = value[..., 0]
                value = whole
            placed[name] = value
        settings = {f.name: getattr(part, f.name) for f in fields(part) if f.name not in placed}
        return type(part)(**settings, **placed)

    def _within(self, length: np.timedelta64, until: np.datetime64 | None) -> Iterator[dict[str, Parts]]:
        end = self.now if until is None else _exact(until)
        if end is None:
            return
        for time, parts in self.bins.items():
            if end - length < time <= end:
                yield parts

    def _put_together(self, now: np.datetime64) -> None:
        """Statistics older than a day by the hour; those older than the longest window not at all."""
        longest = max(WINDOWS.values())
        for time in sorted(self.bins):
            if now - time > longest:
                del self.bins[time]
            elif now - time > _DAY:
                hour = time.astype("datetime64[h]").astype("datetime64[ns]") + _HOUR
                if hour != time and now - hour >= _DAY:
                    old = self.bins.pop(time)
                    into = self.bins.setdefault(hour, {})
                    for name, parts in old.items():
                        into[name] = _sum(into[name], parts) if name in into else parts


def _exact(time: np.datetime64) -> np.datetime64:
    moment: np.datetime64 = time.astype("datetime64[ns]")
    return moment


def _sum(one: Parts, other: Parts) -> Parts:
    by_kind = {type(part): part for part in other}
    both = tuple(part + by_kind.pop(type(part)) if type(part) in by_kind else part for part in one)
    return (*both, *by_kind.values())


def _errors(parts: Parts) -> Sums:
    values = next(part for part in parts if isinstance(part, Values))
    return np.asarray(values.squared_error)
