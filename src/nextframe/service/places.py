"""Values of a forecast at a place or over an area, as CoverageJSON (OGC API EDR queries `position` and `area`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from covjson_pydantic.coverage import Coverage
from numpy.typing import NDArray

from nextframe.errors import NextframeError
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.geography import Geography
from nextframe.frames.sequence import FloatArray
from nextframe.outputs.places import Area, Point, pixels_of, weights_of
from nextframe.service.limits import Refused

Axes = dict[str, dict[str, Any]]
"""Axes of a CoverageJSON's domain."""
LARGEST = "_maximum"
"""End of the name of what holds a variable's largest values."""
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
    parts = {"": ("", forecast.values[:, :, row, column])}
    return _covered(forecast, "PointSeries", _place(latitude, longitude), ("t",), parts)


def area(forecast: Forecast, ring: NDArray[np.float64]) -> str:
    """The mean and the largest value over the pixels of a polygon, a CoverageJSON of domain type PointSeries at the
    middle of its corners.

    Args:
        forecast: what is looked at.
        ring: longitude and latitude of the polygon's corners, (N, 2).

    Raises:
        Refused: a polygon outside of the grid, or a grid that does not say where it lies.
    """
    weights = _weights(forecast, ring)
    there = np.isfinite(forecast.values) & (weights > 0)
    share = np.where(there, weights, 0.0)
    total = share.sum((2, 3))
    sums = (np.where(there, forecast.values, 0) * share).sum((2, 3))
    means = np.where(total > 0, sums / np.maximum(total, 1e-12), np.nan).astype(np.float32)
    largest = np.where(there, forecast.values, -np.inf).max((2, 3))
    corners = ring[:-1] if len(ring) > 1 and (ring[0] == ring[-1]).all() else ring
    longitude, latitude = corners.mean(0).tolist()
    parts = {"": ("mean over the area", means), LARGEST: ("largest value in the area", largest)}
    return _covered(forecast, "PointSeries", _place(latitude, longitude), ("t",), parts)


def area_values(forecast: Forecast, ring: NDArray[np.float64], most: int) -> str:
    """The values of the pixels of a polygon as a CoverageJSON: of domain type Grid, null outside of the polygon, where
    rows are latitudes and columns longitudes; else MultiPointSeries, of the pixels' centres.

    Args:
        forecast: what is looked at.
        ring: longitude and latitude of the polygon's corners, (N, 2).
        most: number of values that there may be.

    Raises:
        Refused: a polygon outside of the grid or of too many pixels, or a grid that does not say where it lies.
    """
    inside = _weights(forecast, ring) > 0
    assert forecast.grid is not None
    longitudes, latitudes = Geography(forecast.grid).lonlat()
    rows, columns = (slice(int(found.min()), int(found.max()) + 1) for found in np.nonzero(inside))
    regular = (longitudes == longitudes[:1]).all() and (latitudes == latitudes[:, :1]).all()
    pixels = inside[rows, columns].size if regular else int(inside.sum())
    number = pixels * forecast.lead_times * len(forecast.variables)
    if number > most:
        raise Refused(422, f"the area has {number} values, more than {most}: ask for a smaller one, or for its mean")
    if regular:
        axes: Axes = {"x": {"values": longitudes[0, columns].tolist()}, "y": {"values": latitudes[rows, 0].tolist()}}
        values = np.where(inside, forecast.values, np.nan)[:, :, rows, columns]
        return _covered(forecast, "Grid", axes, ("t", "y", "x"), {"": ("", values)})
    centres = np.stack([longitudes[inside], latitudes[inside]], axis=-1).tolist()
    axes = {"composite": {"dataType": "tuple", "coordinates": ["x", "y"], "values": centres}}
    parts = {"": ("", forecast.values[:, :, inside])}
    return _covered(forecast, "MultiPointSeries", axes, ("t", "composite"), parts)


def _weights(forecast: Forecast, ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each pixel (H, W) in a polygon.

    Raises:
        Refused: a polygon outside of the grid, or a grid that does not say where it lies.
    """
    try:
        (weights,) = weights_of([Area("the area", (ring,))], forecast.grid, where="the forecast")
    except NextframeError as error:
        raise Refused.because(error) from error
    return weights


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


def _place(latitude: float, longitude: float) -> Axes:
    return {"x": {"values": [longitude]}, "y": {"values": [latitude]}}


def _covered(
    forecast: Forecast,
    kind: str,
    axes: Axes,
    names: tuple[str, ...],
    parts: Mapping[str, tuple[str, FloatArray]],
) -> str:
    """CoverageJSON of a forecast's values somewhere.

    Args:
        forecast: what is looked at.
        kind: domain type.
        axes: axes of places.
        names: names of the axes of values, lead times first.
        parts: what is told of each variable, by the end of its name: in words, and values (K, C, ...).

    Raises:
        Refused: a forecast that does not say when it is valid.
    """
    if forecast.valid_time is None:
        raise Refused(422, "the forecast does not say when it is valid: send frames with their times")
    times = [f"{time.astype('datetime64[s]')}Z" for time in forecast.valid_time]
    told: dict[str, Any] = {
        "type": "Coverage",
        "domain": {
            "type": "Domain",
            "domainType": kind,
            "axes": {**axes, "t": {"values": times}},
            "referencing": [
                {
                    "coordinates": ["x", "y"],
                    "system": {"type": "GeographicCRS", "id": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
                },
                {"coordinates": ["t"], "system": {"type": "TemporalRS", "calendar": "Gregorian"}},
            ],
        },
        "parameters": {},
        "ranges": {},
    }
    for c, (name, unit) in enumerate(zip(forecast.variables, forecast.units, strict=True)):
        for end, (words, values) in parts.items():
            parameter = {"type": "Parameter", "observedProperty": {"label": {"en": name}}, "unit": {"symbol": unit}}
            told["parameters"][name + end] = parameter | ({"description": {"en": words}} if words else {})
            plain = values[:, c].astype(object)
            plain[~np.isfinite(values[:, c])] = None
            told["ranges"][name + end] = {
                "type": "NdArray",
                "dataType": "float",
                "axisNames": list(names),
                "shape": list(plain.shape),
                "values": plain.ravel().tolist(),
            }
    return Coverage.model_validate(told).model_dump_json(exclude_none=True)
