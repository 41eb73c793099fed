"""NetCDF-4 files as HDF5: stored numbers past xarray, and links to other files.

To open a file through xarray takes tens of milliseconds, for its coordinates, times and attributes; an archive of one
file a step is opened again for every frame of every window. What a file holds is found out once, by xarray; after that
only its numbers are wanted, and these take a millisecond.

HDF5 knows links to other files, and datasets whose numbers lie in other files, so that a file made for the purpose
shows the bytes of any file that its reader may read. Such links are followed within the file's own folder alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import h5py

from nextframe.errors import DataError
from nextframe.frames.formats.stored import LIBRARY, unreadable


def hold_within_folder(path: Path) -> None:
    """Refuse an HDF5 file that shows what lies outside of its folder: by external links, external storage or virtual
    datasets, in itself or in the files of its folder that it links to.

    Raises:
        DataError: it does, or its groups cannot be read.
    """
    waiting, seen = [path.absolute()], set()
    while waiting:
        file = waiting.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        try:
            others = list(_other_files(file))
        except LIBRARY as error:
            raise unreadable(path, error) from error
        for other in others:
            target = Path(os.path.normpath(file.parent / other))
            if not target.is_relative_to(path.absolute().parent) or not target.is_file():
                raise DataError(
                    "links to a file outside of its own folder",
                    where=path,
                    received=other,
                    hint="copy what it links to into the file (h5repack does), if you trust it",
                )
            waiting.append(target)


def _other_files(path: Path) -> Iterator[str]:
    """Names of the files that an HDF5 file shows numbers of, as it writes them."""
    with h5py.File(path, "r") as file:
        groups, seen = [file["/"]], set()
        while groups:
            group = groups.pop()
            address = h5py.h5o.get_info(group.id).addr
            if address in seen:
                continue
            seen.add(address)
            for name in group:
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    yield link.filename
                elif isinstance(link, h5py.HardLink):
                    part = group[name]
                    if isinstance(part, h5py.Group):
                        groups.append(part)
                    elif isinstance(part, h5py.Dataset):
                        # Names of external storage are taken from the working directory.
                        yield from (str(Path(name).absolute()) for name, _, _ in part.external or ())
                        if part.is_virtual:
                            yield from (s.file_name for s in part.virtual_sources() if s.file_name != ".")
