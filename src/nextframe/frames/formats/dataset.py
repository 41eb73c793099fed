"""xarray objects as sources: read as the NetCDF file would be that they are saved to, lazily where dask holds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nextframe.config import Reading
from nextframe.errors import DataError, first_line
from nextframe.frames.formats.attributes import decoded
from nextframe.frames.formats.gridded import sequence_of
from nextframe.frames.formats.stored import Stored, Variable
from nextframe.frames.formats.stores import describe_stored
from nextframe.frames.sequence import FrameSequence


def open_dataset_object(name: str, dataset: xr.Dataset | xr.DataArray, reading: Reading) -> tuple[FrameSequence, ...]:
    """Open a Dataset or DataArray, with its times, units and coordinates.

    What it says of itself is read by the code that reads NetCDF files, from its variables as a file would hold them.
    Frames that dask would compute are computed when they are read, and not before.

    Args:
        name: what to call the sequence.
        dataset: fields over time and two horizontal axes.
        reading: which variables to read.

    Raises:
        DataError, ConfigError, ShapeError: as of a file (`gridded.open_gridded`); values that NetCDF cannot hold.
    """
    whole = dataset.to_dataset(name=dataset.name or "values") if isinstance(dataset, xr.DataArray) else dataset
    path = Path(name)
    try:
        # Packing that suited the file it came from need not suit the values that it has now.
        variables, attributes = xr.conventions.encode_dataset_coordinates(whole.drop_encoding())
        encoded, attributes = xr.conventions.cf_encoder(variables, attributes)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise DataError(
            "cannot be held by NetCDF, as which it is read", where=name, received=first_line(error)
        ) from error
    stored = Stored(
        path=path,
        variables={
            str(key): Variable(
                name=str(key),
                dims=tuple(str(dim) for dim in variable.dims),
                shape=tuple(variable.shape),
                dtype=variable.dtype,
                attributes=decoded(variable.attrs),
                array=_Computed(variable),
                where=path,
            )
            for key, variable in encoded.items()
        },
        attributes=decoded(attributes),
        in_memory=True,
    )
    store = describe_stored(stored, reading.variable)
    return (sequence_of(name, [store], missing="mask" if store.declares_missing else "error"),)


@dataclass(frozen=True)
class _Computed:
    """A variable that hands out plain arrays; what dask has to compute for them is computed then."""

    variable: Any

    def __getitem__(self, index: Any, /) -> NDArray[Any]:
        return np.asarray(self.variable[index].values)
