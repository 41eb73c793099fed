"""Times of the steps of a file: by CF conventions (section 4.4), and as models write it that do not keep to them.

Sources: CF conventions; WRF's `Times` and `XTIME`; "day as %Y%m%d.%f" of CDO and of several reanalyses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import cftime
import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError
from nextframe.frames.formats.attributes import tell_once, text
from nextframe.frames.formats.stored import Stored, Variable
from nextframe.frames.steps import NANOSECONDS, in_nanoseconds, instant

NAMES = ("time", "valid_time", "t", "times", "xtime", "datetime", "date")
"""What files call the time, in lower case."""

_PERIODS = ("step", "lead_time", "leadtime", "forecast_period")
_STANDARD = ("standard", "gregorian", "proleptic_gregorian", "")
_DAY = 86400 * 10**9
_FAR = 10**8
"""Days, and months, that no date is away from another."""
_MONTHS = {"month": 1, "months": 1, "year": 12, "years": 12}
_SINCE = re.compile(r"\s*(\S+)\s+(?:since|after|from|ref)\s+(.+?)\s*$", re.IGNORECASE)
_START = re.compile(
    r"([+-]?\d{1,6})([-/])(\d{1,2})(?:\2(\d{1,2})(?!\d)|(?=\s*$))"
    r"(?:[T_\s]+(\d{1,2})(?::(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?)?(?![\d.:]))?"
    r"\s*(?:\(?(?:Z|UTC?|GMT)\)?)?\s*(?:([+-])(\d{1,2})(?::?(\d{2}))?|0?0(?::?00)?)?\s*",
    re.IGNORECASE,
)
"""A date that times are counted from: year, sign, month, day; hour, minute, second; distance from Greenwich."""
_UNDIVIDED = (
    (re.compile(r"^(\d{4})(\d{2})(\d{2})(?=$|[T_\s])"), r"\1-\2-\3"),
    (re.compile(r"(?<=[T_\s])(\d{2})(\d{2})(?=Z|\s|$)"), r"\1:\2"),
    (re.compile(r"(?<=[T_\s])(\d{2})(\d{2})(\d{2})(?=Z|\s|$)"), r"\1:\2:\3"),
)
"""Dates and hours without signs between their parts, and with them."""
_JULIAN_DAYS = re.compile(r"-(?:471[23]-0?1-0?1|(4713-11-24))[T ]12(?::00){0,2}(?:\.0*)?\s*(?:Z|UTC)?$")
"""Noon that Julian days are counted from: in the Julian calendar, by both numberings of years, and in ours."""
_AS = re.compile(r"\s*(?:(?:day|month|year|hour|second)s?\s+as\s+)?(%Y[%\w.:\- ]*)\s*$", re.IGNORECASE)
_TEXT = re.compile(
    r"(\d{4}(?:-?\d{2}(?:-?\d{2})?|/\d{2}/\d{2})?)[T_ ]*(\d{2}(?::?\d{2}(?::?\d{2})?)?)?(?:[.,](\d+))?"
    r"\s*(?:Z|UTC|GMT|([+-])(\d{2}):?(\d{2})?)?",
    re.IGNORECASE,
)
"""A date, an hour, a fraction of a second, and a distance from Greenwich."""
_PATTERNS = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Digits of a date -> what they are."""


def is_time(variable: Variable) -> bool:
    """True where a variable's unit says that it is a time: "hours since ...", "day as %Y%m%d.%f"."""
    units = text(variable.attributes, "units")
    return variable.numeric and bool(_SINCE.match(units) or _AS.match(units))


def times_of(
    stored: Stored, field: Variable, axis: str | None
) -> tuple[NDArray[np.datetime64] | None, NDArray[np.timedelta64] | None]:
    """Times of a field's steps, (T,), and those since the first one where the file says no date; None where it tells
    none.

    They are looked for in the variable that is called as the axis, then among those along it: the ones that the field's
    `coordinates` name, then those of the standard name "time", of a name or of a unit of times; and where a file has
    one step, among the variables without an axis.

    Args:
        stored: the file.
        field: the field.
        axis: its axis of time; None for a field of one step without one.

    Raises:
        DataError: times that do not increase, a step without one, or another calendar's dates that are none of ours.

    Warns:
        NextframeWarning: what should be times cannot be read as such.
    """
    problems: list[str] = []
    elapsed: NDArray[np.timedelta64] | None = None
    for variable in _candidates(stored, field, axis):
        try:
            times = decode(variable, stored)
        except _NoTimes as problem:
            problems.append(f"{variable.name}: {problem}")
            continue
        if times is not None:
            hold_increasing(times.ravel(), stored.path)
            return times.ravel(), None
        elapsed = _elapsed(variable) if elapsed is None else elapsed
        if elapsed is not None and _is_period(variable) and (begin := _begin(stored)) is not None:
            return np.asarray(begin + elapsed), None
    if elapsed is not None and len(elapsed) > 1:
        return None, np.asarray(elapsed - elapsed[0])
    if problems:
        tell_once(
            stored.path,
            "its times cannot be read, so that lead times are counted in frames and gaps are not seen "
            f"({'; '.join(problems)})",
        )
    return None, None


def hold_increasing(values: NDArray[Any], where: object) -> None:
    """Refuse steps that are out of order, double, or without a time.

    Raises:
        DataError: there are such.
    """
    if values.dtype.kind == "M" and np.isnat(values).any():
        raise DataError(f"frame {np.isnat(values).argmax()} has no time", where=where, hint="leave that step out")
    wrong = np.flatnonzero(values[1:] <= values[:-1])
    if wrong.size:
        before, after = (in_seconds(values[wrong[0] + n]) for n in (0, 1))
        raise DataError(
            f"times do not increase: frame {wrong[0] + 1} ({after}) follows {before}",
            where=where,
            hint="sort the frames by time and drop duplicates",
        )


def in_seconds(time: Any) -> str:
    """A time for people, without digits that no archive has; a plain number as it is."""
    if not np.issubdtype(np.asarray(time).dtype, np.datetime64):
        return f"{time:g}"
    return str(np.datetime_as_string(np.asarray(time), unit="s"))


class _NoTimes(Exception):
    """Reason that a variable's numbers are no times."""


def _candidates(stored: Stored, field: Variable, axis: str | None) -> list[Variable]:
    """Variables that may hold the times of a field's steps, the likeliest first."""
    named = text(field.attributes, "coordinates").split()
    lengths = () if axis is None else (axis,)
    there = []
    for variable in stored.variables.values():
        plain = variable.dims[:-1] if variable.dtype.kind == "S" and variable.dtype.itemsize == 1 else variable.dims
        if not lies_along(stored, plain, axis):
            continue
        own = variable.name == axis
        standard = text(variable.attributes, "standard_name")
        called = variable.name.lower() in NAMES
        if not (own or called or is_time(variable) or standard == "time" or text(variable.attributes, "axis") == "T"):
            continue
        if standard in ("forecast_reference_time", "forecast_period") and not own:
            continue
        if not lengths and not is_time(variable) and not (called and not variable.numeric):
            continue
        # A period's end comes before its start among what a file may call a time.
        rank = (not own, variable.name not in named, standard != "time", not called, not is_time(variable))
        there.append((rank, variable))
    return [variable for _, variable in sorted(there, key=lambda pair: pair[0])]


def lies_along(stored: Stored, dims: Sequence[str], axis: str | None) -> bool:
    """True for what lies along this axis alone, beside axes of length one; with None, along no other than such."""
    return tuple(dim for dim in dims if dim == axis or stored.sizes[dim] != 1) == (() if axis is None else (axis,))


def decode(variable: Variable, stored: Stored, like: Variable | None = None) -> NDArray[np.datetime64] | None:
    """A variable's numbers or texts as times, of its own shape; None where nothing says that they are times.

    Args:
        variable: the variable.
        stored: its file.
        like: the variable whose unit and calendar hold where it has none: bounds have those of the time.

    Raises:
        DataError: dates of another calendar that ours has not.
    """
    if variable.dtype.kind == "M":  # of Zarr
        return in_nanoseconds(variable.read(), stored.path)
    if not variable.numeric:
        return _from_texts(variable.read(), stored.path) if variable.dtype.kind in "SUOT" else None
    attributes = {**({} if like is None else like.attributes), **variable.attributes}
    units, calendar = text(attributes, "units"), text(attributes, "calendar").lower()
    counted, pattern = _SINCE.match(units), _AS.match(units)
    if counted is None and pattern is None:
        numbers = variable.read()
        if like is None and variable.name.lower() in NAMES and (written := _reads_as_dates(numbers)):
            return _by_pattern(numbers, written, stored.path)
        if numbers.ndim == 1 and like is None:
            hold_increasing(numbers, stored.path)
        if units not in ("", "1") and like is None and units.lower() not in NANOSECONDS:
            raise _NoTimes(f"in {units!r}")
        if units in ("", "1") and like is None and not _counts(numbers):
            raise _NoTimes("numbers without a unit")
        return None
    if pattern is not None:
        return _by_pattern(variable.read(), pattern[1], stored.path)
    assert counted is not None
    fills = variable.packing
    numbers = fills.signed(variable.read())
    missing = np.isnan(fills.unpack(numbers, np.float64, where=stored.path))
    if numbers.dtype == np.int64:
        missing |= numbers == np.iinfo(np.int64).min  # as xarray writes a time that is none
    if (fills.scale, fills.offset) != (1.0, 0.0):
        numbers = numbers * fills.scale + fills.offset
    times = _since(np.where(missing, 0, numbers), counted[1].lower(), counted[2], calendar, stored.path)
    times[missing] = np.datetime64("NaT")
    return times


def since(numbers: NDArray[Any], units: str, calendar: str, where: object) -> NDArray[np.datetime64] | None:
    """Counts of a unit since a date as times, by the attributes `units` and `calendar` of CF conventions; None where
    the unit does not say since when.

    Raises:
        DataError: a date that is none, or one of another calendar that ours has not.
    """
    said = _SINCE.match(units)
    try:
        return None if said is None else _since(numbers, said[1].lower(), said[2], calendar.lower(), where)
    except _NoTimes as problem:
        raise DataError("has times that cannot be decoded", where=where, received=str(problem)) from problem


def _since(numbers: NDArray[Any], unit: str, start: str, calendar: str, where: object) -> NDArray[np.datetime64]:
    """Counts of a unit since a date as times."""
    start = _begin_of(start, where)
    if unit in _MONTHS:
        months = numbers * _MONTHS[unit]
        if not np.array_equal(months, np.round(months)):
            raise _NoTimes(f"in parts of a {unit}, of which nobody says how long it is")
        ours = calendar in _STANDARD
        origin = _origin(start, calendar or "standard", where) if ours else _dated(start, calendar, where)
        return in_nanoseconds(_months_later(origin, months), where)
    if unit not in NANOSECONDS:
        raise _NoTimes(f"in {unit!r}, which is no unit of time")
    if calendar in _STANDARD:
        origin = _origin(start, calendar or "standard", where)
        return _later(origin, numbers, NANOSECONDS[unit], where)
    return _by_cftime(numbers, f"{unit} since {start}", calendar, where)


def _begin_of(start: str, where: object) -> str:
    """A date that times are counted from, as cftime reads it whole: of what it does not understand, an hour without
    minutes or a zone by its name, it says nothing.

    Raises:
        DataError: no date, or one with an hour or a zone that is none.
    """
    divided = start.strip()
    for pattern, parts in _UNDIVIDED:
        divided = pattern.sub(parts, divided)
    read = _START.fullmatch(divided)
    if read is None or (read[2] == "/" and len(read[1]) != 4):
        raise DataError(
            "has times that cannot be decoded",
            where=where,
            expected="a date such as '2020-01-31 12:00:00', with a distance from UTC such as +01:00 where it has one",
            received=start,
            hint="mend the attribute units of its times",
        )
    year, _, month, day, hour, minute, second, sign, hours, minutes = read.groups()
    zone = f" {sign}{int(hours):02}:{minutes or '00'}" if sign else ""
    return f"{year}-{month}-{day or 1} {hour or '00'}:{minute or '00'}:{second or '00'}{zone}"


def _origin(start: str, calendar: str, where: object) -> np.datetime64:
    """The instant that times are counted from, in microseconds; before 1582 the standard calendar is Julian.

    Raises:
        DataError: no date; or one before the first year, which are numbered in two ways, with a year 0 and without.
    """
    ours = calendar == "proleptic_gregorian"
    if (days := _JULIAN_DAYS.match(start)) and ours == bool(days[1]):
        return np.datetime64("2000-01-01T12:00", "us") - np.timedelta64(2451545, "D")
    if not ours and (early := re.match(r"-?\d+", start)) and int(early[0]) < 1:
        raise DataError(
            f"counts times from the year {early[0]}, of which nobody says whether there was a year 0 before it",
            where=where,
            received=start,
            hint="write units that count from a later date, or calendar = proleptic_gregorian",
        )
    date = _cftime(lambda: cftime.num2date(0, f"days since {start}", calendar=calendar), start, where)
    anchor = cftime.datetime(2000, 1, 1, calendar=date.calendar)
    return np.datetime64("2000-01-01", "us") - np.timedelta64(anchor - date, "us")


def _dated(start: str, calendar: str, where: object) -> np.datetime64:
    """A date of another calendar as it stands."""
    return np.datetime64(_by_cftime(np.zeros(1), f"days since {start}", calendar, where)[0], "us")


def _months_later(origin: np.datetime64, months: NDArray[Any]) -> NDArray[np.datetime64]:
    """The same day of later months, or the last one of a month that is too short to have it."""
    if not (np.abs(months) < _FAR).all():
        return np.full(months.shape, np.datetime64("9999-01-01", "us"))
    begins = origin.astype("datetime64[M]") + months.astype(int)
    lengths = (begins + 1).astype("datetime64[D]") - begins.astype("datetime64[D]")
    day = origin.astype("datetime64[D]")
    place = day - origin.astype("datetime64[M]").astype("datetime64[D]")
    return np.asarray(begins.astype("datetime64[D]") + np.minimum(place, lengths - 1) + (origin - day))


def _later(origin: np.datetime64, numbers: NDArray[Any], unit: int, where: object) -> NDArray[np.datetime64]:
    """Times so many units (in nanoseconds) after an instant.

    Days are counted by themselves, since nanoseconds in 64 bits reach no further than 292 years; and numbers of
    floating point lose the last digits, which they do not have.
    """
    if unit > _DAY:
        numbers, unit = numbers * (unit // _DAY), _DAY
    per_day = _DAY // unit
    rest: NDArray[Any]
    if numbers.dtype.kind in "iu":
        days, rest = np.divmod(numbers.astype(np.int64), per_day)
        rest = rest * unit
    else:
        exactness = float(np.spacing(numbers.dtype.type(np.abs(numbers).max(initial=0)))) * unit
        quantum = 10.0 ** np.ceil(np.log10(max(4 * exactness, 1)))
        days, part = np.divmod(numbers.astype(np.float64), per_day)
        rest = part * unit
        rest = np.round(rest / quantum) * quantum if quantum <= 1e9 else np.round(rest)
    first = origin.astype("datetime64[D]")
    days = np.where(np.abs(days) < _FAR, days, _FAR)
    whole = in_nanoseconds(first + days.astype("timedelta64[D]"), where)
    return np.asarray(whole + (origin - first) + rest.astype("timedelta64[ns]"))


def _by_cftime(numbers: NDArray[Any], units: str, calendar: str, where: object) -> NDArray[np.datetime64]:
    """Times of a calendar that models have, their dates as they stand.

    Raises:
        DataError: a date that our calendar has not, such as 30 February.
    """
    dates = _cftime(
        lambda: np.ravel(cftime.num2date(numbers, units, calendar=calendar)), f"{units}, calendar {calendar}", where
    )
    times: list[Any] = []
    for date in dates:
        try:
            times.append(np.datetime64(date.isoformat(), "us"))
        except ValueError as error:
            raise DataError(
                "has times that cannot be decoded",
                where=where,
                expected="dates of the standard calendar",
                received=f"{date.isoformat()[:10]} of the calendar {calendar}",
                hint="convert it with xarray's convert_calendar('standard')",
            ) from error
    return in_nanoseconds(np.array(times, "datetime64[us]").reshape(np.shape(numbers)), where)


def _cftime(read: Callable[[], Any], said: str, where: object) -> Any:
    try:
        return read()
    except (ValueError, OverflowError, TypeError, AttributeError) as error:
        raise DataError(
            "has times that cannot be decoded",
            where=where,
            expected="units such as 'hours since 2020-01-01' in a calendar of CF conventions",
            received=said,
            hint="mend the attributes units and calendar, or convert with xarray's convert_calendar('standard')",
        ) from error


def _elapsed(variable: Variable) -> NDArray[np.timedelta64] | None:
    """Counts of a unit of time, of which the unit does not say since when; None for other numbers."""
    unit = NANOSECONDS.get(text(variable.attributes, "units").lower()) if variable.numeric else None
    elapsed = np.full(1, np.nan) if unit is None else np.round(variable.values().ravel() * unit)
    if not (np.abs(elapsed) < 2.0**62).all() or not (np.diff(elapsed) > 0).all():
        return None
    return elapsed.astype("timedelta64[ns]")


def _is_period(variable: Variable) -> bool:
    """True for lead times of a forecast."""
    return text(variable.attributes, "standard_name") == "forecast_period" or variable.name.lower() in _PERIODS


def _begin(stored: Stored) -> np.datetime64 | None:
    """The initial time of a file of one forecast; None where it tells none."""
    for variable in stored.variables.values():
        told = text(variable.attributes, "standard_name") == "forecast_reference_time"
        if told and int(np.prod(variable.shape)) == 1 and is_time(variable):
            times = decode(variable, stored)
            return None if times is None else np.ravel(times)[0]
    return None


def _counts(numbers: NDArray[Any]) -> bool:
    """True for numbers of steps, which tell no times: 0, 1, 2, ..."""
    return bool(numbers.size < 2 or (np.diff(numbers) == 1).all())


def _reads_as_dates(numbers: NDArray[Any]) -> str:
    """The pattern of numbers without a unit that are dates as they are written, 20200131, 202001311200; else empty."""
    for digits, pattern in list(_PATTERNS.items())[2:]:
        scale = 10 ** (digits - 8)
        if numbers.size and (numbers >= 18000101 * scale).all() and (numbers < 22000101 * scale).all():
            try:
                _by_pattern(numbers, pattern, "")
            except _NoTimes:
                return ""  # seconds since 1970 can be as large
            return pattern
    return ""


def _by_pattern(numbers: NDArray[Any], pattern: str, where: object) -> NDArray[np.datetime64]:
    """Dates written as numbers, 20200131.25, whose fraction is one of the last part that the pattern names."""
    plain = pattern.replace(".%f", "").replace("%f", "")
    unit = {"Y": "Y", "m": "M", "d": "D", "H": "h", "M": "m", "S": "s"}.get(plain[-1:], "D")
    times: list[Any] = []
    for value in np.ravel(numbers):
        if np.isnan(value):
            times.append(np.datetime64("NaT", "ns"))
            continue
        whole, fraction = divmod(float(value), 1.0) if numbers.dtype.kind == "f" else (int(value), 0.0)
        try:
            written = datetime.strptime(f"{int(whole):0{_digits(plain)}d}", plain)
        except ValueError as error:
            raise _NoTimes(f"{value:.10g} is no date by {pattern}") from error
        date = instant(written, where)
        start = date.astype(f"datetime64[{unit}]")
        length = float(((start + 1).astype("datetime64[s]") - start.astype("datetime64[s]")) / np.timedelta64(1, "s"))
        times.append(date + np.timedelta64(round(fraction * length), "s"))
    return np.array(times, "datetime64[ns]").reshape(np.shape(numbers))


def _digits(pattern: str) -> int:
    return sum({"Y": 4}.get(letter, 2) for letter in re.findall(r"%(\w)", pattern))


def _from_texts(texts: NDArray[Any], where: object) -> NDArray[np.datetime64]:
    """Times written as texts, or as rows of letters: "2020-01-01_00:10:00"."""
    if texts.dtype == "S1" and texts.ndim:
        texts = np.array([b"".join(row.tolist()) for row in texts.reshape(-1, texts.shape[-1])])
    times = []
    for value in np.ravel(texts):
        word = (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)).strip("\0 ")
        read = _TEXT.fullmatch(word)
        date, clock = ("", "") if read is None else (re.sub("[-/]", "", read[1]), re.sub("[:]", "", read[2] or ""))
        pattern = _PATTERNS.get(len(date + clock))
        if read is None or pattern is None:
            raise _NoTimes(f"{word[:30]!r} is no time")
        try:
            written = datetime.strptime(date + clock, pattern)
        except ValueError as error:
            raise _NoTimes(f"{word[:30]!r} is no time") from error
        time = instant(written, where)
        time += np.timedelta64(round(float(f"0.{read[3] or 0}") * 1e9), "ns")
        if read[4]:
            away = int(read[5]) * 60 + int(read[6] or 0)
            time -= np.timedelta64(away if read[4] == "+" else -away, "m")
        times.append(time)
    return np.array(times, "datetime64[ns]")
