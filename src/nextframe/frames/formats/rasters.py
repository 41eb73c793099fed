"""Rasters: the pixels of GeoTIFF files by rasterio, as values or as colours; a file is opened when frames are read.

Axes: T time, C channel, H height, W width.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError, ShapeError, first_line
from nextframe.plugins import library, pyproj_first

TABLE, RED, GREEN, BLUE, ALPHA = 2, 3, 4, 5, 6
"""Numbers that GDAL has for what a band is: colours by a table, a colour, opacity."""
_LIBRARY = (OSError, ValueError, RuntimeError, LookupError, TypeError, MemoryError)
"""Errors that rasterio raises for files that are damaged, RasterioIOError among them."""


def rasterio_for(where: object) -> Any:
    """The library.

    Raises:
        ConfigError: it is not installed.
    """
    pyproj_first()
    return library("rasterio", extra="geotiff", where=where)


@contextmanager
def opened_raster(path: Path) -> Iterator[Any]:
    """A file opened by rasterio; nothing beside it is looked at, and no other format is taken for it.

    Raises:
        DataError: it cannot be read.
    """
    rasterio = rasterio_for(path)
    try:
        with (
            rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
            rasterio.open(path.absolute(), driver="GTiff") as file,
        ):
            yield file
    except (*_LIBRARY, rasterio.errors.RasterioError) as error:
        raise DataError(
            "cannot be read as GeoTIFF",
            where=path,
            received=first_line(error),
            hint="the file may be truncated or damaged",
        ) from error


@dataclass(frozen=True)
class _Steps:
    """Steps of files, of which a box of every frame is read."""

    steps: tuple[tuple[Path, tuple[int, ...]], ...]
    """By step: the file and the numbers of its bands, from 1."""
    box: tuple[int, int, int, int]
    """What is read of every frame: top, left, height, width."""

    def cropped(self, box: tuple[int, int, int, int]) -> Self:
        """The same, of which no more than a box of every frame is read."""
        return replace(self, box=(self.box[0] + box[0], self.box[1] + box[1], *box[2:]))

    def _stored(self, file: Any, bands: tuple[int, ...]) -> np.ma.MaskedArray[Any, Any]:
        """Pixels as they are stored, those of bands before those of opacity; for calls within `opened_raster`."""
        top, left, height, width = self.box
        alpha = (n for n, kind in zip(file.indexes, file.colorinterp, strict=True) if int(kind) == ALPHA)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*nodata attribute is shadowing the alpha band")  # see `_masked`
            stored: np.ma.MaskedArray[Any, Any] = file.read(
                [*bands, *alpha], window=((top, top + height), (left, left + width)), masked=True
            )
        return stored

    def _masked(self, path: Path, stored: np.ma.MaskedArray[Any, Any], count: int) -> np.ma.MaskedArray[Any, Any]:
        """The bands among pixels, (C, H, W), masked where a file has none: by nodata, by its mask, by opacity.

        Raises:
            ShapeError: another shape than that of the frames.
        """
        if len(stored) < count or stored.shape[1:] != self.box[2:]:
            raise ShapeError(
                "has another shape than it had when it was opened",
                where=path,
                expected=(count, *self.box[2:]),
                received=stored.shape,
            )
        mask = np.ma.getmaskarray(stored)[:count]
        if len(stored) > count:  # which GDAL does not look at where there is nodata
            mask = mask | (np.ma.getdata(stored)[count:] == 0).any(axis=0)
        return np.ma.array(np.ma.getdata(stored)[:count], mask=mask)


@dataclass(frozen=True)
class Bands(_Steps):
    """Bands of files as values, (T, C, H, W)."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.steps), len(self.steps[0][1]), *self.box[2:]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, frames: slice, /) -> NDArray[np.floating]:
        chosen = self.steps[frames]
        return (
            np.stack([self._read(*step) for step in chosen]) if chosen else np.empty((0, *self.shape[1:]), np.float32)
        )

    def _read(self, path: Path, bands: tuple[int, ...]) -> NDArray[np.floating]:
        with opened_raster(path) as file:
            stored = self._stored(file, bands)
            scales, offsets = (np.array([part[n - 1] for n in bands]) for part in (file.scales, file.offsets))
        pixels = self._masked(path, stored, len(bands))
        values: NDArray[np.floating] = np.ma.filled(pixels.astype(np.float64), np.nan)
        if (scales != 1).any() or (offsets != 0).any():
            values = values * scales[:, None, None] + offsets[:, None, None]
        return values if pixels.dtype.itemsize == 8 else values.astype(np.float32)


@dataclass(frozen=True)
class Colours(_Steps):
    """Bands of 8 bits as red, green, blue and opacity, (T, 4, H, W); those of a colour table by that of their file."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.steps), 4, *self.box[2:]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def __getitem__(self, frames: slice, /) -> NDArray[np.uint8]:
        chosen = self.steps[frames]
        return np.stack([self._read(*step) for step in chosen]) if chosen else np.empty((0, *self.shape[1:]), np.uint8)

    def _read(self, path: Path, bands: tuple[int, ...]) -> NDArray[np.uint8]:
        with opened_raster(path) as file:
            stored = self._stored(file, bands)
            by_table = len(bands) == 1 and int(file.colorinterp[bands[0] - 1]) == TABLE
            table = file.colormap(bands[0]) if by_table else {}
        pixels = self._masked(path, stored, len(bands))
        colours = np.empty(self.shape[1:], np.uint8)
        if table:
            entries = np.zeros((256, 4), np.uint8)  # a number that the table lacks is transparent
            for number, colour in table.items():
                entries[number] = colour
            colours[:] = np.moveaxis(entries[np.ma.getdata(pixels)[0]], -1, 0)
        else:
            colours[:3] = np.ma.getdata(pixels)
            colours[3] = 255
        # Nodata is of each band by itself, so that pure red has no green: a pixel is none where it has no band.
        colours[3, np.ma.getmaskarray(pixels).all(axis=0)] = 0
        return colours
