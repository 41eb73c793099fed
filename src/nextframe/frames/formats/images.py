"""Still and animated images: folders of frames, GIF, stacks of pages in one TIFF."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nextframe.config import Reading
from nextframe.errors import DataError, ShapeError, first_line
from nextframe.frames.damage import Damage, describe_each
from nextframe.frames.names import natural_order
from nextframe.frames.readers import CACHE_BYTES
from nextframe.frames.sequence import FrameSequence

_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    UserWarning,
    Image.DecompressionBombError,
)
_GREY_MODES = ("1", "L", "LA", "La", "I", "F")


def open_pictures(
    name: str, files: Sequence[Path], reading: Reading, damage: Damage | None
) -> tuple[FrameSequence, ...]:
    """Open images (`frames.format.Open`): one that has pages as a movie, several without such as the frames of one.

    Raises:
        DataError, ShapeError: as `open_gif`, `open_images` and `open_pages`.
    """
    # An image that cannot be read keeps its place, and is counted when it is read.
    note = None if damage is None else Damage()
    if len(files) > 1 and not any(describe_each(files, has_pages, note)):
        return (open_images(Path(name), files, damage),)
    return tuple(describe_each(files, lambda p: open_gif(p) if p.suffix.lower() == ".gif" else open_pages(p), damage))


def open_gif(path: Path) -> FrameSequence:
    """Open an animated GIF; it is decoded at once, since each of its frames builds on the one before.

    A GIF whose colours are all grey has one channel. The median of the frames' durations is the time step. What would
    not fit the memory given to decoded frames is held in a temporary file.

    Raises:
        DataError: a file that is not an image, or is damaged; the frame is named.
    """
    durations = []
    grey = True
    with _open(path) as image:
        if not _has_end(path):
            raise DataError("is truncated: its end mark is missing", where=path, hint="fetch or save it again")
        count = _count(image)
        shape = (count, 3, image.height, image.width)
        movie: NDArray[np.uint8]
        if np.prod(shape) > CACHE_BYTES:
            with tempfile.TemporaryFile() as file:  # has no name, and is gone with the last reader of the map
                movie = np.memmap(file, np.uint8, "w+", shape=shape)
        else:
            movie = np.empty(shape, np.uint8)
        for n in range(count):
            with _reading(path, n):
                image.seek(n)
                frame = np.asarray(image.convert("RGB"))
            durations.append(float(image.info.get("duration", 0)))
            grey = grey and bool((frame == frame[..., :1]).all())
            movie[n] = np.moveaxis(frame, -1, 0)
    if grey:
        movie = movie[:, :1] if isinstance(movie, np.memmap) else movie[:, :1].copy()
    step = float(np.median(durations))
    return FrameSequence(
        values=movie, name=str(path), time_step=np.timedelta64(round(step * 1e6), "ns") if step > 0 else None
    )


def open_images(folder: Path, files: Sequence[Path], damage: Damage | None = None) -> FrameSequence:
    """Open a folder of images, one frame each, in natural order of their names (2 before 10).

    All headers are read, no pixels. Images that are all grey, by their type or by every colour of their palette, make
    one channel in their own number type; if any has colour, all are read as red, green and blue. Alpha is dropped.

    Args:
        folder: what to call the sequence.
        files: the images.
        damage: given where images that cannot be read are to be skipped. They keep their places, since nothing but its
            place tells the time of an image; reading one is an error still.

    Raises:
        DataError: an image that cannot be read.
        ShapeError: images of differing size; the first that differs is named.
    """
    files = sorted(files, key=natural_order)
    first: tuple[Path, tuple[int, int]] | None = None
    grey = True
    for path in files:
        try:
            with _open(path) as image, _reading(path):
                received = image.height, image.width
                grey = grey and _is_grey(image)
        except DataError:
            if damage is None or (first is None and path is files[-1]):
                raise
            continue
        first = first or (path, received)
        if received != first[1]:
            raise ShapeError(
                f"differs in (height, width) from {first[0].name}",
                where=path,
                expected=first[1],
                received=received,
                hint="bring all images of the folder to one size",
            )
    assert first is not None
    return FrameSequence(values=_Images(tuple(files), grey, first[0]), name=str(folder))


def open_pages(path: Path) -> FrameSequence:
    """Open an image of one or more pages, such as a TIFF stack, one frame each; a page is decoded when it is read.

    Raises:
        DataError: an image that cannot be read.
        ShapeError: pages of differing size; the first that differs is named.
    """
    with _open(path) as image:
        size = image.height, image.width
        grey = True
        count = _count(image)
        for n in range(count):
            with _reading(path, n):
                image.seek(n)
                received = image.height, image.width
                grey = grey and _is_grey(image)
            if received != size:
                raise ShapeError(f"page {n} differs from page 0", where=path, expected=size, received=received)
    return FrameSequence(values=_Pages(path, grey, count), name=str(path))


def has_pages(path: Path) -> bool:
    """Whether a GIF or TIFF holds several frames."""
    if path.suffix.lower() not in (".gif", ".tif", ".tiff"):
        return False  # other formats' further images are thumbnails or views, not frames
    with _open(path) as image:
        return _count(image) > 1


@dataclass(frozen=True)
class _Images:
    """One file a frame, as (T, C, H, W)."""

    files: tuple[Path, ...]
    grey: bool
    like: Path
    """The file whose shape and type of numbers the others share."""

    @cached_property
    def _first(self) -> NDArray:  # type: ignore[type-arg]
        return self._read(self.like)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.files), *self._first.shape)

    @property
    def dtype(self) -> np.dtype:
        return self._first.dtype

    def __getitem__(self, frames: slice, /) -> NDArray:  # type: ignore[type-arg]
        return np.stack([self._same_type(path) for path in self.files[frames]])

    def _same_type(self, path: Path) -> NDArray:  # type: ignore[type-arg]
        frame = self._read(path)
        if frame.dtype != self.dtype:
            raise DataError(
                f"differs in its type of numbers from {self.like.name}",
                where=path,
                expected=self.dtype,
                received=frame.dtype,
                hint="bring all images of the folder to one type",
            )
        return frame

    def _read(self, path: Path) -> NDArray:  # type: ignore[type-arg]
        with _open(path) as image, _reading(path):
            return _pixels(image, self.grey)


@dataclass(frozen=True)
class _Pages:
    """The pages of one file, as (T, C, H, W)."""

    path: Path
    grey: bool
    count: int

    @cached_property
    def _first(self) -> NDArray:  # type: ignore[type-arg]
        return self._read(0, 1)[0]

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.count, *self._first.shape)

    @property
    def dtype(self) -> np.dtype:
        return self._first.dtype

    def __getitem__(self, frames: slice, /) -> NDArray:  # type: ignore[type-arg]
        start, stop, _ = frames.indices(self.count)
        return np.stack(self._read(start, stop))

    def _read(self, start: int, stop: int) -> list[NDArray]:  # type: ignore[type-arg]
        pages = []
        with _open(self.path) as image:
            for n in range(start, stop):
                with _reading(self.path, n):
                    image.seek(n)
                    pages.append(_pixels(image, self.grey))
        return pages


def _has_end(path: Path) -> bool:
    """Whether a GIF's blocks lead to its end mark; image libraries take the end of a cut file for the end of frames."""

    def table(flags: int) -> int:
        return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0

    with path.open("rb") as file:
        header = file.read(13)
        if len(header) < 13:
            return False
        file.seek(table(header[10]), 1)
        while (kind := file.read(1)) != b";":
            if not kind:
                return False
            if kind == b",":  # an image: place, size and flags, its colours, the length of its codes, then its content
                place = file.read(9)
                if len(place) < 9:
                    return False
                file.seek(table(place[8]), 1)
            elif kind != b"!":
                continue  # padding, which readers skip
            file.seek(1, 1)
            while (size := file.read(1)) not in (b"", b"\0"):
                file.seek(size[0], 1)
        return True


@contextmanager
def _reading(path: Path, frame: int | None = None) -> Iterator[None]:
    """Turn whatever an image library raises over a damaged file into one sentence."""
    try:
        with warnings.catch_warnings():
            # Where a TIFF's tags are cut off, Pillow but warns, and goes on with what it could guess.
            warnings.filterwarnings("error", category=UserWarning, module=r"PIL\.TiffImagePlugin")
            yield
    except _UNREADABLE as error:
        where = path if frame is None else f"frame {frame} of {path}"
        raise DataError(
            "cannot be read as an image",
            where=where,
            received=first_line(error),
            hint="the file may be truncated; replace it",
        ) from error


@contextmanager
def _open(path: Path) -> Iterator[Image.Image]:
    with _reading(path):
        image = Image.open(path)
    with image:
        yield image


def _count(image: Image.Image) -> int:
    with _reading(Path(str(getattr(image, "filename", "image")))):
        return int(getattr(image, "n_frames", 1))


def _is_grey(image: Image.Image) -> bool:
    palette = image.getpalette("RGB") if image.mode in ("P", "PA") else None
    if palette is not None:
        colours = np.reshape(palette, (-1, 3))
        return bool((colours == colours[:, :1]).all())
    return image.mode in _GREY_MODES or image.mode.startswith("I;16")


def _pixels(image: Image.Image, grey: bool) -> NDArray:  # type: ignore[type-arg]
    """(C, H, W); grey in the image's own type of numbers."""
    if not grey:
        return np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
    if image.mode in ("P", "PA", "LA", "La"):
        image = image.convert("LA").getchannel("L")
    pixels = np.asarray(image)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)[None]
