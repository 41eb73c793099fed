"""Forecasts as NetCDF, by the CF conventions.

Axes: M member, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from nextframe.forecasting.forecast import Forecast
from nextframe.frames.formats.attributes import attributes_for_netcdf
from nextframe.frames.sequence import FloatArray
from nextframe.outputs.writer import Beside


def write_netcdf(forecast: Forecast, path: Path, beside: Beside) -> None:
    """Write a variable for each channel over (lead_time, y, x), and beside it what else is asked for."""
    dataset = to_dataset(forecast, beside.probabilities, beside.coverage, members=beside.members)
    dataset.to_netcdf(path, engine="h5netcdf")


def to_dataset(
    forecast: Forecast,
    probabilities: Mapping[float, FloatArray] | None = None,
    coverage: float | None = None,
    *,
    members: bool = False,
) -> xr.Dataset:
    """A forecast as a dataset by the CF conventions: lead_time, y and x; valid_time and init_time where times are
    known.

    Args:
        forecast: the forecast.
        probabilities: threshold -> probability of at least so much (K, C, H, W).
        coverage: probability of the central interval whose bounds are wanted.
        members: whether the members are wanted.

    Raises:
        ConfigError: an interval or members of a forecast that knows none.
    """
    grid = forecast.grid
    y_name, x_name = ("y", "x") if grid is None else (grid.y_name, grid.x_name)
    height, width = forecast.values.shape[-2:]
    lead = forecast.lead_time
    known = np.issubdtype(lead.dtype, np.timedelta64)
    seconds = lead.astype("timedelta64[ns]").astype(np.float64) * 1e-9 if known else lead.astype(np.float64)
    coordinates: dict[str, xr.Variable] = {
        "lead_time": xr.Variable(
            "lead_time",
            np.round(seconds, 6),
            {
                "long_name": "time since the last frame seen",
                # xarray decodes "seconds" to a duration; "1" keeps a plain count of frames.
                "units": "seconds" if known else "1",
                **(
                    {"standard_name": "forecast_period"} if known else {"comment": "in frames: the source has no times"}
                ),
            },
        ),
        y_name: xr.Variable(
            y_name,
            np.arange(height) if grid is None else grid.y,
            {} if grid is None else attributes_for_netcdf(grid.y_attributes),
        ),
        x_name: xr.Variable(
            x_name,
            np.arange(width) if grid is None else grid.x,
            {} if grid is None else attributes_for_netcdf(grid.x_attributes),
        ),
    }
    for name, field in grid.fields.items() if grid is not None else ():
        coordinates[name] = xr.Variable((y_name, x_name), field.values, attributes_for_netcdf(field.attributes))
    if forecast.init_time is not None:
        attributes = {"standard_name": "forecast_reference_time"}
        coordinates["init_time"] = xr.Variable((), forecast.init_time.astype("datetime64[ns]"), attributes)
    if forecast.valid_time is not None:
        times = forecast.valid_time.astype("datetime64[ns]")
        coordinates["valid_time"] = xr.Variable("lead_time", times, {"standard_name": "time"})
    mapped = {} if grid is None or grid.mapping is None else {"grid_mapping": "crs"}
    carried = forecast.variable_attributes or ({},) * len(forecast.variables)
    data = {
        name: xr.Variable(
            ("lead_time", y_name, x_name),
            forecast.values[:, n],
            {**attributes_for_netcdf(carried[n]), "units": unit, **mapped},
            {"_FillValue": np.float32("nan")},
        )
        for n, (name, unit) in enumerate(zip(forecast.variables, forecast.units, strict=True))
    }
    data |= _beside(forecast, data, probabilities or {}, coverage, members=members)
    if probabilities:
        least = {"long_name": "values of at least this much"}
        if len(set(forecast.units)) == 1:
            least["units"] = forecast.units[0]
        coordinates["threshold"] = xr.Variable("threshold", list(probabilities), least)
    if mapped and grid is not None and grid.mapping is not None:
        data["crs"] = xr.Variable((), np.int32(0), attributes_for_netcdf(grid.mapping))
    about = attributes_for_netcdf(forecast.attributes)
    told = f" ({about['source']})" if "source" in about else ""
    about |= {
        "Conventions": "CF-1.10",
        "forecaster": forecast.forecaster,
        "source": f"nextframe, from {forecast.source}{told}",
    }
    return xr.Dataset(data, coordinates, about)


def _beside(
    forecast: Forecast,
    data: Mapping[str, xr.Variable],
    probabilities: Mapping[float, FloatArray],
    coverage: float | None,
    *,
    members: bool,
) -> dict[str, xr.Variable]:
    """Variables that say how uncertain each variable is, named in its `ancillary_variables` as CF has it."""
    found: dict[str, xr.Variable] = {}
    for n, (name, variable) in enumerate(data.items()):
        mapped = {key: value for key, value in variable.attrs.items() if key == "grid_mapping"}
        unit = forecast.units[n]
        parts: dict[str, xr.Variable] = {}
        if probabilities:
            fields = np.stack([field[:, n] for field in probabilities.values()])
            about = {"long_name": f"probability of {name} of at least the threshold", "units": "1", **mapped}
            parts[f"{name}_probability"] = xr.Variable(("threshold", *variable.dims), fields, about)
        if coverage is not None:
            for side, bound in zip(("lower", "upper"), forecast.interval(coverage), strict=True):
                about = {"long_name": f"{side} bound of the central {coverage:.0%} interval", "units": unit, **mapped}
                parts[f"{name}_{side}"] = xr.Variable(variable.dims, bound[:, n], about)
        if members:
            drawn = forecast.require_members()[:, :, n]
            parts[f"{name}_member"] = xr.Variable(("member", *variable.dims), drawn, {"units": unit, **mapped})
        if parts:
            variable.attrs["ancillary_variables"] = " ".join(parts)
        found |= parts
    return found
