"""Pixels of a frame that FFmpeg has decoded: in the depth of the file, and upright as players show them.

Axes: C channel, H height, W width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import av
import numpy as np
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

from nextframe.errors import DataError

_UNIT = 1 << 16  # one, in the numbers of a display matrix


@dataclass(frozen=True)
class Layout:
    """Numbers that a pixel format is read as."""

    channels: int
    dtype: np.dtype
    converted: str | None
    """Pixel format that FFmpeg converts to; None where the planes are read as they are."""
    planes: tuple[int, ...] = ()
    """Planes of the channels."""
    stored: np.dtype | None = None
    """Numbers of the planes, with their order of bytes."""


def layout_of(pixel_format: str) -> Layout:
    """Choose how frames of a pixel format are read: none of its bits is cut off, alpha is dropped.

    - grey and planar red, green and blue of more than 8 bits: the file's own numbers, 0 to 1023 for 10 bits
    - other colours of more than 8 bits: red, green and blue over the range of 16 bits
    - all else: 8 bits

    >>> layout_of("gray10le").dtype, layout_of("yuv420p10le").dtype, layout_of("yuv420p").dtype
    (dtype('uint16'), dtype('uint16'), dtype('uint8'))
    """
    description = av.VideoFormat(pixel_format)
    seen = [component for component in description.components if not component.is_alpha]
    grey = len(seen) == 1 and not description.is_rgb and not description.has_palette
    channels = 1 if grey else 3
    deep = max(component.bits for component in seen) > 8 or pixel_format.startswith("bayer") and "16" in pixel_format
    if not deep:
        return Layout(channels, np.dtype(np.uint8), "gray" if grey else "rgb24")
    real = pixel_format.removesuffix("le").removesuffix("be").endswith(("f16", "f32"))
    alone = len(seen) == len({component.plane for component in description.components if not component.is_alpha})
    packed = any(component.is_alpha and component.plane == seen[0].plane for component in description.components)
    if (grey or description.is_rgb) and alone and not packed and "msb" not in pixel_format:
        code = f"{'f' if real else 'u'}{max(component.bits for component in seen) + 7 >> 3}"
        stored = np.dtype(code).newbyteorder(">" if description.is_big_endian else "<")
        return Layout(channels, np.dtype(code), None, tuple(component.plane for component in seen), stored)
    if real:
        return Layout(channels, np.dtype(np.float32), "grayf32le" if grey else "gbrpf32le")
    return Layout(channels, np.dtype(np.uint16), "gray16le" if grey else "rgb48le")


def values_of(frame: av.VideoFrame, layout: Layout) -> NDArray:  # type: ignore[type-arg]
    """Read a decoded frame as it is stored, (C, H, W)."""
    if layout.stored is not None:
        planes = [_plane(frame, plane, layout.stored) for plane in layout.planes]
        return np.stack(planes).astype(layout.dtype, copy=False)
    values = np.asarray(frame.to_ndarray(format=layout.converted))
    return values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)


def _plane(frame: av.VideoFrame, number: int, stored: np.dtype) -> NDArray:  # type: ignore[type-arg]
    plane = frame.planes[number]
    rows = np.frombuffer(plane, stored, count=plane.height * plane.line_size // stored.itemsize)
    return rows.reshape(plane.height, -1)[:, : plane.width]


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Where a stored pixel (x, y) is shown, as (a, b, c, d): at (a x + c y, b x + d y); x to the right, y down.

    A matrix that squeezes everything into a line says nothing, as players take it.
    """
    if Type.DISPLAYMATRIX not in frame.side_data:
        return _UNIT, 0, 0, _UNIT
    told = frame.side_data[Type.DISPLAYMATRIX]
    a, b, _, c, d, *_ = (int(number) for number in np.frombuffer(told, np.int32, count=9))
    return (a, b, c, d) if a * d - b * c else (_UNIT, 0, 0, _UNIT)


def upright(values: NDArray, matrix: tuple[int, int, int, int], where: object = None) -> NDArray:  # type: ignore[type-arg]
    """Turn and mirror frames (..., H, W) as a display matrix says; its scale is not heeded.

    Raises:
        DataError: an angle that is not a multiple of 90 degrees, which would invent pixels.

    >>> upright(np.array([[1, 2], [3, 4]]), (0, 1, -1, 0))  # a telephone held upright: turned clockwise
    array([[3, 1],
           [4, 2]])
    """
    a, b, c, d = matrix
    small = max(map(abs, matrix)) / 1000
    if abs(b) <= small and abs(c) <= small:
        return values[..., :: int(math.copysign(1, d)), :: int(math.copysign(1, a))]
    if abs(a) <= small and abs(d) <= small:
        return np.swapaxes(values, -1, -2)[..., :: int(math.copysign(1, b)), :: int(math.copysign(1, c))]
    raise DataError(
        f"is to be shown at a slant of {math.degrees(math.atan2(b, a)):.0f} degrees",
        where=where,
        expected="a multiple of 90 degrees",
        hint="turn its pixels with ffmpeg, which does so when it codes a video anew",
    )
