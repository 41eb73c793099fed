"""Times of a forecast file, whoever made it: initial time, lead times, valid times."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nextframe.errors import DataError
from nextframe.words import lead_times as in_words

_INIT = ("init_time", "forecast_reference_time")
"""Names of the initial time: ours and that of CF."""


LEADS = ("lead_time", "step", "leadtime", "lead", "forecast_period", "prediction_timedelta")
"""Names of lead times: ours, and those of ECMWF, of pysteps and its like, of CF, and of WeatherBench."""
_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
"""Units of time that lead times in numbers may have."""


def valid_times(forecast: xr.Dataset, count: int, where: str) -> NDArray[np.datetime64] | None:
    """Times at which each of so many lead times is valid; None where the forecast knows no times at all.

    Raises:
        DataError: it has times that do not say so.
    """
    said, time = _times(forecast, "valid_time"), _times(forecast, "time")
    init, leads = _times(forecast, *_INIT), _lead_times(forecast)
    if said is not None and len(said) == count:
        return said
    if init is None and time is not None and len(time) == 1 and leads is not None:
        init = time
    if init is not None and len(init) == 1 and leads is not None and len(leads) == count:
        return init + leads
    if time is not None and len(time) == count:
        return time
    if said is None and time is None and init is None:
        return None
    raise DataError(
        "has times that do not say when it is valid",
        where=where,
        expected=f"valid_time of {count} values, or init_time of one and lead_time of {count}",
        hint="write valid_time into it, or leave all times out to have it graded by the last frames",
    )


def _lead_times(forecast: xr.Dataset) -> NDArray[np.timedelta64] | None:
    """The lead times that the forecast states: durations, or numbers with a unit of time."""
    named = [name for name, variable in forecast.variables.items() if _is_lead(str(name), variable)]
    for name in sorted(map(str, named), key=lambda name: (name not in LEADS, name)):
        values = np.atleast_1d(forecast[name].values)
        if np.issubdtype(values.dtype, np.timedelta64):
            return values
        unit = _SECONDS.get(str(forecast[name].attrs.get("units", "")).strip().lower())
        if unit is not None and values.dtype.kind in "iuf":
            return np.round(values.astype(np.float64) * unit * 1e9).astype("timedelta64[ns]")
    return None


def _is_lead(name: str, variable: xr.Variable) -> bool:
    return variable.ndim < 2 and (name in LEADS or variable.attrs.get("standard_name") == "forecast_period")


def _times(forecast: xr.Dataset, *names: str) -> NDArray[np.datetime64] | None:
    """The first of these variables that holds times, as a vector."""
    for name in names:
        if name in forecast.variables and np.issubdtype(forecast[name].dtype, np.datetime64):
            return np.asarray(forecast[name].values.astype("datetime64[ns]").ravel())
    return None


def stated_lead_times(forecast: xr.Dataset, count: int) -> tuple[list[float], str]:
    """The lead times that the forecast file itself states; an empty list where it states none."""
    leads = _lead_times(forecast)
    if leads is not None:
        return in_words(leads)
    init, valid = _times(forecast, *_INIT), _times(forecast, "valid_time", "time")
    if init is not None and valid is not None and len(init) == 1 and len(valid) == count:
        return in_words(valid - init[0])
    return [], ""
