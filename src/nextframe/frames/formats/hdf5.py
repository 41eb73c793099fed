"""Fields of NetCDF-4 files read straight from HDF5, past xarray.

To open a file through xarray takes tens of milliseconds, for its coordinates, times and attributes; an archive of one
file a step is opened again for every frame of every window. What a file holds is found out once, by xarray; after that
only its values are wanted, and these take a millisecond.

Axes: T time, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class PlainVariable:
    """A variable whose values can be had by a scale, an offset and fill values alone."""

    name: str
    """Its name in the file."""
    dims: tuple[str, ...]
    """Names of its axes, in the file's order."""
    scale: float
    """What stored values are multiplied by (CF `scale_factor`)."""
    offset: float
    """What is then added (CF `add_offset`)."""
    fills: tuple[float, ...]
    """Stored values that stand for a missing one (`_FillValue`, `missing_value`)."""

    @classmethod
    def of(cls, variable: xr.DataArray) -> Self | None:
        """How to read a variable that xarray has opened from HDF5; None where that takes more than is known here."""
        encoding = variable.encoding
        stored = np.dtype(encoding.get("dtype", variable.dtype))
        if stored.kind not in "iuf" or "_Unsigned" in encoding or "_Unsigned" in variable.attrs:
            return None
        fills = [encoding[key] for key in ("_FillValue", "missing_value") if key in encoding]
        return cls(
            name=str(variable.name),
            dims=tuple(str(dim) for dim in variable.dims),
            scale=float(encoding.get("scale_factor", 1.0)),
            offset=float(encoding.get("add_offset", 0.0)),
            fills=tuple(float(value) for fill in fills for value in np.ravel(fill)),
        )

    def read(
        self, file: h5py.File, axes: Sequence[str | None], steps: slice, rows: slice, columns: slice
    ) -> NDArray[np.float32]:
        """Steps, rows and columns as (T, H, W), NaN where missing; `axes` names time (None for a file of one step), y
        and x.

        Raises:
            KeyError, OSError: a file that no longer holds it, or is damaged.
        """
        time, y, x = axes
        part = {time: steps, y: rows, x: columns}
        index: tuple[Any, ...] = tuple(part.get(dim, 0) for dim in self.dims)
        stored = np.asarray(file[self.name][index])
        left = [dim for dim in self.dims if dim in axes]
        values = stored.transpose([left.index(axis) for axis in axes if axis is not None]).astype(np.float64)
        missing = np.isin(values, [fill for fill in self.fills if not np.isnan(fill)]) if self.fills else None
        values = values * self.scale + self.offset
        if missing is not None:
            values[missing] = np.nan
        plain = values.astype(np.float32)
        return plain[None] if time is None else plain
