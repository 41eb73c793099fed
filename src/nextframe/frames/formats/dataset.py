"""xarray objects as sources: read as the NetCDF file would be that they are saved to."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nextframe.config import Reading
from nextframe.errors import DataError, NextframeError, first_line
from nextframe.frames.bounds import hold_disk
from nextframe.frames.formats.gridded import open_gridded
from nextframe.frames.sequence import FrameSequence

_HELD = (str, bytes, int, float, np.ndarray, np.generic, list, tuple)  # types of attributes that NetCDF can hold


def open_dataset_object(name: str, dataset: xr.Dataset | xr.DataArray, reading: Reading) -> tuple[FrameSequence, ...]:
    """Open a Dataset or DataArray, with its times, units and coordinates.

    It is written to a temporary file, which is gone with the last sequence that reads it: so one code reads what it
    says of itself, and frames that dask would compute are computed once.

    Args:
        name: what to call the sequence.
        dataset: fields over time and two horizontal axes.
        reading: which variables to read.

    Raises:
        DataError, ConfigError, ShapeError: as of a file (`open_gridded`); values or names that NetCDF cannot hold.
    """
    whole = dataset.to_dataset(name=dataset.name or "values") if isinstance(dataset, xr.DataArray) else dataset
    # Packing that suited the file it came from need not suit the values that it has now.
    whole = whole.drop_encoding().copy()
    whole.attrs = _held(whole.attrs)
    for key in whole.variables:
        whole[key].attrs = _held(whole[key].attrs)
    folder = Path(tempfile.mkdtemp(prefix="nextframe-"))
    try:
        hold_disk(name, folder, whole.nbytes)
        path = folder / "dataset.nc"
        try:
            whole.to_netcdf(path, engine="h5netcdf")
        except (OSError, ValueError, TypeError, NotImplementedError) as error:
            reason = first_line(error)
            raise DataError("cannot be held by NetCDF, as which it is read", where=name, received=reason) from error
        try:
            sequence = open_gridded(name, [path], reading.variable)
        except NextframeError as error:  # which names a file that nobody knows
            raise type(error)(
                error.what, where=name, expected=error.expected, received=error.received, hint=error.hint
            ) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(sequence.values, shutil.rmtree, folder, ignore_errors=True)
    return (sequence,)


def _held(attributes: Mapping[Any, Any]) -> dict[Any, Any]:
    """Attributes that NetCDF can hold."""
    return {k: v for k, v in attributes.items() if isinstance(v, _HELD) and not isinstance(v, bool)}
