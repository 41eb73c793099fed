"""TIFF: pages in their own type of numbers, with any number of bands, by tifffile; by Pillow where that lacks a codec.

Axes: T time (pages), C channel, H height, W width.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray

from nextframe.errors import DataError
from nextframe.frames.bounds import hold_claim, hold_frame
from nextframe.frames.formats.orientation import EXIF, upright
from nextframe.frames.formats.still import Kind, opened, reported
from nextframe.frames.steps import LONGEST, NANOSECONDS

_ORIENTATION, _NODATA = 274, 42113
_OF_ANOTHER = 1 | 4
"""Bits of the kind of a page (tag 254): a reduced version of another, a mask of one."""
_OME_TIME = re.compile(r'\bTimeIncrement(Unit)?="([^"]*)"')
_ALPHA = (1, 2)  # kinds of extra samples
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
_PLAIN = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE)
_BY_PILLOW = ("b1", "u1", "u2", "i2", "i4", "f4")  # grey numbers that Pillow keeps

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it finds odd does not reach the terminal


class Tiff:
    """A TIFF file that is open for reading.

    Raises:
        DataError: a file that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = path.stat().st_size
        with reported(path):
            count = _count_pages(path, self._size)
            self._file = tifffile.TiffFile(path)
            found = len(self._file.pages)
        if found != count:  # tifffile takes the end of a cut chain for the end of the pages
            raise DataError("is damaged", where=path, expected=f"{count} pages", received=found, hint="replace it")

    def __enter__(self) -> Tiff:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def __len__(self) -> int:
        with reported(self.path):
            return len(self._file.pages)

    def frames(self) -> list[int]:
        """Numbers of the pages that are pictures of their own, not smaller versions or masks of others."""
        count = len(self)
        if count == 1:
            return [0]
        with reported(self.path):
            kinds = [int(self._file.pages[n].aspage().subfiletype) for n in range(count)]
        return [n for n, kind in enumerate(kinds) if n == 0 or not kind & _OF_ANOTHER]

    def interval(self) -> np.timedelta64 | None:
        """Time between frames, as ImageJ (`finterval`) or OME (`TimeIncrement`) state it; None where they do not."""
        with reported(self.path):
            about = self._file.imagej_metadata if self._file.is_imagej else None
            written = self._file.ome_metadata if self._file.is_ome else None
        said, unit = ("", "s")
        if about:
            said, unit = str(about.get("finterval", "")), str(about.get("tunit", "s"))
        elif written:
            attributes = dict(_OME_TIME.findall(written))
            said, unit = attributes.get("", ""), attributes.get("Unit", "s")
        nanoseconds = NANOSECONDS.get(unit.strip())
        length = _number(said)
        if length is None or nanoseconds is None or not 0 < length * nanoseconds < LONGEST:
            return None
        return np.timedelta64(round(length * nanoseconds), "ns")

    def stacked(self) -> NDArray[np.intp]:
        """Numbers of the pages as (T, C): those that ImageJ or OME call channels of one time belong together.

        Raises:
            DataError: a stack along further axes.
        """
        pages = np.array(self.frames())
        with reported(self.path):
            series = self._file.series[0]
            axes, shape = series.axes, series.shape
            spoken = self._file.is_imagej or self._file.is_ome
        lead = [(axis, size) for axis, size in zip(axes, shape, strict=True) if axis not in "YXS"]
        if not spoken or int(np.prod([size for _, size in lead])) != len(pages):
            return pages[:, None]
        long = [axis for axis, size in lead if size > 1]
        others = [axis for axis in long if axis != "C"]
        if len(others) > 1:
            raise DataError(
                "is a stack along several axes",
                where=self.path,
                expected="time, and channels",
                received=f"{axes} {shape}",
                hint="save one level, or one series, in a file of its own",
            )
        cube = pages.reshape([size for _, size in lead])
        channel = next((n for n, (axis, _) in enumerate(lead) if axis == "C"), None)
        if channel is None:
            return pages[:, None]
        return np.moveaxis(cube, channel, -1).reshape(-1, cube.shape[channel])

    def describe(self, number: int) -> Kind:
        """Read a page's tags.

        Raises:
            DataError: damaged tags, or pixels that are not numbers.
        """
        page = self._page(number)
        with reported(self.path, number):
            height, width, depth = page.imagelength, page.imagewidth, page.imagedepth
            samples, photometric, dtype = page.samplesperpixel, int(page.photometric), page.dtype
            alpha = sum(int(extra) in _ALPHA for extra in page.extrasamples)
            orientation = EXIF.get(_value(page, _ORIENTATION), EXIF[1])
            nodata = _number(_value(page, _NODATA))
            colours = photometric == _PALETTE and _is_colour(page)
            ends = [start + length for start, length in zip(page.dataoffsets, page.databytecounts, strict=True)]
        hold_frame(self.path, height, width)
        hold_claim(self.path, height * width)
        if max(ends, default=0) > self._size:
            raise DataError(
                "is truncated",
                where=f"frame {number} of {self.path}",
                expected=f"{max(ends):,} bytes",
                received=f"{self._size:,}",
                hint="replace the file",
            )
        if dtype is None or dtype.kind not in "biuf" or depth != 1:
            raise DataError(
                "holds no plain frames of real numbers",
                where=f"frame {number} of {self.path}",
                received=f"type {dtype}" if depth == 1 else f"{depth} levels",
                hint="save frames of real numbers",
            )
        if orientation[0] == 0:
            height, width = width, height
        bands = samples - alpha
        if photometric in (_CMYK, _YCBCR, _LAB) or (photometric == _RGB and bands == 3) or colours:
            return Kind(height, width, 3, np.dtype(np.uint8) if photometric != _RGB else dtype)
        if photometric == _PALETTE:
            return Kind(height, width, 1, np.dtype(np.uint8))
        names = tuple(f"band{n + 1}" for n in range(bands)) if bands > 1 else ()
        if nodata is not None and np.isnan(nodata) and dtype.kind != "f":
            nodata = None  # whole numbers are never NaN
        return Kind(height, width, bands, dtype, names, nodata)

    def read(self, number: int, kind: Kind) -> NDArray[Any]:
        """Read a page as (C, H, W) of the kind that its tags announced.

        Raises:
            DataError: a damaged page, a codec that is not installed, or a page that is not what it was.
        """
        page = self._page(number)
        with reported(self.path, number):
            photometric = int(page.photometric)
            orientation = EXIF.get(_value(page, _ORIENTATION), EXIF[1])
        values = self._decoded(page, number) if photometric in _PLAIN else None
        if values is None:
            values = self._by_pillow(number, kind, turned=orientation[0] == 0 and int(page.compression) == 1)
        else:
            values = upright(_without_alpha(values, page, photometric, kind), orientation)
        if values.shape != (kind.channels, kind.height, kind.width):
            raise DataError(
                "is not what its header said",
                where=f"frame {number} of {self.path}",
                expected=(kind.channels, kind.height, kind.width),
                received=values.shape,
                hint="the file may be truncated; replace it",
            )
        return values.astype(kind.dtype, copy=False)

    def _page(self, number: int) -> Any:
        with reported(self.path, number):
            return self._file.pages[number].aspage()

    def _decoded(self, page: Any, number: int) -> NDArray[Any] | None:
        """A page's samples, (C, H, W); None where tifffile needs imagecodecs for them."""
        try:
            with reported(self.path, number):
                samples, axes = page.asarray(), page.axes
        except DataError as error:
            if "imagecodecs" in str(error.received):
                return None
            raise
        if axes == "YX":
            return np.asarray(samples)[None]
        return np.moveaxis(np.asarray(samples), axes.index("S"), 0)

    def _by_pillow(self, number: int, kind: Kind, *, turned: bool) -> NDArray[Any]:
        plain = kind.dtype.str[1:] in _BY_PILLOW if kind.channels == 1 else kind.dtype == np.uint8 and not kind.names
        if not plain or turned:  # Pillow 13 does not turn what is not compressed
            raise DataError(
                "is stored in a way that takes the package imagecodecs",
                where=f"frame {number} of {self.path}",
                hint="install it: pip install imagecodecs",
            )
        with opened(self.path) as image, reported(self.path, number):
            image.seek(number)
            image.load()
            if kind.channels == 3:
                return np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
            grey = image.convert("LA").getchannel("L") if image.mode in ("P", "PA", "LA", "La") else image
            return np.asarray(grey)[None]


def _without_alpha(values: NDArray[Any], page: Any, photometric: int, kind: Kind) -> NDArray[Any]:
    """Brightness or bands of a page's samples: colours of a palette, white as the largest number, few bits over 8."""
    if photometric == _PALETTE:
        colours = np.asarray(page.colormap) >> 8  # (3, colours), 16 bits
        return colours[: kind.channels, values[0]].astype(np.uint8)
    values = values[: kind.channels]
    bits = int(page.bitspersample)
    if photometric == _WHITE_IS_ZERO and values.dtype.kind in "bu":
        values = ~values if values.dtype.kind == "b" else (2**bits - 1 - values).astype(values.dtype)
    if 1 < bits < 8 and values.dtype == np.uint8:
        values = values * np.uint8(255 // (2**bits - 1))
    return values


def _count_pages(path: Path, size: int) -> int:
    """Pages of a file by the chain of their directories, which must end within it."""
    with path.open("rb") as file:
        order: Literal["little", "big"] = "little" if file.read(2) == b"II" else "big"

        def number(at: int, bytes_: int) -> int:
            file.seek(at)
            content = file.read(bytes_)
            if at > size or len(content) < bytes_:
                raise ValueError("the chain of its pages leads beyond its end")
            return int.from_bytes(content, order)

        big = number(2, 2) == 43
        of_count, of_entry, of_offset = (8, 20, 8) if big else (2, 12, 4)
        at = number(8 if big else 4, of_offset)
        seen: set[int] = set()
        while at:
            if at in seen:
                raise ValueError("the chain of its pages bites its tail")
            seen.add(at)
            at = number(at + of_count + of_entry * number(at, of_count), of_offset)
    return len(seen)


def _value(page: Any, tag: int) -> Any:
    found = page.tags.get(tag)
    return None if found is None else found.value


def _is_colour(page: Any) -> bool:
    colours = np.asarray(page.colormap)
    return bool((colours != colours[:1]).any())


def _number(text: object) -> float | None:
    """The number that GDAL writes as text to mark missing values."""
    try:
        return None if text is None else float(str(text).strip("\0 "))
    except ValueError:
        return None
