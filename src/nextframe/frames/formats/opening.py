"""NetCDF files and Zarr stores, opened lazily and safely.

A stranger's file shows nothing but what lies in its own folder, runs no code, and takes no memory for what it merely
claims to hold. A damaged B-tree can make the HDF5 library search for ever; whoever reads files from outside without
somebody watching sets a limit of time around the process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5netcdf
import h5py
import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError
from nextframe.frames.formats import is_zarr
from nextframe.frames.formats.attributes import decoded
from nextframe.frames.formats.hdf5 import hold_within_folder
from nextframe.frames.formats.stored import LIBRARY, Stored, Variable, failures, unreadable
from nextframe.frames.formats.zarr_store import groups as zarr_groups
from nextframe.frames.formats.zarr_store import hold_safe, open_zarr
from nextframe.frames.remote import Remote, store_at
from nextframe.plugins import pyproj_first

if TYPE_CHECKING:
    import xarray as xr


def is_hdf5(path: Path) -> bool:
    """True for a file of HDF5, as NetCDF-4 is."""
    return path.is_file() and bool(h5py.is_hdf5(path))


def is_classic(path: Path) -> bool:
    """True for a NetCDF of the kind before HDF5, which is mapped to memory."""
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return file.read(3) == b"CDF"


def open_dataset(path: Path) -> xr.Dataset:
    """A NetCDF file (classic or HDF5) or a Zarr store as xarray decodes it, lazily.

    Raises:
        DataError: something else, a damaged file, or one that links to files outside of its folder.
    """
    import xarray as xr

    _hold_safe(path)
    pyproj_first()
    try:
        if is_zarr(path):
            # Asked for by name, since xarray warns where it finds out by itself that metadata are not consolidated.
            index = path / "zarr.json"
            joined = not isinstance(path, Remote) and (
                (path / ".zmetadata").exists() or (index.exists() and "consolidated_metadata" in index.read_text())
            )
            place = store_at(path) if isinstance(path, Remote) else path.absolute()
            store: xr.Dataset = xr.open_zarr(
                place, chunks=None, consolidated=None if isinstance(path, Remote) else joined, decode_timedelta=False
            )
            return store
        engine = "scipy" if is_classic(path) else "h5netcdf"
        dataset: xr.Dataset = xr.open_dataset(path.absolute(), engine=engine, decode_timedelta=False)
        return dataset
    except failures() as error:
        raise unreadable(path, error) from error


def open_stored(path: Path, group: str = "") -> Stored:
    """The variables of a group of a NetCDF file or a Zarr store, as they are stored, with what they inherit.

    Raises:
        DataError: something else, a damaged file, or one that links to files outside of its folder.
    """
    _hold_safe(path)
    parts = group.split("/") if group else []
    stored: Stored | None = None
    for level in range(len(parts) + 1):
        name = "/".join(parts[:level])
        if is_zarr(path):
            part = open_zarr(path, name)
        else:
            part = _open_classic(path) if is_classic(path) else _open_hdf5(path, name)
        stored = part.below(stored)
    assert stored is not None
    return stored


def groups(path: Path) -> list[str]:
    """Paths of the groups within a file, the root first, as "".

    Raises:
        DataError: it cannot be read.
    """
    _hold_safe(path)
    if is_zarr(path):
        return zarr_groups(path)
    names = [""]
    if is_hdf5(path):
        try:
            with h5py.File(path, "r") as file:
                file.visititems(lambda name, part: names.append(name) if isinstance(part, h5py.Group) else None)
        except LIBRARY as error:
            raise unreadable(path, error) from error
    return names


_NO_NETCDF = {
    b"CDF\x05": ("is NetCDF of the kind CDF-5, which is not read", "convert it: nccopy -k nc4 IN OUT"),
    b"\x0e\x03\x13\x01": ("is HDF4, which is not read", "convert it to NetCDF, with h4tonccf or gdal_translate"),
}
"""First bytes of files that are near to NetCDF -> what they are, and what to do."""


def _hold_kind(path: Path) -> None:
    """Refuse files whose kind is known and not read.

    Raises:
        DataError: it is one of these.
    """
    with path.open("rb") as file:
        told = _NO_NETCDF.get(file.read(4))
    if told is not None:
        raise DataError(told[0], where=path, hint=told[1])


def _hold_safe(path: Path) -> None:
    if not path.exists():
        raise DataError("is not there", where=path)
    if path.is_file():
        _hold_kind(path)
    if is_zarr(path):
        hold_safe(path)
    elif is_hdf5(path):
        hold_within_folder(path)


def _open_hdf5(path: Path, group: str) -> Stored:
    try:
        file = h5netcdf.File(path.absolute(), "r", decode_vlen_strings=True, phony_dims="access")
        try:
            opened = file[group] if group else file
            variables = {
                name: Variable(
                    name=name,
                    dims=tuple(variable.dimensions),
                    shape=tuple(variable.shape),
                    dtype=variable.dtype if isinstance(variable.dtype, np.dtype) else np.dtype(object),
                    attributes=decoded(variable.attrs),
                    array=variable,
                    where=path,
                )
                for name, variable in opened.variables.items()
            }
            attributes = decoded(opened.attrs)
        except LIBRARY:
            file.close()
            raise
    except LIBRARY as error:
        raise unreadable(path, error) from error
    return Stored(path=path, group=group, variables=variables, attributes=attributes, close=file.close)


def _open_classic(path: Path) -> Stored:
    import xarray as xr

    pyproj_first()
    # Through xarray, which keeps scipy from warning of maps that are in use when the file is closed.
    try:
        dataset = xr.open_dataset(
            path.absolute(),  # a relative name with a colon would be taken for an address
            engine="scipy",
            mask_and_scale=False,
            decode_times=False,
            decode_timedelta=False,
            decode_coords=False,
            concat_characters=False,
        )
    except LIBRARY as error:
        raise unreadable(path, error) from error
    variables = {
        str(name): Variable(
            name=str(name),
            dims=tuple(str(dim) for dim in variable.dims),
            shape=tuple(variable.shape),
            dtype=variable.dtype,
            attributes=decoded(variable.attrs),
            array=_Lazy(variable),
            where=path,
        )
        for name, variable in dataset.variables.items()
    }
    return Stored(path=path, variables=variables, attributes=decoded(dataset.attrs), close=dataset.close)


@dataclass(frozen=True)
class _Lazy:
    """A variable of xarray that hands out plain arrays."""

    variable: xr.Variable

    def __getitem__(self, index: Any, /) -> NDArray[Any]:
        return np.asarray(self.variable[index].values)
