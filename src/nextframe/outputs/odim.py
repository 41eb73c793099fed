"""Forecasts as ODIM_H5 composites (D. Michelson et al. 2021, OPERA Data Information Model for HDF5, version 2.4).

Axes: K lead time, C channel, H height, W width.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from nextframe.errors import ConfigError
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.geography import Geography
from nextframe.frames.sequence import FloatArray
from nextframe.frames.units import same_unit
from nextframe.outputs.layers import Turned, turned
from nextframe.outputs.writer import Beside
from nextframe.plugins import projections

_QUANTITIES = {"RATE": "mm/h", "ACRR": "mm", "DBZH": "dBZ"}
"""Quantity of ODIM -> the unit that it has there."""
_NODATA = -9999000.0
_UNDETECT = {"RATE": 0.0, "ACRR": 0.0, "DBZH": -8888000.0}
"""Stored value of "looked, and saw nothing": no rain is 0; a reflectivity has its own value for dry."""


def write_odim(forecast: Forecast, path: Path, beside: Beside) -> None:
    """Write a dataset for each lead time, a data group in it for each channel, values in float32 as they are.

    Raises:
        ConfigError: values that are no rain and no reflectivity, no times, or a grid that does not say where it lies.
    """
    import h5py

    where = forecast.source or forecast.forecaster
    quantities = [_quantity(unit, where) for unit in forecast.units]
    valid = forecast.valid_time
    if forecast.init_time is None or valid is None:
        raise ConfigError("has no times, which ODIM needs", where=where, hint="write NetCDF or an array")
    place, upright = _place(forecast, where)
    nominal = valid[0] if forecast.lead_times == 1 else forecast.init_time
    stored = io.BytesIO()  # HDF5 ends the process where it cannot write a file's last bytes, as on a full disk
    with h5py.File(stored, "w") as file:
        file.attrs["Conventions"] = _text("ODIM_H5/V2_4")
        what = {"object": "COMP", "version": "H5rad 2.4", "source": _source(forecast), **_moment(nominal)}
        _group(file, "what", what)
        _group(file, "where", place)
        _group(file, "how", {"simulated": "True", "software": "nextframe", "task": forecast.forecaster})
        for lead, fields in enumerate(forecast.values):
            dataset = file.create_group(f"dataset{lead + 1}")
            begin = min(valid[lead] - _duration(forecast, c, q) for c, q in enumerate(quantities))
            about = {"product": "COMP", **_moment(begin, "start"), **_moment(valid[lead], "end")}
            _group(dataset, "what", {**about, **_moment(valid[lead])})
            for channel, (quantity, field) in enumerate(zip(quantities, fields, strict=True)):
                _write_field(dataset.create_group(f"data{channel + 1}"), quantity, field[upright])
    path.write_bytes(stored.getbuffer())


def _quantity(unit: str, where: object) -> str:
    for quantity, own in _QUANTITIES.items():
        if same_unit(unit, own):
            return quantity
    raise ConfigError(
        "holds no rain and no reflectivity, which is all that an ODIM composite of ours holds",
        where=where,
        expected="mm/h, mm or dBZ",
        received=unit,
        hint="write NetCDF, or bring rain to {rain_unit=mm/h}",
    )


def _duration(forecast: Forecast, channel: int, quantity: str) -> np.timedelta64:
    """Time over which a channel is summed up: as its source states it, else one time step."""
    if quantity != "ACRR" or forecast.time_step is None:
        return np.timedelta64(0, "s")
    stated = forecast.accumulation[channel] if forecast.accumulation else None
    if stated is not None and np.isnat(stated):
        raise ConfigError(
            "is summed over times that differ", where=forecast.source or forecast.forecaster, hint="write NetCDF"
        )
    return forecast.time_step if stated is None else stated


def _place(forecast: Forecast, where: object) -> tuple[dict[str, Any], Turned]:
    """The group `where` (corners are those of the outermost pixels), and an index that has rows run south, columns
    east.
    """
    geography = None if forecast.grid is None else Geography(forecast.grid)
    if geography is None or geography.crs is None or geography.steps is None:
        raise ConfigError(
            "needs evenly spaced pixels and a projection to be written as ODIM",
            where=where,
            hint="write NetCDF, or start from data that has them",
        )
    pyproj = projections(where)
    down, right = (abs(step) for step in geography.steps)
    south, north = min(geography.y) - down / 2, max(geography.y) + down / 2
    west, east = min(geography.x) - right / 2, max(geography.x) + right / 2
    with warnings.catch_warnings():  # that PROJ's text says less than WKT; what it says is enough for these
        warnings.simplefilter("ignore", UserWarning)
        projection = geography.crs.to_proj4()
    if not projection:
        raise ConfigError("has a projection that PROJ's text has no words for", where=where, hint="write NetCDF")
    # Corners are read back with this text, so that they are made with it.
    back = pyproj.Transformer.from_crs(projection, projection_of_corners(projection), always_xy=True)
    place: dict[str, Any] = {"projdef": projection, "xsize": len(geography.x), "ysize": len(geography.y)}
    place |= {"xscale": right, "yscale": down}
    for corner, x, y in (("LL", west, south), ("UL", west, north), ("UR", east, north), ("LR", east, south)):
        place[f"{corner}_lon"], place[f"{corner}_lat"] = map(float, back.transform(x, y))
    rows, columns = geography.steps
    return place, turned(rows=rows > 0, columns=columns < 0)


def projection_of_corners(projection: str) -> Any:
    """The longitudes and latitudes of a projection's own ellipsoid, as readers bring corners back with `Proj`."""
    crs = projections(projection).CRS.from_user_input(projection)
    return crs.geodetic_crs or crs


def _write_field(group: Any, quantity: str, field: FloatArray) -> None:
    stored = np.where(np.isfinite(field), field, np.float32(_NODATA)).astype(np.float32)
    data = group.create_dataset("data", data=stored, compression="gzip", compression_opts=6, shuffle=True)
    data.attrs["CLASS"], data.attrs["IMAGE_VERSION"] = _text("IMAGE"), _text("1.2")
    about = {"quantity": quantity, "gain": 1.0, "offset": 0.0, "nodata": _NODATA, "undetect": _UNDETECT[quantity]}
    _group(group, "what", about)


def _group(parent: Any, name: str, attributes: dict[str, Any]) -> None:
    group = parent.create_group(name)
    for key, value in attributes.items():
        group.attrs[key] = _text(value) if isinstance(value, str) else value


def _text(value: str) -> np.bytes_:
    """A text of fixed length, as ODIM has them."""
    return np.bytes_(value.encode("ascii", "replace") or b"-")


def _source(forecast: Forecast) -> str:
    """Maker of the frames where these say it as ODIM does ("ORG:247"), else a comment."""
    institution = str(forecast.attributes.get("institution", ""))
    return institution if ":" in institution else f"CMT:nextframe {institution}".strip()


def _moment(time: np.datetime64, edge: str = "") -> dict[str, str]:
    date, clock = np.datetime_as_string(time, unit="s").split("T")
    return {f"{edge}date": date.replace("-", ""), f"{edge}time": clock.replace(":", "")}
