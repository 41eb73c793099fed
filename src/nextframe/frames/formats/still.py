"""One picture: what its header says, and its pixels in their own depth, upright.

Axes: C channel, H height, W width.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from nextframe.errors import DataError, first_line
from nextframe.frames.bounds import hold_claim, hold_frame
from nextframe.frames.formats.orientation import EXIF, upright

_TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG_MARK = b"\x89PNG\r\n\x1a\n"
PER_BYTE = 2**13
"""Pixels that a byte stands for at most in PNG, JPEG, GIF and BMP: those of PNG, a bit each."""
_GREY = {"1": np.bool_, "L": np.uint8, "LA": np.uint8, "La": np.uint8, "I": np.int32, "F": np.float32}
_COLOURS_OF_DEEP_PNG = {2: 3, 4: 1, 6: 3}  # by the colour type of 16-bit PNG that Pillow cuts to 8 bits


@dataclass(frozen=True)
class Kind:
    """Pixels of a picture by its header."""

    height: int
    """Rows as it is shown, not as it is stored."""
    width: int
    channels: int
    dtype: np.dtype[Any]
    names: tuple[str, ...] = ()
    """Names of its channels, where these are not colours."""
    fill: float | None = None
    """Number that marks missing values; NaN where these are NaN."""


def describe_picture(path: Path) -> Kind:
    """Read a picture's header.

    Raises:
        DataError: a file that is no picture, or claims more pixels than it can hold.
    """
    deep = _deep_png(path)
    with opened(path) as image:
        height, width = image.height, image.width
        hold_frame(path, height, width)
        hold_claim(path, height * width, per_byte=PER_BYTE)
        if EXIF[_orientation(image)][0] == 0:
            height, width = width, height
        if deep is not None:
            return Kind(height, width, deep, np.dtype(np.uint16))
        with reported(path):
            dtype = grey_type(image)
        return Kind(height, width, 3 if dtype is None else 1, np.dtype(dtype or np.uint8))


def read_picture(path: Path, kind: Kind) -> NDArray[Any]:
    """Read a picture as (C, H, W) of the kind that its header announced; alpha is dropped.

    Raises:
        DataError: a damaged file, or one that is not what it was.
    """
    with opened(path) as image:
        orientation = EXIF[_orientation(image)]
        with reported(path):
            image.load()  # also of what is decoded elsewhere: Pillow holds it to its check sums
        values = _pixels(image, path, kind) if _deep_png(path) is None else _decode_deep(path)
    values = upright(values, orientation)
    if values.shape != (kind.channels, kind.height, kind.width) or values.dtype != kind.dtype:
        raise DataError(
            "is not what its header said when it was opened",
            where=path,
            expected=f"{kind.dtype} {(kind.channels, kind.height, kind.width)}",
            received=f"{values.dtype} {values.shape}",
            hint="the file has changed; start anew",
        )
    return values


def read_clear(path: Path, kind: Kind) -> NDArray[np.uint8]:
    """Read a picture of 8 bits as red, green, blue and opacity, (4, H, W).

    Raises:
        DataError: a damaged file, or one that is not what it was.
    """
    with opened(path) as image:
        orientation = EXIF[_orientation(image)]
        with reported(path):
            image.load()
            values = np.moveaxis(np.asarray(image.convert("RGBA")), -1, 0)
    values = upright(values, orientation)
    if values.shape != (4, kind.height, kind.width):
        raise DataError(
            "is not what its header said when it was opened",
            where=path,
            expected=(kind.height, kind.width),
            received=values.shape[1:],
            hint="the file has changed; start anew",
        )
    return values


def is_tiff(path: Path) -> bool:
    """Tell a TIFF file by its first bytes, whatever its name."""
    return _head(path, 4) in _TIFF_MARKS


def is_animated_png(path: Path) -> bool:
    """Tell a PNG of several frames by its chunk `acTL`, which stands before the picture."""
    for kind, content in _chunks(path):
        if kind == b"acTL":
            return int.from_bytes(content, "big") > 1
        if kind == b"IDAT":
            return False
    return False


def png_has_end(path: Path) -> bool:
    """True where a PNG's chunks lead to its end mark."""
    return any(kind == b"IEND" for kind, _ in _chunks(path))


def is_deep_png(path: Path) -> bool:
    """Tell a PNG of 16 bits a channel."""
    head = _head(path, 25)
    return head.startswith(_PNG_MARK) and head[24:] == b"\x10"


def _chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Kinds of a PNG's chunks, with the first four bytes of each."""
    with reported(path), path.open("rb") as file:
        if file.read(8) != _PNG_MARK:
            return
        while len(head := file.read(8)) == 8:
            yield head[4:], file.read(4)
            file.seek(int.from_bytes(head[:4], "big"), 1)


def grey_type(image: Image.Image) -> type[np.generic] | None:
    """Type of the numbers of an image that is grey, by its mode or by every colour of its palette; None for colour."""
    palette = image.getpalette("RGB") if image.mode in ("P", "PA") else None
    if palette is not None:
        colours = np.reshape(palette, (-1, 3))
        return np.uint8 if (colours == colours[:, :1]).all() else None
    return np.uint16 if image.mode.startswith("I;16") else _GREY.get(image.mode)


def _pixels(image: Image.Image, path: Path, kind: Kind) -> NDArray[Any]:
    with reported(path):
        if kind.channels == 3:
            return np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
        if image.mode in ("P", "PA", "LA", "La"):
            image = image.convert("LA").getchannel("L")
        pixels = np.asarray(image)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)[None]


def _orientation(image: Image.Image) -> int:
    """Orientation by EXIF; upright where that is damaged, which says nothing of the pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            told = image.getexif().get(ExifTags.Base.Orientation)
        except (OSError, ValueError, SyntaxError, LookupError, TypeError, struct.error):
            return 1
    return told if isinstance(told, int) and told in EXIF else 1


def _head(path: Path, size: int) -> bytes:
    with reported(path), path.open("rb") as file:
        return file.read(size)


def _deep_png(path: Path) -> int | None:
    """Channels of a PNG of 16 bits a channel that has colour or alpha; None for all else."""
    return _COLOURS_OF_DEEP_PNG.get(_head(path, 26)[-1]) if is_deep_png(path) else None


def _decode_deep(path: Path) -> NDArray[Any]:
    import av

    from nextframe.frames.formats.pixels import layout_of, values_of

    try:
        with path.open("rb") as file, av.open(file, "r", format="png_pipe") as container:
            frame = next(container.decode(video=0))
            return values_of(frame, layout_of(frame.format.name))
    except (av.FFmpegError, OSError, StopIteration) as error:
        raise _unreadable(path, error) from error


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture opened by Pillow.

    Raises:
        DataError: it cannot be.
    """
    with reported(path):
        image = Image.open(path)
    with image:
        yield image


@contextmanager
def reported(path: Path, frame: int | None = None) -> Iterator[None]:
    """One sentence for what an image library raises over a damaged file; for calls of it alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `frames.bounds` has its own
            # Where a TIFF's tags are cut off, Pillow but warns, and goes on with what it could guess.
            warnings.filterwarnings("error", category=UserWarning, module=r"PIL\.TiffImagePlugin")
            yield
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        LookupError,
        TypeError,
        AttributeError,
        AssertionError,
        ArithmeticError,
        MemoryError,
        RuntimeError,
        UserWarning,
        struct.error,
        Image.DecompressionBombError,
    ) as error:
        raise _unreadable(path if frame is None else f"frame {frame} of {path}", error) from error


def _unreadable(where: object, error: Exception) -> DataError:
    return DataError(
        "cannot be read as an image",
        where=where,
        received=first_line(error),
        hint="the file may be truncated; replace it",
    )
