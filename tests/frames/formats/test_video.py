"""Video files: every frame is the one a plain decoding gives, wherever a read begins, and damage is loud."""

from pathlib import Path

import av
import numpy as np
import pytest

from nextframe.errors import DataError
from nextframe.frames.formats.video import open_video

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
        (".webm", "libvpx-vp9", {"lag-in-frames": "10"}),
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
    [(".mp4", "libx264"), (".mkv", "libx264"), (".avi", "mpeg4"), (".avi", "ffv1"), (".mov", "mpeg4")],
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
