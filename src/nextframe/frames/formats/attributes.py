"""Attributes of files: texts and numbers that are what they should be, and those that another file can hold."""

from __future__ import annotations

import json
import warnings
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError, NextframeWarning
from nextframe.words import listing

_TEXTS = (
    "units",
    "calendar",
    "standard_name",
    "axis",
    "coordinates",
    "bounds",
    "cell_methods",
    "grid_mapping",
    "long_name",
)
"""Attributes that CF conventions have as texts."""
_STORAGE = frozenset(
    {
        *("_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned"),
        *("valid_range", "valid_min", "valid_max", "actual_range"),
        *("bounds", "coordinates", "grid_mapping", "ancillary_variables", "dtype"),
        *("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS", "_Netcdf4Dimid", "_NCProperties"),
        *("_Netcdf4Coordinates", "_nc3_strict", "_ARRAY_DIMENSIONS"),
    }
)
"""Attributes that say how a variable is stored, or name variables that are not carried along."""


def decoded(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes with their texts as such; NetCDF's library stores a text of one letter ("m", "K") in a way that comes
    back as bytes.

    >>> decoded({"units": np.bytes_(b"m"), "scale_factor": 0.5})
    {'units': 'm', 'scale_factor': 0.5}
    """
    return {str(key): _decoded(value) for key, value in attributes.items()}


def _decoded(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def array_of(value: Any) -> NDArray[Any]:
    """An attribute as an array; lists of lists of differing lengths, which are none, as one object."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.array([value, None], object)[:1]


def text(attributes: Mapping[Any, Any], key: str) -> str:
    """An attribute as text; empty where there is none, or it is of a type that no text has (`told_apart` says so).

    >>> text({"units": b"mm"}, "units"), text({"units": 1}, "units"), text({"units": [1, 2]}, "units")
    ('mm', '1', '')
    """
    value = attributes.get(key, "")
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip("\0 ")
    if isinstance(value, str):
        return str(value).strip("\0 ")
    if key == "units" and isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        return f"{value:g}"
    return ""


def tell_odd(where: object, name: str, attributes: Mapping[Any, Any]) -> None:
    """Warn of attributes that are no texts where CF conventions have texts, and are therefore ignored.

    Warns:
        NextframeWarning: there are such.
    """
    odd = [key for key in _TEXTS if key in attributes and not text(attributes, key) and not _empty(attributes[key])]
    if odd:
        tell_once(where, f"{name} has a {listing(odd)} that is no text, which is ignored")


def tell_once(where: object, text: str) -> None:
    """Warn of a file, but not of each of its folder that has the same.

    Warns:
        NextframeWarning: this was not said of the folder before.
    """
    if (said := (Path(str(where)).parent, text)) not in _told:
        _told.append(said)
        warnings.warn(NextframeWarning(f"{where}: {text}"), stacklevel=3)


_told: deque[tuple[Path, str]] = deque(maxlen=256)
"""What was said last of the files of which folder."""


def number(attributes: Mapping[Any, Any], key: str, default: float, *, where: object, of: str) -> float:
    """An attribute as a finite number, also where it is written as text or in an array of one.

    Raises:
        DataError: it is none; to leave it out would make all values wrong.

    >>> number({"scale_factor": np.float32([0.5])}, "scale_factor", 1.0, where="a.nc", of="rain")
    0.5
    """
    if key not in attributes:
        return default
    value = attributes[key]
    try:
        result = float(np.asarray(value).astype(np.float64).item())
    except (TypeError, ValueError):
        result = np.nan
    if not np.isfinite(result):
        raise DataError(
            f"variable {of} has a {key} that is no number", where=where, received=value, hint="mend that attribute"
        )
    return result


def described(attributes: Mapping[Any, Any]) -> dict[str, object]:
    """Attributes of a variable beside how it is stored, for the output."""
    return {str(key): value for key, value in attributes.items() if str(key) not in _STORAGE}


def attributes_for_netcdf(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes as NetCDF can hold them: texts and numbers as they are, others as text, and nothing left out as null.

    Booleans, complex numbers and dates become words; mappings and lists that are not of numbers, or of texts, become
    JSON. What is None, empty, or has a name that NetCDF reserves is left out.

    >>> attributes_for_netcdf({"ok": True, "tags": ["a", "b"], "levels": [1, 2], "crs": {"lon_0": 0}, "none": None})
    {'ok': 'true', 'tags': '["a", "b"]', 'levels': array([1, 2]), 'crs': '{"lon_0": 0}'}
    """
    held = {}
    for key, value in attributes.items():
        name = str(key).strip()
        plain = _for_netcdf(value)
        if plain is not None and name and "/" not in name and name not in _STORAGE and name.isprintable():
            held[name] = plain
    return held


def _for_netcdf(value: Any) -> Any:
    """A value that a NetCDF attribute can hold; None where nothing is left to say."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        # NetCDF writes UTF-8, which has no halves of characters, and an empty text makes some readers stumble.
        return value.encode("utf-8", "replace").decode().replace("\0", "") or None
    array = array_of(value)
    if value is None or not array.size:
        return None
    if array.dtype.kind in "iuf" and array.ndim <= 1 and array.dtype.itemsize <= 8:
        return value if isinstance(value, (int, float, np.ndarray, np.generic)) else array
    if array.ndim == 0 and array.dtype.kind in "Mmc":
        return str(array)
    return json.dumps(value, default=_in_json)


def _in_json(value: Any) -> Any:
    """Values that JSON has no words for, as numbers and texts."""
    if isinstance(value, (np.ndarray, np.generic)) and np.asarray(value).dtype.kind in "biufU":
        return value.tolist()
    return str(value)


def _empty(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or array_of(value).size == 0
