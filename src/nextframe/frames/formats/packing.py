"""From stored numbers to values: sign, fill values, valid range, scale and offset, by CF conventions (sections 2.5 and
8.1) and the NetCDF Users Guide (appendix A).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nextframe.errors import DataError
from nextframe.frames.formats.attributes import array_of, number, tell_once
from nextframe.frames.formats.fills import default_fill

_FILLS = ("_FillValue", "missing_value")
_LIMITS = ("valid_range", "valid_min", "valid_max")
_HUGE = 1e15
"""Beyond this no measurement is, and a fill value that is written in seven digits is meant all the same."""


@dataclass(frozen=True, kw_only=True)
class Packing:
    """Storage of a variable's values: type, scale, offset, fill values."""

    name: str
    """The variable, for messages."""
    dtype: np.dtype
    """Type of the stored numbers; unsigned where the file says so (`_Unsigned`)."""
    scale: float = 1.0
    """What stored numbers are multiplied by (`scale_factor`)."""
    offset: float = 0.0
    """What is then added (`add_offset`)."""
    fills: tuple[float, ...] = ()
    """Stored numbers that stand for a missing value (`_FillValue`, `missing_value`)."""
    value_fills: tuple[float, ...] = ()
    """Values that do, where the stored type cannot hold them."""
    limits: tuple[float, float] = (-np.inf, np.inf)
    """Least and largest stored number that is a value, both allowed."""
    value_limits: tuple[float, float] = (-np.inf, np.inf)
    """The same of values, where the file states them unpacked."""
    undeclared: float | None = None
    """NetCDF's fill value for unwritten numbers, where the variable declares no fill value of its own."""
    declares_missing: bool = False
    """True where the file says that values may be missing."""

    @classmethod
    def of(cls, name: str, dtype: DTypeLike, attributes: Mapping[Any, Any], where: object) -> Packing:
        """Packing of a variable, by its type and its attributes as they stand in the file.

        Raises:
            DataError: a scale, an offset or limits that are no numbers, or limits that leave no value.
        """
        stored = np.dtype(dtype)
        signed = str(_plain(attributes.get("_Unsigned", ""))).strip().lower()
        if stored.kind in "iu" and signed in ("true", "false", "1", "0"):
            stored = np.dtype(f"{'u' if signed in ('true', '1') else 'i'}{stored.itemsize}")
        scale = number(attributes, "scale_factor", 1.0, where=where, of=name)
        offset = number(attributes, "add_offset", 0.0, where=where, of=name)
        given = [fill for key in _FILLS for fill in _fills(name, key, attributes.get(key, ()), stored, where)]
        packed, unpacked = _limits(name, attributes, stored, where)
        return cls(
            name=name,
            dtype=stored,
            scale=scale,
            offset=offset,
            fills=tuple(dict.fromkeys(fill for fill, fits in given if fits)),
            value_fills=tuple(dict.fromkeys(fill for fill, fits in given if not fits)),
            limits=packed,
            value_limits=unpacked,
            undeclared=None if "_FillValue" in attributes else default_fill(stored),
            declares_missing=any(key in attributes for key in (*_FILLS, *_LIMITS)),
        )

    def unpack(self, numbers: ArrayLike, dtype: DTypeLike = np.float32, *, where: object = "") -> NDArray[Any]:
        """Stored numbers as values of a type of floating point, NaN where one is missing.

        Args:
            numbers: as they stand in the file, of any shape.
            dtype: type of the values.
            where: the file, for the warning.

        Raises:
            DataError: a number beyond that type.

        Warns:
            NextframeWarning: the fill value of NetCDF in a variable that declares none.

        >>> rain = Packing.of("rain", "int16", {"_Unsigned": "true", "scale_factor": 0.5, "_FillValue": -1}, "a.nc")
        >>> rain.unpack(np.array([-1, -2, 6], np.int16)).tolist()
        [nan, 32767.0, 3.0]
        """
        stored = self.signed(numbers)
        missing = np.zeros(stored.shape, bool)
        for fill in self.fills:
            missing |= _equal(stored, fill)
        if self.undeclared is not None:
            unwritten = _equal(stored, self.undeclared) & ~missing
            if unwritten.any():
                self._tell(where)
                missing |= unwritten
        low, high = self.limits
        missing |= stored < low if low > -np.inf else False
        missing |= stored > high if high < np.inf else False
        plain = (self.scale, self.offset) == (1.0, 0.0)
        wide = stored if plain else stored.astype(np.float64) * self.scale + self.offset
        with np.errstate(over="ignore"):
            values = wide.astype(dtype)
        for fill in self.value_fills:
            missing |= np.isclose(values, fill, rtol=1e-6, atol=0)
        low, high = self.value_limits
        missing |= values < values.dtype.type(low) if low > -np.inf else False
        missing |= values > values.dtype.type(high) if high < np.inf else False
        if missing.any():
            values[missing] = np.nan
        if wide.dtype.kind == "f" and wide.dtype.itemsize > values.dtype.itemsize and np.isinf(values).any():
            beyond = np.isinf(values) & np.isfinite(wide)
            if beyond.any():
                raise DataError(
                    f"{self.name} holds {wide[beyond].flat[0]:g}, which is beyond {values.dtype}",
                    where=where,
                    hint="if that number marks missing values, declare it as _FillValue",
                )
        return values

    def signed(self, numbers: ArrayLike) -> NDArray[Any]:
        """Stored numbers with the sign that the file says they have (`_Unsigned`)."""
        stored = np.asarray(numbers)
        if stored.dtype != self.dtype and stored.dtype.kind in "iu" and stored.dtype.itemsize == self.dtype.itemsize:
            # Native byte order first, since a view of foreign bytes would read them the wrong way round.
            return stored.astype(stored.dtype.newbyteorder("=")).view(self.dtype)
        return stored

    def holds_undeclared(self, numbers: ArrayLike) -> bool:
        """True where stored numbers hold NetCDF's fill value where the variable declares none."""
        return self.undeclared is not None and bool(_equal(np.asarray(numbers), self.undeclared).any())

    def _tell(self, where: object) -> None:
        tell_once(
            where,
            f"{self.name} holds {self.undeclared:g}, which NetCDF fills unwritten values with, and does not declare "
            "it; taken as missing",
        )


def _equal(stored: NDArray[Any], fill: float) -> NDArray[np.bool_]:
    """Places of a fill value."""
    if abs(fill) <= _HUGE or stored.dtype.kind != "f":
        return np.asarray(stored == fill)
    huge = np.asarray(stored > fill * 0.99) if fill > 0 else np.asarray(stored < fill * 0.99)
    return huge & np.isclose(stored, fill, rtol=1e-5, atol=0) if huge.any() else huge


def _plain(value: Any) -> Any:
    """An attribute's text or number out of bytes, or an array of one."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _fills(name: str, key: str, given: Any, stored: np.dtype, where: object) -> list[tuple[float, bool]]:
    """Fill values of an attribute, each with whether the stored type can hold it."""
    try:
        if array_of(given).dtype.kind not in "iuf":
            given = np.asarray(_plain(given)).astype(np.float64)  # some write numbers as text
    except (TypeError, ValueError):
        tell_once(where, f"{name} has a {key} that is no number ({given}), which is ignored")
        return []
    fills = []
    for value in np.ravel(np.asarray(given)):
        if np.isnan(value):
            continue  # NaN is NaN already
        if stored.kind in "iu":
            whole = _as_stored(value, stored)
            fills.append((float(value), False) if whole is None else (whole, True))
        else:
            with np.errstate(over="ignore"):
                fills.append((float(stored.type(value)), True))
    return fills


def _as_stored(value: Any, stored: np.dtype) -> int | None:
    """A number as the stored type of whole numbers has it, sign and all; None where that type cannot hold it."""
    if not float(value).is_integer():
        return None
    whole, bits = int(value), 8 * stored.itemsize
    low, high = np.iinfo(stored).min, np.iinfo(stored).max
    if low <= whole <= high:
        return whole
    turned = whole + 2**bits if whole < low else whole - 2**bits  # stated with the other sign
    return turned if low <= turned <= high and abs(whole) <= 2**bits else None


def _limits(
    name: str, attributes: Mapping[Any, Any], stored: np.dtype, where: object
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits of the stored numbers, and limits of the values.

    Those of a packed variable are packed as its values are, unless they are broken numbers and its values are whole
    ones; and they have the sign that its values have.
    """
    unbounded = (-np.inf, np.inf)
    given = {key: attributes[key] for key in _LIMITS if key in attributes}
    if not given:
        return unbounded, unbounded
    named = ", ".join(f"{key}={value}" for key, value in given.items())
    packed = stored.kind in "iu" and not any(array_of(value).dtype.kind == "f" for value in given.values())
    try:
        low, high = np.asarray(given.get("valid_range", unbounded)).ravel()
        low, high = (_plain(given.get(key, limit)) for key, limit in (("valid_min", low), ("valid_max", high)))
        low, high = (float(np.asarray(limit).item()) for limit in (low, high))
    except (TypeError, ValueError) as error:
        raise DataError(f"variable {name} has a valid range that is none", where=where, received=named) from error
    low, high = (-np.inf if np.isnan(low) else low), (np.inf if np.isnan(high) else high)
    if packed and stored.kind == "u":
        signed = "_Unsigned" in attributes or any(array_of(v).dtype == f"i{stored.itemsize}" for v in given.values())
        turn = 2 ** (8 * stored.itemsize) if signed else 0
        low, high = (limit + turn if -np.inf < limit < 0 else limit for limit in (low, high))
    elif stored.kind == "f":
        with np.errstate(over="ignore"):
            low, high = (float(stored.type(limit)) for limit in (low, high))
    if low > high:
        raise DataError(
            f"variable {name} has a valid range that leaves no value",
            where=where,
            received=named,
            hint='mend it, or add the attribute _Unsigned = "true" if its numbers are stored without a sign',
        )
    return (unbounded, (low, high)) if stored.kind in "iu" and not packed else ((low, high), unbounded)
