"""The values that a variable may take, by the CF conventions (section 2.5.1): what lies outside is missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nextframe.errors import DataError

Limits = tuple[float, float]
"""The least and the largest value, both allowed, in the unit of the values after unpacking; infinite where unknown."""


def valid_limits(variable: xr.DataArray, where: object) -> Limits:
    """Limits by the attributes `valid_range`, `valid_min` and `valid_max` of a variable that xarray has unpacked.

    Those of a packed variable are packed as its values are, unless they have the type of `scale_factor` and its values
    have not (NetCDF Users Guide, appendix A); and a packed limit holds for what is rounded to it.

    Args:
        variable: the variable.
        where: its file, for messages.

    Raises:
        DataError: attributes that are no numbers, or of another number than they should be.
    """
    given = {key: variable.attrs[key] for key in ("valid_range", "valid_min", "valid_max") if key in variable.attrs}
    if not given:
        return -np.inf, np.inf
    try:
        low, high = np.asarray(given.get("valid_range", (-np.inf, np.inf)))
        low, high = float(given.get("valid_min", low)), float(given.get("valid_max", high))
    except (TypeError, ValueError) as error:
        named = ", ".join(f"{key}={value}" for key, value in given.items())
        raise DataError(
            f"variable {variable.name} has a valid range that is none", where=where, received=named
        ) from error
    stored = np.dtype(variable.encoding.get("dtype", variable.dtype))
    packed = {"scale_factor", "add_offset"} & set(variable.encoding)
    if packed and not (stored.kind in "iu" and any(np.asarray(value).dtype.kind == "f" for value in given.values())):
        scale = float(variable.encoding.get("scale_factor", 1.0))
        offset = float(variable.encoding.get("add_offset", 0.0))
        low, high = sorted((low * scale + offset, high * scale + offset))
        low, high = low - abs(scale) / 2, high + abs(scale) / 2
    return low, high


def without_invalid(values: NDArray[np.float32], limits: Sequence[Limits]) -> NDArray[np.float32]:
    """Frames (T, C, H, W) with NaN in place of what lies outside of the limits of its channel, in place."""
    for channel, (low, high) in enumerate(limits):
        if np.isfinite((low, high)).any():
            part = values[:, channel]
            part[(part < np.float32(low)) | (part > np.float32(high))] = np.nan
    return values
