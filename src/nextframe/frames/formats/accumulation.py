"""Accumulation of amounts, as files state it: by the bounds of time and the cell methods of CF conventions
(sections 7.1 and 7.3).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import NextframeWarning
from nextframe.frames.formats.attributes import tell_once, text
from nextframe.frames.formats.stored import Stored, Variable
from nextframe.frames.formats.times import NAMES, decode, is_time, lies_along
from nextframe.frames.steps import nominal_step, own_steps
from nextframe.words import duration, is_calendar

UNEVEN = np.timedelta64("NaT", "ns")
"""Accumulation of what is summed over times that differ from frame to frame."""
_SAME = 0.01
"""Share by which periods may differ and still be one, as months do not."""
_INTERVAL = re.compile(r"interval:\s*([\d.]+)\s*([a-z]+)", re.IGNORECASE)
_SECONDS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "hr": 3600, "h": 3600, "hour": 3600, "day": 86400}
_END = re.compile(r"(start|end) of (?:the )?accumulation", re.IGNORECASE)
"""Names of the ends of a period."""
_RATE = re.compile(r"(/|per\b|s-1|s\*\*-1|s\^-1|h-1|hr-1|day-1|d-1)", re.IGNORECASE)


def accumulation_of(stored: Stored, field: Variable, axis: str | None) -> np.timedelta64 | None:
    """The time that each value of a field is a sum over; None where the file names none, or for each its own step; NaT
    where it names others that differ.

    Args:
        stored: the file.
        field: the field.
        axis: its axis of time; None for a field of one step without one.

    Warns:
        NextframeWarning: sums over differing times, as those since the start of a simulation.
    """
    methods = text(field.attributes, "cell_methods")
    about_time = _of_time(methods)
    if about_time is not None and about_time != "sum":
        return None
    if about_time is None and _RATE.search(text(field.attributes, "units")):
        return None
    bounds = _bounds(stored, axis)
    if bounds is None or not bounds.size:
        return None
    periods = np.abs(bounds[:, 1] - bounds[:, 0])
    shortest, longest = periods.min(), periods.max()
    if shortest > np.timedelta64(0) and longest - shortest <= _SAME * longest:
        return np.timedelta64(np.median(periods), "ns")
    if longest == np.timedelta64(0) or _monthly(periods) or _of_each_step(bounds, periods):
        return None
    tell_once(
        stored.path,
        f"{field.name} is summed over differing times ({duration(shortest)} to {duration(longest)}), so that it has no "
        "one accumulation",
    )
    return UNEVEN


def sampled(stored: Stored, field: Variable, axis: str | None) -> np.timedelta64 | None:
    """Interval that the cell method of a sum names where times have no bounds: "time: sum (interval: 1 hour)".

    By CF conventions it is the distance of the values that were summed, so that it is what a value is a sum over only
    where it is as long as the steps, or longer (`accumulated`). Arguments as of `accumulation_of`.
    """
    methods = text(field.attributes, "cell_methods")
    interval = _INTERVAL.search(methods) if _of_time(methods) == "sum" and _bounds(stored, axis) is None else None
    size = _SECONDS.get(interval[2].lower().rstrip("s") or "s") if interval else None
    return np.timedelta64(round(float(interval[1]) * size * 1e9), "ns") if interval and size else None


def accumulated(
    bounds: np.timedelta64 | None, interval: np.timedelta64 | None, step: np.timedelta64 | None
) -> np.timedelta64 | None:
    """Time that a field is summed over, by its bounds or else by an interval that is no shorter than its steps.

    >>> hour, day = np.timedelta64(1, "h"), np.timedelta64(24, "h")
    >>> accumulated(None, hour, np.timedelta64(10, "m")), accumulated(None, hour, day)
    (np.timedelta64(1,'h'), None)
    """
    if bounds is not None or interval is None or step is None or is_calendar(step):
        return bounds
    return interval if interval >= (1 - _SAME) * step else None


def common(
    name: str,
    variables: Sequence[str],
    files: Sequence[tuple[str, Sequence[np.timedelta64 | None]]],
    times: Sequence[NDArray[np.datetime64] | None] = (),
) -> tuple[np.timedelta64 | None, ...]:
    """Accumulation of each variable, where all files of an archive say the same; None where each frame is summed over
    its own step, as in an archive that goes over to another one.

    Args:
        name: the archive.
        variables: their names.
        files: name of each file, and what each variable is summed over there.
        times: of the frames of each file, at the ends of their sums; in order of time.

    Warns:
        NextframeWarning: they differ.
    """
    begin, first = files[0]
    for path, stated in files[1:]:
        for variable, one, other in zip(variables, first, stated, strict=True):
            if not _alike(one, other):
                if _each_over_its_step([stated for _, stated in files], times):
                    return (None,) * len(variables)
                warnings.warn(
                    NextframeWarning(
                        f"{name}: {variable} is summed over another time in {path} than in {begin}, so that it has no "
                        "one accumulation"
                    ),
                    stacklevel=4,
                )
                return (UNEVEN,) * len(variables)
    return tuple(first)


def _each_over_its_step(
    files: Sequence[Sequence[np.timedelta64 | None]], times: Sequence[NDArray[np.datetime64] | None]
) -> bool:
    """True where all variables of all files are summed over the steps of their stretches."""
    periods = [period for stated in files for period in stated]
    if (
        not times
        or any(part is None for part in times)
        or any(period is None or np.isnat(period) for period in periods)
    ):
        return False
    ends = [part.astype("datetime64[ns]") for part in times if part is not None]
    whole = np.concatenate(ends)
    return all(
        _of_each_step(
            np.stack([whole, whole], axis=1),
            np.concatenate([np.full(len(part), stated[n]) for part, stated in zip(ends, files, strict=True)]),
        )
        for n in range(len(files[0]))
    )


def _alike(one: np.timedelta64 | None, other: np.timedelta64 | None) -> bool:
    if one is None or other is None or np.isnat(one) or np.isnat(other):
        return str(one) == str(other)
    return bool(abs(one - other) <= _SAME * one)


def _of_time(methods: str) -> str | None:
    """Cell method along time: "time: sum" or "lat: lon: time: mean"; None where that is not said."""
    found = re.search(r"\btime:\s*(?:\w+:\s*)*(\w+)", methods)
    return found[1].lower() if found else None


def _bounds(stored: Stored, axis: str | None) -> NDArray[np.datetime64] | None:
    """Ends of the periods that the steps of a file stand for, (T, 2)."""
    for variable in stored.variables.values():
        called = is_time(variable) or variable.name.lower() in NAMES or variable.name == axis
        if not called or not lies_along(stored, variable.dims, axis):
            continue
        said = text(variable.attributes, "bounds")
        names = (said,) if said else (f"{variable.name}_bnds", f"{variable.name}_bounds")
        bounds = next((stored.variables[name] for name in names if name in stored.variables), None)
        if bounds is None or not bounds.numeric or 2 not in (bounds.shape[:1] + bounds.shape[-1:]):
            continue
        ends = decode(bounds, stored, like=variable)
        if ends is not None:
            ends = ends.T if bounds.dims[-1:] == (axis,) else ends
            return ends.reshape(-1, 2)
    return _between_ends(stored, axis)


def _between_ends(stored: Stored, axis: str | None) -> NDArray[np.datetime64] | None:
    """Ends of the periods between two times that are called their start and end, as the Bureau of Meteorology has
    them ("Start of accumulation period").
    """
    ends: dict[str, NDArray[np.datetime64]] = {}
    for variable in stored.variables.values():
        along = variable.dims == ((axis,) if axis else ()) or variable.shape == (1,)
        said = _END.match(text(variable.attributes, "long_name"))
        times = decode(variable, stored) if said is not None and along else None
        if said is not None and times is not None:
            ends[said[1].lower()] = times.reshape(-1)
    return np.stack([ends["start"], ends["end"]], axis=1) if len(ends) == 2 else None


def _of_each_step(bounds: NDArray[np.datetime64], periods: NDArray[np.timedelta64]) -> bool:
    """True where periods are as long as the steps in each stretch of an archive that goes over to another step."""
    ends = bounds.max(axis=1)
    if len(ends) < 2 or (np.diff(ends) <= np.timedelta64(0)).any():
        return False
    step = nominal_step(ends)
    if is_calendar(step):
        return False
    own = own_steps(ends, step)
    away = np.abs(own - periods.astype("timedelta64[ns]").astype(np.float64) * 1e-9)
    return bool((away[np.isfinite(own)] <= _SAME * own[np.isfinite(own)]).all())


def _monthly(periods: NDArray[np.timedelta64]) -> bool:
    days = periods / np.timedelta64(1, "D")
    return bool((days >= 28).all() and (days <= 31).all())
