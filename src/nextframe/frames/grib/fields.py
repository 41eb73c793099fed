"""Headers and values of GRIB fields, as ecCodes reads them from messages in memory: no index is written beside a file.

Axes: H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError, first_line
from nextframe.frames.grib.messages import Header, Message
from nextframe.frames.grib.mrms import DISCIPLINE, PRODUCTS, Product
from nextframe.frames.radar.protocol import NO_ECHO
from nextframe.frames.steps import instant
from nextframe.plugins import library, pyproj_first

_MARK = 1e100
"""Number that stands for missing while a field is decoded; no packing reaches it."""
_UNITS = {"~": "1", "(0 - 1)": "1", "Proportion": "1", "Numeric": "1", "unknown": "1", "": "1"}
"""Units as ecCodes writes them -> as UDUNITS does."""
_METHODS = {
    "accum": "sum",
    "avg": "mean",
    "avgd": "mean",
    "avgfc": "mean",
    "max": "maximum",
    "min": "minimum",
    "sd": "standard_deviation",
}
"""What is done along time, as ecCodes names it -> as CF does."""
_SECONDS = "s"
_REFLECTIVITIES = ((0, 15, 1), (0, 15, 3), (0, 15, 7), (0, 16, 3), (0, 16, 4), (0, 16, 5))
"""Discipline, category and number of what is 10 log10 of mm6 m-3 (code table 4.2), where ecCodes says dB."""
_PROBABILITIES, _PERCENTILES = (5, 9), (6, 10)
"""Templates of products that are statistics of an ensemble, at a time and over a time (tables of WMO, 4.0)."""
_EVENTS = {
    0: "below_{Lower:.6g}",
    1: "above_{Upper:.6g}",
    2: "from_{Lower:.6g}_to_{Upper:.6g}",
    3: "above_{Lower:.6g}",
    4: "below_{Upper:.6g}",
}
"""Types of probability (table 4.9) -> the event."""


@dataclass(frozen=True)
class Kind:
    """Subject of a field, apart from its time."""

    name: str
    statistic: str
    """Statistic of an ensemble that it is, as the name has it; empty for a forecast or an observation."""
    units: str
    attributes: tuple[tuple[str, str], ...]
    """CF attributes beside the units."""
    level: str
    """Kind of level and its height: "isobaricInhPa:850"."""
    member: int | None
    """Number of the member, of ensembles."""
    start: np.timedelta64
    """Begin of the time that it stands for, after the reference time."""
    end: np.timedelta64
    """End of it, at which it stands."""
    accumulation: np.timedelta64 | None
    """Time over which an amount is summed up; None for all else."""
    grid_type: str
    product: Product | None
    """Product of MRMS, whose values hold codes."""


@dataclass(frozen=True)
class Field:
    """A field of a file, without its values."""

    message: Message
    kind: Kind
    time: np.datetime64
    """Valid time; of what is summed up or averaged, the end."""


def eccodes(where: object) -> Any:
    """The library.

    Raises:
        ConfigError: it is not installed.
    """
    pyproj_first()
    return library("eccodes", extra="grib", where=where, fails=(ImportError, RuntimeError))


def describe(header: Header, kinds: dict[bytes, Kind]) -> Field:
    """A field by its header.

    Args:
        header: the header.
        kinds: kinds that have been met before; a new one is added.

    Raises:
        DataError: a header that makes no sense.
        ConfigError: ecCodes is not installed.
    """
    message = header.message
    if header.base is None:
        raise _damaged(message, "its reference time is no date")
    if header.kind not in kinds:
        kinds[header.kind] = _kind(header)
    kind = kinds[header.kind]
    return Field(message, kind, instant(header.base, message.path) + kind.end)


def values(message: Message, whole: bytes, kind: Kind) -> NDArray[np.float32]:
    """The values of a field, (H, W), rows and columns as they follow each other in space, NaN where missing.

    Raises:
        DataError: it is damaged.
    """
    with opened(message, whole) as (codes, handle):
        codes.codes_set(handle, "missingValue", _MARK)
        with np.errstate(over="ignore"):
            narrow = codes.codes_get_values(handle).astype(np.float32)  # the mark becomes infinite
        keys = ("Nj", "Ni", "iScansNegatively", "jPointsAreConsecutive", "alternativeRowScanning")
        rows, columns, backwards, by_columns, alternating = (codes.codes_get_long(handle, key) for key in keys)
    if narrow.size != rows * columns:
        raise _damaged(message, f"it has {narrow.size:,} values for {rows} x {columns} pixels")
    missing = (np.inf,) if kind.product is None else (np.inf, *kind.product.missing)
    for code in missing:
        narrow[narrow == np.float32(code)] = np.nan
    if kind.product is not None and kind.product.dry is not None:
        narrow[narrow == np.float32(kind.product.dry)] = NO_ECHO
    return arranged(narrow, (rows, columns), backwards, by_columns, alternating)


def arranged(
    plain: NDArray[Any], shape: tuple[int, int], backwards: int, by_columns: int, alternating: int
) -> NDArray[Any]:
    """Values as they are scanned as (H, W), columns from west to east; rows stay in the file's order."""
    rows, columns = shape
    field = plain.reshape(columns, rows).T if by_columns else plain.reshape(rows, columns)
    if alternating:
        field = field.copy()
        lines = field.T if by_columns else field
        lines[1::2] = lines[1::2, ::-1]
    return np.ascontiguousarray(field[:, ::-1] if backwards else field)


@contextmanager
def opened(message: Message, whole: bytes) -> Iterator[tuple[Any, Any]]:
    """EcCodes and its handle of a message.

    Raises:
        DataError: what is asked of it cannot be answered.
    """
    codes = eccodes(message.path)
    try:
        handle = codes.codes_new_from_message(whole)
        try:
            yield codes, handle
        finally:
            codes.codes_release(handle)
    except codes.CodesInternalError as error:
        raise _damaged(message, first_line(error)) from error


def _kind(header: Header) -> Kind:
    with opened(header.message, header.whole) as (codes, handle):

        def said(key: str, default: Any = "") -> Any:
            try:
                return codes.codes_get(handle, key)
            except codes.KeyValueNotFoundError:
                return default

        codes.codes_set(handle, "stepUnits", _SECONDS)
        start, end = (np.timedelta64(codes.codes_get_long(handle, key), "s") for key in ("startStep", "endStep"))
        step_type, units = str(said("stepType")), str(said("units"))
        numbers = [said(key, -1) for key in ("discipline", "parameterCategory", "parameterNumber")]
        product = PRODUCTS.get((numbers[1], numbers[2])) if numbers[0] == DISCIPLINE else None
        name = str(said("shortName"))
        if tuple(numbers) in _REFLECTIVITIES and units == "dB":
            units = "dBZ"
        if product is not None:
            name, units = product.name, product.units
        elif name in ("unknown", "~", ""):
            if numbers[0] < 0:
                numbers = [said("table2Version", 0), said("indicatorOfParameter", 0)]
            name = "_".join(["parameter", *map(str, numbers)])
        attributes = {"long_name": said("name"), "standard_name": said("cfName")}
        if end > start and step_type in _METHODS:
            attributes["cell_methods"] = f"time: {_METHODS[step_type]}"
        if product is not None and product.accumulation is not None:
            attributes["cell_methods"] = "time: sum"
        summed = end - start if step_type == "accum" else None
        statistic = _statistic(said)
        if statistic:
            name = f"{name}_{statistic}"
        if statistic.startswith("probability"):  # the unit is that of the quantity, and the values are per cent
            units, summed = "%", None
            attributes = {"long_name": f"{attributes['long_name']}: {statistic.replace('_', ' ')}"}
        return Kind(
            name=name,
            statistic=statistic,
            units=_UNITS.get(units, units),
            attributes=tuple((k, str(v)) for k, v in attributes.items() if v not in ("", "unknown")),
            level=f"{said('typeOfLevel')}:{said('level', 0)}",
            member=said("number", None),
            start=start,
            end=end,
            accumulation=product.accumulation if product is not None else summed,
            grid_type=str(said("gridType")),
            product=product,
        )


def _statistic(said: Callable[..., Any]) -> str:
    """Statistic of an ensemble that a field of GRIB 2 is, in a name; empty for a forecast or an observation.

    Args:
        said: the value of a key, and what stands for it where there is none.
    """
    template = said("productDefinitionTemplateNumber", -1)
    if template in _PERCENTILES:
        return f"percentile_{said('percentileValue', 0)}"
    if template not in _PROBABILITIES:
        return ""
    limits = {
        side: said(f"scaledValueOf{side}Limit", 0) / 10.0 ** said(f"scaleFactorOf{side}Limit", 0)
        for side in ("Lower", "Upper")
    }
    event = _EVENTS.get(said("probabilityType", -1), "event_{Lower:.6g}_{Upper:.6g}")
    return f"probability_{event.format(**limits)}"


def _damaged(message: Message, reason: str) -> DataError:
    return DataError(f"message {message.number} cannot be read", where=message.path, received=reason)
