"""Forecasts of places as CSV tables: a line for each place, channel and lead time.

Axes: M member, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.forecasting.forecast import Forecast
from nextframe.outputs.layers import bounds, layers
from nextframe.outputs.places import pixels_of, weights_of
from nextframe.outputs.writer import Beside
from nextframe.words import is_calendar, seconds

Row = dict[str, object]


def write_csv(forecast: Forecast, path: Path, beside: Beside) -> None:
    """Write values at points, and the mean and maximum over areas, with what else is asked for in columns beside them.

    Raises:
        DataError: a place outside of the grid, or a grid that does not say where it lies.
    """
    rows = [*_of_points(forecast, beside), *_of_areas(forecast, beside)]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _of_points(forecast: Forecast, beside: Beside) -> Iterator[Row]:
    if not beside.points:
        return
    pixels = pixels_of(beside.points, forecast.grid, where=forecast.source or forecast.forecaster)
    every = list(layers(forecast, beside))
    for point, (row, column) in zip(beside.points, pixels, strict=True):
        place = {"name": point.name, "lat": point.latitude, "lon": point.longitude}
        for channel in range(len(forecast.variables)):
            own = [layer for layer in every if layer.channel == channel]
            for lead in range(forecast.lead_times):
                values = {layer.key: _plain(layer.values[lead, row, column]) for layer in own}
                yield {**place, **_when(forecast, channel, lead), **values}


def _of_areas(forecast: Forecast, beside: Beside) -> Iterator[Row]:
    if not beside.areas:
        return
    weights = weights_of(beside.areas, forecast.grid, where=forecast.source or forecast.forecaster)
    levels = sorted({*beside.quantiles, *(() if beside.coverage is None else bounds(beside.coverage))})
    members = forecast.require_members() if beside.probabilities or levels or beside.members else None
    for area, weight in zip(beside.areas, weights, strict=True):
        means, largest, shares = _over(forecast.values, weight)
        drawn = None if members is None else _over(members, weight)
        for channel in range(len(forecast.variables)):
            for lead in range(forecast.lead_times):
                at = (lead, channel)
                row: Row = {"name": area.name, **_when(forecast, channel, lead)}
                row |= {"mean": _plain(means[at]), "maximum": _plain(largest[at]), "known": _plain(shares[at])}
                if drawn is not None:
                    row |= _of_members(beside, levels, drawn[0][:, lead, channel], drawn[1][:, lead, channel])
                yield row


def _of_members(beside: Beside, levels: Sequence[float], means: NDArray[Any], largest: NDArray[Any]) -> Row:
    """Columns made of the mean and the maximum over an area in each member, (M,) each."""
    sound = np.isfinite(means).all()
    row: Row = {}
    for threshold in beside.probabilities:
        row[f"probability_{threshold:g}"] = _plain((largest >= threshold).mean()) if sound else ""
        row[f"probability_mean_{threshold:g}"] = _plain((means >= threshold).mean()) if sound else ""
    for level in levels:
        row[f"quantile_{level:g}"] = _plain(np.quantile(means, level, method="weibull")) if sound else ""
    if beside.members:
        row |= {f"member_{m + 1}": _plain(mean) for m, mean in enumerate(means)}
    return row


def _over(fields: NDArray[Any], weights: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Mean and maximum of fields (..., H, W) over an area, and the share of it that has a value, (...) each."""
    inside = weights > 0
    values, weight = fields[..., inside].astype(np.float64), weights[inside]
    valid = np.isfinite(values)
    known = (valid * weight).sum(-1)
    total = np.where(valid, values, 0) @ weight
    largest = np.where(valid, values, -np.inf).max(-1)
    some = known > 0
    return np.where(some, total / np.where(some, known, 1), np.nan), np.where(some, largest, np.nan), known


def _when(forecast: Forecast, channel: int, lead: int) -> Row:
    """Columns of a line that say what it is of, and when that is."""
    step, number = forecast.time_step, forecast.first + lead
    timed = step is not None and not is_calendar(step)
    valid = forecast.valid_time
    return {
        "variable": forecast.variables[channel],
        "unit": forecast.units[channel],
        "init_time": _iso(forecast.init_time),
        "valid_time": _iso(None if valid is None else valid[lead]),
        "lead_time": f"{seconds(step) * number / 60:g}" if timed and step is not None else number,
        "lead_time_unit": "min" if timed else "steps",
    }


def _iso(time: np.datetime64 | None) -> str:
    return "" if time is None else f"{np.datetime_as_string(time, unit='s')}Z"


def _plain(value: Any) -> str:
    """A number as short as it comes back the same in float32; empty where nothing is known."""
    return np.format_float_positional(np.float32(value), trim="-") if np.isfinite(value) else ""
