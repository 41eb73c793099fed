"""Input formats, a file each, and their table."""

from __future__ import annotations

from pathlib import Path

from nextframe.frames.format import Fact, Format
from nextframe.frames.generated import GENERATED
from nextframe.frames.remote import Remote
from nextframe.plugins import Late, table

_HERE = "nextframe.frames.formats"


def is_zarr(path: Path) -> bool:
    """True where a path is a Zarr store, by its name or by what lies in it; on servers nothing else is read."""
    return (
        isinstance(path, Remote)
        or path.suffix == ".zarr"
        or any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata"))
    )


_EVERYTHING: tuple[Fact, ...] = ("time", "units", "missing", "projection", "accumulation")

_FORMATS = (
    Format(
        name="RADOLAN",
        suffixes=("-bin",),
        knows=Late("nextframe.frames.radar.composites:is_radolan"),
        open=Late("nextframe.frames.radar.composites:open_composites"),
        together=True,
        takes=frozenset({"variable"}),
        extra="radolan",
        about="composites of DWD in mm or dBZ, each file a step; accumulation of the headers",
        library="wradlib",
        carries=_EVERYTHING,
        zipped=True,
        tests=(
            "tests/frames/radar/test_radolan.py",
            "tests/frames/formats/test_originals.py",
        ),
    ),
    Format(
        name="radar composite",
        suffixes=(".h5", ".hd5", ".hdf5", ".hdf", ".pgm", ".gif"),
        knows=Late("nextframe.frames.radar.composites:is_composite"),
        holds=Late("nextframe.frames.radar.composites:holds_composite"),
        open=Late("nextframe.frames.radar.composites:open_composites"),
        together=True,
        takes=frozenset({"variable"}),
        extra="radar",
        about="composites by ODIM and KNMI, of MeteoSwiss (GIF) and FMI (PGM), each file a step",
        library="h5py, pysteps",
        carries=_EVERYTHING,
        tests=(
            "tests/frames/radar/test_odim.py",
            "tests/frames/radar/test_knmi.py",
            "tests/frames/radar/test_composites.py",
            "tests/frames/formats/test_originals.py",
        ),
    ),
    Format(
        name="NetCDF",
        suffixes=(".nc", ".nc4", ".cdf", ".netcdf"),
        open=Late(f"{_HERE}.gridded:open_stores"),
        together=True,
        takes=frozenset({"variable", "time_format"}),
        about="a sequence in order of time, each file a step or many; a variable is a channel",
        library="xarray, h5netcdf, scipy",
        carries=_EVERYTHING,
        tests=(
            "tests/frames/formats/test_gridded.py",
            "tests/frames/formats/test_originals.py",
        ),
    ),
    Format(
        name="Zarr",
        suffixes=(".zarr",),
        knows=is_zarr,
        open=Late(f"{_HERE}.gridded:open_stores"),
        together=True,
        takes=frozenset({"variable"}),
        about="as NetCDF; stores on servers, too",
        library="xarray, zarr; obstore for stores on servers (extra `cloud`)",
        carries=_EVERYTHING,
        tests=(
            "tests/frames/formats/test_originals.py",
            "tests/frames/formats/test_mlcast.py",
        ),
    ),
    Format(
        name="GRIB",
        suffixes=(".grib", ".grib1", ".grib2", ".grb", ".grb1", ".grb2", ".gb2"),
        open=Late("nextframe.frames.grib.sequences:open_grib"),
        together=True,
        takes=frozenset({"variable"}),
        extra="grib",
        about="a sequence in order of valid time, or one for each member of an ensemble",
        library="ecCodes",
        carries=_EVERYTHING,
        zipped=True,
        tests=(
            "tests/frames/grib/test_grib.py",
            "tests/frames/formats/test_originals.py",
        ),
    ),
    Format(
        name="SEVIR",
        suffixes=("CATALOG.csv",),
        knows=Late(f"{_HERE}.layouts:is_sevir"),
        open=Late(f"{_HERE}.sevir:open_sevir"),
        about="a sequence for each event of the catalogue",
        library="h5py",
        carries=("time", "units", "missing", "projection"),
        tests=(
            "tests/frames/formats/test_sevir.py",
            "tests/frames/formats/test_originals.py",
        ),
    ),
    Format(
        name="MeteoNet",
        suffixes=("reflectivity_*.npz", "rainfall_*.npz"),
        knows=Late(f"{_HERE}.layouts:is_meteonet"),
        open=Late(f"{_HERE}.meteonet:open_meteonet"),
        together=True,
        about="a sequence in order of time, of files of ten days",
        library="NumPy",
        carries=_EVERYTHING,
        tests=(
            "tests/frames/formats/test_meteonet.py",
            "tests/frames/formats/test_originals.py",
        ),
    ),
    Format(
        name="HKO-7",
        suffixes=("radarPNG/",),
        knows=Late(f"{_HERE}.layouts:is_hko7"),
        open=Late(f"{_HERE}.hko7:open_hko7"),
        about="a sequence in order of time, of a picture every six minutes",
        library="Pillow",
        carries=("time", "units", "missing"),
        tests=(
            "tests/frames/formats/test_hko7.py",
            "tests/frames/formats/test_originals.py",
        ),
    ),
    Format(
        name="KTH",
        suffixes=("kth/",),
        knows=Late(f"{_HERE}.layouts:is_kth"),
        open=Late(f"{_HERE}.kth:open_kth"),
        about="a sequence for each film",
        library="Pillow",
        carries=("time",),
        tests=(
            "tests/frames/formats/test_kth.py",
            "tests/frames/formats/test_originals.py",
        ),
    ),
    Format(
        name="TaxiBJ",
        suffixes=("dataset.npz",),
        knows=Late(f"{_HERE}.layouts:is_taxibj"),
        open=Late(f"{_HERE}.taxibj:open_taxibj"),
        about="a sequence for each movie, past and future in one",
        library="NumPy",
        tests=(
            "tests/frames/formats/test_taxibj.py",
            "tests/frames/formats/test_originals.py",
        ),
    ),
    Format(
        name="GeoTIFF",
        suffixes=(".tif", ".tiff"),
        knows=Late(f"{_HERE}.geotiff:is_geotiff"),
        open=Late(f"{_HERE}.geotiff:open_geotiff"),
        together=True,
        takes=frozenset({"variable", "time_format", "palette"}),
        extra="geotiff",
        about="a sequence, each file a step, or each band that says its own time",
        library="rasterio",
        carries=_EVERYTHING,
        tests=(
            "tests/frames/formats/test_geotiff.py",
            "tests/frames/formats/test_geotiff_palette.py",
        ),
    ),
    Format(
        name="images",
        suffixes=(".gif", ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".webp"),
        open=Late(f"{_HERE}.images:open_pictures"),
        together=True,
        takes=frozenset({"time_format", "palette"}),
        about="a sequence in natural order of the names, or of the pictures in one file (GIF, TIFF)",
        library="Pillow, tifffile",
        carries=("time", "units", "missing"),
        tests=(
            "tests/frames/formats/test_images.py",
            "tests/frames/formats/test_originals.py",
        ),
    ),
    Format(
        name="video",
        suffixes=(
            *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts"),
            *(".3gp", ".3g2", ".wmv", ".asf", ".flv", ".ogv", ".vob"),
        ),
        open=Late(f"{_HERE}.video:open_videos"),
        about="a sequence, decoded as it is read; grey or in colour, as the file is",
        library="PyAV",
        carries=("time",),
        tests=(
            "tests/frames/formats/test_video.py",
            "tests/frames/formats/test_originals.py",
        ),
    ),
    Format(
        name="NumPy array",
        suffixes=(".npy", ".npz"),
        open=Late(f"{_HERE}.arrays:open_arrays"),
        takes=frozenset({"variable", "axes"}),
        about="a sequence, or one for each movie; the shape tells the axes, or an option names them",
        library="NumPy",
        tests=(
            "tests/frames/formats/test_arrays.py",
            "tests/frames/formats/test_originals.py",
        ),
    ),
)


def formats() -> tuple[Format, ...]:
    """The table of input formats, with rows of other packages (entry points `nextframe.formats`)."""
    return table("nextframe.formats", _FORMATS)


def what_can_be_read() -> str:
    """Names and suffixes of all sources, in one line."""
    suffixes = dict.fromkeys(suffix for row in formats() for suffix in row.suffixes)
    return f"{', '.join(GENERATED)}, {' '.join(suffixes)}, a folder of these, or a folder of such folders"
