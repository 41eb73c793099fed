"""Codes of GRIB edition 2 (WMO Manual on Codes, volume I.2): quantities, grids and the shape of the Earth.

Axes: H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextframe.errors import ConfigError
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.geography import Geography, grid_mapping
from nextframe.frames.units import UnknownUnitError, factor, same_unit
from nextframe.outputs.layers import Turned, turned

Keys = dict[str, Any]
"""Keys of ecCodes -> values."""


@dataclass(frozen=True)
class Quantity:
    """A parameter of code table 4.2."""

    codes: tuple[int, int, int]
    """Discipline, category and number."""
    unit: str
    """Unit of its values."""
    names: tuple[str, ...] = ()
    """Standard names that CF has for it; empty where the unit alone tells it."""
    summed: bool = False
    """True where it is an amount over a time."""
    surface: int = 255
    """Code of its level: 1 the ground, 255 not said."""


_QUANTITIES = (
    Quantity((0, 1, 52), "kg m-2 s-1", surface=1),
    Quantity((0, 1, 52), "kg m-2", summed=True, surface=1),
    Quantity((0, 16, 4), "dBZ", surface=1),
    Quantity((0, 4, 4), "K", ("toa_brightness_temperature", "brightness_temperature")),
    Quantity((0, 0, 6), "K", ("dew_point_temperature",)),
    Quantity((0, 0, 0), "K"),
    Quantity((0, 3, 1), "Pa", ("air_pressure_at_mean_sea_level", "air_pressure_at_sea_level")),
    Quantity((0, 3, 0), "Pa"),
    Quantity((0, 2, 2), "m s-1", ("eastward_wind", "x_wind")),
    Quantity((0, 2, 3), "m s-1", ("northward_wind", "y_wind")),
    Quantity((0, 2, 1), "m s-1", ("wind_speed",)),
    Quantity((0, 1, 1), "%", ("relative_humidity",)),
    Quantity((0, 6, 1), "%", ("cloud_area_fraction",)),
    Quantity((0, 4, 7), "W m-2", ("surface_downwelling_shortwave_flux_in_air",), surface=1),
    Quantity((0, 3, 5), "m", ("geopotential_height",)),
)
"""Quantities that are written, the first that fits."""


def quantity_of(unit: str, attributes: Mapping[str, object], where: object) -> tuple[Quantity, float]:
    """The parameter of a channel, and the factor that brings its values to the parameter's unit.

    Raises:
        ConfigError: a channel that is none of those that are written.

    >>> quantity_of("mm/h", {}, "rain.nc")[0].codes
    (0, 1, 52)
    """
    named = str(attributes.get("standard_name", ""))
    for quantity in _QUANTITIES:
        if quantity.names and named not in quantity.names:
            continue
        if same_unit(unit, quantity.unit):
            return quantity, factor(unit, quantity.unit) or 1.0 if quantity.unit != "dBZ" else 1.0
        if quantity.unit == "K":  # whose scale has another zero than other degrees
            continue
        try:
            scale = factor(unit, quantity.unit)
        except UnknownUnitError:
            continue
        if scale is not None and (quantity.names or quantity.unit != "m"):
            return quantity, scale
    raise ConfigError(
        "holds a quantity that this package has no GRIB code for",
        where=where,
        expected="rain (mm/h, mm), reflectivity (dBZ), temperature (K), or a standard_name of wind, pressure, humidity",
        received=f"{unit}{f', {named}' if named else ''}",
        hint="write NetCDF",
    )


def grid_keys(forecast: Forecast) -> tuple[Keys, Turned]:
    """Section 3 of a message, and an index that brings frames into its order.

    As is the custom, the first row is the northernmost of latitudes, and the southernmost of a projection's plane; the
    first column is the westernmost.

    Raises:
        ConfigError: pixels that are not evenly spaced, no projection, or one that no template of GRIB has.
    """
    where = forecast.source or forecast.forecaster
    geography = None if forecast.grid is None else Geography(forecast.grid)
    if geography is None or geography.crs is None or geography.steps is None:
        raise ConfigError(
            "needs evenly spaced pixels and a projection to be written as GRIB",
            where=where,
            hint="write NetCDF, or start from data that has them",
        )
    down, right = geography.steps
    upward = not geography.degrees
    upright = turned(rows=(down > 0) != upward, columns=right < 0)
    longitude, latitude = (field[upright] for field in geography.lonlat())
    first = {
        "latitudeOfFirstGridPointInDegrees": float(latitude[0, 0]),
        "longitudeOfFirstGridPointInDegrees": float(longitude[0, 0]) % 360,
    }
    last = {
        "latitudeOfLastGridPointInDegrees": float(latitude[-1, -1]),
        "longitudeOfLastGridPointInDegrees": float(longitude[-1, -1]) % 360,
    }
    rows, columns = latitude.shape
    plane = {"DxInMetres": abs(right), "DyInMetres": abs(down)}
    about = grid_mapping(geography.crs)
    earth = _earth(geography.crs)
    match about.get("grid_mapping_name"):
        case "latitude_longitude":
            steps = {"iDirectionIncrementInDegrees": abs(right), "jDirectionIncrementInDegrees": abs(down)}
            keys: Keys = {"gridType": "regular_ll", "Ni": columns, "Nj": rows, **earth, **first, **last, **steps}
        case "polar_stereographic":
            south = float(about["latitude_of_projection_origin"]) < 0
            keys = {
                "gridType": "polar_stereographic",
                "Nx": columns,
                "Ny": rows,
                **earth,
                **first,
                "LaDInDegrees": _true_latitude(about, geography.crs, where),
                "orientationOfTheGridInDegrees": float(about["straight_vertical_longitude_from_pole"]) % 360,
                **plane,
                "projectionCentreFlag": 128 if south else 0,
            }
        case "lambert_conformal_conic":
            parallels = [float(p) for p in np.atleast_1d(about["standard_parallel"])]
            keys = {
                "gridType": "lambert",
                "Nx": columns,
                "Ny": rows,
                **earth,
                **first,
                "LaDInDegrees": parallels[0],
                "LoVInDegrees": float(about["longitude_of_central_meridian"]) % 360,
                **plane,
                "Latin1InDegrees": parallels[0],
                "Latin2InDegrees": parallels[-1],
            }
        case "lambert_azimuthal_equal_area":
            keys = {
                "gridType": "lambert_azimuthal_equal_area",
                "Nx": columns,
                "Ny": rows,
                **earth,
                **first,
                "standardParallelInDegrees": float(about["latitude_of_projection_origin"]),
                "centralLongitudeInDegrees": float(about["longitude_of_projection_origin"]) % 360,
                **plane,
            }
        case other:
            raise ConfigError(
                "has a projection that is not written as GRIB",
                where=where,
                expected="latitude and longitude, polar stereographic, Lambert conformal or azimuthal equal area",
                received=other or geography.crs.name,
                hint="write NetCDF or GeoTIFF",
            )
    return {**keys, "iScansNegatively": 0, "jScansPositively": int(upward)}, upright


def _true_latitude(about: Mapping[str, Any], crs: Any, where: object) -> float:
    """Latitude at which a polar stereographic grid is true to scale."""
    if "standard_parallel" in about:
        return float(about["standard_parallel"])
    scale, pole = float(about["scale_factor_at_projection_origin"]), float(about["latitude_of_projection_origin"])
    if scale == 1:
        return pole
    if crs.ellipsoid.inverse_flattening:
        raise ConfigError(
            "has a scale at the pole that GRIB has no key for on an ellipsoid", where=where, hint="write NetCDF"
        )
    return float(np.copysign(np.degrees(np.arcsin(2 * scale - 1)), pole))


def _earth(crs: Any) -> Keys:
    """Shape of the Earth, code table 3.2, in metres."""
    shape = crs.ellipsoid
    major, minor = float(shape.semi_major_metre), float(shape.semi_minor_metre)
    if major == minor:
        return {
            "shapeOfTheEarth": 1,
            "scaleFactorOfRadiusOfSphericalEarth": 2,
            "scaledValueOfRadiusOfSphericalEarth": round(major * 100),
        }
    if shape.name == "WGS 84":
        return {"shapeOfTheEarth": 5}
    return {
        "shapeOfTheEarth": 7,
        "scaleFactorOfEarthMajorAxis": 2,
        "scaledValueOfEarthMajorAxis": round(major * 100),
        "scaleFactorOfEarthMinorAxis": 2,
        "scaledValueOfEarthMinorAxis": round(minor * 100),
    }
