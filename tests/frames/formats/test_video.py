"""Video files: every frame is the one a plain decoding gives, wherever a read begins, and damage is loud."""

import io
import pickle
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from PIL import Image

from nextframe.data.split import Span
from nextframe.data.windows import cut_windows
from nextframe.errors import DataError, NextframeError
from nextframe.frames.cache import Cached
from nextframe.frames.formats.pixels import layout_of, values_of
from nextframe.frames.formats.video import open_video
from nextframe.frames.readers import CutsItself
from nextframe.frames.source import open_source

FRAMES = 40


def write(path: Path, codec: str, options: dict[str, str], pixel_format: str = "yuv420p") -> None:
    y, x = np.mgrid[:32, :48]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt, stream.gop_size = 32, 48, pixel_format, 8
        for n in range(FRAMES):
            picture = np.repeat(((x * 2 + y) % 100 + 3 * n).astype(np.uint8)[..., None], 3, -1)
            picture[4:12, n % 30 + 2 : n % 30 + 10] = (220, 20, 90)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def decoded(path: Path, pixel_format: str = "rgb24") -> np.ndarray:
    """All frames in the order in which a player shows them, (T, C, H, W)."""
    with av.open(str(path)) as container:
        frames = np.stack([frame.to_ndarray(format=pixel_format) for frame in container.decode(video=0)])
    return frames[:, None] if pixel_format == "gray" else np.moveaxis(frames, -1, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        (".mp4", "libx264", {"bf": "3"}),
        (".mov", "libx264", {"x264-params": "open-gop=1:bframes=3"}),  # frames shown before the key frame they follow
        (".mp4", "mpeg4", {"bf": "2"}),
        (".mkv", "libx264", {"bf": "3"}),
        (".avi", "libx264", {"bf": "3"}),  # AVI has no times: packets come in order of decoding, not of showing
        (".avi", "mpeg4", {"bf": "2"}),
        (".avi", "ffv1", {}),
        (".mkv", "mpeg2video", {"bf": "2"}),
        (".mpg", "mpeg2video", {"bf": "2"}),
        (".ts", "libx264", {"bf": "3"}),
        (".webm", "libvpx-vp9", {"lag-in-frames": "10"}),
        (".wmv", "wmv2", {}),
        (".flv", "libx264", {"bf": "3"}),
        (".3gp", "mpeg4", {}),
        (".ogv", "libvpx", {}),
        (".vob", "mpeg2video", {"bf": "2"}),
    ],
)
def test_any_stretch_is_what_a_plain_decoding_gives(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str]
) -> None:
    path = tmp_path / f"v{suffix}"
    write(path, codec, options)
    sequence, truth = open_video(path), decoded(path)
    assert sequence.shape == truth.shape == (FRAMES, 3, 32, 48)
    assert sequence.time_step == np.timedelta64(100, "ms")
    for start in range(0, FRAMES, 3):
        for length in (1, 2, 9):
            stop = min(start + length, FRAMES)
            np.testing.assert_array_equal(sequence.read(start, stop), truth[start:stop])


def test_a_crop_is_kept_of_every_frame_as_it_is_decoded(tmp_path: Path) -> None:
    write(tmp_path / "v.mp4", "libx264", {})
    truth = decoded(tmp_path / "v.mp4")[:, :, 6:18, 11:31]
    (sequence,) = open_source(tmp_path / "v.mp4", crop=(6, 11, 12, 20)).sequences
    (again,) = open_source(sequence, crop=(1, 2, 5, 9)).sequences
    cache = sequence.values
    assert isinstance(cache, Cached)
    assert isinstance(cache.reader, CutsItself)
    np.testing.assert_array_equal(sequence.read(13, 22), truth[13:22])
    np.testing.assert_array_equal(again.read(13, 22), truth[13:22, :, 1:6, 2:11])
    np.testing.assert_array_equal(cache.reader.cropped((1, 2, 5, 9))[13:22], truth[13:22, :, 1:6, 2:11])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(sequence)).read(3, 9), truth[3:9])


def test_one_converter_makes_of_each_frame_what_a_new_one_does() -> None:
    random, frames = np.random.default_rng(0), []
    for height, pixel_format, colorspace, colour_range in (
        (16, "yuv420p", 1, 1), (16, "yuv420p", 5, 1), (16, "yuv420p", 5, 2), (32, "yuv420p", 5, 2), (16, "rgb24", 0, 2),
    ):  # fmt: skip
        shape = (height * 3 // 2, 48) if pixel_format == "yuv420p" else (height, 48, 3)
        frame = av.VideoFrame.from_ndarray(random.integers(0, 256, shape, np.uint8), format=pixel_format)
        frame.colorspace, frame.color_range = colorspace, colour_range
        frames.append(frame)
    converter = VideoReformatter()
    apart = [values_of(frame, layout_of(frame.format.name)) for frame in frames]
    for n in (0, 1, 2, 3, 4, 3, 2, 1, 0):
        values = values_of(frames[n], layout_of(frames[n].format.name), converter)
        np.testing.assert_array_equal(values, apart[n])
        np.testing.assert_array_equal(values, np.moveaxis(frames[n].to_ndarray(format="rgb24"), -1, 0))
    assert not np.array_equal(apart[0][:, :16], apart[1][:, :16])


def test_a_grey_video_has_one_channel(tmp_path: Path) -> None:
    write(tmp_path / "v.mkv", "ffv1", {}, "gray")
    sequence = open_video(tmp_path / "v.mkv")
    np.testing.assert_array_equal(sequence.read(7, 12), decoded(tmp_path / "v.mkv", "gray")[7:12])


def test_frames_before_the_edit_of_a_trimmed_video_are_left_out(tmp_path: Path) -> None:
    """A copy trimmed without coding anew keeps frames that are not to be shown; players skip them."""
    write(tmp_path / "whole.mp4", "libx264", {"bf": "3"})
    trimmed = tmp_path / "trimmed.mp4"
    with (
        av.open(str(tmp_path / "whole.mp4")) as whole,
        av.open(str(trimmed), "w", options={"avoid_negative_ts": "disabled"}) as copy,
    ):
        source = whole.streams.video[0]
        target = copy.add_stream_from_template(source)
        ticks = round(5 / (10 * float(source.time_base or 1)))
        for packet in whole.demux(source):
            if packet.dts is not None and packet.pts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - ticks, packet.dts - ticks, target
                copy.mux(packet)
    sequence, truth = open_video(trimmed), decoded(trimmed)
    assert sequence.shape == truth.shape == (FRAMES - 5, 3, 32, 48)
    np.testing.assert_array_equal(sequence.read(0, 12), truth[:12])
    np.testing.assert_array_equal(sequence.read(30, 35), truth[30:])


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        *((".mp4", "libx264"), (".mkv", "libx264"), (".avi", "mpeg4"), (".avi", "ffv1"), (".mov", "mpeg4")),
        *((".wmv", "wmv2"), (".flv", "libx264"), (".3gp", "mpeg4")),
    ],
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.85])
def test_a_truncated_video_is_not_read_as_a_shorter_one(tmp_path: Path, suffix: str, codec: str, share: float) -> None:
    path = tmp_path / f"v{suffix}"
    write(path, codec, {})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])

    def read_all() -> None:
        sequence = open_video(path)
        sequence.read(0, len(sequence))

    with pytest.raises(DataError, match=rf"v\{suffix}"):
        read_all()


def flagged(path: Path) -> bool:
    """Whether a plain decoding goes through but marks frames that the decoder has painted over."""
    try:
        with av.open(str(path)) as container:
            return any(frame.is_corrupt for frame in container.decode(video=0))
    except av.FFmpegError:
        return False


@pytest.mark.slow
def test_frames_that_the_decoder_has_painted_over_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write(path, "libx264", {"bf": "3"})
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    painted = 0
    for _ in range(20):
        damaged = bytearray(content)
        at = int(rng.integers(200, len(content) * 2 // 3))
        damaged[at : at + 20] = rng.bytes(20)
        path.write_bytes(damaged)
        if flagged(path):
            painted += 1
            sequence = open_video(path)
            with pytest.raises(DataError, match=r"v\.mp4"):
                sequence.read(0, FRAMES)
    assert painted > 0


def test_sound_is_not_a_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(DataError, match=r"sound\.mp4: holds no video"):
        open_video(tmp_path / "sound.mp4")


def raw(
    path: Path, frames: np.ndarray, codec: str, pixel_format: str, given: str, times: list[int] | None = None
) -> None:
    """Write frames as they are, with time stamps in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"bf": "0"})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixel_format
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for n, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format=given)
            if times is not None:
                frame.pts, frame.time_base = times[n], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def corner(count: int = 6) -> np.ndarray:
    """Pictures whose four corners differ, (T, H, W, 3)."""
    picture = np.full((32, 48, 3), 30, np.uint8)
    picture[:10, :10], picture[:10, -10:], picture[-10:, :10] = 240, 170, 100
    return np.repeat(picture[None], count, 0)


MATRICES = {  # (a, b, c, d) of an MP4 track: what a player then shows of the stored picture
    (1, 0, 0, 1): lambda p: p,
    (0, 1, -1, 0): lambda p: np.rot90(p, -1),
    (-1, 0, 0, -1): lambda p: np.rot90(p, 2),
    (0, -1, 1, 0): lambda p: np.rot90(p),
    (-1, 0, 0, 1): np.fliplr,
    (1, 0, 0, -1): np.flipud,
    (0, 1, 1, 0): lambda p: np.swapaxes(p, 0, 1),
    (0, -1, -1, 0): lambda p: np.rot90(np.swapaxes(p, 0, 1), 2),
    (0, 0, 0, 0): lambda p: p,  # says nothing
}


def turned(path: Path, matrix: tuple[float, ...]) -> None:
    """Write a display matrix into the track's header."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (round(value * 65536) for value in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


@pytest.mark.parametrize("matrix", MATRICES, ids=str)
def test_a_turned_or_mirrored_video_is_read_as_players_show_it(
    tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    path = tmp_path / "v.mp4"
    raw(path, corner(), "libx264", "yuv420p", "rgb24")
    turned(path, matrix)
    sequence = open_video(path)
    shown = MATRICES[matrix](corner()[0])
    assert sequence.shape == (6, 3, *shown.shape[:2])
    np.testing.assert_allclose(sequence.read(2, 5), np.moveaxis(shown, -1, 0)[None].repeat(3, 0), atol=40)


def test_a_video_shown_at_a_slant_is_refused(tmp_path: Path) -> None:
    raw(tmp_path / "v.mp4", corner(), "libx264", "yuv420p", "rgb24")
    turned(tmp_path / "v.mp4", (0.866, 0.5, -0.5, 0.866))
    with pytest.raises(DataError, match=r"v\.mp4: is to be shown at a slant of 30 degrees"):
        open_video(tmp_path / "v.mp4")


DEEP = {  # pixel format -> largest value, and what the frames are encoded from
    "gray": (255, "gray"),
    "gray10le": (1023, "gray10le"),
    "gray12le": (4095, "gray12le"),
    "gray16le": (65535, "gray16le"),
}


@pytest.mark.parametrize("pixel_format", DEEP)
def test_deep_grey_is_read_in_the_numbers_of_the_file(tmp_path: Path, pixel_format: str) -> None:
    most, given = DEEP[pixel_format]
    truth = np.random.default_rng(0).integers(0, most, (5, 12, 20), endpoint=True).astype("u1" if most < 256 else "u2")
    raw(tmp_path / "v.mkv", truth, "ffv1", pixel_format, given)
    sequence = open_video(tmp_path / "v.mkv")
    assert sequence.values.dtype == truth.dtype
    np.testing.assert_array_equal(sequence.read(0, 5)[:, 0], truth)


@pytest.mark.parametrize(
    ("pixel_format", "bits"), [("gbrp10le", 10), ("gbrp12le", 12), ("gbrp16le", 16), ("rgb48le", 16)]
)
def test_deep_colour_is_read_in_the_numbers_of_the_file(tmp_path: Path, pixel_format: str, bits: int) -> None:
    truth = np.random.default_rng(0).integers(0, 2**bits, (5, 12, 20, 3)).astype(np.uint16)
    raw(tmp_path / "v.mkv", truth, "ffv1", pixel_format, pixel_format)
    sequence = open_video(tmp_path / "v.mkv")
    assert sequence.shape == (5, 3, 12, 20)
    np.testing.assert_array_equal(sequence.read(0, 5), np.moveaxis(truth, -1, 1))


@pytest.mark.parametrize(("pixel_format", "given"), [("yuv420p10le", "rgb48le"), ("yuv444p10le", "rgb48le")])
def test_deep_colour_differences_become_16_bits(tmp_path: Path, pixel_format: str, given: str) -> None:
    ramp = np.broadcast_to(np.linspace(20000, 22000, 64).astype(np.uint16)[None, None, :, None], (3, 16, 64, 3))
    raw(tmp_path / "v.mkv", np.ascontiguousarray(ramp), "ffv1", pixel_format, given)
    sequence = open_video(tmp_path / "v.mkv")
    assert sequence.values.dtype == np.uint16
    read = sequence.read(1, 2)[0, 1, 5]
    assert len(np.unique(read)) > 25  # 8 bits would leave 9
    np.testing.assert_allclose(read, ramp[0, 0, :, 0], atol=200)


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".mkv", "ffv1"), (".webm", "libvpx")])
def test_a_pause_of_the_camera_is_a_gap_and_the_step_is_the_median(tmp_path: Path, suffix: str, codec: str) -> None:
    times = [*range(0, 800, 100), *range(31000, 31800, 100)]
    raw(tmp_path / f"v{suffix}", np.repeat(corner(1), 16, 0), codec, "yuv420p", "rgb24", times)
    sequence = open_video(tmp_path / f"v{suffix}")
    assert sequence.times is None  # of what day nobody knows
    assert sequence.time_step == np.timedelta64(100, "ms")
    assert sequence.segments() == [(0, 8), (8, 16)]
    assert sequence.elapsed is not None
    assert (sequence.elapsed[8:] / np.timedelta64(1, "ms")).tolist() == times[8:]
    stretch = sequence[6:11]
    assert stretch.segments() == [(0, 2), (2, 5)]
    assert len(cut_windows([Span(sequence, 0, 16)], past=3, future=2)) == 8


def test_stamps_rounded_to_milliseconds_are_of_the_announced_rate(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "v.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for picture in corner(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    sequence = open_video(tmp_path / "v.mkv")
    assert sequence.time_step == np.timedelta64(33_333_333, "ns")
    assert sequence.segments() == [(0, 20)]


def covered(path: Path) -> None:
    """Put cover art before the film, as taggers do."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body) + 8) + kind + body

    picture = io.BytesIO()
    Image.new("RGB", (90, 60), (0, 0, 250)).save(picture, "JPEG")
    cover = box(b"ilst", box(b"covr", box(b"data", struct.pack(">II", 13, 0) + picture.getvalue())))
    meta = box(b"udta", box(b"meta", bytes(4) + box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9)) + cover))
    content = path.read_bytes()
    moov = content.index(b"moov") - 4
    header = struct.unpack(">I", content[moov + 8 : moov + 12])[0]
    body = content[moov + 8 :]
    path.write_bytes(content[:moov] + box(b"moov", body[:header] + meta + body[header:]))


def test_a_picture_that_is_not_marked_as_one_is_not_the_film(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (FRAMES, 32, 48, 3), dtype=np.uint8)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for codec, pixel_format in (("mjpeg", "yuvj420p"), ("ffv1", "bgr0")):
            stream = container.add_stream(codec, rate=10)
            assert isinstance(stream, av.VideoStream)
            stream.height, stream.width, stream.pix_fmt = 32, 48, pixel_format
            streams.append(stream)
        for stream, images in zip(streams, (frames[:1], frames), strict=True):
            for image in images:
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=stream.pix_fmt)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    np.testing.assert_array_equal(open_video(path).read(0, FRAMES), np.moveaxis(frames, -1, 1))


def test_cover_art_is_not_the_film(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    raw(path, corner(), "libx264", "yuv420p", "rgb24")
    covered(path)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    sequence = open_video(path)
    assert sequence.shape == (6, 3, 32, 48)
    assert sequence.read(0, 6).max() > 200


def test_a_stream_without_frames_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        empty, film = (container.add_stream("ffv1", rate=10) for _ in range(2))
        for stream in (empty, film):
            assert isinstance(stream, av.VideoStream)
            stream.height, stream.width, stream.pix_fmt = 32, 48, "gray"
        for n in range(5):
            container.mux(film.encode(av.VideoFrame.from_ndarray(np.full((32, 48), n, np.uint8), format="gray")))
        container.mux(film.encode())
    sequence = open_video(path)
    assert sequence.read(0, 5)[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_a_relative_name_with_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    raw(Path("v.mp4"), corner(), "libx264", "yuv420p", "rgb24")
    for name in ("2020-01-01T12:30:00.mp4", "squares:movies.mp4", "100%d.mp4"):
        Path("v.mp4").rename(name)
        (sequence,) = open_source(name).sequences
        assert sequence.shape == (6, 3, 32, 48)
        Path(name).rename("v.mp4")


def test_an_unknown_codec_and_titles_in_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "gray"
        container.metadata["title"] = "xxxx"
        for n in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 48), n, np.uint8), format="gray")))
        container.mux(stream.encode())
    content = path.read_bytes()
    path.write_bytes(content.replace(b"xxxx", b"\xe9t\xe9\xff"))
    assert open_video(path).shape == (3, 1, 32, 48)
    path.write_bytes(content.replace(b"V_FFV1", b"V_ZZZZ"))
    with pytest.raises(DataError, match=r"v\.mkv: holds a video that FFmpeg has no decoder for"):
        open_video(path)


def test_one_bad_video_of_a_folder_is_counted(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        raw(tmp_path / f"{name}.mp4", corner(), "libx264", "yuv420p", "rgb24")
    content = (tmp_path / "b.mp4").read_bytes()
    (tmp_path / "b.mp4").write_bytes(content[: len(content) // 2])
    (tmp_path / "c.mp4").write_bytes(content.replace(b"avc1", b"zzzz"))
    (tmp_path / "e.mp4").write_bytes(b"no video at all")
    source = open_source(tmp_path, damaged="skip")
    assert len(source.sequences) == 2
    assert source.damage is not None
    assert {path.name for path in source.damage.files} == {"b.mp4", "c.mp4", "e.mp4"}
    with pytest.raises(DataError, match=r"b\.mp4: cannot be read as a video"):
        open_source(tmp_path)


@pytest.mark.slow
@pytest.mark.long
def test_a_flipped_byte_anywhere_is_read_or_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    raw(path, corner(), "libx264", "yuv420p", "rgb24")
    content, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for at in range(0, len(content), max(1, len(content) // 150)):
        damaged = bytearray(content)
        damaged[at] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            sequence = open_video(path)
            sequence.read(0, len(sequence))
        except NextframeError as error:  # any other exception fails the test
            refused += "v.mp4" in str(error)
    assert refused > 0
