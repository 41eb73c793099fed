"""Values of a forecast at a place or over an area, as CoverageJSON (OGC API EDR queries `position` and `area`)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from covjson_pydantic.coverage import Coverage
from numpy.typing import NDArray

from nextframe.errors import NextframeError
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.sequence import FloatArray
from nextframe.outputs.places import Area, Point, pixels_of, weights_of
from nextframe.service.limits import Refused

_POINT = re.compile(r"\s*POINT\s*\(\s*(\S+)\s+(\S+)\s*\)\s*", re.IGNORECASE)
_POLYGON = re.compile(r"\s*POLYGON\s*\(\((.*?)\)\)\s*", re.IGNORECASE | re.DOTALL)


def position(forecast: Forecast, latitude: float, longitude: float) -> str:
    """The forecast at the pixel that a place lies in, a CoverageJSON of domain type PointSeries.

    Raises:
        Refused: a place outside of the grid, or a grid that does not say where it lies.
    """
    try:
        ((row, column),) = pixels_of([Point("the place", latitude, longitude)], forecast.grid, where="the forecast")
    except NextframeError as error:
        raise Refused.because(error) from error
    return _covered(forecast, forecast.values[:, :, row, column], latitude, longitude)


def area(forecast: Forecast, ring: NDArray[np.float64]) -> str:
    """The mean over the pixels of a polygon, as a CoverageJSON at its middle.

    Args:
        forecast: what is looked at.
        ring: longitude and latitude of the polygon's corners, (N, 2).

    Raises:
        Refused: a polygon outside of the grid, or a grid that does not say where it lies.
    """
    try:
        (weights,) = weights_of([Area("the area", (ring,))], forecast.grid, where="the forecast")
    except NextframeError as error:
        raise Refused.because(error) from error
    there = np.isfinite(forecast.values) & (weights > 0)
    share = np.where(there, weights, 0.0)
    total = share.sum((2, 3))
    sums = (np.where(there, forecast.values, 0) * share).sum((2, 3))
    means = np.where(total > 0, sums / np.maximum(total, 1e-12), np.nan).astype(np.float32)
    longitude, latitude = ring.mean(0)
    return _covered(forecast, means, float(latitude), float(longitude))


def point_of(coords: str) -> tuple[float, float]:
    """Latitude and longitude of a well-known text "POINT(4.9 52.4)".

    Raises:
        Refused: no such text.

    >>> point_of("POINT(4.9 52.4)")
    (52.4, 4.9)
    """
    said = _POINT.fullmatch(coords)
    if said is None:
        raise Refused(422, "coords is no point: POINT(4.9 52.4), longitude first")
    return degrees_of(said[2], said[1])


def degrees_of(latitude: str | None, longitude: str | None) -> tuple[float, float]:
    """Latitude and longitude in degrees.

    Raises:
        Refused: no numbers, or a place that is not on the Earth.

    >>> degrees_of("52.4", "4.9")
    (52.4, 4.9)
    """
    try:
        place = float(latitude or ""), float(longitude or "")
    except ValueError as error:
        raise Refused(422, "name the place: lat=52.4&lon=4.9") from error
    if not (abs(place[0]) <= 90 and abs(place[1]) <= 360):
        raise Refused(422, "the place lies nowhere on the Earth: latitude within 90 degrees, longitude within 360")
    return place


def ring_of(coords: str) -> NDArray[np.float64]:
    """Longitude and latitude (N, 2) of the corners of a well-known text "POLYGON((4 52, 5 52, 5 53, 4 52))".

    Raises:
        Refused: no such text.

    >>> ring_of("POLYGON((4 52, 5 52, 5 53, 4 52))").shape
    (4, 2)
    """
    said = _POLYGON.fullmatch(coords)
    try:
        ring = np.array([list(map(float, pair.split())) for pair in said[1].split(",")] if said else [], np.float64)
    except ValueError:  # no numbers, or not two of each
        ring = np.empty((0, 2))
    sound = ring.ndim == 2 and ring.shape[1:] == (2,) and len(ring) >= 3
    if not (sound and (abs(ring) <= (360, 90)).all()):
        raise Refused(422, "coords is no polygon: POLYGON((4 52, 5 52, 5 53, 4 52)), longitude first")
    return ring


def _covered(forecast: Forecast, values: FloatArray, latitude: float, longitude: float) -> str:
    """CoverageJSON of values (K, C) at a place."""
    valid = forecast.valid_time
    axis = (
        [f"{time.astype('datetime64[s]')}Z" for time in valid]
        if valid is not None
        else [f"{n}" for n in range(1, forecast.lead_times + 1)]
    )
    told: dict[str, Any] = {
        "type": "Coverage",
        "domain": {
            "type": "Domain",
            "domainType": "PointSeries",
            "axes": {"x": {"values": [longitude]}, "y": {"values": [latitude]}, "t": {"values": axis}},
            "referencing": [
                {
                    "coordinates": ["x", "y"],
                    "system": {"type": "GeographicCRS", "id": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
                },
                {"coordinates": ["t"], "system": {"type": "TemporalRS", "calendar": "Gregorian"}},
            ],
        },
        "parameters": {
            name: {
                "type": "Parameter",
                "observedProperty": {"label": {"en": name}},
                "unit": {"symbol": unit},
            }
            for name, unit in zip(forecast.variables, forecast.units, strict=True)
        },
        "ranges": {
            name: {
                "type": "NdArray",
                "dataType": "float",
                "axisNames": ["t"],
                "shape": [forecast.lead_times],
                "values": [float(v) if np.isfinite(v) else None for v in values[:, c]],
            }
            for c, name in enumerate(forecast.variables)
        },
    }
    return Coverage.model_validate(told).model_dump_json(exclude_none=True)
