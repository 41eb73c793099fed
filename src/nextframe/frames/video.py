"""Pictures that move: GIF, video files, folders of images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nextframe.errors import DataError, ShapeError
from nextframe.frames.sequence import FrameSequence

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif")

_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, IndexError, Image.DecompressionBombError)


def open_video(path: Path) -> FrameSequence:
    """Open a video file; nothing but its index is read, frames are decoded when asked for.

    Raises:
        DataError: a file that is not a video, is damaged, or holds no frame.
    """
    reader = _Video(path)
    step = reader.time_step
    return FrameSequence(
        values=reader,
        name=str(path),
        time_step=None if step is None else np.timedelta64(round(step * 1e9), "ns"),
    )


@dataclass(frozen=True)
class _Video:
    """A video stream as (T, C, H, W) bytes; a read decodes from the key frame before its first frame on."""

    path: Path

    @cached_property
    def _index(self) -> tuple[list[int], int, int, int, float | None]:
        """Presentation times in order, channels, height, width, and seconds between frames."""
        try:
            with av.open(str(self.path)) as container:
                if not container.streams.video:
                    raise DataError("holds no video", where=self.path)
                stream = container.streams.video[0]
                times = sorted(p.pts for p in container.demux(stream) if p.pts is not None and p.size > 0)
                channels = 1 if (stream.pix_fmt or "").startswith("gray") else 3
                rate = stream.average_rate or stream.guessed_rate
                found = times, channels, stream.height, stream.width, None if not rate else float(1 / rate)
        except (av.FFmpegError, OSError) as error:
            hint = "check that the file is whole and a video; convert it with ffmpeg if need be"
            raise DataError("cannot be read as a video", where=self.path, received=_line(error), hint=hint) from error
        if not found[0]:
            raise DataError("holds no frame", where=self.path, hint="the file may be truncated")
        return found

    @property
    def time_step(self) -> float | None:
        """Seconds between frames."""
        return self._index[4]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        times, channels, height, width, _ = self._index
        return len(times), channels, height, width

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def __getitem__(self, frames: slice, /) -> NDArray[np.uint8]:
        times, channels, _, _, _ = self._index
        start, stop, _ = frames.indices(len(times))
        wanted = {time: n for n, time in enumerate(times[start:stop])}
        found: dict[int, NDArray[np.uint8]] = {}
        try:
            with av.open(str(self.path)) as container:
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                container.seek(times[start], stream=stream, backward=True, any_frame=False)
                for frame in container.decode(stream):
                    if frame.pts in wanted:
                        picture = np.asarray(frame.to_ndarray(format="gray" if channels == 1 else "rgb24"), np.uint8)
                        found[wanted[frame.pts]] = picture[None] if channels == 1 else np.moveaxis(picture, -1, 0)
                    if len(found) == len(wanted):
                        break
        except (av.FFmpegError, OSError) as error:
            raise DataError(
                f"cannot be decoded at frames {start} to {stop}", where=self.path, received=_line(error)
            ) from error
        missing = [n for n in range(stop - start) if n not in found]
        if missing:
            raise DataError(
                f"frame {start + missing[0]} cannot be decoded",
                where=self.path,
                hint="the file is damaged or truncated; cut it before that frame with --frames",
            )
        return np.stack([found[n] for n in range(stop - start)])


def open_gif(path: Path) -> FrameSequence:
    """Open an animated image; its frames are decoded at once, since each builds on the one before.

    A GIF whose colours are all grey has one channel. Frame duration is the time step.

    Raises:
        DataError: a file that is not an image, or is damaged.
    """
    frames, durations = [], []
    try:
        with Image.open(path) as image:
            for n in range(getattr(image, "n_frames", 1)):
                image.seek(n)
                durations.append(float(image.info.get("duration", 0)))
                frames.append(np.asarray(image.convert("RGB")))
    except _UNREADABLE as error:
        where = f"frame {len(frames)} of {path}" if frames else str(path)
        raise DataError(
            "cannot be read", where=where, received=_line(error), hint="the file may be truncated"
        ) from error
    movie = np.moveaxis(np.stack(frames), -1, 1)
    if (movie == movie[:, :1]).all():
        movie = movie[:, :1]
    step = float(np.median(durations))
    return FrameSequence(
        values=movie, name=str(path), time_step=np.timedelta64(round(step * 1e6), "ns") if step > 0 else None
    )


def open_images(folder: Path, files: Sequence[Path]) -> FrameSequence:
    """Open a folder of images, one frame each, in natural order of their names (2 before 10).

    Raises:
        DataError: an image that cannot be read.
        ShapeError: images of differing size or channels; the first that differs is named.
    """
    return FrameSequence(values=_Images(tuple(sorted(files, key=natural_order))), name=str(folder))


@dataclass(frozen=True)
class _Images:
    files: tuple[Path, ...]

    @cached_property
    def _first(self) -> NDArray:  # type: ignore[type-arg]
        return _read_image(self.files[0])

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.files), *self._first.shape)

    @property
    def dtype(self) -> np.dtype:
        return self._first.dtype

    def __getitem__(self, frames: slice, /) -> NDArray:  # type: ignore[type-arg]
        return np.stack([self._read(path) for path in self.files[frames]])

    def _read(self, path: Path) -> NDArray:  # type: ignore[type-arg]
        image = _read_image(path)
        if image.shape != self._first.shape:
            raise ShapeError(
                f"differs in (channels, height, width) from {self.files[0].name}",
                where=path,
                expected=self._first.shape,
                received=image.shape,
                hint="bring all images of the folder to one size",
            )
        return image


def check_images(sequence: FrameSequence) -> None:
    """Hold all images of a folder to one size by their headers, before a training starts.

    Raises:
        DataError: an image that cannot be opened.
        ShapeError: images of differing size.
    """
    assert isinstance(sequence.values, _Images)
    expected = sequence.shape[-2:]
    for path in sequence.values.files:
        try:
            with Image.open(path) as image:
                size = (image.height, image.width)
        except _UNREADABLE as error:
            raise DataError("cannot be read", where=path, received=_line(error), hint="remove or replace it") from error
        if size != expected:
            raise ShapeError(
                f"differs in (height, width) from {sequence.values.files[0].name}",
                where=path,
                expected=expected,
                received=size,
                hint="bring all images of the folder to one size",
            )


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Sort key by which "frame2" comes before "frame10"."""
    return [(int(part), "") if part.isdigit() else (0, part.lower()) for part in re.split(r"(\d+)", path.name) if part]


def _read_image(path: Path) -> NDArray:  # type: ignore[type-arg]
    """(C, H, W) in the image's own type; an alpha channel is dropped."""
    try:
        image = iio.imread(path, plugin="pillow", index=0)
    except _UNREADABLE as error:
        raise DataError(
            "cannot be read as an image", where=path, received=_line(error), hint="remove or replace it"
        ) from error
    if image.ndim == 2:
        return image[None]
    if image.shape[-1] in (2, 4):
        image = image[..., :-1]
    return np.moveaxis(image, -1, 0)


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
