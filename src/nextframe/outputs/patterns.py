"""Names of output files that are patterns: `archive/{init}.nc`, `next-{lead}.tif`.

Fields are filled in by the forecast. A pattern that names a lead time or a valid time asks for a file of each lead
time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING

from nextframe.errors import ConfigError
from nextframe.outputs.writer import Beside
from nextframe.words import is_calendar, seconds

if TYPE_CHECKING:  # names are checked with the command line, which loads no library
    from nextframe.forecasting.forecast import Forecast

FIELDS = {
    "init": "time of the last frame seen",
    "valid": "time that a frame is valid at",
    "lead": "lead time in minutes, in frames where it is no number of minutes",
    "number": "number of the lead time",
    "forecaster": "name of what made the forecast",
}
"""Fields of a pattern, and what stands for each."""
_EACH = frozenset({"valid", "lead", "number"})
"""Fields that differ from lead time to lead time."""
_TIME = "%Y%m%dT%H%M"


def fields_of(path: str | Path) -> list[str]:
    """Fields that a file's name has; an empty list where it is no pattern.

    Raises:
        ConfigError: a field that there is not, or braces that do not match.

    >>> fields_of("archive/{init:%Y-%m-%d}/{lead}.tif"), fields_of("next.nc")
    (['init', 'lead'], [])
    """
    try:
        names = [name for _, name, _, _ in Formatter().parse(str(path)) if name is not None]
    except ValueError as error:
        raise ConfigError("is no pattern of names", where=path, received=str(error)) from error
    for name in names:
        if name not in FIELDS:
            raise ConfigError(
                "has a field that no forecast fills in",
                where=path,
                expected=" or ".join(f"{{{field}}}" for field in FIELDS),
                received=f"{{{name}}}",
            )
    return names


def written_to(path: str | Path, forecast: Forecast, beside: Beside) -> Iterator[tuple[Path, Forecast, Beside]]:
    """The files that a name or a pattern stands for: for each its path, and what of the forecast goes there.

    Raises:
        ConfigError: errors of `fields_of`, or a time of a forecast that knows none.
    """
    fields = fields_of(path)
    if not fields:
        yield Path(path), forecast, beside
        return
    if not _EACH & set(fields):
        yield _filled(str(path), forecast), forecast, beside
        return
    singles = [forecast.at(lead) for lead in range(forecast.lead_times)]
    names = [_filled(str(path), one) for one in singles]
    if len(set(names)) < len(names):
        raise ConfigError(
            "gives several lead times one name",
            where=path,
            expected="a field for the lead time, {lead}",
            received=names[0],
        )
    for lead, (name, one) in enumerate(zip(names, singles, strict=True)):
        cut = slice(lead, lead + 1)
        yield (
            name,
            one,
            replace(
                beside,
                truth=None if beside.truth is None else beside.truth[cut],
                probabilities={threshold: field[cut] for threshold, field in beside.probabilities.items()},
                quantiles={level: field[cut] for level, field in beside.quantiles.items()},
            ),
        )


def _filled(pattern: str, forecast: Forecast) -> Path:
    """A pattern with its fields filled in by the first lead time of a forecast."""
    parts: list[str] = []
    for text, name, spec, _ in Formatter().parse(pattern):
        parts.append(text)
        if name is not None:
            parts.append(_field(pattern, name, spec or "", forecast))
    return Path("".join(parts))


def _field(pattern: str, name: str, spec: str, forecast: Forecast) -> str:
    if name in ("init", "valid"):
        times = forecast.valid_time
        time = forecast.init_time if name == "init" else None if times is None else times[0]
        if time is None:
            raise ConfigError(
                f"names the {FIELDS[name]}, which {forecast.source or 'the source'} does not tell",
                where=pattern,
                hint="name the files by number instead, or start from frames whose times are known",
            )
        moment: datetime = time.astype("datetime64[us]").astype(object)
        return moment.strftime(spec or _TIME)
    value: int | str
    if name == "lead":
        step = forecast.time_step
        minutes = 0.0 if step is None or is_calendar(step) else seconds(step) / 60
        value = round(minutes) * forecast.first if minutes and minutes == round(minutes) else forecast.first
    else:
        value = forecast.first if name == "number" else re.sub(r"[^\w.-]+", "-", forecast.forecaster)
    try:
        return format(value, spec or ("03d" if isinstance(value, int) else ""))
    except ValueError as error:
        raise ConfigError(
            f"has no way to write {name} as {spec!r}", where=pattern, hint="write it as in 05d, or without a colon"
        ) from error
