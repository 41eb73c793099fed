"""`open_source`: frames by name or by path, one entry point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nextframe.errors import ConfigError, DataError
from nextframe.frames.arrays import open_array
from nextframe.frames.damage import Damage, Damaged, describe_each, tolerate
from nextframe.frames.gridded import NETCDF_SUFFIXES, is_zarr, open_gridded
from nextframe.frames.images import IMAGE_SUFFIXES, has_pages, natural_order, open_gif, open_images, open_pages
from nextframe.frames.mapped import Mapped
from nextframe.frames.moving_digits import MovingDigits
from nextframe.frames.radar import is_radar, open_radar
from nextframe.frames.rain import convert_rain
from nextframe.frames.readers import Drawn, cached, coarsen, crop, to_grey
from nextframe.frames.sequence import FrameSequence, FrameSource, Missing
from nextframe.frames.squares import MovingSquares
from nextframe.frames.video import VIDEO_SUFFIXES, open_video

GENERATED = {"squares": MovingSquares, "moving-mnist": MovingDigits}
"""Sources that are drawn as they are read."""
FORMATS = (
    "squares, moving-mnist, .gif .mp4 .avi .npy .npz .nc .zarr .h5 (radar), a folder of these or of images, or a "
    "folder of such folders"
)


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
    damaged: Damaged = "error",
) -> FrameSource:
    """Open frames by name or by path; nothing but headers is read.

    Args:
        name: "squares" or "moving-mnist", with options after a colon ("squares:movies=200,frames=20,size=40,seed=3");
            or a path: a GIF, a video, an NPY or NPZ file, a NetCDF file or Zarr store, a radar composite (HDF5 by
            ODIM or KNMI, MeteoSwiss GIF, FMI PGM), a pattern for several ("archive/*.nc"), a folder of images, a
            folder of any of the others, or several such folders, by a pattern or in one folder.
        variable: variables of a gridded source to read as channels, the quantity of radar composites (RATE, ACRR,
            DBZH), or the array of an NPZ file.
        grey: read colour as grey.
        crop: cut every frame to (top, left, height, width).
        rain_unit: bring rain or reflectivity to this unit, before anything is averaged.
        coarsen: average blocks of so many pixels along both axes.
        missing: what NaN means: a gap ("mask"), a fault ("error"), or what the file declares ("auto").
        damaged: whether a frame that cannot be read is an error, or is skipped: missing as a whole, and counted in the
            source's `damage`. One of several files that cannot even be opened is left out.

    Raises:
        DataError: nothing of that name, or a file that cannot be read.
        ConfigError: an option that the source does not know, or a unit of rain for what is not rain.
        ShapeError: frames of differing size, or a crop beyond their edge.
    """
    text = str(name)
    damage = Damage() if damaged == "skip" else None
    if text.partition(":")[0] in GENERATED:
        _no_variable(text, variable)
        sequences = _generate(text)
    else:
        policy: Missing | None = None if missing == "auto" else missing
        sequences = _open_path(text, variable, policy, damage)
    sequences = tuple(_shape(s, grey, tuple(crop), rain_unit, coarsen) for s in sequences)
    if damage is not None:
        sequences = tuple(tolerate(s, damage) for s in sequences)
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
    return isinstance(sequence.values, (np.ndarray, Mapped, Drawn))


def _generate(text: str) -> tuple[FrameSequence, ...]:
    name, _, options = text.partition(":")
    made = GENERATED[name]
    known = {f.name: isinstance(f.default, int) for f in fields(made)}  # whether it is a number
    chosen: dict[str, Any] = {}
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        if key not in known or (known[key] and not value.isdecimal()):
            expected = ", ".join(f"{field}={'NUMBER' if number else 'NAME'}" for field, number in known.items())
            what = f"is no value of {key}" if key in known else f"unknown option of {name}"
            raise ConfigError(what, where=text, expected=expected, received=value if key in known else option)
        chosen[key] = int(value) if known[key] else value
    sequences: tuple[FrameSequence, ...] = made(**chosen).sequences()
    return sequences


def _open_path(
    text: str, variable: Sequence[str], missing: Missing | None, damage: Damage | None
) -> tuple[FrameSequence, ...]:
    path = Path(text)
    if any(sign in text for sign in "*?[") and not path.exists():
        files = sorted(Path().glob(text) if not path.is_absolute() else Path("/").glob(text[1:]), key=natural_order)
        if not files:
            raise DataError("matches no file", where=text)
        return _open_files(text, path, files, variable, missing, damage)
    if not path.exists():
        raise DataError("is neither a file nor a known source", where=text, expected=FORMATS)
    if path.is_dir() and not is_zarr(path):
        return _open_files(text, path, _listed(path), variable, missing, damage)
    if path.is_file() and path.stat().st_size == 0:
        raise DataError("is an empty file", where=text)
    return _open_one(path, variable, missing)


def _open_one(path: Path, variable: Sequence[str], missing: Missing | None) -> tuple[FrameSequence, ...]:
    suffix = path.suffix.lower()
    if is_radar(path):
        return (_open_radar(str(path), [path], variable, missing, None),)
    if suffix in (".npy", ".npz"):
        if len(variable) > 1 or (variable and suffix == ".npy"):
            raise ConfigError("takes no such choice", where=f"variable, for {path}", received=", ".join(variable))
        return open_array(path, variable[0] if variable else None, missing=missing or "error")
    if suffix in NETCDF_SUFFIXES or is_zarr(path):
        return (open_gridded(str(path), [path], variable, missing=missing),)
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


def _open_radar(
    text: str, files: Sequence[Path], variable: Sequence[str], missing: Missing | None, damage: Damage | None
) -> FrameSequence:
    sequence = open_radar(text, files, variable, damage=damage)
    return sequence if missing is None else replace(sequence, missing=missing)


def _no_variable(where: object, variable: Sequence[str]) -> None:
    if variable:
        raise ConfigError(
            "has no variables to choose from", where=where, received=", ".join(variable), hint="leave out --variable"
        )


def _open_files(
    text: str,
    folder: Path,
    files: Sequence[Path],
    variable: Sequence[str],
    missing: Missing | None,
    damage: Damage | None,
    *,
    nested: bool = False,
) -> tuple[FrameSequence, ...]:
    """Files that belong together: gridded ones, radar composites and images are one sequence, others one each."""
    gridded = [p for p in files if p.suffix.lower() in NETCDF_SUFFIXES or is_zarr(p)]
    radar = [p for p in files if is_radar(p)]
    images = [p for p in files if p.suffix.lower() in IMAGE_SUFFIXES and not is_radar(p)]
    movies = [p for p in files if p.suffix.lower() in (*VIDEO_SUFFIXES, ".npy", ".npz")]
    kinds = [kind for kind in (gridded, radar, images, movies) if kind]
    if not kinds:
        folders = [p for p in files if p.is_dir()]
        if folders and not nested:
            return _open_folders(folders, variable, missing, damage)
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
    # An image that cannot be read keeps its place, and is counted when it is read.
    note = damage if damage is None or not images else Damage()
    together = describe_each(kinds[0], _not_empty, note)
    if gridded:
        return (open_gridded(text, together, variable, missing=missing, damage=damage),)
    if radar:
        return (_open_radar(text, together, variable, missing, damage),)
    if images and not any(describe_each(together, has_pages, note)):
        _no_variable(text, variable)
        return (open_images(folder, images, damage),)
    opened = describe_each(together, lambda p: _open_one(p, variable, missing), damage)
    return tuple(sequence for sequences in opened for sequence in sequences)


def _open_folders(
    folders: Sequence[Path], variable: Sequence[str], missing: Missing | None, damage: Damage | None
) -> tuple[FrameSequence, ...]:
    """Several folders, as one has them where each holds one event; in order of time where all know theirs."""
    found = [
        sequence
        for folder in folders
        for sequence in _open_files(str(folder), folder, _listed(folder), variable, missing, damage, nested=True)
    ]
    starts = [sequence.times[0] for sequence in found if sequence.times is not None]
    if len(starts) == len(found):
        found = [found[n] for n in np.argsort(np.array(starts), kind="stable")]
    return tuple(found)


def _listed(folder: Path) -> list[Path]:
    return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=natural_order)


def _not_empty(path: Path) -> Path:
    if path.is_file() and path.stat().st_size == 0:
        raise DataError("is an empty file", where=path, hint="remove or replace it")
    return path
