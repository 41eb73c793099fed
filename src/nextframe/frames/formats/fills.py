"""Numbers that stand for a missing value: NetCDF's own, and those that files use without saying so.

Source: NetCDF's default fill values, netcdf.h (`NC_FILL_FLOAT`, `NC_FILL_INT`, ...).
"""

from __future__ import annotations

import numpy as np

USUAL = (
    *(-99.0, -999.0, -9999.0, -99999.0, -999.9, -9999.9, -99.9, 999.0, 9999.0, 99999.0, 999999.0, -999999.0),
    *(-32767.0, -32768.0, 32767.0, 65535.0, -2147483647.0, -2147483648.0, 2147483647.0),
    *(1e10, 1e15, -1e15, 1e20, -1e20, 1e30, -1e30, 1e31, 1e33, -1e34, 1e34, 1e35, 1e36, 1e37, -1e37),
    *(9.969209968386869e36, -9.969209968386869e36, 9.999e20, -9.99e33, 3.4028234663852886e38, -3.4028234663852886e38),
    *(-3.4e38, 3.4e38, 1.7976931348623157e308, -1.7976931348623157e308, 9.96921e36),
)
"""Numbers that files use for "missing" without saying so."""


def default_fill(dtype: np.dtype) -> float | None:
    """NetCDF's fill value of a type, for what nobody wrote, where no value of that type is likely to be that number.

    >>> default_fill(np.dtype("float32")), default_fill(np.dtype("uint8"))
    (9.969209968386869e+36, None)
    """
    if dtype.kind == "f":
        return 9.969209968386869e36 if dtype.itemsize >= 4 else None
    # Packed numbers of 8 and 16 bits reach theirs.
    return {4: -2147483647, 8: -9223372036854775806}.get(dtype.itemsize) if dtype.kind == "i" else None


def usual_fill(value: float) -> bool:
    """True for a number that files use for "missing", as far as float32 tells it from others.

    >>> usual_fill(np.float32(1e20)), usual_fill(-9999), usual_fill(0)
    (True, True, False)
    """
    return bool(np.isclose(float(value), USUAL, rtol=1e-6, atol=0).any())


def means_missing(fill: float, dtype: np.dtype) -> bool:
    """True where a store's fill value, of which nobody says that it means missing, is no value of its own.

    A Zarr array of version 2 has a fill value for chunks that are not there; xarray writes CF's `_FillValue` into it,
    others leave it at zero, which is then as good a value as any.
    """
    if np.isnan(fill) or usual_fill(fill):
        return True
    return dtype.kind in "iu" and fill in (np.iinfo(dtype).min, np.iinfo(dtype).max) and fill != 0
