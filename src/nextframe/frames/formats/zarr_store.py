"""Zarr stores as stored numbers, with the attributes as they stand in the store.

xarray takes Zarr's `fill_value`, which is for chunks that are not there, for CF's `_FillValue`, which means missing,
and refuses a `_FillValue` that is written as a number; therefore stores are read through zarr itself.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nextframe.errors import DataError, first_line
from nextframe.frames.formats.fills import means_missing
from nextframe.frames.formats.stored import ASK_SERVER, Stored, Variable, failures, unreadable
from nextframe.frames.remote import Remote, store_at

if TYPE_CHECKING:  # zarr takes as long to load as all else that NetCDF files need
    import zarr

_METADATA = (".zmetadata", ".zarray", ".zgroup", "zarr.json")
_DEPTH = 8
"""Groups within groups that are looked into."""


def hold_safe(path: Path) -> None:
    """Refuse a store whose arrays are compressed by pickles, which run code when they are read.

    Some versions of numcodecs have such a codec and some have not; it is refused whatever the version.

    Raises:
        DataError: there is such an array, or metadata that are no JSON.
    """
    if isinstance(path, Remote):  # looked at when its arrays are opened
        return
    for file in _metadata(path, _DEPTH):
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise unreadable(path, error, f"has metadata that cannot be read ({file.name})") from error
        _hold_no_pickles(path, said)


def _hold_no_pickles(path: Path, metadata: Any) -> None:
    if "pickle" in _codecs(metadata):
        raise DataError(
            "holds an array stored as pickles, which run code when they are read",
            where=path,
            hint="ask its author for the array in another codec, such as Blosc",
        )


def _metadata(folder: Path, depth: int) -> Iterator[Path]:
    """Files of metadata of a group, its arrays, and the groups below it; not of the chunks."""
    here = [folder / name for name in _METADATA if (folder / name).is_file()]
    yield from here
    is_array = (folder / ".zarray").is_file()
    if not is_array and (folder / "zarr.json").is_file():
        is_array = '"array"' in (folder / "zarr.json").read_text(encoding="utf-8", errors="replace")[:2000] and not any(
            (child / "zarr.json").is_file() for child in folder.iterdir() if child.is_dir()
        )
    if depth and not is_array:
        for child in sorted(folder.iterdir()):
            if child.is_dir():
                yield from _metadata(child, depth - 1)


def _codecs(said: Any) -> set[str]:
    """Names of all codecs in metadata, without prefixes."""
    names: set[str] = set()
    waiting = [said]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            names |= {str(part[key]).rpartition(".")[2].lower() for key in ("id", "name") if key in part}
            waiting += [value for key, value in part.items() if key != "attributes" and not key.endswith(".zattrs")]
        elif isinstance(part, list):
            waiting += part
    return names


def groups(path: Path) -> list[str]:
    """Paths of the groups within a store, the root first, as "".

    Raises:
        DataError: it cannot be read.
    """
    try:
        root = _opened(path)
        return [""] if hasattr(root, "chunks") else ["", *_groups(root, "", _DEPTH)]
    except failures() as error:
        raise _unreadable(path, error) from error


def _opened(path: Path, group: str = "") -> Any:
    """A group, or an array that stands alone (`zarr.save`), by zarr; what it raises is caught by its callers."""
    import zarr

    store = store_at(path) if isinstance(path, Remote) else str(path.absolute())
    return zarr.open(store, mode="r", path=group or None)


def _unreadable(path: Path, error: Exception) -> DataError:
    """The error of a store that cannot be read; of a server, that it does not answer, or holds no such store."""
    if not isinstance(path, Remote):
        return unreadable(path, error)
    if isinstance(error, FileNotFoundError):
        return DataError(
            "holds no Zarr store", where=path, hint="mind the whole address, and consolidate the store's metadata"
        )
    if "listing" in str(error).lower() or "PROPFIND" in str(error):
        return DataError(
            "lists its arrays nowhere, and its server lists no files",
            where=path,
            hint="consolidate its metadata (zarr.consolidate_metadata)",
        )
    return DataError("cannot be read", where=path, received=first_line(error), hint=ASK_SERVER)


def _groups(group: zarr.Group, prefix: str, depth: int) -> Iterator[str]:
    for name, child in group.groups():
        yield f"{prefix}{name}"
        if depth:
            yield from _groups(child, f"{prefix}{name}/", depth - 1)


def open_zarr(path: Path, group: str = "") -> Stored:
    """A group of a store, lazily; `hold_safe` comes first.

    Raises:
        DataError: it cannot be read.
    """
    try:
        opened = _opened(path, group)
        is_array = hasattr(opened, "chunks")
        arrays = {path.stem: opened} if is_array else dict(opened.arrays())
        described = [array.metadata.to_dict() for array in arrays.values()]
        attributes = {} if is_array else dict(opened.attrs)
    except failures() as error:
        raise _unreadable(path, error) from error
    if isinstance(path, Remote):
        _hold_no_pickles(path, described)
        if not arrays and not group:
            raise DataError("lists no arrays", where=path, hint="consolidate its metadata (zarr.consolidate_metadata)")
    variables = {name: _variable(path, name, array) for name, array in arrays.items()}
    return Stored(path=path, group=group, variables=variables, attributes=attributes)


def _variable(path: Path, name: str, array: Any) -> Variable:
    attributes = dict(array.attrs)
    dims = getattr(array.metadata, "dimension_names", None) or attributes.get("_ARRAY_DIMENSIONS")
    if not isinstance(dims, (list, tuple)) or len(dims) != array.ndim:
        dims = [f"{name}_axis{n}" for n in range(array.ndim)]
    dtype = array.dtype if isinstance(array.dtype, np.dtype) else np.dtype(object)
    if "_FillValue" in attributes:
        attributes["_FillValue"] = _fill(attributes["_FillValue"], dtype)
    elif dtype.kind == "f" and array.fill_value is not None and np.isnan(array.fill_value):
        attributes["_FillValue"] = float("nan")
    elif array.metadata.zarr_format == 2 and dtype.kind in "iuf" and array.fill_value is not None:
        fill = float(array.fill_value)
        if means_missing(fill, dtype):
            attributes["_FillValue"] = array.fill_value
    return Variable(
        name=name,
        dims=tuple(f"{name}_axis{n}" if dim is None else str(dim) for n, dim in enumerate(dims)),
        shape=tuple(array.shape),
        dtype=dtype,
        attributes=attributes,
        array=array,
        where=path,
    )


def _fill(value: Any, dtype: np.dtype) -> Any:
    """A fill value as a number; xarray writes one of floating point as the eight bytes of a double, in base64."""
    if dtype.kind != "f" or not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        pass
    try:
        (number,) = struct.unpack("<d", base64.standard_b64decode(value))
    except (binascii.Error, struct.error):
        return value
    return number
