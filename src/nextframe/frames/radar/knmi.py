"""KNMI's HDF5 (H. Roozekrans and I. Holleman 2003, KNMI HDF5 Data Format Specification, version 3.5), read by h5py.

A file says itself what a stored value means (calibration_formulas, calibration_missing_data), and over which time it
was summed up (product_datetime_start, product_datetime_end); pysteps' importer takes both for granted.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError
from nextframe.frames.grid import Grid
from nextframe.frames.radar.place import grid_within
from nextframe.frames.radar.protocol import Header, choose, field_of
from nextframe.frames.radar.tree import Node, number, read_tree, read_values, text

INSTITUTION = "KNMI - Royal Netherlands Meteorological Institute"

_IMAGE = "image1/image_data"
_NUMBER = r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?"
_FORMULA = re.compile(rf"GEO=({_NUMBER})\*PV(?:\+?({_NUMBER}))?", re.IGNORECASE)
_PLAIN: dict[str, tuple[float, float, tuple[float, ...]]] = {
    "ACRR": (0.01, 0.0, (65535.0,)),
    "DBZH": (0.5, -32.0, (255.0,)),
}
"""Factor, offset and stored values of what is missing, where a file has no calibration."""
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_TIME = re.compile(r"(\d{2})-([A-Z]{3})-(\d{4})[; ](\d{2}:\d{2}:\d{2}(?:\.\d+)?)")

# Written in many archives: metres that are called kilometres, and one parameter without its sign.
_WRONG = "+proj=stere +lat_0=90 +lon_0=0 +lat_ts=60 +a=6378.14 +b=6356.75 +x_0=0 y_0=0"
_RIGHT = "+proj=stere +lat_0=90 +lon_0=0.0 +lat_ts=60.0 +a=6378137 +b=6356752 +x_0=0 +y_0=0"
_RIGHT_EDGES = (0.0, 700000.0, -4415000.0, -3650000.0)


def knows(path: Path) -> bool:
    """Whether an HDF5 file is laid out as KNMI does it.

    Raises:
        DataError: it cannot be read.
    """
    root = read_tree(path)
    return root.get("overview") is not None and root.get("image1") is not None


def headers(path: Path, quantity: str | None) -> list[Header]:
    """The one step of a file.

    Raises:
        DataError: it has no time, no image, or a calibration that cannot be read.
        ConfigError: a quantity that it does not hold.
    """
    root = read_tree(path)
    image, node = root.get("image1"), root.get(_IMAGE)
    if image is None or node is None or node.shape is None or len(node.shape) != 2:
        raise DataError(f"holds no {_IMAGE} over two axes", where=path)
    parameter = text(image.attributes.get("image_geo_parameter")).upper()
    kept = "DBZH" if "REFLECTIVITY" in parameter or "DBZ" in parameter else "ACRR"
    if kept == "ACRR" and not ("PRECIP" in parameter or "RAIN" in parameter):
        raise DataError("holds no rain or reflectivity", where=path, received=parameter or "no image_geo_parameter")
    chosen = choose(path, quantity, [kept])
    start, end = (_moment(path, root, f"product_datetime_{edge}") for edge in ("start", "end"))
    if end is None:
        raise DataError("has no time", where=path, expected="product_datetime_end in overview")
    summed = end - start if chosen == "ACRR" and start is not None and end > start else None
    return [
        Header(
            path=path,
            quantity=chosen,
            time=end,
            shape=(node.shape[0], node.shape[1]),
            accumulation=summed,
            inside=_IMAGE,
            numbers=_calibration(path, root, chosen),
            place=_place(root),
        )
    ]


def _moment(path: Path, root: Node, name: str) -> np.datetime64 | None:
    overview = root.get("overview")
    written = "" if overview is None else text(overview.attributes.get(name))
    if not written:
        return None
    parts = _TIME.fullmatch(written.upper())
    if parts is not None and parts[2] in _MONTHS:
        day, month, year, clock = parts.groups()
        try:
            return np.datetime64(f"{year}-{_MONTHS.index(month) + 1:02}-{day}T{clock}", "ns")
        except ValueError:
            pass
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


def _calibration(path: Path, root: Node, quantity: str) -> tuple[float, ...]:
    """Factor and offset of stored values, and those that stand for a missing one."""
    factor, offset, missing = _PLAIN[quantity]
    node = root.get("image1/calibration")
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
    top, bottom = row * height, (row + rows) * height
    edges = (column * width, (column + columns) * width, min(top, bottom), max(top, bottom))
    sizes = text(geographic.attributes.get("geo_dim_pixel")).upper()
    unit = {"M": "m", "DEG": "degrees"}.get(sizes.split(",")[0], "km")
    return grid_within(edges, header.shape, unit, projection, north_up=height < 0)


def institution(header: Header) -> str:
    """Who made it."""
    return INSTITUTION
