"""Radar composites, read by the importers of pysteps: HDF5 by ODIM or KNMI, MeteoSwiss GIF, FMI PGM.

One file holds one step. Its time comes from its header, or from its name where the format keeps none; where its pixels
lie, from its header or from what pysteps knows of the network. What is missing there becomes NaN, a declared gap.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import re
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, cast

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nextframe.config import Reading
from nextframe.errors import ConfigError, DataError, ShapeError, first_line
from nextframe.frames.damage import Damage, describe_each
from nextframe.frames.grid import Grid
from nextframe.frames.sequence import FrameSequence

_MCH_NAME = re.compile(
    r"AQC(\d{9})\w?_(\d{5})\.\d+\.gif", re.IGNORECASE
)  # year, day of the year, hour, minute; minutes
_FMI_NAME = re.compile(r"(\d{12})_.*\.pgm(\.gz)?", re.IGNORECASE)

QUANTITIES = {"RATE": ("rain_rate", "mm/h"), "ACRR": ("rain_amount", "mm"), "DBZH": ("reflectivity", "dBZ")}
"""Quantities of ODIM: what they are called here, and their units; what is taken first where a file holds several."""
_CELL_METHODS = {"ACRR": "time: sum"}

_UNREADABLE = (OSError, ValueError, RuntimeError, LookupError, AttributeError, TypeError, EOFError, zlib.error)


def open_composites(
    name: str, files: Sequence[Path], reading: Reading, damage: Damage | None
) -> tuple[FrameSequence, ...]:
    """Open radar composites as one sequence (`frames.format.Open`); errors of `open_radar`."""
    return (open_radar(name, files, reading.variable, damage=damage),)


def open_radar(
    name: str, files: Sequence[Path], variable: Sequence[str] = (), *, damage: Damage | None = None
) -> FrameSequence:
    """Open radar composites, one step each, as one sequence in order of time.

    Args:
        name: what to call the sequence.
        files: files of one kind.
        variable: the quantity to read, "RATE", "ACRR" or "DBZH"; by default the first of these that a file holds.
        damage: where to note files that cannot be opened, to leave them out; by default these are errors.

    Raises:
        DataError: a file that is no composite, is damaged, or has the time of another.
        ConfigError: pysteps is not installed; several quantities, or one that the file does not hold.
        ShapeError: files of differing grid or quantity; the first that differs is named.
    """
    if len(variable) > 1:
        raise ConfigError("takes one quantity", where=f"variable, for {name}", received=", ".join(variable))
    headers = describe_each(files, lambda path: _header(path, *variable), damage)
    headers.sort(key=lambda header: header.time)
    first = headers[0]
    for before, header in pairwise(headers):
        if (header.shape, header.quantity, header.kind) != (first.shape, first.quantity, first.kind):
            raise ShapeError(
                f"differs in kind, quantity or grid from {first.path.name}",
                where=header.path,
                expected=(first.kind, first.quantity, first.shape),
                received=(header.kind, header.quantity, header.shape),
            )
        if header.place != first.place:
            raise DataError(
                f"lies elsewhere, or has another projection, than {first.path.name}",
                where=header.path,
                expected=first.place,
                received=header.place,
            )
        if header.time == before.time:
            raise DataError(
                f"has the time of {before.path.name}",
                where=header.path,
                received=header.time,
                hint="remove the file that is double",
            )
    metadata = _first_metadata(headers, tolerant=damage is not None)
    variable_name, units = QUANTITIES[first.quantity]
    return FrameSequence(
        values=_Files(tuple(headers)),
        name=name,
        times=np.array([header.time for header in headers], "datetime64[ns]"),
        variables=(variable_name,),
        units=(units,),
        variable_attributes=(
            {"cell_methods": _CELL_METHODS[first.quantity]} if first.quantity in _CELL_METHODS else {},
        ),
        grid=_grid(metadata, first.shape),
        missing="mask",
        attributes={"institution": str(metadata["institution"])} if "institution" in metadata else {},
    )


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What is known of a file without reading its field."""

    path: Path
    kind: str
    """"odim_hdf5", "knmi_hdf5", "mch_gif" or "fmi_pgm", as pysteps calls its importers."""
    quantity: str
    time: np.datetime64
    shape: tuple[int, int]
    minutes: int = 0
    """Minutes of accumulation, where pysteps has to be told."""
    place: tuple[object, ...] = ()
    """Projection and corners as the header states them; empty where a format has none."""


@dataclass(frozen=True)
class _Files:
    """Files of one step each as (T, 1, H, W)."""

    headers: tuple[_Header, ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.headers), 1, *self.headers[0].shape

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.float32]:
        start, stop, _ = frames.indices(len(self.headers))
        fields = [_import(header)[0][None] for header in self.headers[start:stop]]
        return np.stack(fields) if fields else np.empty((0, *self.shape[1:]), np.float32)


def _header(path: Path, quantity: str | None = None) -> _Header:
    name = _MCH_NAME.fullmatch(path.name)
    if name:
        chosen = _choose(path, quantity, ["ACRR"], ["ACRR"])
        kind, time, minutes = "mch_gif", _moment(path, name[1], "%y%j%H%M"), int(name[2])
        return _Header(path=path, kind=kind, quantity=chosen, time=time, shape=_picture_size(path), minutes=minutes)
    name = _FMI_NAME.fullmatch(path.name)
    if name:
        chosen = _choose(path, quantity, ["DBZH"], ["DBZH"])
        time = _moment(path, name[1], "%Y%m%d%H%M")
        return _Header(path=path, kind="fmi_pgm", quantity=chosen, time=time, shape=_picture_size(path))
    return _hdf5_header(path, quantity)


def _moment(path: Path, digits: str, pattern: str) -> np.datetime64:
    try:
        return np.datetime64(datetime.strptime(digits, pattern), "ns")
    except ValueError as error:
        raise DataError("has no time in its name", where=path, expected=pattern, received=digits) from error


def _picture_size(path: Path) -> tuple[int, int]:
    try:
        zipped = path.suffix.lower() == ".gz"
        with gzip.open(path) if zipped else path.open("rb") as file, Image.open(cast("IO[bytes]", file)) as image:
            return image.height, image.width
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def _hdf5_header(path: Path, quantity: str | None) -> _Header:
    try:
        with h5py.File(path, "r") as file:
            if _text(file.attrs.get("Conventions", "")).startswith("ODIM"):
                return _odim_header(path, file, quantity)
            if "overview" in file and "image1" in file:
                return _knmi_header(path, file, quantity)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    raise DataError(
        "is HDF5 of a layout that is not known",
        where=path,
        expected="a radar composite by ODIM or KNMI",
        hint="read it with its own importer (pysteps has several) and save it as NPY or NetCDF",
    )


def _odim_header(path: Path, file: Any, quantity: str | None) -> _Header:
    found: dict[str, tuple[int, int]] = {}
    for name, dataset in file.items():
        if not name.startswith("dataset"):
            continue
        for inner, data in dataset.items():
            if inner.startswith("data"):
                what = data["what"] if "what" in data else dataset["what"]
                found.setdefault(_text(what.attrs["quantity"]), data["data"].shape)
    chosen = _choose(path, quantity, [name for name in QUANTITIES if name in found], sorted(found))
    stamp = _text(file["what"].attrs["date"]) + _text(file["what"].attrs["time"])
    time = np.datetime64(datetime.strptime(stamp, "%Y%m%d%H%M%S"), "ns")
    return _Header(
        path=path, kind="odim_hdf5", quantity=chosen, time=time, shape=found[chosen], place=_place(file.get("where"))
    )


def _knmi_header(path: Path, file: Any, quantity: str | None) -> _Header:
    parameter = _text(file["image1"].attrs["image_geo_parameter"])
    held = "DBZH" if "REFLECTIVITY" in parameter.upper() else "ACRR"
    chosen = _choose(path, quantity, [held], [held])
    stamp = _text(np.ravel(file["overview"].attrs["product_datetime_end"])[0])
    time = np.datetime64(datetime.strptime(stamp.title(), "%d-%b-%Y;%H:%M:%S.%f"), "ns")
    place = _place(file.get("geographic")) + _place(file.get("geographic/map_projection"))
    shape = file["image1/image_data"].shape
    return _Header(path=path, kind="knmi_hdf5", quantity=chosen, time=time, shape=shape, place=place)


_PLACE = ("projdef", "LL_lon", "LL_lat", "UR_lon", "UR_lat", "geo_product_corners", "projection_proj4_params")


def _place(group: Any) -> tuple[object, ...]:
    """What a group's attributes say of projection and corners, numbers to a thousandth of a degree."""
    stated = [] if group is None else [group.attrs[name] for name in _PLACE if name in group.attrs]
    return tuple(
        _text(value) if isinstance(value, (str, bytes)) else tuple(np.round(np.ravel(value), 3).tolist())
        for value in stated
    )


def _choose(path: Path, quantity: str | None, known: Sequence[str], held: Sequence[str]) -> str:
    if quantity is not None and quantity not in known:
        listed = ", ".join(known) or "none that can be read"
        raise ConfigError("holds no such quantity", where=path, expected=listed, received=quantity)
    if not known:
        expected = " or ".join(QUANTITIES)
        raise DataError("holds no rain or reflectivity", where=path, expected=expected, received=", ".join(held))
    return quantity or known[0]


def _import(header: _Header) -> tuple[NDArray[np.float32], Mapping[str, Any]]:
    """The field (H, W), NaN where it is missing, and what pysteps says of it."""
    importer = _importer(header)
    try:
        if header.kind == "mch_gif":
            with header.path.open("rb") as file:  # pysteps would leave the file open
                field, _, metadata = importer(file, product="AQC", unit="mm", accutime=header.minutes)
        elif header.kind == "fmi_pgm":
            field, _, metadata = importer(str(header.path), gzipped=header.path.suffix.lower() == ".gz")
        else:
            field, _, metadata = importer(str(header.path), qty=header.quantity)
    except _UNREADABLE as error:
        when = np.datetime_as_string(header.time, unit="m")
        raise _unreadable(header.path, error, f"{QUANTITIES[header.quantity][0]} of {when} cannot be read") from error
    return np.asarray(np.ma.filled(field, np.nan), dtype=np.float32), metadata


def _first_metadata(headers: Sequence[_Header], *, tolerant: bool) -> Mapping[str, Any]:
    """What pysteps says of the first file; with tolerance, of the first whose field can be read."""
    for header in headers[:-1] if tolerant else ():
        with contextlib.suppress(DataError):
            return _import(header)[1]
    return _import(headers[-1] if tolerant else headers[0])[1]


def _importer(header: _Header) -> Callable[..., Any]:
    try:
        # pysteps announces its configuration file on standard output when it is imported.
        with contextlib.redirect_stdout(io.StringIO()):
            from pysteps.io import importers
    except ImportError as error:
        raise ConfigError("needs pysteps", where=header.path, hint="pip install 'nextframe[radar]'") from error
    importer: Callable[..., Any] = getattr(importers, f"import_{header.kind}")
    return importer


def _grid(metadata: Mapping[str, Any], shape: tuple[int, int]) -> Grid:
    """Centres of the pixels in the projection's plane; the first row is the northernmost."""
    rows, columns = shape
    x1, x2, y1, y2 = (float(metadata[key]) for key in ("x1", "x2", "y1", "y2"))
    y = y1 + (np.arange(rows) + 0.5) * (y2 - y1) / rows
    unit = {"m": "m", "km": "km", "degrees": "degrees"}[str(metadata.get("cartesian_unit", "m"))]
    attributes = {"units": unit}
    return Grid(
        y=y[::-1].copy() if metadata.get("yorigin", "upper") == "upper" else y,
        x=x1 + (np.arange(columns) + 0.5) * (x2 - x1) / columns,
        y_attributes={"standard_name": "projection_y_coordinate", "axis": "Y", **attributes},
        x_attributes={"standard_name": "projection_x_coordinate", "axis": "X", **attributes},
        mapping=_mapping(str(metadata["projection"])),
    )


def _mapping(projection: str) -> dict[str, object]:
    """The CF grid mapping of a PROJ string."""
    try:
        from pyproj import CRS
        from pyproj.exceptions import CRSError
    except ImportError:
        return {"proj4": projection}
    try:
        with warnings.catch_warnings():
            # The Swiss grid has a parameter that CF has no name for; it is whole in `crs_wkt`, which comes with it.
            warnings.simplefilter("ignore", UserWarning)
            return dict(CRS.from_user_input(projection).to_cf())
    except CRSError:  # some centres write strings that PROJ does not take
        return {"proj4": projection}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _unreadable(path: Path, error: Exception, what: str = "cannot be read as a radar composite") -> DataError:
    return DataError(what, where=path, received=first_line(error), hint="the file may be truncated or damaged")
