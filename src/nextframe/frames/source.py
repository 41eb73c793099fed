"""`open_source`: frames by name or by path, one entry point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal

from nextframe.errors import ConfigError, DataError
from nextframe.frames.arrays import open_array
from nextframe.frames.gridded import NETCDF_SUFFIXES, open_gridded
from nextframe.frames.readers import Cached, coarsen, crop, to_grey
from nextframe.frames.sequence import FrameSequence, FrameSource, Missing
from nextframe.frames.squares import MovingSquares
from nextframe.frames.video import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    check_images,
    natural_order,
    open_gif,
    open_images,
    open_video,
)

FORMATS = "squares, .gif .mp4 .avi .npy .npz .nc .zarr, or a folder of these or of images"


def open_source(
    name: str | Path,
    *,
    variable: Sequence[str] = (),
    grey: bool = False,
    crop: Sequence[int] = (),
    coarsen: int = 1,
    missing: Literal["auto", "error", "mask"] = "auto",
) -> FrameSource:
    """Open frames by name or by path; nothing but headers is read.

    Args:
        name: "squares", with options after a colon ("squares:movies=200,frames=20,size=40,seed=3"); or a path: a GIF, a
            video, an NPY or NPZ file, a NetCDF file or Zarr store, a pattern for several ("archive/*.nc"), a folder of
            images, or a folder of any of the others.
        variable: variables of a gridded source to read as channels, or the array of an NPZ file.
        grey: read colour as grey.
        crop: cut every frame to (top, left, height, width).
        coarsen: average blocks of so many pixels along both axes.
        missing: what NaN means: a gap ("mask"), a fault ("error"), or what the file declares ("auto").

    Raises:
        DataError: nothing of that name, or a file that cannot be read.
        ConfigError: an option that the source does not know.
        ShapeError: frames of differing size, or a crop beyond their edge.
    """
    text = str(name)
    if text == "squares" or text.startswith("squares:"):
        sequences = _squares(text)
    else:
        policy: Missing | None = None if missing == "auto" else missing
        sequences = _open_path(text, variable, policy)
    return FrameSource(name=text, sequences=tuple(_shape(s, grey, tuple(crop), coarsen) for s in sequences))


def _shape(sequence: FrameSequence, grey: bool, box: tuple[int, ...], factor: int) -> FrameSequence:
    before = sequence.values
    if box:
        sequence = crop(sequence, box)
    if grey:
        sequence = to_grey(sequence)
    if factor > 1:
        sequence = coarsen(sequence, factor)
    decoded = not (hasattr(before, "__array_interface__") or isinstance(before, _GENERATED))
    if sequence.values is not before or decoded:
        sequence = replace(sequence, values=Cached(sequence.values))
    return sequence


_GENERATED = type(MovingSquares(movies=1).sequences()[0].values)


def _squares(text: str) -> tuple[FrameSequence, ...]:
    known = [f.name for f in fields(MovingSquares)]
    chosen: dict[str, int] = {}
    for option in filter(None, text.partition(":")[2].split(",")):
        key, _, value = option.partition("=")
        if key not in known or not value.isdecimal():
            expected = ", ".join(f"{name}=NUMBER" for name in known)
            raise ConfigError("unknown option of squares", where=text, expected=expected, received=option)
        chosen[key] = int(value)
    return MovingSquares(**chosen).sequences()


def _open_path(text: str, variable: Sequence[str], missing: Missing | None) -> tuple[FrameSequence, ...]:
    path = Path(text)
    if any(sign in text for sign in "*?[") and not path.exists():
        files = sorted(Path().glob(text) if not path.is_absolute() else Path("/").glob(text[1:]), key=natural_order)
        if not files:
            raise DataError("matches no file", where=text)
        return _open_files(text, path, files, variable, missing)
    if not path.exists():
        raise DataError("is neither a file nor a known source", where=text, expected=FORMATS)
    if path.is_dir() and path.suffix != ".zarr":
        files = sorted((p for p in path.iterdir() if not p.name.startswith(".")), key=natural_order)
        return _open_files(text, path, files, variable, missing)
    if path.is_file() and path.stat().st_size == 0:
        raise DataError("is an empty file", where=text)
    return _open_one(path, variable, missing)


def _open_one(path: Path, variable: Sequence[str], missing: Missing | None) -> tuple[FrameSequence, ...]:
    suffix = path.suffix.lower()
    if suffix == ".gif":
        return (open_gif(path),)
    if suffix in VIDEO_SUFFIXES:
        return (open_video(path),)
    if suffix in (".npy", ".npz"):
        return open_array(path, variable[0] if variable else None, missing=missing or "error")
    if suffix in NETCDF_SUFFIXES or suffix == ".zarr":
        return (open_gridded(str(path), [path], variable, missing=missing),)
    if suffix in IMAGE_SUFFIXES:
        return (open_images(path, [path]),)
    raise DataError("is of no format that can be read", where=path, expected=FORMATS, received=suffix or "no suffix")


def _open_files(
    text: str, folder: Path, files: Sequence[Path], variable: Sequence[str], missing: Missing | None
) -> tuple[FrameSequence, ...]:
    """Files that belong together: gridded ones and images are one sequence, others one sequence each."""
    gridded = [p for p in files if p.suffix.lower() in (*NETCDF_SUFFIXES, ".zarr")]
    images = [p for p in files if p.suffix.lower() in IMAGE_SUFFIXES]
    movies = [p for p in files if p.suffix.lower() in (*VIDEO_SUFFIXES, ".npy", ".npz")]
    kinds = [kind for kind in (gridded, images, movies) if kind]
    if not kinds:
        raise DataError("holds no file that can be read", where=text, expected=FORMATS, received=f"{len(files)} others")
    if len(kinds) > 1:
        found = ", ".join(sorted({p.suffix for kind in kinds for p in kind}))
        raise DataError(
            "holds files of several kinds", where=text, received=found, hint="name a pattern, such as 'folder/*.nc'"
        )
    if gridded:
        return (open_gridded(text, gridded, variable, missing=missing),)
    if images and not _animated(images):
        sequence = open_images(folder, images)
        check_images(sequence)
        return (sequence,)
    return tuple(sequence for p in images or movies for sequence in _open_one(p, variable, missing))


def _animated(images: Sequence[Path]) -> bool:
    """Whether these are GIFs of several frames each."""
    return all(p.suffix.lower() == ".gif" for p in images) and len(open_gif(images[0])) > 1
