"""`open_source`: frames by name or by path, one entry point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nextframe.errors import ConfigError, DataError
from nextframe.frames.arrays import open_array
from nextframe.frames.gridded import NETCDF_SUFFIXES, is_zarr, open_gridded
from nextframe.frames.images import IMAGE_SUFFIXES, has_pages, natural_order, open_gif, open_images, open_pages
from nextframe.frames.moving_digits import MovingDigits
from nextframe.frames.radar import RADAR_SUFFIXES, open_radar
from nextframe.frames.rain import convert_rain
from nextframe.frames.readers import Drawn, cached, coarsen, crop, to_grey
from nextframe.frames.sequence import FrameSequence, FrameSource, Missing
from nextframe.frames.squares import MovingSquares
from nextframe.frames.video import VIDEO_SUFFIXES, open_video

GENERATED = {"squares": MovingSquares, "moving-mnist": MovingDigits}
"""Sources that are drawn as they are read."""
FORMATS = "squares, moving-mnist, .gif .mp4 .avi .npy .npz .nc .zarr .h5 (radar), or a folder of these or of images"


_TO_CONVERT = {
    **dict.fromkeys((".grib", ".grib2", ".grb", ".grb2"), "convert it to NetCDF, for example with xarray and cfgrib"),
}


def open_source(
    name: str | Path,
    *,
    variable: Sequence[str] = (),
    grey: bool = False,
    crop: Sequence[int] = (),
    rain_unit: Literal["as-read", "mm/h", "dBZ"] = "as-read",
    coarsen: int = 1,
    missing: Literal["auto", "error", "mask"] = "auto",
) -> FrameSource:
    """Open frames by name or by path; nothing but headers is read.

    Args:
        name: "squares" or "moving-mnist", with options after a colon ("squares:movies=200,frames=20,size=40,seed=3");
            or a path: a GIF, a video, an NPY or NPZ file, a NetCDF file or Zarr store, a radar composite in
            HDF5 (ODIM, KNMI), a pattern for several ("archive/*.nc"), a folder of images, or a folder of any of the
            others.
        variable: variables of a gridded source to read as channels, the quantity of radar composites (RATE, ACRR,
            DBZH), or the array of an NPZ file.
        grey: read colour as grey.
        crop: cut every frame to (top, left, height, width).
        rain_unit: bring rain or reflectivity to this unit, before anything is averaged.
        coarsen: average blocks of so many pixels along both axes.
        missing: what NaN means: a gap ("mask"), a fault ("error"), or what the file declares ("auto").

    Raises:
        DataError: nothing of that name, or a file that cannot be read.
        ConfigError: an option that the source does not know, or a unit of rain for what is not rain.
        ShapeError: frames of differing size, or a crop beyond their edge.
    """
    text = str(name)
    if text.partition(":")[0] in GENERATED:
        _no_variable(text, variable)
        sequences = _generate(text)
    else:
        policy: Missing | None = None if missing == "auto" else missing
        sequences = _open_path(text, variable, policy)
    sequences = tuple(_shape(s, grey, tuple(crop), rain_unit, coarsen) for s in sequences)
    if not all(map(_costs_nothing, sequences)):
        sequences = cached(sequences)
    return FrameSource(name=text, sequences=sequences)


def _shape(
    sequence: FrameSequence,
    grey: bool,
    box: tuple[int, ...],
    rain_unit: Literal["as-read", "mm/h", "dBZ"],
    factor: int,
) -> FrameSequence:
    if box:
        sequence = crop(sequence, box)
    if grey:
        sequence = to_grey(sequence)
    if rain_unit != "as-read":
        sequence = convert_rain(sequence, rain_unit)
    return sequence if factor == 1 else coarsen(sequence, factor)


def _costs_nothing(sequence: FrameSequence) -> bool:
    """Whether frames are in memory, mapped to it or drawn at once, so that keeping them would only cost memory."""
    return isinstance(sequence.values, (np.ndarray, Drawn))


def _generate(text: str) -> tuple[FrameSequence, ...]:
    name, _, options = text.partition(":")
    made = GENERATED[name]
    known = {f.name: isinstance(f.default, int) for f in fields(made)}  # whether it is a number
    chosen: dict[str, Any] = {}
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        if key not in known or (known[key] and not value.isdecimal()):
            expected = ", ".join(f"{field}={'NUMBER' if number else 'NAME'}" for field, number in known.items())
            raise ConfigError(f"unknown option of {name}", where=text, expected=expected, received=option)
        chosen[key] = int(value) if known[key] else value
    sequences: tuple[FrameSequence, ...] = made(**chosen).sequences()
    return sequences


def _open_path(text: str, variable: Sequence[str], missing: Missing | None) -> tuple[FrameSequence, ...]:
    path = Path(text)
    if any(sign in text for sign in "*?[") and not path.exists():
        files = sorted(Path().glob(text) if not path.is_absolute() else Path("/").glob(text[1:]), key=natural_order)
        if not files:
            raise DataError("matches no file", where=text)
        return _open_files(text, path, files, variable, missing)
    if not path.exists():
        raise DataError("is neither a file nor a known source", where=text, expected=FORMATS)
    if path.is_dir() and not is_zarr(path):
        files = sorted((p for p in path.iterdir() if not p.name.startswith(".")), key=natural_order)
        return _open_files(text, path, files, variable, missing)
    if path.is_file() and path.stat().st_size == 0:
        raise DataError("is an empty file", where=text)
    return _open_one(path, variable, missing)


def _open_one(path: Path, variable: Sequence[str], missing: Missing | None) -> tuple[FrameSequence, ...]:
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        if len(variable) > 1 or (variable and suffix == ".npy"):
            raise ConfigError("takes no such choice", where=f"variable, for {path}", received=", ".join(variable))
        return open_array(path, variable[0] if variable else None, missing=missing or "error")
    if suffix in NETCDF_SUFFIXES or is_zarr(path):
        return (open_gridded(str(path), [path], variable, missing=missing),)
    if suffix in RADAR_SUFFIXES:
        return (_open_radar(str(path), [path], variable, missing),)
    if suffix in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES):
        _no_variable(path, variable)
        reader = open_gif if suffix == ".gif" else open_video if suffix in VIDEO_SUFFIXES else open_pages
        return (reader(path),)
    raise DataError(
        "is of no format that can be read",
        where=path,
        expected=FORMATS,
        received=suffix or "no suffix",
        hint=_TO_CONVERT.get(suffix),
    )


def _open_radar(text: str, files: Sequence[Path], variable: Sequence[str], missing: Missing | None) -> FrameSequence:
    sequence = open_radar(text, files, variable)
    return sequence if missing is None else replace(sequence, missing=missing)


def _no_variable(where: object, variable: Sequence[str]) -> None:
    if variable:
        raise ConfigError(
            "has no variables to choose from", where=where, received=", ".join(variable), hint="leave out --variable"
        )


def _open_files(
    text: str, folder: Path, files: Sequence[Path], variable: Sequence[str], missing: Missing | None
) -> tuple[FrameSequence, ...]:
    """Files that belong together: gridded ones, radar composites and images are one sequence, others one each."""
    gridded = [p for p in files if p.suffix.lower() in NETCDF_SUFFIXES or is_zarr(p)]
    radar = [p for p in files if p.suffix.lower() in RADAR_SUFFIXES]
    images = [p for p in files if p.suffix.lower() in IMAGE_SUFFIXES]
    movies = [p for p in files if p.suffix.lower() in (*VIDEO_SUFFIXES, ".npy", ".npz")]
    kinds = [kind for kind in (gridded, radar, images, movies) if kind]
    if not kinds:
        suffixes = sorted({p.suffix.lower() for p in files})
        raise DataError(
            "holds no file that can be read",
            where=text,
            expected=FORMATS,
            received=f"{len(files)} others ({', '.join(s or 'no suffix' for s in suffixes)})" if files else "nothing",
            hint=next((_TO_CONVERT[s] for s in suffixes if s in _TO_CONVERT), None),
        )
    if len(kinds) > 1:
        found = ", ".join(sorted({p.suffix for kind in kinds for p in kind}))
        raise DataError(
            "holds files of several kinds", where=text, received=found, hint="name a pattern, such as 'folder/*.nc'"
        )
    for path in kinds[0]:
        if path.is_file() and path.stat().st_size == 0:
            raise DataError("is an empty file", where=path, hint="remove or replace it")
    if gridded:
        return (open_gridded(text, gridded, variable, missing=missing),)
    if radar:
        return (_open_radar(text, radar, variable, missing),)
    if images and not any(map(has_pages, images)):
        _no_variable(text, variable)
        return (open_images(folder, images),)
    return tuple(sequence for p in images or movies for sequence in _open_one(p, variable, missing))
