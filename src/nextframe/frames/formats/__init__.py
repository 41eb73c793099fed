"""Input formats, a file each, and their table."""

from __future__ import annotations

from pathlib import Path

from nextframe.frames.format import Format
from nextframe.frames.generated import GENERATED
from nextframe.plugins import Late, table

_HERE = "nextframe.frames.formats"


def is_zarr(path: Path) -> bool:
    """True where a path is a Zarr store, by its name or by what lies in it."""
    return path.suffix == ".zarr" or any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata"))


_FORMATS = (
    Format(
        name="radar composite",
        suffixes=(".h5", ".hdf5", ".hdf", ".pgm", ".gif"),
        knows=Late("nextframe.frames.radar.composites:is_composite"),
        open=Late("nextframe.frames.radar.composites:open_composites"),
        together=True,
        takes=frozenset({"variable"}),
        extra="radar",
        library="h5py, pysteps",
        carries="times, units, accumulation, projection, missing values",
    ),
    Format(
        name="NetCDF",
        suffixes=(".nc", ".nc4", ".cdf", ".netcdf"),
        open=Late(f"{_HERE}.gridded:open_stores"),
        together=True,
        takes=frozenset({"variable"}),
        library="xarray, h5netcdf, scipy",
        carries="times, units, accumulation, coordinates, projection, missing values",
    ),
    Format(
        name="Zarr",
        suffixes=(".zarr",),
        knows=is_zarr,
        open=Late(f"{_HERE}.gridded:open_stores"),
        together=True,
        takes=frozenset({"variable"}),
        library="xarray, zarr",
        carries="times, units, accumulation, coordinates, projection, missing values",
    ),
    Format(
        name="images",
        suffixes=(".gif", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"),
        open=Late(f"{_HERE}.images:open_pictures"),
        together=True,
        library="Pillow, tifffile",
        carries="the times of a GIF, orientation, missing values as GDAL marks them",
    ),
    Format(
        name="video",
        suffixes=(".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"),
        open=Late(f"{_HERE}.video:open_videos"),
        library="PyAV",
        carries="times since the first frame, orientation",
    ),
    Format(
        name="NumPy array",
        suffixes=(".npy", ".npz"),
        open=Late(f"{_HERE}.arrays:open_arrays"),
        takes=frozenset({"variable", "axes"}),
        library="NumPy",
    ),
)


def formats() -> tuple[Format, ...]:
    """The table of input formats, with rows of other packages (entry points `nextframe.formats`)."""
    return table("nextframe.formats", _FORMATS)


def what_can_be_read() -> str:
    """Names and suffixes of all sources, in one line."""
    suffixes = dict.fromkeys(suffix for row in formats() for suffix in row.suffixes)
    return f"{', '.join(GENERATED)}, {' '.join(suffixes)}, a folder of these, or a folder of such folders"
