"""Forecasts as GRIB edition 2 by ecCodes: a message for each layer, channel and lead time.

Axes: K lead time, H height, W width.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np

from nextframe.errors import ConfigError, first_line
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.sequence import FloatArray
from nextframe.outputs.grib_codes import Keys, Quantity, grid_keys, quantity_of
from nextframe.outputs.layers import Layer, Statistic, layers
from nextframe.outputs.writer import Beside
from nextframe.plugins import pyproj_first
from nextframe.words import is_calendar

_BITS = 24
"""Bits of a packed value: about as exact as float32."""
_MISSING = 9999.0
_TEMPLATES: dict[Statistic, tuple[int, int]] = {
    "forecast": (0, 8),
    "member": (1, 11),
    "probability": (5, 9),
    "quantile": (6, 10),
}
"""Product definition templates (code table 4.0): at a time, and over one."""
_MINUTE, _SECOND = (0, np.timedelta64(1, "m")), (13, np.timedelta64(1, "s"))
"""Code of a unit of time (code table 4.4), and the unit."""


def write_grib(forecast: Forecast, path: Path, beside: Beside) -> None:
    """Write a message for each layer and lead time; probabilities are in per cent, as GRIB has them.

    Raises:
        ConfigError: a quantity, a projection or a step of time that GRIB has no code for; no times; quantiles that are
            no whole per cents.
    """
    where = forecast.source or forecast.forecaster
    if forecast.init_time is None or forecast.time_step is None or is_calendar(forecast.time_step):
        raise ConfigError(
            "has no times, or none that are evenly spaced, which GRIB needs", where=where, hint="write NetCDF"
        )
    about = forecast.variable_attributes or ({},) * len(forecast.variables)
    quantities = [quantity_of(unit, said, where) for unit, said in zip(forecast.units, about, strict=True)]
    grid, upright = grid_keys(forecast)

    pyproj_first()  # also for grids that need no projection
    import eccodes

    with path.open("wb") as stream:
        for layer in layers(forecast, beside):
            quantity, scale = quantities[layer.channel]
            for lead, field in enumerate(layer.values):
                keys = grid | _product(forecast, layer, quantity, scale, lead, where)
                percent = layer.statistic == "probability"
                rows = field[upright]
                _write_message(eccodes, stream, keys, rows * (100 if percent else scale), where)


def _write_message(eccodes: Any, stream: IO[bytes], keys: Keys, field: FloatArray, where: object) -> None:
    values = np.where(np.isfinite(field), field, _MISSING).astype(np.float64)
    message = eccodes.codes_grib_new_from_samples("GRIB2")
    try:
        for key, value in keys.items():
            eccodes.codes_set(message, key, value)
        eccodes.codes_set(message, "bitmapPresent", int((values == _MISSING).any()))
        eccodes.codes_set(message, "missingValue", _MISSING)
        eccodes.codes_set(message, "bitsPerValue", _BITS)
        eccodes.codes_set_values(message, values.ravel())
        eccodes.codes_write(message, stream)
    except eccodes.CodesInternalError as error:
        raise ConfigError("cannot be written as GRIB", where=where, received=first_line(error)) from error
    finally:
        eccodes.codes_release(message)


def _product(forecast: Forecast, layer: Layer, quantity: Quantity, scale: float, lead: int, where: object) -> Keys:
    """Sections 0, 1 and 4 of a message."""
    assert forecast.init_time is not None
    assert forecast.valid_time is not None
    init = forecast.init_time.astype("datetime64[s]")
    valid = forecast.valid_time[lead].astype("datetime64[s]")
    begin = valid - _summed(forecast, layer.channel) if quantity.summed else valid
    code, unit = _MINUTE if all((t - init) % _MINUTE[1] == np.timedelta64(0) for t in (begin, valid)) else _SECOND
    discipline, category, number = quantity.codes
    day, clock = str(init).split("T")
    keys: Keys = {
        "discipline": discipline,
        "tablesVersion": 32,
        "significanceOfReferenceTime": 1,
        "dataDate": int(day.replace("-", "")),
        "dataTime": int(clock[:5].replace(":", "")),
        "second": int(clock[6:8]),
        "typeOfProcessedData": 1 if layer.statistic == "forecast" else 4,
        "productDefinitionTemplateNumber": _TEMPLATES[layer.statistic][quantity.summed],
        "parameterCategory": category,
        "parameterNumber": number,
        "typeOfGeneratingProcess": 2 if layer.statistic == "forecast" else 4,
        "indicatorOfUnitOfTimeRange": code,
        "forecastTime": int((begin - init) / unit),
        "typeOfFirstFixedSurface": quantity.surface,
    }
    if layer.member is not None:
        keys |= {"perturbationNumber": layer.member, "typeOfEnsembleForecast": 255}
        keys["numberOfForecastsInEnsemble"] = len(forecast.require_members())
    if layer.threshold is not None:
        keys |= {"forecastProbabilityNumber": 0, "totalNumberOfForecastProbabilities": 1, "probabilityType": 3}
        limit = layer.threshold * scale
        digits = 0 if not limit else max(0, 8 - int(np.ceil(np.log10(abs(limit)))))
        keys |= {"scaleFactorOfLowerLimit": digits, "scaledValueOfLowerLimit": round(limit * 10**digits)}
    if layer.level is not None:
        percent = round(layer.level * 100, 6)
        if percent != round(percent):
            raise ConfigError(
                "GRIB has quantiles of whole per cents alone",
                where=where,
                received=f"{percent:g} %",
                hint="choose others with {quantiles}, or write NetCDF",
            )
        keys["percentileValue"] = round(percent)
    if quantity.summed:
        end = str(valid)
        keys |= {
            "yearOfEndOfOverallTimeInterval": int(end[:4]),
            "monthOfEndOfOverallTimeInterval": int(end[5:7]),
            "dayOfEndOfOverallTimeInterval": int(end[8:10]),
            "hourOfEndOfOverallTimeInterval": int(end[11:13]),
            "minuteOfEndOfOverallTimeInterval": int(end[14:16]),
            "secondOfEndOfOverallTimeInterval": int(end[17:19]),
            "typeOfStatisticalProcessing": 1,
            "indicatorOfUnitForTimeRange": code,
            "lengthOfTimeRange": int((valid - begin) / unit),
        }
    return keys


def _summed(forecast: Forecast, channel: int) -> np.timedelta64:
    """Time over which a channel is summed up: as its source states it, else one time step."""
    stated = forecast.accumulation[channel] if forecast.accumulation else None
    if stated is not None and np.isnat(stated):
        raise ConfigError(
            "is summed over times that differ", where=forecast.source or forecast.forecaster, hint="write NetCDF"
        )
    assert forecast.time_step is not None
    summed: np.timedelta64 = (forecast.time_step if stated is None else stated).astype("timedelta64[s]")
    return summed
