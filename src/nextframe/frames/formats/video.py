"""Video files, through PyAV."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from nextframe.config import Reading
from nextframe.errors import DataError, ShapeError, first_line
from nextframe.frames.damage import Damage, describe_each
from nextframe.frames.sequence import FrameSequence

_THREADED = 512 * 512  # pixels of a frame from which decoding it with several threads pays


def open_videos(name: str, files: Sequence[Path], reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Open videos, a sequence each (`frames.format.Open`); errors of `open_video`."""
    return tuple(describe_each(files, open_video, damage))


def open_video(path: Path) -> FrameSequence:
    """Open a video file; nothing but its index is read, frames are decoded when asked for.

    Raises:
        DataError: a file that is not a video, is damaged, or holds no frame.
    """
    reader = _Video(path)
    step = reader.index.step
    return FrameSequence(
        values=reader,
        name=str(path),
        time_step=None if step is None else np.timedelta64(round(step * 1e9), "ns"),
    )


@dataclass(frozen=True, kw_only=True)
class _Index:
    """What one pass over a video's packets tells."""

    times: list[int]
    """The time stamp of each frame, in order of presentation."""
    keys: list[int]
    """Time stamps of the key frames, sorted."""
    channels: int
    height: int
    width: int
    step: float | None
    """Seconds between frames."""


@dataclass(frozen=True)
class _Video:
    """A video stream as (T, C, H, W) bytes; a read decodes from the key frame before its first frame on.

    Seeking is approximate in most containers, and the frames that are shown just before a key frame may need those of
    the group before. So a frame counts only once a key frame has been seen, and where one is still lacking, the read
    begins again from an earlier key frame.
    """

    path: Path

    @cached_property
    def index(self) -> _Index:
        """Exact number, order and size of the frames, without decoding them where the container knows their order."""
        try:
            with _open_video(self.path) as (container, stream):
                found = list(_packets(container, stream))
                packets = [p for p in found if p.size > 0 and not p.is_discard]
                times = [p.pts for p in packets if p.pts is not None]
                keys = sorted(p.pts for p in packets if p.pts is not None and p.is_keyframe)
                channels = 1 if (stream.pix_fmt or "").startswith("gray") else 3
                rate = stream.average_rate or stream.guessed_rate
                size = stream.height, stream.width
                share = _share_present(container, stream, found)
                # AVI stores frames in order of decoding and no times: what stands for them is their order in the file.
                ordered = container.format.name != "avi" or not stream.codec.reorder
            if ordered and len(times) == len(packets) == len(set(times)):
                times.sort()
            elif packets:
                with _open_video(self.path) as (container, stream):
                    times = [f.pts for f in container.decode(stream) if f.pts is not None]
        except (av.FFmpegError, OSError) as error:
            hint = "check that the file is whole and a video; convert it with ffmpeg if need be"
            raise DataError(
                "cannot be read as a video", where=self.path, received=first_line(error), hint=hint
            ) from error
        if not times:
            raise DataError("holds no frame", where=self.path, hint="the file may be truncated")
        if share is not None:
            raise DataError(
                f"is truncated: {share:.0%} of what it announces is there",
                where=self.path,
                hint="fetch it again, or keep what there is with: ffmpeg -i IN -c copy OUT",
            )
        if len(set(times)) < len(times):
            raise DataError("shows several frames at one time", where=self.path, hint="convert it with ffmpeg")
        step = None if not rate else float(1 / rate)
        return _Index(times=times, keys=keys, channels=channels, height=size[0], width=size[1], step=step)

    @cached_property
    def _place(self) -> dict[int, int]:
        """The number of the frame with a time stamp."""
        return {time: n for n, time in enumerate(self.index.times)}

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.index.times), self.index.channels, self.index.height, self.index.width

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def __getitem__(self, frames: slice, /) -> NDArray[np.uint8]:
        start, stop, _ = frames.indices(len(self.index.times))
        result = np.empty((max(0, stop - start), *self.shape[1:]), np.uint8)
        if not len(result):
            return result
        lacking = set(range(start, stop))
        for key in self._starts(start, stop):
            try:
                self._decode(key, start, result, lacking)
            except (av.FFmpegError, OSError) as error:
                reason = first_line(error)
            else:
                reason = "no picture"
            if not lacking:
                return result
        raise DataError(
            f"frame {min(lacking)} cannot be decoded",
            where=self.path,
            received=reason,
            hint="the file is damaged or truncated; leave out that frame with {frames}",
        )

    def _starts(self, start: int, stop: int) -> list[int | None]:
        """Where to begin decoding for these frames: key frames before them, ever earlier; last the file's beginning."""
        before = self.index.keys[: bisect_right(self.index.keys, min(self.index.times[start:stop]))]
        return [*(before[-n] for n in (1, 2, 3) if n <= len(before)), None]

    def _decode(self, key: int | None, start: int, result: NDArray[np.uint8], lacking: set[int]) -> None:
        """Fill in the frames from `start` on that are lacking, decoding from a key frame on."""
        with _open_video(self.path) as (container, stream):
            if key is not None:
                container.seek(key, stream=stream, backward=True, any_frame=False)
            complete = key is None
            for frame in container.decode(stream):
                complete |= bool(frame.key_frame)
                number = self._place.get(frame.pts, -1) if frame.pts is not None else -1
                if complete and number in lacking:
                    # Painted over from its neighbours, and flagged: it must not pass for a measured frame. Damage that
                    # happens to make valid code is not flagged; most codecs carry no checksum that would tell it.
                    if frame.is_corrupt:
                        return
                    pixels = np.asarray(frame.to_ndarray(format="gray" if len(result[0]) == 1 else "rgb24"), np.uint8)
                    if pixels.shape[:2] != result.shape[2:]:
                        raise ShapeError(
                            f"frame {number} differs in (height, width) from the others",
                            where=self.path,
                            expected=result.shape[2:],
                            received=pixels.shape[:2],
                            hint="convert it with ffmpeg",
                        )
                    result[number - start] = pixels if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
                    lacking.discard(number)
                if not lacking or number >= start + len(result):
                    return


@dataclass(frozen=True, kw_only=True)
class _Packet:
    """A packet's description, without its content, so that a long file's index stays small."""

    pts: int | None
    duration: int
    size: int
    is_keyframe: bool
    is_discard: bool


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[_Packet]:
    for p in container.demux(stream):
        if p.dts is None and p.pts is None and p.size == 0:
            continue  # tells the decoder that this is the end
        yield _Packet(
            pts=p.pts, duration=p.duration or 0, size=p.size, is_keyframe=p.is_keyframe, is_discard=p.is_discard
        )


def _share_present(container: InputContainer, stream: VideoStream, packets: Sequence[_Packet]) -> float | None:
    """The share of the announced video that the file holds, if it was cut off; None for a whole file.

    MP4 and MOV cannot be opened, or not decoded, where they are cut. AVI announces a number of frames (some of them
    empty, where a frame is repeated); Matroska and WebM a duration, of the stream or else of the whole file.
    """
    if container.format.name == "avi":
        return len(packets) / stream.frames if stream.frames > len(packets) else None
    if "matroska" not in container.format.name or not packets:
        return None
    announced = None
    parts = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d*)?)", stream.metadata.get("DURATION", ""))
    if parts:
        announced = int(parts[1]) * 3600 + int(parts[2]) * 60 + float(parts[3])
    elif len(container.streams) == 1 and container.duration:
        announced = container.duration / av.time_base
    rate = stream.average_rate
    if not announced or not rate or stream.time_base is None:
        return None
    end = max((p.pts or 0) + p.duration for p in packets) * float(stream.time_base)
    return end / announced if announced - end > 2 / float(rate) else None


@contextmanager
def _open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise DataError("holds no video", where=path)
        stream = container.streams.video[0]
        # Threads for a small frame cost more to start and to wait for than they save.
        stream.thread_type = "AUTO" if stream.height * stream.width >= _THREADED else "NONE"
        yield container, stream
