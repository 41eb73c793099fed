"""Animated GIF, WebP and PNG, through Pillow."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError
from nextframe.frames.bounds import hold_claim, hold_disk, hold_frame, hold_memory
from nextframe.frames.cache import CACHE_BYTES
from nextframe.frames.formats.still import PER_BYTE, is_deep_png, opened, png_has_end, reported
from nextframe.frames.sequence import FrameSequence


def open_gif(path: Path) -> FrameSequence:
    """Open an animated GIF, WebP or PNG; it is decoded at once, since each of its frames builds on the one before.

    A GIF whose colours are all grey has one channel. The durations of the frames say how much time lies between them;
    the median is the time step. What would not fit the memory given to decoded frames is held in a temporary file.

    Raises:
        DataError: a file that is not an image, is damaged, or claims more than there is room for; the frame is named.
    """
    durations = []
    grey = True
    with opened(path) as image:
        if not {"GIF": _has_end, "PNG": png_has_end}.get(str(image.format), _is_whole)(path):
            raise DataError("is truncated: its end mark is missing", where=path, hint="fetch or save it again")
        height, width = image.height, image.width
        hold_frame(path, height, width)
        hold_claim(path, height * width, per_byte=PER_BYTE)
        with reported(path):
            # Of a PNG the first may be a still for programs that know no animations.
            first = int(getattr(image, "default_image", False))
            count = int(getattr(image, "n_frames", 1)) - first
        if image.format == "PNG" and is_deep_png(path):
            raise DataError(
                "is an animation of 16 bits a channel, of which 8 can be read",
                where=path,
                hint="save its frames as images, one each, or as a video in FFV1",
            )
        hold_claim(path, height * width * count)
        movie = _room(path, (count, 3, height, width))
        for n in range(count):
            with reported(path, n):
                image.seek(n + first)
                frame = np.asarray(image.convert("RGB"))
            if frame.shape[:2] != (height, width):
                raise DataError(
                    "reaches beyond the picture that the file announces",
                    where=f"frame {n} of {path}",
                    expected=(height, width),
                    received=frame.shape[:2],
                    hint="the file is damaged; save it again",
                )
            durations.append(float(image.info.get("duration", 0)))
            grey = grey and bool((frame == frame[..., :1]).all())
            movie[n] = np.moveaxis(frame, -1, 0)
    if grey:
        movie = movie[:, :1] if isinstance(movie, np.memmap) else movie[:, :1].copy()
    step = float(np.median(durations))
    since = np.cumsum([0.0, *durations[:-1]])
    return FrameSequence(
        values=movie,
        name=str(path),
        elapsed=np.round(since * 1e6).astype("timedelta64[ns]") if min(durations) > 0 else None,
        time_step=np.timedelta64(round(step * 1e6), "ns") if step > 0 else None,
    )


def _room(path: Path, shape: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """An array of bytes; a large one in a temporary file, whose place on the disk is taken before it is written to."""
    needed = int(np.prod(shape, dtype=object))
    if needed <= CACHE_BYTES:
        hold_memory(path, needed)
        return np.empty(shape, np.uint8)
    folder = Path(tempfile.gettempdir())
    hold_disk(path, folder, needed)
    with tempfile.TemporaryFile(dir=folder) as file:  # has no name, and is gone with the last reader of the map
        try:
            # A page of the map that finds no place when it is written would end the process with a bus error.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, needed)
        except OSError as error:
            raise DataError(
                "does not fit decoded into the folder for temporary files",
                where=path,
                received=f"{folder}: {error.strerror}",
                hint="make room there, or name another folder in the environment variable TMPDIR",
            ) from error
        return np.memmap(file, np.uint8, "r+", shape=shape)


def _is_whole(path: Path) -> bool:
    """True where a WebP is as long as its header says."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(8)[4:], "little") + 8 <= path.stat().st_size


def _has_end(path: Path) -> bool:
    """True where a GIF's blocks lead to its end mark; image libraries take a cut for the end of the frames."""

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
