"""KNMI's HDF5 (H. Roozekrans and I. Holleman 2003, KNMI HDF5 Data Format Specification, version 3.5), read by h5py.

A file says itself what a stored value means (calibration_formulas, calibration_missing_data), and over which time it
was summed up (product_datetime_start, product_datetime_end); pysteps' importer takes both for granted.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError, DataError
from nextframe.frames.grid import Grid
from nextframe.frames.radar.place import grid_within
from nextframe.frames.radar.protocol import QUANTITIES, Header, choose, field_of
from nextframe.frames.radar.tree import Node, number, read_tree, read_values, text
from nextframe.frames.steps import instant
from nextframe.words import joined

INSTITUTION = "KNMI - Royal Netherlands Meteorological Institute"

_NUMBER = r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?"
_FORMULA = re.compile(rf"GEO=({_NUMBER})\*PV(?:\+?({_NUMBER}))?", re.IGNORECASE)
_PLAIN: dict[str, tuple[float, float, tuple[float, ...]]] = {
    "ACRR": (0.01, 0.0, (65535.0,)),
    "DBZH": (0.5, -32.0, (255.0,)),
}
"""Factor, offset and stored values of what is missing, where a file has no calibration."""
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_TIME = re.compile(r"(\d{2})-([A-Z]{3})-(\d{4})[; ](\d{2}:\d{2}:\d{2}(?:\.\d+)?)")

_AXES = re.compile(rf"\+([ab])=({_NUMBER})")
_EARTH = 1e6
"""Metres that no axis of the Earth is shorter than: a smaller number is one of kilometres."""

# Written in many archives: metres that are called kilometres, and one parameter without its sign.
_WRONG = "+proj=stere +lat_0=90 +lon_0=0 +lat_ts=60 +a=6378.14 +b=6356.75 +x_0=0 y_0=0"
_RIGHT = "+proj=stere +lat_0=90 +lon_0=0.0 +lat_ts=60.0 +a=6378137 +b=6356752 +x_0=0 +y_0=0"
_RIGHT_EDGES = (0.0, 700000.0, -4415000.0, -3650000.0)


def knows(path: Path) -> bool:
    """True where an HDF5 file is laid out as KNMI does it.

    Raises:
        DataError: it cannot be read.
    """
    root = read_tree(path)
    return root.get("overview") is not None and next(root.numbered("image"), None) is not None


def headers(path: Path, quantity: str | None) -> list[Header]:
    """The steps of a file: one, or of a forecast one an image; quantity is a name, or with its image ("image2/ACRR").

    Raises:
        DataError: it has no time, no image, or a calibration that cannot be read.
        ConfigError: a quantity that it does not hold, or holds in several images that nothing tells apart.
    """
    root = read_tree(path)
    place, _, name = (quantity or "").rpartition("/")
    images = {image: group for image, group in root.numbered("image") if place in ("", image)}
    held = {image: _quantity(group) for image, group in images.items()}
    if not any(held.values()):
        parameters = [text(group.attributes.get("image_geo_parameter")) for group in images.values()]
        raise DataError(
            "holds no rain or reflectivity", where=path, received=", ".join(filter(None, parameters)) or "no image"
        )
    asked = choose(path, name or None, [q for q in QUANTITIES if q in held.values()])
    chosen = [image for image in images if held[image] == asked]
    start, end = (_moment(path, root.get("overview"), f"product_datetime_{edge}") for edge in ("start", "end"))
    times = [end] if len(chosen) == 1 else [_moment(path, images[image], "image_datetime_valid") for image in chosen]
    if len(chosen) > 1 and (None in times or len(set(times)) < len(times)):
        raise ConfigError(
            f"holds {asked} more than once, in {joined(chosen)}, at times that are not told apart",
            where=path,
            hint=f"choose one with {{variable={chosen[0]}/{asked}}}",
        )
    summed = end - start if len(chosen) == 1 and start is not None and end is not None and end > start else None
    return [
        _header(path, root, image, asked, time, summed if asked == "ACRR" else None)
        for image, time in zip(chosen, times, strict=True)
    ]


def _quantity(image: Node) -> str:
    """Quantity of an image, empty where it is none of those that are read."""
    parameter = text(image.attributes.get("image_geo_parameter")).upper()
    if "REFLECTIVITY" in parameter or "DBZ" in parameter:
        return "DBZH"
    return "ACRR" if "PRECIP" in parameter or "RAIN" in parameter else ""


def _header(
    path: Path, root: Node, image: str, quantity: str, time: np.datetime64 | None, summed: np.timedelta64 | None
) -> Header:
    if time is None:
        raise DataError("has no time", where=path, expected="product_datetime_end in overview")
    inside = f"{image}/image_data"
    node = root.get(inside)
    if node is None or node.shape is None or len(node.shape) != 2:
        raise DataError(f"holds no {inside} over two axes", where=path)
    return Header(
        path=path,
        quantity=quantity,
        time=time,
        shape=(node.shape[0], node.shape[1]),
        accumulation=summed,
        inside=inside,
        numbers=_calibration(path, root.get(f"{image}/calibration"), quantity),
        place=_place(root),
    )


def _moment(path: Path, group: Node | None, name: str) -> np.datetime64 | None:
    """A time of an attribute; None where there is none."""
    written = "" if group is None else text(group.attributes.get(name))
    if not written:
        return None
    parts = _TIME.fullmatch(written.upper())
    if parts is not None and parts[2] in _MONTHS:
        day, month, year, clock = parts.groups()
        with contextlib.suppress(ValueError):
            return instant(f"{year}-{_MONTHS.index(month) + 1:02}-{day}T{clock}", path)
    raise DataError(
        f"has no time that can be read in {name}", where=path, expected="31-JAN-2020;12:05:00.000", received=written
    )


def _place(root: Node) -> tuple[object, ...]:
    """Projection and corners as they are stated, numbers to a thousandth of a degree."""
    stated: list[object] = []
    for name, key in (("geographic", "geo_product_corners"), ("geographic/map_projection", "projection_proj4_params")):
        node = root.get(name)
        value = None if node is None else node.attributes.get(key)
        if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
            stated.append(tuple(np.round(value.ravel().astype(float), 3).tolist()))
        elif value is not None:
            stated.append(text(value))
    return tuple(stated)


def read_field(header: Header) -> NDArray[np.float32]:
    """The field of a file, (H, W), by its own calibration; NaN where it is missing or out of the image.

    Raises:
        DataError: it is damaged.
    """
    factor, offset, *missing = (n for n in header.numbers if n is not None)
    stored = read_values(header.path, header.inside, field_of(header))
    values: NDArray[Any] = stored * np.float64(factor) + offset
    values[np.isin(stored, missing)] = np.nan
    return values.astype(np.float32)


def _calibration(path: Path, node: Node | None, quantity: str) -> tuple[float, ...]:
    """Factor and offset of stored values, and those that stand for a missing one."""
    factor, offset, missing = _PLAIN[quantity]
    if node is None:
        return factor, offset, *missing
    formula = text(node.attributes.get("calibration_formulas"))
    if formula:
        parts = _FORMULA.fullmatch(re.sub(r"\s", "", formula))
        if parts is None or float(parts[1]) == 0:
            raise DataError(
                "has a calibration that cannot be read", where=path, expected="GEO=a*PV+b", received=formula
            )
        factor, offset = float(parts[1]), float(parts[2] or 0)
    names = [n for n in ("calibration_missing_data", "calibration_out_of_image") if n in node.attributes]
    if names:
        stated = (number(path, name, node.attributes[name]) for name in names)
        # Zero is what is dry, or not seen: such files have no other number for it.
        missing = tuple(value for value in stated if value != 0)
    return factor, offset, *missing


def grid(header: Header) -> Grid | None:
    """Centres of the pixels in the projection's plane; None where the file does not say where it lies.

    Raises:
        DataError: numbers that are none.
    """
    root = read_tree(header.path)
    geographic, projected = root.get("geographic"), root.get("geographic/map_projection")
    if geographic is None or projected is None:
        return None
    names = ("geo_column_offset", "geo_row_offset", "geo_pixel_size_x", "geo_pixel_size_y")
    if not set(names) <= set(geographic.attributes):
        return None
    column, row, width, height = (number(header.path, name, geographic.attributes[name]) for name in names)
    rows, columns = header.shape
    projection = text(projected.attributes.get("projection_proj4_params"))
    if projection == _WRONG:
        return grid_within(_RIGHT_EDGES, header.shape, "m", _RIGHT)
    projection = _AXES.sub(_in_metres, projection)
    top, bottom = row * height, (row + rows) * height
    edges = (column * width, (column + columns) * width, min(top, bottom), max(top, bottom))
    sizes = text(geographic.attributes.get("geo_dim_pixel")).upper()
    unit = {"M": "m", "DEG": "degrees"}.get(sizes.split(",")[0], "km")
    return grid_within(edges, header.shape, unit, projection, north_up=height < 0)


def _in_metres(axis: re.Match[str]) -> str:
    """An axis of the ellipsoid, which KNMI writes in the kilometres of its grids, in metres, as PROJ and CF have it."""
    length = float(axis[2])
    return f"+{axis[1]}={length * 1000 if length < _EARTH else length:.12g}"


def institution(header: Header) -> str:
    """Maker of the file."""
    return INSTITUTION
