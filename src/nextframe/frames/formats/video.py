"""Video files, through PyAV."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from nextframe.config import Reading
from nextframe.errors import DataError, ShapeError, first_line
from nextframe.frames.bounds import hold_frame
from nextframe.frames.damage import Damage, describe_each
from nextframe.frames.formats.orientation import upright
from nextframe.frames.formats.pixels import Layout, display_matrix, layout_of, values_of
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.steps import LONGEST

Item = TypeVar("Item")

_THREADED = 512 * 512  # pixels of a frame from which decoding it with several threads pays
_NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_ASF_HEADER = 2**16  # bytes within which an ASF file says its size
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def open_videos(name: str, files: Sequence[Path], reading: Reading, damage: Damage | None) -> tuple[FrameSequence, ...]:
    """Open videos, a sequence each (`frames.format.Open`); errors of `open_video`."""
    return tuple(describe_each(files, open_video, damage))


def open_video(path: Path) -> FrameSequence:
    """Open a video file; its index is read and one frame decoded, the others when asked for.

    Frames stand upright, as the file's display matrix says, and in its own depth (`formats.pixels`). Their times are
    the file's time stamps, since its first frame: a pause of the camera is a gap. Cover art is not taken for the film.

    Raises:
        DataError: a file that is not a video, is damaged, or holds no frame.
    """
    reader = _Video(path)
    index = reader.index
    return FrameSequence(values=reader, name=str(path), elapsed=index.elapsed, time_step=index.step)


@dataclass(frozen=True, kw_only=True)
class _Index:
    """Description of a video by one pass over its packets, and by its first frame."""

    stream: int
    """Number of the film among the file's streams."""
    times: list[int]
    """The time stamp of each frame, in order of presentation."""
    keys: list[int]
    """Time stamps of the key frames, sorted."""
    layout: Layout
    height: int
    width: int
    elapsed: NDArray[np.timedelta64] | None
    """Time of each frame since the first one."""
    step: np.timedelta64 | None
    """Time between frames."""


@dataclass(frozen=True)
class _Video:
    """A video stream as (T, C, H, W); a read decodes from the key frame before its first frame on.

    Seeking is approximate in most containers, and the frames that are shown just before a key frame may need those of
    the group before. So a frame counts only once a key frame has been seen, and where one is still lacking, the read
    begins again from an earlier key frame.
    """

    path: Path
    box: tuple[int, int, int, int] | None = None
    """What is kept of every frame: top, left, height, width; by default all."""

    @cached_property
    def index(self) -> _Index:
        """Exact number, order and size of the frames, without decoding them where the container knows their order."""
        number, packets = self._film()
        shown = [p for p in packets if p.size > 0 and not p.is_discard]
        times = [p.pts for p in shown if p.pts is not None]
        with _open_video(self.path, number) as (container, stream):
            rate = stream.average_rate or stream.guessed_rate
            share = _share_present(self.path, container, stream, packets)
            base = stream.time_base
            # AVI stores frames in order of decoding and no times: what stands for them is their order in the file.
            ordered = container.format.name != "avi" or not stream.codec.reorder
        if ordered and len(times) == len(shown) == len(set(times)):
            times.sort()
        else:
            with _open_video(self.path, number) as (container, stream):
                times = [f.pts for f in _each(self.path, container.decode(stream)) if f.pts is not None]
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
        layout, height, width = self._first_frame(number)
        elapsed = _elapsed(times, base)
        return _Index(
            stream=number,
            times=times,
            keys=sorted(p.pts for p in shown if p.pts is not None and p.is_keyframe),
            layout=layout,
            height=height,
            width=width,
            elapsed=elapsed,
            step=_step(elapsed, base, rate),
        )

    def _film(self) -> tuple[int, list[_Packet]]:
        """The stream that is the film, and its packets: the first that has several, else any, of those that are not
        marked as pictures, as not every container marks them.
        """
        with _open(self.path) as container:
            streams = container.streams.video
            films = [s for s in streams if not Disposition(s.disposition) & _NO_FILM]
            readable = [s.index for s in films if s.codec_context is not None]
            if not readable:
                raise DataError(
                    "holds a picture, such as cover art, but no film"
                    if streams and not films
                    else "holds a video that FFmpeg has no decoder for"
                    if films
                    else "holds no video",
                    where=self.path,
                    hint="the file is damaged, or is to be converted with ffmpeg" if films else None,
                )
        single: tuple[int, list[_Packet]] | None = None
        for number in readable:
            with _open_video(self.path, number) as (container, stream):
                packets = list(_packets(self.path, container, stream))
            frames = sum(p.size > 0 and not p.is_discard for p in packets)
            if frames > 1:
                return number, packets
            single = single or ((number, packets) if frames else None)
        if single is None:
            raise DataError("holds no frame", where=self.path, hint="the file may be truncated")
        return single

    def _first_frame(self, number: int) -> tuple[Layout, int, int]:
        """Layout, height and width of the frames as the first that can be decoded is shown, else as announced."""
        with _open_video(self.path, number) as (container, stream):
            context = stream.codec_context
            hold_frame(self.path, context.height, context.width)
            try:
                for frame in _each(self.path, container.decode(stream)):
                    layout = layout_of(frame.format.name)
                    return layout, *self._pixels(frame, layout, "the first frame").shape[1:]
            except _Undecodable:
                pass
            return layout_of(context.pix_fmt or "yuv420p"), context.height, context.width

    @cached_property
    def _place(self) -> dict[int, int]:
        """The number of the frame with a time stamp."""
        return {time: n for n, time in enumerate(self.index.times)}

    @property
    def shape(self) -> tuple[int, int, int, int]:
        _, _, height, width = self._box
        return len(self.index.times), self.index.layout.channels, height, width

    @property
    def _box(self) -> tuple[int, int, int, int]:
        return self.box or (0, 0, self.index.height, self.index.width)

    def cropped(self, box: tuple[int, int, int, int]) -> _Video:
        """The same, of which no more than a box of every frame is kept."""
        part = _Video(self.path, (self._box[0] + box[0], self._box[1] + box[1], *box[2:]))
        part.__dict__["index"] = self.index
        return part

    @property
    def dtype(self) -> np.dtype:
        return self.index.layout.dtype

    def __getitem__(self, frames: slice, /) -> NDArray[Any]:
        start, stop, _ = frames.indices(len(self.index.times))
        result = np.empty((max(0, stop - start), *self.shape[1:]), self.dtype)
        if not len(result):
            return result
        lacking = set(range(start, stop))
        reason: object = "no picture"
        for key in self._starts(start, stop):
            try:
                self._decode(key, start, result, lacking)
            except _Undecodable as error:
                reason = error.received
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
        """Starts of decoding for these frames: key frames before them, ever earlier; last the file's beginning."""
        before = self.index.keys[: bisect_right(self.index.keys, min(self.index.times[start:stop]))]
        return [*(before[-n] for n in (1, 2, 3) if n <= len(before)), None]

    def _decode(self, key: int | None, start: int, result: NDArray[Any], lacking: set[int]) -> None:
        """Fill in the frames from `start` on that are lacking, decoding from a key frame on."""
        top, left, height, width = self._box
        converter = VideoReformatter()
        with _open_video(self.path, self.index.stream) as (container, stream):
            if key is not None:
                with _reported(self.path):
                    container.seek(key, stream=stream, backward=True, any_frame=False)
            complete = key is None
            for frame in _each(self.path, container.decode(stream)):
                complete |= bool(frame.key_frame)
                number = self._place.get(frame.pts, -1) if frame.pts is not None else -1
                if complete and number in lacking:
                    # Painted over from its neighbours, and flagged: it must not pass for a measured frame. Damage that
                    # happens to make valid code is not flagged; most codecs carry no checksum that would tell it.
                    if frame.is_corrupt:
                        return
                    whole = self._whole(frame, number, converter)
                    result[number - start] = whole[:, top : top + height, left : left + width]
                    lacking.discard(number)
                if not lacking or number >= start + len(result):
                    return

    def _whole(self, frame: av.VideoFrame, number: int, converter: VideoReformatter) -> NDArray[Any]:
        """A decoded frame as (C, H, W), which must be of the size and the kind of numbers of the others."""
        index = self.index
        layout = layout_of(frame.format.name)
        if (layout.channels, layout.dtype) != (index.layout.channels, index.layout.dtype):
            raise ShapeError(
                f"frame {number} differs in its pixels from the others",
                where=self.path,
                expected=f"{index.layout.channels} channels of {index.layout.dtype}",
                received=frame.format.name,
                hint="convert it with ffmpeg",
            )
        pixels = self._pixels(frame, layout, f"frame {number}", converter)
        if pixels.shape[1:] != (index.height, index.width):
            raise ShapeError(
                f"frame {number} differs in (height, width) from the others",
                where=self.path,
                expected=(index.height, index.width),
                received=pixels.shape[1:],
                hint="convert it with ffmpeg",
            )
        return pixels

    def _pixels(
        self, frame: av.VideoFrame, layout: Layout, which: str, converter: VideoReformatter | None = None
    ) -> NDArray[Any]:
        hold_frame(self.path, frame.height, frame.width)
        with _reported(self.path):
            values = values_of(frame, layout, converter)
        return upright(values, display_matrix(frame), f"{which} of {self.path}")


class _Undecodable(DataError):
    """A frame or a file that FFmpeg cannot read."""


@dataclass(frozen=True, kw_only=True)
class _Packet:
    """A packet's description, without its content, so that a long file's index stays small."""

    pts: int | None
    duration: int
    size: int
    is_keyframe: bool
    is_discard: bool


def _packets(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[_Packet]:
    for p in _each(path, container.demux(stream)):
        if p.dts is None and p.pts is None and p.size == 0:
            continue  # tells the decoder that this is the end
        yield _Packet(
            pts=p.pts, duration=p.duration or 0, size=p.size, is_keyframe=p.is_keyframe, is_discard=p.is_discard
        )


def _elapsed(times: Sequence[int], base: Fraction | None) -> NDArray[np.timedelta64] | None:
    """Times since the first frame by the time stamps; None where these cannot be times."""
    if not base:
        return None
    scale = Fraction(base) * 10**9
    since = [int((time - times[0]) * scale) for time in times]
    if since[-1] > LONGEST or any(b <= a for a, b in pairwise(since)):
        return None
    return np.array(since, "timedelta64[ns]")


def _step(
    elapsed: NDArray[np.timedelta64] | None, base: Fraction | None, rate: Fraction | None
) -> np.timedelta64 | None:
    """Time between frames: the median of the steps; the container's rate where these differ by rounding alone."""
    announced = None if not rate else float(1 / Fraction(rate)) * 1e9
    if elapsed is None or len(elapsed) < 2:
        return None if announced is None else np.timedelta64(round(announced), "ns")
    median = float(np.median(np.diff(elapsed).astype(np.float64)))
    tick = float(Fraction(base) * 10**9) if base else 0.0
    exact = announced if announced is not None and abs(announced - median) < max(tick, 1.0) else median
    return np.timedelta64(round(exact), "ns")


def _share_present(
    path: Path, container: InputContainer, stream: VideoStream, packets: Sequence[_Packet]
) -> float | None:
    """The share of the announced video that the file holds, if it was cut off; None for a whole file.

    MP4, MOV and 3GP cannot be opened, or not decoded, where they are cut. AVI announces a number of frames (some of
    them empty, where a frame is repeated); ASF and WMV their size; Matroska, WebM and FLV a duration, of the
    stream or else of the whole file.
    """
    kind = container.format.name
    if kind == "avi":
        return len(packets) / stream.frames if stream.frames > len(packets) else None
    if kind == "asf":
        return _share_of_asf(path)
    if not {"matroska", "flv"} & set(kind.split(",")) or not packets:
        return None
    announced = None
    parts = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]*)?)", stream.metadata.get("DURATION", ""))
    if parts:
        announced = int(parts[1]) * 3600 + int(parts[2]) * 60 + float(parts[3])
    elif len(container.streams) == 1 and container.duration:
        announced = container.duration / av.time_base
    rate = stream.average_rate
    if not announced or not rate or not stream.time_base:
        return None
    end = max((p.pts or 0) + p.duration for p in packets) * float(stream.time_base)
    return end / announced if announced - end > 2 / float(rate) else None


def _share_of_asf(path: Path) -> float | None:
    """The share of its announced size that an ASF file has; None for a whole one, and for a recorded broadcast, which
    announces none. Source: Microsoft, Advanced Systems Format, section 3.2.
    """
    with path.open("rb") as file:
        header = file.read(_ASF_HEADER)
    at = header.find(_ASF_PROPERTIES)
    announced, flags = (
        int.from_bytes(header[at + n : at + n + size], "little") if at >= 0 else 0 for n, size in ((40, 8), (88, 4))
    )
    present = path.stat().st_size
    return present / announced if present < announced and not flags & 1 else None


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """One sentence for what FFmpeg raises over a damaged file; for calls of it alone."""
    try:
        yield
    except (av.FFmpegError, OSError, UnicodeDecodeError, MemoryError) as error:
        raise _Undecodable(
            "cannot be read as a video",
            where=path,
            received=first_line(error),
            hint="check that the file is whole and a video; convert it with ffmpeg if need be",
        ) from error


def _each(path: Path, items: Iterator[Item]) -> Iterator[Item]:
    """Packets or frames, one after the other."""
    while True:
        with _reported(path):
            item = next(items, None)
        if item is None:
            return
        yield item


@contextmanager
def _open(path: Path) -> Iterator[InputContainer]:
    # "file:", since FFmpeg takes what stands before a colon for a protocol; and no file may fetch what another holds.
    name, options = f"file:{path.absolute()}", {"protocol_whitelist": "file"}
    with _reported(path):
        try:
            container = av.open(name, options=options)
        except UnicodeDecodeError:  # a title or the like, in another encoding
            container = av.open(name, options=options, metadata_errors="replace")
    with container:
        yield container


@contextmanager
def _open_video(path: Path, number: int) -> Iterator[tuple[InputContainer, VideoStream]]:
    with _open(path) as container:
        stream = next(s for s in container.streams.video if s.index == number)
        # Threads for a small frame cost more to start and to wait for than they save.
        stream.thread_type = "AUTO" if stream.height * stream.width >= _THREADED else "NONE"
        yield container, stream
