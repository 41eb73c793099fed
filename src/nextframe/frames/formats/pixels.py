"""Pixels of a frame that FFmpeg has decoded: in the depth of the file.

Axes: C channel, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from nextframe.frames.formats.orientation import Matrix

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
    deep = max(component.bits for component in seen) > 8 or ("bayer" in pixel_format and "16" in pixel_format)
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


def values_of(frame: av.VideoFrame, layout: Layout, converter: VideoReformatter | None = None) -> NDArray[Any]:
    """Read a decoded frame as it is stored, (C, H, W).

    Args:
        frame: the frame.
        layout: how its pixels are read.
        converter: one for several frames, since to make ready for converting takes longer than to convert.
    """
    if layout.stored is not None:
        planes = [_plane(frame, plane, layout.stored) for plane in layout.planes]
        return np.stack(planes).astype(layout.dtype, copy=False)
    converter = converter or VideoReformatter()
    values = np.asarray(converter.reformat(frame, format=layout.converted).to_ndarray())
    return values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)


def _plane(frame: av.VideoFrame, number: int, stored: np.dtype) -> NDArray[Any]:
    plane = frame.planes[number]
    rows = np.frombuffer(memoryview(plane), stored, count=plane.height * plane.line_size // stored.itemsize)
    values: NDArray[Any] = rows.reshape(plane.height, -1)[:, : plane.width]
    return values


def display_matrix(frame: av.VideoFrame) -> Matrix:
    """Orientation that a frame is to be shown in; a matrix that leaves no area says nothing, as players take it."""
    if Type.DISPLAYMATRIX not in frame.side_data:
        return _UNIT, 0, 0, _UNIT
    side_data: Any = frame.side_data
    told = np.frombuffer(memoryview(side_data[Type.DISPLAYMATRIX]), np.int32, count=9)
    a, b, _, c, d, *_ = (int(number) for number in told)
    return (a, b, c, d) if a * d - b * c else (_UNIT, 0, 0, _UNIT)
