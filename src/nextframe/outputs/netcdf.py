"""Forecasts as NetCDF, by the CF conventions 1.11.

Axes: M member, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import xarray as xr
from xarray.backends import H5NetCDFStore

from nextframe.errors import ConfigError
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.formats.attributes import attributes_for_netcdf
from nextframe.frames.geography import Geography, grid_mapping, with_pole
from nextframe.frames.grid import Grid
from nextframe.outputs.writer import Beside
from nextframe.words import seconds

CONVENTIONS = "CF-1.11"
BOUNDS = "valid_time_bnds"
"""Variable of the begin and end of what amounts are summed up over."""
_NO_LEAP = {"units_metadata": "leap_seconds: none"}
_EPOCH = {"units": "seconds since 1970-01-01", "calendar": "standard", "dtype": "float64"}


def write_netcdf(forecast: Forecast, path: Path, beside: Beside) -> None:
    """Write a variable for each channel over (lead_time, y, x), and beside it what else is asked for."""
    dataset = to_dataset(forecast, beside)
    # Coordinates are never missing, and CF has it that they do not say so.
    encoding = {
        name: {"_FillValue": None, **(_EPOCH if variable.dtype.kind == "M" else {})}
        for name, variable in dataset.variables.items()
        if name in dataset.coords or variable.dtype.kind != "f"
    }
    stored = io.BytesIO()  # HDF5 ends the process where it cannot write a file's last bytes, as on a full disk
    with h5netcdf.File(stored, "w") as file:
        dataset.dump_to_store(H5NetCDFStore(file), encoding=encoding)
    path.write_bytes(stored.getbuffer())


def dataset_with(
    forecast: Forecast,
    *,
    exceed: Sequence[float] = (),
    quantiles: Sequence[float] = (),
    coverage: float | None = None,
    members: bool = False,
) -> xr.Dataset:
    """`to_dataset` with what is named beside the forecast."""
    beside = Beside(
        probabilities={threshold: forecast.probability(threshold) for threshold in exceed},
        quantiles={level: forecast.quantile(level) for level in quantiles},
        coverage=coverage,
        members=members,
    )
    return to_dataset(forecast, beside)


def to_dataset(forecast: Forecast, beside: Beside | None = None) -> xr.Dataset:
    """A forecast as a dataset by the CF conventions: lead_time, y and x; valid_time and init_time where times are
    known; probabilities over (threshold, lead_time, y, x), quantiles over (quantile, ...), members over (member, ...).

    Args:
        forecast: the forecast.
        beside: what is wanted beside it.

    Raises:
        ConfigError: an interval or members of a forecast that knows none.
    """
    beside = beside or Beside()
    grid = forecast.grid
    coordinates = _coordinates(forecast)
    mapping = None if grid is None else _mapping(grid)
    mapped = {} if mapping is None else {"grid_mapping": "crs"}
    carried = forecast.variable_attributes or ({},) * len(forecast.variables)
    dims = ("lead_time", *_axes(grid))
    data = {
        name: xr.Variable(
            dims,
            forecast.values[:, n],
            {
                "long_name": name.replace("_", " "),
                **attributes_for_netcdf(carried[n]),
                **_methods(forecast, n, carried[n]),
                "units": unit,
                **mapped,
            },
            {"_FillValue": np.float32("nan")},
        )
        for n, (name, unit) in enumerate(zip(forecast.variables, forecast.units, strict=True))
    }
    data |= _beside(forecast, data, beside)
    if beside.probabilities:
        least: dict[str, Any] = {"long_name": "values of at least this much"}
        if len(set(forecast.units)) == 1:
            least["units"] = forecast.units[0]
        coordinates["threshold"] = xr.Variable("threshold", list(beside.probabilities), least)
    if beside.quantiles:
        about = {"long_name": "probability of a value below", "units": "1"}
        coordinates["quantile"] = xr.Variable("quantile", list(beside.quantiles), about)
    if beside.members:
        numbers = np.arange(1, len(forecast.require_members()) + 1, dtype=np.int32)
        about = {"long_name": "member", "standard_name": "realization", "units": "1"}
        coordinates["member"] = xr.Variable("member", numbers, about)
    if mapping is not None:
        data["crs"] = xr.Variable((), np.int32(0), attributes_for_netcdf(mapping))
    if "valid_time" in coordinates and (bounds := _bounds(forecast)) is not None:
        coordinates["valid_time"].attrs["bounds"] = BOUNDS
        data[BOUNDS] = bounds
    about = attributes_for_netcdf(forecast.attributes)
    told = f" ({about['source']})" if "source" in about else ""
    about |= {
        "Conventions": CONVENTIONS,
        "title": about.get("title") or f"Forecast by {forecast.forecaster}",
        "forecaster": forecast.forecaster,
        "history": _history(str(about.get("history", ""))),
        "source": f"nextframe, from {forecast.source}{told}",
    }
    return xr.Dataset(data, coordinates, about)


def _history(earlier: str) -> str:
    """History of the values, the latest first, as CF has it."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return "\n".join(filter(None, (f"{now}: forecast by nextframe {version('nextframe')}", earlier)))


def _bounds(forecast: Forecast) -> xr.Variable | None:
    """Begin and end of what amounts are summed up over, where all that state it state one time, as CF has bounds."""
    stated = {summed for summed in forecast.accumulation if summed is not None and not np.isnat(summed)}
    if len(stated) != 1 or forecast.valid_time is None:
        return None
    end = forecast.valid_time.astype("datetime64[ns]")
    return xr.Variable(("lead_time", "bnds"), np.stack([end - stated.pop(), end], axis=1))


def _methods(forecast: Forecast, channel: int, carried: Mapping[str, object]) -> dict[str, str]:
    """Cell methods of a channel: "time: sum" of an amount, over the bounds of its time, or, where these are of others,
    over an interval.
    """
    summed = forecast.accumulation[channel] if forecast.accumulation else None
    bounds = _bounds(forecast)
    if summed is None:
        return {} if bounds is None or carried.get("cell_methods") else {"cell_methods": "time: point"}
    if np.isnat(summed):
        return {"cell_methods": "time: sum"}
    return {"cell_methods": "time: sum" if bounds is not None else f"time: sum (interval: {seconds(summed):g} s)"}


def _axes(grid: Grid | None) -> tuple[str, str]:
    return ("y", "x") if grid is None else (grid.y_name, grid.x_name)


def _coordinates(forecast: Forecast) -> dict[str, xr.Variable]:
    """Lead times, places and times of a forecast."""
    grid, lead = forecast.grid, forecast.lead_time
    y_name, x_name = _axes(grid)
    height, width = forecast.values.shape[-2:]
    known = np.issubdtype(lead.dtype, np.timedelta64)
    seconds = lead.astype("timedelta64[ns]").astype(np.float64) * 1e-9 if known else lead.astype(np.float64)
    # xarray decodes "seconds" to a duration; "1" keeps a plain count of frames.
    about = {"long_name": "time since the last frame seen", "units": "seconds" if known else "1"}
    about |= {"standard_name": "forecast_period"} if known else {"comment": "in frames: the source has no times"}
    coordinates: dict[str, xr.Variable] = {"lead_time": xr.Variable("lead_time", np.round(seconds, 6), about)}
    for name, size, values, said, letter in (
        (y_name, height, None if grid is None else grid.y, {} if grid is None else grid.y_attributes, "Y"),
        (x_name, width, None if grid is None else grid.x, {} if grid is None else grid.x_attributes, "X"),
    ):
        told = attributes_for_netcdf(said)
        if not told.get("standard_name") and not told.get("units"):
            told = {"long_name": f"number of the {'row' if letter == 'Y' else 'column'}", "units": "1", **told}
        coordinates[name] = xr.Variable(name, np.arange(size) if values is None else values, told)
    for name, field in grid.fields.items() if grid is not None else ():
        coordinates[name] = xr.Variable((y_name, x_name), field.values, attributes_for_netcdf(field.attributes))
    if forecast.init_time is not None:
        about = {"long_name": "time of the last frame seen", "standard_name": "forecast_reference_time", **_NO_LEAP}
        coordinates["init_time"] = xr.Variable((), forecast.init_time.astype("datetime64[ns]"), about)
    if forecast.valid_time is not None:
        about = {"long_name": "valid time", "standard_name": "time", **_NO_LEAP}
        coordinates["valid_time"] = xr.Variable("lead_time", forecast.valid_time.astype("datetime64[ns]"), about)
    return coordinates


def _mapping(grid: Grid) -> Mapping[str, object] | None:
    """The grid mapping by CF's names, also of a grid that has PROJ's text alone, where pyproj can tell them."""
    if grid.mapping is None:
        return None
    if "grid_mapping_name" in grid.mapping:
        return with_pole(grid.mapping)
    try:
        crs = Geography(grid).crs
    except ConfigError:  # without pyproj, it is carried as it is
        return grid.mapping
    named = {} if crs is None else grid_mapping(crs)
    return {**named, **grid.mapping} if "grid_mapping_name" in named else grid.mapping


def _beside(forecast: Forecast, data: Mapping[str, xr.Variable], beside: Beside) -> dict[str, xr.Variable]:
    """Variables that say how uncertain each variable is, named in its `ancillary_variables` as CF has it."""
    variables: dict[str, xr.Variable] = {}
    for n, (name, variable) in enumerate(data.items()):
        mapped = {key: value for key, value in variable.attrs.items() if key == "grid_mapping"}
        parts: dict[str, xr.Variable] = {}

        def part(field: Any, dims: tuple[str, ...], what: str, unit: str, mapped: Any = mapped) -> xr.Variable:
            return xr.Variable(
                dims, field, {"long_name": what, "units": unit, **mapped}, {"_FillValue": np.float32("nan")}
            )

        unit, dims = forecast.units[n], tuple(map(str, variable.dims))
        if beside.probabilities:
            fields = np.stack([field[:, n] for field in beside.probabilities.values()])
            what = f"probability of {name} of at least the threshold"
            parts[f"{name}_probability"] = part(fields, ("threshold", *dims), what, "1")
        if beside.quantiles:
            fields = np.stack([field[:, n] for field in beside.quantiles.values()])
            parts[f"{name}_quantile"] = part(fields, ("quantile", *dims), f"quantiles of {name}", unit)
        if beside.coverage is not None:
            for side, bound in zip(("lower", "upper"), forecast.interval(beside.coverage), strict=True):
                what = f"{side} bound of the central {beside.coverage:.0%} interval"
                parts[f"{name}_{side}"] = part(bound[:, n], dims, what, unit)
        if beside.members:
            drawn = forecast.require_members()[:, :, n]
            parts[f"{name}_member"] = part(drawn, ("member", *dims), f"members of {name}", unit)
        if parts:
            variable.attrs["ancillary_variables"] = " ".join(parts)
        variables |= parts
    return variables
