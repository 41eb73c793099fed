"""Steps of time: regular ones, jittered ones, and those of the calendar, whose months are not equally long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nextframe.errors import ConfigError, DataError
from nextframe.words import is_calendar, seconds

NANOSECONDS = {
    **dict.fromkeys(("nanosecond", "nanoseconds", "nanosec", "nsec", "ns"), 1),
    **dict.fromkeys(("microsecond", "microseconds", "microsec", "microsecs", "us"), 10**3),
    **dict.fromkeys(("millisecond", "milliseconds", "millisec", "millisecs", "msec", "msecs", "ms"), 10**6),
    **dict.fromkeys(("second", "seconds", "sec", "secs", "s"), 10**9),
    **dict.fromkeys(("minute", "minutes", "min", "mins"), 60 * 10**9),
    **dict.fromkeys(("hour", "hours", "hr", "hrs", "h"), 3600 * 10**9),
    **dict.fromkeys(("day", "days", "d"), 86400 * 10**9),
    **dict.fromkeys(("week", "weeks"), 7 * 86400 * 10**9),
}
"""Nanoseconds of a unit of time."""
LONGEST = 2**62
"""Nanoseconds that a length of time may have, 146 years."""
NEAR = 0.1
"""Share of a step within which two times are the same frame's."""

_LASTING = 6
"""Equal distances of neighbouring times that make a step of their own."""
_MINUTE, _SECOND = np.timedelta64(60, "s"), np.timedelta64(1, "s")
_DAY = np.timedelta64(1, "D")


def nominal_step(instants: NDArray[Any]) -> np.timedelta64:
    """The step that a sequence of at least two times is meant to have.

    Months where all times are at one place in their months; else whole minutes or seconds where times jitter about
    such; else the median.

    >>> nominal_step(np.array(["2020-01-01", "2020-02-01", "2020-03-01"], "datetime64[ns]"))
    np.timedelta64(1,'M')
    >>> nominal_step(np.array(["2020-01-01T00:00", "2020-01-01T00:10", "2020-01-01T00:20"], "datetime64[ns]"))
    np.timedelta64(600000000000,'ns')
    """
    steps = np.diff(instants).astype("timedelta64[ns]")
    if instants.dtype.kind == "M" and np.median(steps) > 27 * _DAY:
        months = np.diff(instants.astype("datetime64[M]")).astype(int)
        step = int(np.median(months))
        if step >= 1 and np.array_equal(months, np.round(months / step) * step) and _one_place(instants):
            return np.timedelta64(step, "M")
    median = np.timedelta64(np.median(steps), "ns")
    counts = np.round(steps / median)
    if steps.min() == steps.max() or np.abs(steps / median - counts).max() > 2 * NEAR:
        return median
    mean = steps.sum() / counts.sum()  # jitter cancels out over the whole length
    for unit in (_MINUTE, _SECOND):
        whole = np.round(mean / unit) * unit
        if whole > np.timedelta64(0) and abs(mean - whole) <= 0.005 * whole:
            return np.timedelta64(whole, "ns")
    return median


def in_nanoseconds(instants: ArrayLike, where: object) -> NDArray[np.datetime64]:
    """Instants as they are kept, in nanoseconds since 1970, which reach from 1678 to 2261; NumPy itself turns those
    beyond into others without a word.

    Args:
        instants: in any unit; NaT stays NaT.
        where: the file that they are of, for the error.

    Raises:
        DataError: one beyond.

    >>> in_nanoseconds(np.datetime64("2020-01-31"), "a.nc")[()]
    np.datetime64('2020-01-31T00:00:00.000000000')
    """
    given = np.asarray(instants)
    given = given if given.dtype.kind == "M" else given.astype("datetime64[us]")
    days = given.astype("datetime64[D]")
    beyond = (days < np.datetime64("1678-01-01")) | (days > np.datetime64("2261-12-31"))
    if beyond.any():
        raise DataError(
            "has a time that is out of reach",
            where=where,
            expected="years from 1678 to 2261",
            received=f"the year {days[beyond].flat[0].astype('datetime64[Y]')}",
            hint="mend it; or, where they are years of a model, count these from a later one",
        )
    return np.asarray(given.astype("datetime64[ns]"))


def instant(moment: datetime | str, where: object) -> np.datetime64:
    """One instant as it is kept (`in_nanoseconds`), of a text that NumPy reads or a date without a zone.

    Raises:
        DataError: one out of reach.
        ValueError: no date.
    """
    return np.datetime64(in_nanoseconds(np.datetime64(moment, "us"), where).item(), "ns")


def after(time: np.datetime64, step: np.timedelta64, counts: ArrayLike) -> NDArray[np.datetime64]:
    """Times so many steps after one; of months, at the same place in theirs: the day, the middle, the last day.

    >>> after(np.datetime64("2018-04-01"), np.timedelta64(1, "M"), [1, 2, 3]).astype("datetime64[D]")
    array(['2018-05-01', '2018-06-01', '2018-07-01'], dtype='datetime64[D]')
    >>> after(np.datetime64("2020-02-29"), np.timedelta64(1, "M"), [1]).astype("datetime64[D]")
    array(['2020-03-31'], dtype='datetime64[D]')
    """
    number = np.asarray(counts)
    if not is_calendar(step):
        return np.asarray(time + number * step)
    months = step.astype("timedelta64[M]").astype(int)
    month = time.astype("datetime64[M]")
    then = month + number * months
    begin, length = then.astype("datetime64[ns]"), _length(then)
    place, whole = (time - month).astype("timedelta64[ns]"), _length(month)
    if place == whole // 2:  # in the middle
        return np.asarray(begin + length // 2)
    last = place // _DAY == whole // _DAY - 1
    offset = length - (whole - place) if last else np.minimum(place, length - _DAY + place % _DAY)
    return np.asarray(begin + offset)


def steps_between(instants: NDArray[Any], step: np.timedelta64) -> NDArray[np.float64]:
    """Distances of neighbouring times in steps.

    >>> steps_between(np.array(["2020-01-01", "2020-02-01", "2020-04-01"], "datetime64[ns]"), np.timedelta64(1, "M"))
    array([1.01850141, 1.97129305])
    """
    return np.asarray(np.diff(instants).astype("timedelta64[ns]") / np.timedelta64(round(seconds(step) * 1e9), "ns"))


def own_steps(instants: NDArray[Any], step: np.timedelta64) -> NDArray[np.float64]:
    """Step that each frame stands for, in seconds: that of its stretch, where an archive goes over to another one.

    A stretch of its own is a run of at least 6 equal distances. A longer distance is a gap, and tells nothing. NaN are
    frames of which it is not known: the one where two steps meet, which may be of either; those beside a distance that
    is shorter than the step, or between several longer ones that are equal, but too few for a stretch.

    Args:
        instants: at least two times, increasing.
        step: the nominal step, none of the calendar.

    >>> minutes = np.cumsum([0, *[10] * 6, *[5] * 6])
    >>> (own_steps(minutes.astype("timedelta64[m]"), np.timedelta64(5, "m")) / 60).tolist()
    [10.0, 10.0, 10.0, 10.0, 10.0, 10.0, nan, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0]
    """
    nominal = seconds(step)
    distances = np.diff(instants).astype("timedelta64[ns]").astype(np.float64) * 1e-9
    told = np.where(np.abs(distances - nominal) <= 2 * NEAR * nominal, nominal, np.nan)
    doubtful = np.zeros(len(distances), bool)
    for start, stop in _runs(distances):
        if not np.isnan(told[start]):
            continue
        if stop - start >= _LASTING:
            told[start:stop] = np.median(distances[start:stop])
        else:
            doubtful[start:stop] = distances[start] < nominal or stop - start > 1
    before, after = np.append(np.nan, told), np.append(told, np.nan)
    own = np.where(np.isnan(before), after, before)
    own[np.isnan(own)] = nominal
    short = doubtful & (distances < nominal)
    between = np.append(True, doubtful) & np.append(doubtful, True)
    unknown = np.append(False, short) | np.append(short, False) | (between & np.isnan(before) & np.isnan(after))
    return np.asarray(np.where(unknown | (np.abs(before - after) > 0), np.nan, own))


def other_steps(instants: NDArray[Any], step: np.timedelta64) -> list[tuple[int, int, np.timedelta64]]:
    """Stretches of an archive that have another step than the nominal one: first frame, last frame, step.

    A stretch is a run of at least 6 equal distances, each longer than one and a half steps or not longer than half a
    one, so that no window is cut there (`FrameSequence.segments`).

    >>> minutes = np.cumsum([0, *[10] * 6, *[5] * 7, 20, 5]).astype("timedelta64[m]")
    >>> other_steps(minutes, np.timedelta64(5, "m"))
    [(0, 6, np.timedelta64(600000000000,'ns'))]
    """
    if is_calendar(step) or len(instants) < 2:
        return []
    distances = np.diff(instants).astype("timedelta64[ns]").astype(np.float64) * 1e-9
    stretches: list[tuple[int, int, np.timedelta64]] = []
    for start, stop in _runs(distances):
        own = float(np.median(distances[start:stop]))
        if stop - start >= _LASTING and not 0.51 <= own / seconds(step) <= 1.5:
            stretches.append((start, stop, np.timedelta64(round(own * 1e9), "ns")))
    return stretches


def _runs(distances: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Runs (start, stop) of equal distances."""
    least = np.minimum(distances[1:], distances[:-1])
    changes = np.flatnonzero(np.abs(np.diff(distances)) > NEAR * least) + 1
    return pairwise([0, *changes.tolist(), len(distances)])


def nearest(times: NDArray[np.datetime64], wanted: np.datetime64, step: np.timedelta64 | None) -> int | None:
    """Number of the time within a tenth of a step of the one wanted; None where there is none.

    Args:
        times: increasing.
        wanted: the time to look for.
        step: of the times; without, nothing but the very time is found.

    >>> minutes = np.array(["2020-01-01T00:00:00.4", "2020-01-01T00:09:59.7"], "datetime64[ns]")
    >>> nearest(minutes, np.datetime64("2020-01-01T00:10"), np.timedelta64(10, "m"))
    1
    """
    place = int(np.searchsorted(times, wanted))
    around = [n for n in (place - 1, place) if 0 <= n < len(times)]
    closest = min(around, key=lambda n: abs(times[n] - wanted), default=None)
    if closest is None:
        return None
    distance = abs(times[closest] - wanted).astype("timedelta64[ns]")
    reach = np.timedelta64(0, "ns") if step is None else np.timedelta64(round(NEAR * seconds(step) * 1e9), "ns")
    return closest if distance <= reach else None


def _length(month: Any) -> Any:
    return ((month + 1).astype("datetime64[ns]") - month.astype("datetime64[ns]")).astype("timedelta64[ns]")


def _one_place(instants: NDArray[np.datetime64]) -> bool:
    """True where all times are at one place in their months: one day, the last one, or the middle."""
    months = instants.astype("datetime64[M]")
    places, lengths = (instants - months).astype("timedelta64[ns]"), _length(months)
    same = np.abs(places - places[0]) < _DAY
    last = lengths - places <= _DAY
    middle = np.abs(places - lengths // 2) <= _DAY
    return bool(same.all() or last.all() or middle.all())


_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "day": 86400, "days": 86400}


def length_of_time(text: str, *, where: object) -> np.timedelta64:
    """A length of time as people write it: "10min", "6h", "7d", "90 s".

    Args:
        text: a number and a unit.
        where: the option that it is of, for the error.

    Raises:
        ConfigError: no length of time.

    >>> length_of_time("6h", where="drift") == np.timedelta64(360, "m")
    np.True_
    """
    said = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text.lower())
    if said is None or said[2] not in _UNITS or float(said[1]) == 0:
        raise ConfigError("is no length of time", where=where, expected="such as 10min, 6h or 7d", received=text)
    return np.timedelta64(round(float(said[1]) * _UNITS[said[2]] * 1e9), "ns")
