"""Times, durations and counts in words, and the names of options as each face of the package writes them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # errors are spelled by this module, and the command line's help is to load no library
    import numpy as np
    from numpy.typing import NDArray

Item = TypeVar("Item")

SHOWN = 3
"""Items of a list that a sentence names."""

Face = Callable[[str, str | None], str]
"""Spelling of an option where it is read, from its name and the value to give it if there is one."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move a terminal's cursor, colours or direction of text; tabs and line ends aside;
and halves of characters, which no terminal takes."""
_NUMBER = r"[-+]?\.?\d[-+.\de]*"
_STAND_FOR = ("SOURCE", "FILE", "FOLDER", "RUN")
"""Words of hints that stand for what a user has; other words in capitals are values, such as axes."""
_OPTION = re.compile(r"\{([a-z][a-z0-9_]*)(?:=([^{}]*))?\}")


def nobody(line: str) -> None:
    """Taker of lines that nobody is to hear."""


def spell(text: str, face: Face) -> str:
    """Options in a text, `{name}` or `{name=value}`, as a face writes them.

    >>> spell("use {missing=mask}", in_python)
    "use missing='mask'"
    """
    return _OPTION.sub(lambda option: face(option[1], option[2]), text)


def in_python(name: str, value: str | None) -> str:
    """Keyword arguments: `missing='mask'`, `axes='TCHW'`, `filters=(64, 64)`, `rain_unit=`; what stands for something,
    as SOURCE does, as it is.
    """
    if value is None:
        return f"{name}="
    if re.fullmatch(rf"{_NUMBER}(,{_NUMBER})+", value):
        return f"{name}=({value.replace(',', ', ')})"
    plain = re.fullmatch(rf"True|False|None|{_NUMBER}|\(.*\)|{'|'.join(_STAND_FOR)}", value)
    return f"{name}={value}" if plain else f"{name}={value!r}"


def printable(text: str) -> str:
    """A text from elsewhere, such as a file's name or unit, with control characters replaced.

    >>> printable(f"mm{chr(27)}[31m/h") == f"mm{chr(0xFFFD)}[31m/h"
    True
    """
    return _CONTROL.sub("\ufffd", text)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun.

    >>> count(1, "frame"), count(1200, "frame"), count(2, "stretch", "stretches")
    ('1 frame', '1,200 frames', '2 stretches')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listing(items: Iterable[object], *, shown: int = SHOWN, separator: str = ", ") -> str:
    """The first items of a list, and how many more there are.

    >>> listing(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    named = [str(item) for item in items]
    more = f" and {len(named) - shown} more" if len(named) > shown else ""
    return separator.join(named[:shown]) + more


def joined(items: Sequence[object], last: str = "and") -> str:
    """A whole list as a sentence has it.

    >>> joined([5, 10, 15])
    '5, 10 and 15'
    """
    named = [str(item) for item in items]
    return f" {last} ".join(part for part in (", ".join(named[:-1]), named[-1] if named else "") if part)


def did_you_mean(name: object, names: Iterable[str]) -> str | None:
    """The question after a slip in a name; None where no name comes near.

    >>> did_you_mean("anvill", ["steps", "anvil"]), did_you_mean("rain", ["steps", "anvil"])
    ("did you mean 'anvil'?", None)
    """
    similar = difflib.get_close_matches(str(name), list(names), n=1)
    return f"did you mean {similar[0]!r}?" if similar else None


def evenly(items: Sequence[Item], number: int) -> list[Item]:
    """At most so many of some items, spread evenly over them, the first among them.

    >>> evenly("abcdef", 3)
    ['a', 'c', 'e']
    """
    chosen = min(max(number, 0), len(items))
    return [items[n * len(items) // chosen] for n in range(chosen)]


def python_call(name: str, *arguments: object, **options: object) -> str:
    """A call of a function as Python has it, without options that are None.

    >>> python_call("nextframe.verify", "run", data="f.nc", limit=None)
    "nextframe.verify('run', data='f.nc')"
    """
    named = [f"{option}={value!r}" for option, value in options.items() if value is not None]
    return f"{name}({', '.join([*map(repr, arguments), *named])})"


def is_calendar(step: np.timedelta64) -> bool:
    """True for a step of months or years, which are not equally long."""
    import numpy as np

    return np.datetime_data(step)[0] in ("M", "Y")


def seconds(step: np.timedelta64) -> float:
    """A duration in seconds; of months and years their mean in the Gregorian calendar.

    >>> import numpy as np
    >>> seconds(np.timedelta64(5, "m")), seconds(np.timedelta64(1, "Y"))
    (300.0, 31556952.0)
    """
    import numpy as np

    if is_calendar(step):
        return float(step.astype("timedelta64[M]").astype(int)) * 2629746.0

    return float(step / np.timedelta64(1, "ns")) / 1e9


def duration(step: np.timedelta64 | float) -> str:
    """A duration, such as a time step.

    Args:
        step: a duration, or a number of seconds.

    >>> import numpy as np
    >>> duration(np.timedelta64(5, "m")), duration(5400), duration(1 / 30)
    ('5 min', '1 h 30 min', '33.33 ms')
    >>> duration(np.timedelta64(3, "M"))
    '3 months'
    """
    if not isinstance(step, (int, float)) and is_calendar(step):
        months = int(step.astype("timedelta64[M]").astype(int))
        return count(months // 12, "year") if months % 12 == 0 else count(months, "month")
    left = step if isinstance(step, (int, float)) else seconds(step)
    if left < 0:
        return f"-{duration(-left)}"
    if left < 1:
        return f"{left * 1e3:.4g} ms"
    parts = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if left >= size:
            parts.append(f"{int(left // size)} {unit}")
            left %= size
    if left >= 1e-3:
        parts.append(f"{left:.4g} s")
    return " ".join(parts)


def lead_label(step: np.timedelta64 | None, frames: int) -> str:
    """A lead time.

    Args:
        step: time between two frames; None where it is not known, and frames are counted.
        frames: how many steps it is.

    >>> import numpy as np
    >>> lead_label(np.timedelta64(10, "m"), 3), lead_label(np.timedelta64(30, "m"), 5), lead_label(None, 3)
    ('+30 min', '+2 h 30 min', '+3')
    >>> lead_label(np.timedelta64(33_367, "us"), 1)
    '+33 ms'
    """
    if step is None:
        return f"+{frames}"
    if is_calendar(step):
        return f"+{duration(step * frames)}"
    left = seconds(step) * frames
    if left < 1:
        return f"+{left * 1e3:.0f} ms"
    return f"+{left:.3g} s" if left < 60 else f"+{duration(round(left))}"


def lead_times(times: NDArray[np.timedelta64] | None, number: int = 0) -> tuple[list[float], str]:
    """Lead times in a unit that people read: minutes, seconds where the first is shorter than one, months, or frames.

    Args:
        times: lead times in rising order; None where only their number is known.
        number: how many there are, where they are not known.

    >>> import numpy as np
    >>> lead_times(np.array([10, 20], "timedelta64[m]")), lead_times(None, 2)
    (([10.0, 20.0], 'minutes'), ([1.0, 2.0], 'frames'))
    """
    if times is None:
        return [float(n) for n in range(1, number + 1)], "frames"
    if is_calendar(times[0]):
        return [float(time.astype("timedelta64[M]").astype(int)) for time in times], "months"
    left = [seconds(time) for time in times]
    size, unit = (60.0, "minutes") if left[0] >= 60 else (1.0, "seconds")
    return [round(value / size, 6) for value in left], unit


def lead_number(value: float) -> str:
    """A lead time, in whatever unit, without digits that no one reads.

    >>> lead_number(30.0), lead_number(0.066733)
    ('30', '0.0667')
    """
    return f"{value:g}" if round(value, 2) == value else f"{value:.3g}"


def moment(time: np.datetime64 | np.timedelta64) -> str:
    """A time, without seconds that are zero; or a time since the beginning of a film.

    >>> import numpy as np
    >>> moment(np.datetime64("2019-03-01T06:00:00")), moment(np.datetime64("2019-03-01T06:00:30"))
    ('2019-03-01 06:00', '2019-03-01 06:00:30')
    >>> moment(np.timedelta64(90, "s"))
    '1 min 30 s'
    """
    import numpy as np

    if isinstance(time, np.timedelta64):
        return duration(time) or "0 s"
    return str(np.datetime_as_string(time, unit="s")).replace("T", " ").removesuffix(":00")


def minute(time: np.datetime64 | np.timedelta64) -> str:
    """A time to the minute; or a time since the beginning of a film.

    >>> import numpy as np
    >>> minute(np.datetime64("2019-03-01T06:00:30"))
    '2019-03-01 06:00'
    """
    import numpy as np

    if isinstance(time, np.timedelta64):
        return moment(time)
    return str(np.datetime_as_string(time, unit="m")).replace("T", " ")


def size(bytes_: int) -> str:
    """A number of bytes.

    >>> size(300), size(25_000_000)
    ('300 bytes', '25 MB')
    """
    for unit, scale in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if bytes_ >= scale:
            return f"{bytes_ / scale:,.3g} {unit}"
    return count(bytes_, "byte")
