"""Forecasts as GeoTIFF for geographic information systems, laid out as COG: a band for each lead time, north up.

Axes: K lead time, H height, W width.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nextframe.errors import ConfigError
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.geography import Geography
from nextframe.frames.sequence import FloatArray
from nextframe.outputs.layers import Layer, Turned, layers, turned
from nextframe.outputs.writer import Beside
from nextframe.words import lead_label, seconds

_TILE = 512
_CARRIED = ("long_name", "standard_name", "cell_methods")
"""Attributes of a channel that its bands have as tags."""
_SMALLEST = 64
"""Pixels along the longer side of the smallest overview."""


def write_geotiff(forecast: Forecast, path: Path, beside: Beside) -> None:
    """Write a band for each layer and lead time, with its unit and times in its tags, NaN where nothing is known.

    A grid that does not say where it lies is written without a place.

    Raises:
        ConfigError: pixels that are not evenly spaced.
    """
    import rasterio.shutil
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile

    height, width = forecast.values.shape[-2:]
    bands = list(_bands(forecast, beside))
    place, upright = _place(forecast)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with MemoryFile() as memory:
            with memory.open(
                driver="GTiff", width=width, height=height, count=len(bands), dtype="float32", nodata=np.nan, **place
            ) as raster:
                raster.update_tags(**_tags(forecast))
                for number, (layer, lead, field) in enumerate(bands, start=1):
                    raster.write(field[upright], number)
                    label = lead_label(forecast.time_step, forecast.first + lead)
                    raster.set_band_description(number, f"{layer.title} {label}")
                    raster.set_band_unit(number, layer.unit)
                    raster.update_tags(number, **_band_tags(forecast, layer, lead))
            levels = 0
            while max(height, width) >> (levels + 1) >= _SMALLEST and min(height, width) >> (levels + 1) >= 1:
                levels += 1
            with MemoryFile() as whole:  # GDAL does not say which of its errors is that of a full disk
                rasterio.shutil.copy(
                    memory.name,
                    whole.name,
                    driver="COG",
                    blocksize=_TILE,
                    compress="DEFLATE",
                    predictor="YES",
                    overview_resampling="AVERAGE",
                    overview_count=levels,
                    overviews="IGNORE_EXISTING" if levels else "NONE",
                )
                path.write_bytes(whole.getbuffer())


def _bands(forecast: Forecast, beside: Beside) -> Iterator[tuple[Layer, int, FloatArray]]:
    for layer in layers(forecast, beside):
        for lead, field in enumerate(layer.values):
            yield layer, lead, field


def _place(forecast: Forecast) -> tuple[dict[str, Any], Turned]:
    """Coordinate system and transform as rasterio takes them; and an index that has rows run south, columns east."""
    from rasterio import Affine
    from rasterio.crs import CRS

    grid = forecast.grid
    if grid is None or grid.counted:
        return {}, turned(rows=False, columns=False)
    geography = Geography(grid)
    if geography.steps is None:
        raise ConfigError(
            "has rows or columns that are not evenly spaced, which GeoTIFF has no way to say",
            where=forecast.source or "the grid",
            hint="write NetCDF, or bring the frames to an even grid",
        )
    down, right = geography.steps
    upward, westward = down > 0 and grid.rows_run_north, right < 0
    # Rows that grow down a page without a north are left as they are.
    top, height = (geography.y[-1] + down / 2, -down) if upward else (geography.y[0] - down / 2, down)
    left = (geography.x[-1] if westward else geography.x[0]) - abs(right) / 2
    place: dict[str, Any] = {"transform": Affine(abs(right), 0.0, left, 0.0, height, top)}
    if geography.crs is not None:
        place["crs"] = CRS.from_wkt(geography.crs.to_wkt())
    return place, turned(rows=upward, columns=westward)


def _tags(forecast: Forecast) -> dict[str, str]:
    tags = {"TIFFTAG_SOFTWARE": "nextframe", "forecaster": forecast.forecaster, "source": forecast.source}
    if forecast.init_time is not None:
        tags["init_time"] = _iso(forecast.init_time)
    if forecast.valid_time is not None:
        first = np.datetime_as_string(forecast.valid_time[0], unit="s")
        tags["TIFFTAG_DATETIME"] = first.replace("-", ":").replace("T", " ")
    return tags


def _band_tags(forecast: Forecast, layer: Layer, lead: int) -> dict[str, str]:
    tags = {"variable": layer.variable, "statistic": layer.statistic, "units": layer.unit}
    for name in ("threshold", "level", "member"):
        if getattr(layer, name) is not None:
            tags[name] = f"{getattr(layer, name):g}"
    along = forecast.lead_time[lead]
    if isinstance(along, np.timedelta64):
        tags["lead_time"] = f"{along / np.timedelta64(1, 's'):g} s"
    else:
        tags["lead_time"] = f"{int(along)} steps"
    if forecast.valid_time is not None:
        tags["valid_time"] = _iso(forecast.valid_time[lead])
    if layer.statistic == "probability":
        return tags
    about = forecast.variable_attributes[layer.channel] if forecast.variable_attributes else {}
    tags |= {key: str(about[key]) for key in _CARRIED if about.get(key)}
    summed = forecast.accumulation[layer.channel] if forecast.accumulation else None
    if summed is not None and not np.isnat(summed):
        tags["accumulation"] = f"{seconds(summed):g} s"
    return tags


def _iso(time: np.datetime64) -> str:
    return f"{np.datetime_as_string(time, unit='s')}Z"
