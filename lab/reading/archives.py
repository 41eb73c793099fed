"""Archives of drifting showers in every kind of file, to be read and to be trained on.

Axes: T time, H height, W width. Frames are square, float32, in mm/h, but for a video, whose pixels are bytes.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import h5netcdf
import numpy as np
import xarray as xr
import zarr

from lab.reading import operations
from nextframe.frames.sequence import FloatArray

CHUNK = 16
"""Steps of a chunk, in NetCDF and Zarr."""
_PIECE = 512  # frames that are made at once
_WIDTH = 6.0  # standard deviation of the kernel that smooths the field, in pixels
_EPOCH = "minutes since 2020-01-01"
_STEP = 5  # minutes
_GREY = 20.0  # of a video, for each mm/h


def showers(frames: int, size: int) -> Iterator[FloatArray]:
    """Rain that drifts over a torus, dry on most of it, in pieces (T, H, W); the same at every call."""
    across = 4 * size
    wave = np.square(np.fft.fftfreq(across))[:, None] + np.square(np.fft.rfftfreq(across))
    noise = np.fft.rfft2(np.random.default_rng(0).normal(size=(across, across)))
    smooth = np.fft.irfft2(noise * np.exp(-2 * np.square(np.pi * _WIDTH) * wave), s=(across, across))
    rain = (5 * np.maximum(smooth / smooth.std() - 1, 0)).astype(np.float32)
    rain = np.pad(rain, (0, size), mode="wrap")
    for start in range(0, frames, _PIECE):
        steps = range(start, min(start + _PIECE, frames))
        corners = [(-n % across, -2 * n % across) for n in steps]
        yield np.stack([rain[top : top + size, left : left + size] for top, left in corners])


def write_npy(folder: Path, frames: int, size: int) -> Path:
    """One array (T, H, W)."""
    path = folder / "showers.npy"
    whole = np.lib.format.open_memmap(path, "w+", np.float32, (frames, size, size))
    start = 0
    for piece in showers(frames, size):
        whole[start : start + len(piece)] = piece
        start += len(piece)
    whole.flush()
    return path


def write_netcdf(folder: Path, frames: int, size: int) -> Path:
    """One file, compressed, in chunks of 16 steps."""
    path = folder / "showers.nc"
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": frames, "y": size, "x": size}
        times = file.create_variable("time", ("time",), np.int64, data=np.arange(frames) * _STEP)
        times.attrs["units"] = _EPOCH
        for axis in ("y", "x"):
            file.create_variable(axis, (axis,), np.float64, data=np.arange(size, dtype=np.float64))
        chunks = (min(CHUNK, frames), size, size)
        rain = file.create_variable(
            "rain", ("time", "y", "x"), np.float32, chunks=chunks, compression="gzip", compression_opts=4
        )
        rain.attrs["units"] = "mm/h"
        start = 0
        for piece in showers(frames, size):
            rain[start : start + len(piece)] = piece
            start += len(piece)
    return path


def write_steps(folder: Path, frames: int, size: int) -> Path:
    """A folder of one compressed NetCDF file for each step."""
    path = folder / "steps"
    path.mkdir()
    n = 0
    for piece in showers(frames, size):
        for frame in piece:
            encoding = {"rain": {"zlib": True, "complevel": 4}}
            _dataset(frame[None], n).to_netcdf(path / f"{n:06}.nc", engine="h5netcdf", encoding=encoding)
            n += 1
    return path


def write_zarr(folder: Path, frames: int, size: int) -> Path:
    """One store, compressed as Zarr does by default, in chunks of 16 steps."""
    path = folder / "showers.zarr"
    start = 0
    for piece in showers(frames, size):
        dataset = _dataset(piece, start)
        if start == 0:
            encoding = {"rain": {"chunks": (CHUNK, size, size)}, "time": {"units": _EPOCH, "dtype": "int64"}}
            dataset.to_zarr(path, mode="w", consolidated=False, encoding=encoding)
        else:
            dataset.to_zarr(path, append_dim="time", consolidated=False)
        start += len(piece)
    return path


def write_mp4(folder: Path, frames: int, size: int) -> Path:
    """An H.264 video of grey pictures, with the encoder's usual distance between key frames."""
    return _write_video(folder / "showers.mp4", "libx264", frames, size)


def write_ts(folder: Path, frames: int, size: int) -> Path:
    """The same in a transport stream, which has no index of its frames."""
    return _write_video(folder / "showers.ts", "libx264", frames, size)


def write_mpg(folder: Path, frames: int, size: int) -> Path:
    """An MPEG-2 video in a program stream."""
    return _write_video(folder / "showers.mpg", "mpeg2video", frames, size)


def _write_video(path: Path, codec: str, frames: int, size: int) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.height = stream.width = size
        stream.pix_fmt = "yuv420p"
        for piece in showers(frames, size):
            for frame in np.clip(piece * _GREY, 0, 255).astype(np.uint8):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    return path


def _consolidated(folder: Path, frames: int, size: int) -> Path:
    """A store whose metadata lie in one place, as a server that lists no files needs them."""
    path = write_zarr(folder, frames, size)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(path)
    return path


def _of(write: Callable[[Path, int, int, operations.Showers], Path]) -> Callable[[Path, int, int], Path]:
    """Writes the same showers in another format."""
    return lambda folder, frames, size: write(folder, frames, size, showers)


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A kind of archive."""

    name: str
    """What tables call it."""
    write: Callable[[Path, int, int], Path]
    """Makes one in a folder, of so many frames of so many pixels along each side."""
    options: Callable[[Path, int], Mapping[str, Any]] = lambda path, size: {}
    """Options that it is read with, by its path and the size of its frames."""
    served: bool = False
    """True where it is read from a server."""
    most: int | None = None
    """Frames that it has at most, where writing and opening it would otherwise take longest."""


ARCHIVES = (
    Archive(name="NPY", write=write_npy),
    Archive(name="NetCDF, one file", write=write_netcdf),
    Archive(name="NetCDF, one file a step", write=write_steps, most=1000),
    Archive(name="Zarr", write=write_zarr),
    Archive(name="MP4", write=write_mp4, options=lambda path, size: {"grey": True}),
    Archive(name="MPEG-TS", write=write_ts, options=lambda path, size: {"grey": True}),
    Archive(name="MPG", write=write_mpg, options=lambda path, size: {"grey": True}),
    Archive(name="Zarr on a local server", write=_consolidated, served=True),
    Archive(name="GRIB 2, one file", write=_of(operations.write_grib), most=2000),
    Archive(name="GRIB 2, zipped, one file a step", write=_of(operations.write_zipped_grib), most=1000),
    Archive(
        name="RADOLAN, zipped, one file a step, cut to the frames",
        write=_of(operations.write_radolan),
        options=lambda path, size: {"crop": (0, 0, size, size)},
        most=2000,
    ),
    Archive(name="GeoTIFF, one file a step", write=_of(operations.write_geotiff), most=1000),
    Archive(
        name="PNG by a palette, one file a step",
        write=_of(operations.write_pictures),
        options=lambda path, size: {"palette": str(operations.palette_of(path))},
        most=1000,
    ),
    Archive(
        name="WebP, one file a step",
        write=_of(operations.write_webp),
        options=lambda path, size: {"grey": True},
        most=1000,
    ),
)
"""The archives that are read."""

TRAINED_ON = tuple(archive for archive in ARCHIVES if archive.write in (write_npy, write_netcdf, write_zarr))
"""The archives that are trained on in two sizes."""


def files_of(path: Path) -> list[Path]:
    """The files of an archive."""
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())


def forget(path: Path) -> None:
    """Take an archive out of the system's cache of files, where the system can be told to, so that its files are read
    from the disk when they are first read, as those of an archive much larger than memory are.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    for file in files_of(path):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # what has not been written yet is not forgotten
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _dataset(rain: FloatArray, start: int) -> xr.Dataset:
    """Frames (T, H, W), the first of which is number `start`, with times and coordinates."""
    minutes = np.arange(start, start + len(rain)) * np.timedelta64(_STEP, "m")
    axes = {"y": np.arange(rain.shape[1], dtype=np.float64), "x": np.arange(rain.shape[2], dtype=np.float64)}
    field = xr.DataArray(rain, dims=("time", "y", "x"), attrs={"units": "mm/h"})
    return xr.Dataset({"rain": field}, {"time": np.datetime64("2020-01-01", "ns") + minutes, **axes})
