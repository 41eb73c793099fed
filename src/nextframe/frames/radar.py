"""Radar composites in HDF5: ODIM and KNMI files, read by the importers of pysteps.

One file holds one step. Its time, and where its pixels lie, come from its header; what is missing there becomes NaN, a
declared gap.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.sequence import FrameSequence, Grid

RADAR_SUFFIXES = (".h5", ".hdf5", ".hdf")

QUANTITIES = {"RATE": ("rain_rate", "mm/h"), "ACRR": ("rain_amount", "mm"), "DBZH": ("reflectivity", "dBZ")}
"""Quantities of ODIM: what they are called here, and their units; what is taken first where a file holds several."""

_UNREADABLE = (OSError, ValueError, RuntimeError, LookupError, AttributeError, TypeError, EOFError)


def open_radar(name: str, files: Sequence[Path], variable: Sequence[str] = ()) -> FrameSequence:
    """Open radar composites, one step each, as one sequence in order of time.

    Args:
        name: what to call the sequence.
        files: ODIM or KNMI files, all of one kind.
        variable: the quantity to read, "RATE", "ACRR" or "DBZH"; by default the first of these that a file holds.

    Raises:
        DataError: a file that is neither, is damaged, or has the time of another.
        ConfigError: pysteps or h5py is not installed; several quantities, or one that the file does not hold.
        ShapeError: files of differing grid or quantity; the first that differs is named.
    """
    if len(variable) > 1:
        raise ConfigError("takes one quantity", where=f"variable, for {name}", received=", ".join(variable))
    headers = sorted((_header(path, *variable) for path in files), key=lambda header: header.time)
    first = headers[0]
    for before, header in pairwise(headers):
        if (header.shape, header.quantity, header.kind) != (first.shape, first.quantity, first.kind):
            raise ShapeError(
                f"differs in kind, quantity or grid from {first.path.name}",
                where=header.path,
                expected=(first.kind, first.quantity, first.shape),
                received=(header.kind, header.quantity, header.shape),
            )
        if header.time == before.time:
            raise DataError(
                f"has the time of {before.path.name}",
                where=header.path,
                received=header.time,
                hint="remove the file that is double",
            )
    _, metadata = _import(first)
    variable_name, units = QUANTITIES[first.quantity]
    return FrameSequence(
        values=_Files(tuple(headers)),
        name=name,
        times=np.array([header.time for header in headers], "datetime64[ns]"),
        variables=(variable_name,),
        units=(units,),
        grid=_grid(metadata, first.shape),
        missing="mask",
        attributes={"institution": str(metadata["institution"])} if "institution" in metadata else {},
    )


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What is known of a file without reading its field."""

    path: Path
    kind: str
    """"odim_hdf5" or "knmi_hdf5", as pysteps calls its importers."""
    quantity: str
    time: np.datetime64
    shape: tuple[int, int]


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
    try:
        import h5py
    except ImportError as error:
        raise ConfigError("needs h5py and pysteps", where=path, hint="pip install 'nextframe[radar]'") from error
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
    return _Header(path=path, kind="odim_hdf5", quantity=chosen, time=time, shape=found[chosen])


def _knmi_header(path: Path, file: Any, quantity: str | None) -> _Header:
    parameter = _text(file["image1"].attrs["image_geo_parameter"])
    held = "DBZH" if "REFLECTIVITY" in parameter.upper() else "ACRR"
    chosen = _choose(path, quantity, [held], [held])
    stamp = _text(np.ravel(file["overview"].attrs["product_datetime_end"])[0])
    time = np.datetime64(datetime.strptime(stamp.title(), "%d-%b-%Y;%H:%M:%S.%f"), "ns")
    return _Header(path=path, kind="knmi_hdf5", quantity=chosen, time=time, shape=file["image1/image_data"].shape)


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
    try:
        field, _, metadata = _importer(header)(str(header.path), qty=header.quantity)
    except _UNREADABLE as error:
        raise _unreadable(header.path, error) from error
    return np.asarray(np.ma.filled(field, np.nan), dtype=np.float32), metadata


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
        return dict(CRS.from_user_input(projection).to_cf())
    except CRSError:  # some centres write strings that PROJ does not take
        return {"proj4": projection}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(
        "cannot be read as a radar composite", where=path, received=reason, hint="the file may be truncated or damaged"
    )
