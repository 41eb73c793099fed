"""Images: grey or colour by what they hold, stacks of pages, and files that differ."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nextframe.errors import DataError, NextframeError, ShapeError
from nextframe.frames.formats import gif
from nextframe.frames.source import open_source

DATA = Path(__file__).parents[4] / "shared" / "data"


def pages(count: int = 5, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 250, (count, 12, 16)).astype(dtype)


def save_stack(path: Path, frames: np.ndarray, duration: int = 100) -> None:
    first, *rest = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=rest, duration=duration)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_pages_of_a_tiff_are_frames(tmp_path: Path, dtype: type) -> None:
    save_stack(tmp_path / "stack.tif", pages(dtype=dtype))
    (sequence,) = open_source(tmp_path / "stack.tif").sequences
    assert sequence.shape == (5, 1, 12, 16)
    assert sequence.values.dtype == dtype
    np.testing.assert_array_equal(sequence.read(3, 5)[:, 0], pages(dtype=dtype)[3:])


def test_pages_of_differing_size(tmp_path: Path) -> None:
    Image.fromarray(pages()[0]).save(
        tmp_path / "stack.tif", save_all=True, append_images=[Image.fromarray(pages()[1, :5])]
    )
    with pytest.raises(ShapeError, match=r"stack\.tif: page 1 differs.*\(12, 16\).*\(5, 16\)"):
        open_source(tmp_path / "stack.tif")


def test_a_palette_of_greys_is_grey_and_its_values_are_brightness(tmp_path: Path) -> None:
    index = (pages()[:3] % 4).astype(np.uint8)
    for n, frame in enumerate(index):
        image = Image.fromarray(frame).convert("P")
        image.putpalette([c for level in (0, 80, 160, 240) for c in (level,) * 3])
        image.save(tmp_path / f"{n}.png")
    (sequence,) = open_source(tmp_path).sequences
    assert sequence.shape == (3, 1, 12, 16)
    np.testing.assert_array_equal(sequence.read(0, 3)[:, 0], index * 80.0)
    image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.save(tmp_path / "2.png")
    (sequence,) = open_source(tmp_path).sequences  # one image in colour, and all are read in colour
    assert sequence.variables == ("red", "green", "blue")
    np.testing.assert_array_equal(sequence.read(0, 1)[0, 2], index[0] * 80.0)


def test_printing_colours_are_not_taken_for_transparency(tmp_path: Path) -> None:
    image = Image.new("CMYK", (16, 12), (0, 0, 0, 255))
    image.save(tmp_path / "black.jpg")
    (sequence,) = open_source(tmp_path / "black.jpg").sequences
    assert sequence.shape == (1, 3, 12, 16)
    assert sequence.read(0, 1).max() < 10


def test_images_of_differing_number_types_are_named(tmp_path: Path) -> None:
    Image.fromarray(pages()[0]).save(tmp_path / "1.tif")
    Image.fromarray(pages(dtype=np.float32)[0]).save(tmp_path / "2.tif")
    with pytest.raises(DataError, match=r"2\.tif: differs in its type of numbers from 1\.tif"):
        open_source(tmp_path)


def test_a_damaged_image_of_a_folder_is_named(tmp_path: Path) -> None:
    for n in range(3):
        Image.fromarray(pages()[n]).save(tmp_path / f"{n}.png")
    content = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(content[: len(content) // 2])
    (sequence,) = open_source(tmp_path).sequences
    with pytest.raises(DataError, match=r"1\.png: cannot be read as an image"):
        sequence.read(0, 3)
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1\.png: is an empty file"):
        open_source(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".gif", ".tif"])
def test_a_stack_cut_anywhere_is_not_read_as_a_shorter_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"stack{suffix}"
    save_stack(path, pages(3))
    content = path.read_bytes()

    def read_all() -> None:
        (sequence,) = open_source(path).sequences
        sequence.read(0, len(sequence))

    for size in range(1, len(content) - 8, 5):
        path.write_bytes(content[:size])
        with pytest.raises(DataError, match=rf"stack\{suffix}"):
            read_all()


@pytest.mark.parametrize("colour", [False, True])
def test_an_animated_png_is_a_movie(tmp_path: Path, colour: bool) -> None:
    frames = pages() if not colour else np.stack([pages(), pages()[::-1], pages()[:, ::-1]], -1)
    first, *rest = (Image.fromarray(frame) for frame in frames)
    durations = [100, 100, 900, 100, 100]
    path = tmp_path / "a.png"
    first.save(path, save_all=True, append_images=rest, duration=durations)
    (sequence,) = open_source(path).sequences
    wanted = frames[:, None] if not colour else np.moveaxis(frames, -1, 1)
    np.testing.assert_array_equal(sequence.read(0, 5), wanted)
    assert sequence.time_step == np.timedelta64(100, "ms")
    assert sequence.segments() == [(0, 3), (3, 5)]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.png: is truncated"):
        open_source(path)


@pytest.mark.parametrize("colour", [True, False])
def test_an_animated_webp_is_a_movie(tmp_path: Path, colour: bool) -> None:
    draw = np.random.default_rng(0)
    frames = draw.integers(0, 255, (4, 12, 16, 3 if colour else 1), np.uint8).repeat(1 if colour else 3, axis=-1)
    first, *rest = (Image.fromarray(frame) for frame in frames)
    first.save(tmp_path / "a.webp", save_all=True, append_images=rest, duration=[100, 100, 100, 40], lossless=True)
    (sequence,) = open_source(tmp_path / "a.webp").sequences
    assert sequence.shape == (4, 3 if colour else 1, 12, 16)
    expected = np.moveaxis(frames, -1, 1) if colour else frames[..., :1].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(sequence.read(0, 4), expected)
    assert sequence.elapsed is not None
    np.testing.assert_array_equal(sequence.elapsed / np.timedelta64(1, "ms"), [0, 100, 200, 300])


def test_the_still_of_an_animated_png_is_no_frame_of_it(tmp_path: Path) -> None:
    still, *rest = (Image.fromarray(frame) for frame in pages())
    still.save(tmp_path / "a.png", save_all=True, append_images=rest, duration=100, default_image=True)
    (sequence,) = open_source(tmp_path / "a.png").sequences
    np.testing.assert_array_equal(sequence.read(0, 4)[:, 0], pages()[1:])


def test_an_animated_png_that_cannot_be_read_whole_is_refused(tmp_path: Path) -> None:
    first, *rest = (Image.fromarray(frame) for frame in pages(dtype=np.uint16) * np.uint16(200))
    first.save(tmp_path / "a.png", save_all=True, append_images=rest, duration=100)
    with pytest.raises(DataError, match=r"a\.png: is an animation of 16 bits a channel"):
        open_source(tmp_path / "a.png")


def test_an_animation_among_still_images_is_named(tmp_path: Path) -> None:
    for n, frame in enumerate(pages()):
        Image.fromarray(frame).save(tmp_path / f"{n}.png")
    first, *rest = (Image.fromarray(frame) for frame in pages())
    first.save(tmp_path / "5.png", save_all=True, append_images=rest)
    with pytest.raises(DataError, match=r"5\.png: is an animation among still images \(received 5 images of one frame"):
        open_source(tmp_path)


def test_a_gif_beyond_the_memory_given_is_held_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_stack(tmp_path / "a.gif", pages(), duration=50)
    (whole,) = open_source(tmp_path / "a.gif").sequences
    monkeypatch.setattr(gif, "CACHE_BYTES", 100)
    (mapped,) = open_source(tmp_path / "a.gif").sequences
    assert isinstance(mapped.values, np.memmap)
    assert mapped.shape == (5, 1, 12, 16)
    np.testing.assert_array_equal(mapped.read(0, 5), whole.read(0, 5))


def test_a_folder_of_moving_gifs_is_one_sequence_each(tmp_path: Path) -> None:
    save_stack(tmp_path / "b.gif", pages(5))
    save_stack(tmp_path / "a.gif", pages(4))
    assert [len(s) for s in open_source(tmp_path).sequences] == [4, 5]


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets (../shared/data) are not here")
def test_real_gifs_of_one_step_are_pictures_unless_their_names_say_radar(tmp_path: Path) -> None:
    first, second = sorted((DATA / "radar" / "mch-2015-05-15").iterdir())[:2]
    for name, path in (("a.gif", first), ("b.gif", second)):
        (tmp_path / name).write_bytes(path.read_bytes())
    (sequence,) = open_source(tmp_path, crop=(100, 100, 64, 48)).sequences
    assert sequence.shape == (2, 3, 64, 48)
    with Image.open(first) as image:
        colours = np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)[:, 100:164, 100:148]
    np.testing.assert_array_equal(sequence.read(0, 1)[0], colours)


def corner(dtype: str = "u1", height: int = 12, width: int = 16) -> np.ndarray:
    """A picture whose four corners differ."""
    picture = np.full((height, width), 30, dtype)
    picture[:4, :5], picture[:4, -5:], picture[-4:, :5] = 240, 170, 100
    return picture


ORIENTATIONS: dict[int, Callable[[Any], Any]] = {
    1: lambda p: p,
    2: np.fliplr,
    3: lambda p: np.rot90(p, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("how", ["jpg", "png", "tif", "tif by Pillow", "16-bit tif"])
def test_pictures_stand_upright_as_their_files_say(tmp_path: Path, orientation: int, how: str) -> None:
    picture = corner("u2" if how.startswith("16") else "u1")
    path = tmp_path / f"a.{how.split()[0] if 'by' in how else how[-3:]}"
    image = Image.fromarray(picture)
    exif = Image.Exif()
    exif[274] = orientation
    if "tif" not in how:
        image.save(path, exif=exif, quality=100)
    else:
        image.save(path, tiffinfo={274: orientation}, compression="tiff_lzw" if "Pillow" in how else None)
    (sequence,) = open_source(path).sequences
    expected = ORIENTATIONS[orientation](picture)
    assert sequence.shape == (1, 1, *expected.shape)
    np.testing.assert_allclose(sequence.read(0, 1)[0, 0], expected, atol=4 if how == "jpg" else 0)


def test_a_folder_of_pictures_turned_and_not(tmp_path: Path) -> None:
    for n, orientation in enumerate((1, 6, 8, 3)):
        exif = Image.Exif()
        exif[274] = orientation
        stored = {1: 0, 6: 1, 8: -1, 3: 2}[orientation]  # quarter turns that the camera was held at
        Image.fromarray(np.rot90(corner(), stored)).save(tmp_path / f"{n}.png", exif=exif)
    (sequence,) = open_source(tmp_path).sequences
    np.testing.assert_array_equal(sequence.read(0, 4)[:, 0], np.repeat(corner()[None], 4, 0))


def deep_png(path: Path, pixels: np.ndarray, colour_type: int) -> None:
    """Write a PNG of 16 bits a channel, (H, W, C), which Pillow cannot."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.astype(">u2"))
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


@pytest.mark.parametrize(("colour_type", "channels", "read"), [(0, 1, 1), (2, 3, 3), (4, 2, 1), (6, 4, 3)])
def test_png_of_16_bits_is_read_whole(tmp_path: Path, colour_type: int, channels: int, read: int) -> None:
    truth = np.random.default_rng(0).integers(0, 65536, (3, 12, 16, channels)).astype(np.uint16)
    for n, picture in enumerate(truth):
        deep_png(tmp_path / f"{n}.png", picture, colour_type)
    (sequence,) = open_source(tmp_path).sequences
    assert sequence.values.dtype == np.uint16
    np.testing.assert_array_equal(sequence.read(0, 3), np.moveaxis(truth[..., :read], -1, 1))
    content = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(content[: len(content) // 2])
    (sequence,) = open_source(tmp_path).sequences
    with pytest.raises(DataError, match=r"1\.png: cannot be read as an image"):
        sequence.read(0, 3)


@pytest.mark.parametrize("odd", [0, 2, 4])
def test_of_mixed_depths_the_file_that_differs_is_named(tmp_path: Path, odd: int) -> None:
    for n in range(5):
        picture = pages(dtype=np.uint8 if n == odd else np.uint16)[n]
        Image.fromarray(np.repeat(picture[..., None], 3, -1) if n == odd else picture).save(tmp_path / f"{n}.png")
    with pytest.raises(DataError, match=rf"{odd}\.png: differs in its type of numbers from .*uint16, received uint8"):
        open_source(tmp_path)


def test_one_bit_among_8_is_read_as_8(tmp_path: Path) -> None:
    Image.fromarray(pages()[0]).save(tmp_path / "0.png")
    Image.fromarray(pages()[1] > 100).save(tmp_path / "1.png")
    (sequence,) = open_source(tmp_path).sequences
    np.testing.assert_array_equal(sequence.read(0, 2)[:, 0], [pages()[0], (pages()[1] > 100) * 255])
    (alone,) = open_source(tmp_path / "1.png").sequences
    np.testing.assert_array_equal(alone.read(0, 1)[0, 0], pages()[1] > 100)


@settings(max_examples=60)
@given(
    dtype=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "i8", "u8", "f2", "f4", "f8"]),
    bands=st.sampled_from([1, 2, 3, 4, 5, 7]),
    planar=st.sampled_from(["contig", "separate"]),
    order=st.sampled_from("<>"),
    compression=st.sampled_from([None, "zlib"]),
)
@pytest.mark.slow
def test_every_tiff_of_real_numbers_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: str,
    bands: int,
    planar: str,
    order: Literal["<", ">"],
    compression: str | None,
) -> None:
    folder = tmp_path_factory.mktemp("tiff")
    rng = np.random.default_rng(0)
    info = None if dtype[0] == "f" else np.iinfo(dtype)
    numbers = rng.normal(size=(3, bands, 12, 16)) * 100 if info is None else None
    truth = (rng.integers(info.min, info.max, (3, bands, 12, 16), dtype) if info else np.asarray(numbers)).astype(dtype)
    for n, frame in enumerate(truth):
        several: dict[str, Any] = {"planarconfig": planar} if bands > 1 else {}
        stored = frame[0] if bands == 1 else np.moveaxis(frame, 0, -1) if planar == "contig" else frame
        tifffile.imwrite(
            folder / f"{n}.tif",
            np.ascontiguousarray(stored),
            photometric="minisblack",
            byteorder=order,
            compression=compression,
            metadata=None,
            **several,
        )
    (sequence,) = open_source(folder).sequences
    assert sequence.shape == truth.shape
    assert sequence.values.dtype == np.dtype(dtype)
    assert sequence.variables == (tuple(f"band{n + 1}" for n in range(bands)) if bands > 1 else ("frame",))
    np.testing.assert_array_equal(sequence.read(0, 3), truth.astype(np.float32))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_tiff_of_pictures_is_what_pillow_shows(tmp_path: Path, mode: str, compression: str | None) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (12, 16, 3), np.uint8)).convert(mode)
    image.save(tmp_path / "a.tif", compression=compression)
    (sequence,) = open_source(tmp_path / "a.tif").sequences
    with Image.open(tmp_path / "a.tif") as stored:
        grey = mode in ("1", "L", "LA")
        alike = stored.convert("LA").getchannel("L") if mode == "LA" else stored if grey else stored.convert("RGB")
        shown = np.asarray(alike)
    np.testing.assert_array_equal(sequence.read(0, 1)[0], shown[None] if grey else np.moveaxis(shown, -1, 0))


def test_white_as_zero_is_turned_to_brightness(tmp_path: Path) -> None:
    for dtype in ("u1", "u2"):
        tifffile.imwrite(tmp_path / "a.tif", corner(dtype), photometric="miniswhite")
        (sequence,) = open_source(tmp_path / "a.tif").sequences
        np.testing.assert_array_equal(sequence.read(0, 1)[0, 0], np.iinfo(dtype).max - corner(dtype).astype(np.float32))


def test_what_gdal_marks_as_missing_is_missing(tmp_path: Path) -> None:
    frames = pages(3, np.int16)
    frames[1, :3, :4] = -9999
    for n, frame in enumerate(frames):
        tifffile.imwrite(tmp_path / f"{n}.tif", frame, extratags=[(42113, "s", 0, "-9999", True)], metadata=None)
    (sequence,) = open_source(tmp_path).sequences
    assert sequence.missing == "mask"
    np.testing.assert_array_equal(sequence.read(0, 3)[:, 0], np.where(frames == -9999, np.nan, frames))


@pytest.mark.parametrize("together", [True, False])
def test_nan_that_gdal_marks_as_missing_is_one_mark(tmp_path: Path, *, together: bool) -> None:
    frames = pages(3, np.float32)
    frames[1, :3, :4] = np.nan
    said: Any = {"extratags": [(42113, "s", 0, "nan", True)], "metadata": None}
    if together:
        with tifffile.TiffWriter(tmp_path / "a.tif") as file:
            for frame in frames:
                file.write(frame, contiguous=False, **said)
    else:
        for n, frame in enumerate(frames):
            tifffile.imwrite(tmp_path / f"{n}.tif", frame, **said)
    (sequence,) = open_source(tmp_path / "a.tif" if together else tmp_path).sequences
    assert sequence.missing == "mask"
    np.testing.assert_array_equal(sequence.read(0, 3)[:, 0], frames)
    tifffile.imwrite(tmp_path / "b.tif", pages(1), **said)
    (whole,) = open_source(tmp_path / "b.tif").sequences
    assert (whole.missing, str(whole.values.dtype)) == ("error", "uint8")


@pytest.mark.parametrize("kind", [1, 5])
def test_smaller_versions_and_masks_of_pages_are_no_frames(tmp_path: Path, kind: int) -> None:
    frames = pages()
    for name, count in (("a.tif", 5), ("b/0.tif", 1), ("b/1.tif", 1)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with tifffile.TiffWriter(tmp_path / name) as file:
            for frame in frames[:count]:
                file.write(frame, photometric="minisblack", contiguous=False, metadata=None)
                small = frame[::2, ::2] > 100 if kind == 5 else frame[::2, ::2]
                file.write(small, photometric="minisblack", subfiletype=kind, contiguous=False, metadata=None)
    (stack,) = open_source(tmp_path / "a.tif").sequences
    np.testing.assert_array_equal(stack.read(0, 5)[:, 0], frames)
    np.testing.assert_array_equal(stack.read(3, 4)[:, 0], frames[3:4])
    (folder,) = open_source(tmp_path / "b").sequences
    np.testing.assert_array_equal(folder.read(0, 2)[:, 0], frames[[0, 0]])


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ({"imagej": True, "metadata": {"axes": "TYX", "finterval": 0.5}}, np.timedelta64(500, "ms")),
        ({"imagej": True, "metadata": {"axes": "TYX", "finterval": 2, "tunit": "min"}}, np.timedelta64(2, "m")),
        ({"imagej": True, "metadata": {"axes": "TYX", "fps": 7}}, None),
        ({"ome": True, "metadata": {"axes": "TYX", "TimeIncrement": 3.0}}, np.timedelta64(3, "s")),
        (
            {"ome": True, "metadata": {"axes": "TYX", "TimeIncrement": 40, "TimeIncrementUnit": "ms"}},
            np.timedelta64(40, "ms"),
        ),
        ({"ome": True, "metadata": {"axes": "TYX", "TimeIncrement": 3.0, "TimeIncrementUnit": "reference"}}, None),
        ({"ome": True, "metadata": {"axes": "TYX", "TimeIncrement": 0.0}}, None),
    ],
)
def test_time_between_frames_of_a_microscope(tmp_path: Path, said: Any, step: np.timedelta64 | None) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pages(), photometric="minisblack", **said)
    (sequence,) = open_source(tmp_path / "a.tif").sequences
    assert sequence.time_step == step


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_channels_of_a_microscope_are_no_times(tmp_path: Path, kind: str) -> None:
    truth = np.random.default_rng(0).integers(0, 999, (5, 3, 12, 16)).astype(np.uint16)
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    kinds: dict[str, Any] = {"imagej": kind == "imagej", "ome": kind == "ome"}
    tifffile.imwrite(path, truth, **kinds, photometric="minisblack", metadata={"axes": "TCYX"})
    (sequence,) = open_source(path).sequences
    assert sequence.variables == ("channel0", "channel1", "channel2")
    np.testing.assert_array_equal(sequence.read(1, 4), truth[1:4])
    tifffile.imwrite(path, truth, **kinds, photometric="minisblack", metadata={"axes": "TZYX"})
    with pytest.raises(DataError, match=r"tif: is a stack along several axes"):
        open_source(path)


def test_a_codec_that_is_not_there_is_named(tmp_path: Path) -> None:
    Image.fromarray(np.repeat(pages()[0][..., None], 4, -1)).save(tmp_path / "a.tif", compression="tiff_lzw")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    at = content.index(struct.pack("<HHI", 338, 3, 1)) + 8  # what the fourth sample is: not alpha, but a band
    content[at : at + 2] = b"\0\0"
    (tmp_path / "a.tif").write_bytes(content)
    (sequence,) = open_source(tmp_path / "a.tif").sequences
    assert sequence.shape == (1, 4, 12, 16)
    if find_spec("imagecodecs") is None:
        with pytest.raises(DataError, match=r"a\.tif: is stored in a way that takes the package imagecodecs"):
            sequence.read(0, 1)
    else:
        np.testing.assert_array_equal(sequence.read(0, 1)[0, 3], pages()[0])


def claim(path: Path, at: int, layout: str, *numbers: int) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + struct.calcsize(layout)] = struct.pack(layout, *numbers)
    path.write_bytes(content)


@pytest.mark.parametrize("size", [(65408, 710), (65535, 65535)], ids=str)
def test_a_gif_of_absurd_size_takes_no_memory(tmp_path: Path, size: tuple[int, int]) -> None:
    save_stack(tmp_path / "a.gif", pages())
    claim(tmp_path / "a.gif", 6, "<HH", *size)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"a\.gif: (claims|cannot be read)"):
            open_source(tmp_path / "a.gif")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("side", "said"),
    [
        (4000, r"claims 160,000,000,000 pixels, which its \S+ kB cannot hold"),
        (1000, r"takes 30 GB decoded, more than the 1 GB that are free"),
    ],
    ids=str,
)
@pytest.mark.slow
def test_a_gif_of_absurdly_many_frames_takes_neither_memory_nor_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int, said: str
) -> None:
    screen = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    dot = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"  # a frame that changes one pixel
    (tmp_path / "a.gif").write_bytes(screen + 10_000 * dot + b";")
    monkeypatch.setattr("nextframe.frames.bounds.shutil.disk_usage", lambda folder: SimpleNamespace(free=10**9))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=rf"a\.gif: {said}"):
            open_source(tmp_path / "a.gif")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("name", "at", "layout"), [("a.png", 16, ">II"), ("a.bmp", 18, "<ii")])
def test_an_image_of_absurd_size_is_refused(tmp_path: Path, name: str, at: int, layout: str) -> None:
    for size in ((9000, 9000), (30000, 30000), (2**31 - 1, 2**31 - 1)):
        Image.fromarray(pages()[0]).save(tmp_path / name)
        claim(tmp_path / name, at, layout, *size)
        with pytest.raises(DataError, match=rf"{name}: (claims|cannot be read)"):
            open_source(tmp_path / name)


def test_a_gif_whose_frame_is_larger_than_its_screen(tmp_path: Path) -> None:
    save_stack(tmp_path / "a.gif", pages())
    content = (tmp_path / "a.gif").read_bytes()
    later = content.rindex(b"\x2c\0\0\0\0")
    claim(tmp_path / "a.gif", later + 1, "<H", 300)
    with pytest.raises(DataError, match=r"frame 4 of .*a\.gif: reaches beyond the picture"):
        open_source(tmp_path / "a.gif")


def test_a_gif_that_fits_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_stack(tmp_path / "a.gif", pages())
    monkeypatch.setattr(gif, "CACHE_BYTES", 100)
    monkeypatch.setattr("nextframe.frames.bounds.shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    with pytest.raises(DataError, match=r"a\.gif: takes 2\.88 kB decoded, more than the 0 bytes that are free.*TMPDIR"):
        open_source(tmp_path / "a.gif")


def test_the_durations_of_a_gif_are_times(tmp_path: Path) -> None:
    first, *rest = (Image.fromarray(frame) for frame in pages(6))
    first.save(tmp_path / "a.gif", save_all=True, append_images=rest, duration=[100, 100, 2000, 100, 100, 700])
    (sequence,) = open_source(tmp_path / "a.gif").sequences
    assert sequence.time_step == np.timedelta64(100, "ms")
    assert sequence.segments() == [(0, 3), (3, 6)]


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.slow
def test_a_damaged_image_is_read_or_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    suffix = data.draw(st.sampled_from([".png", ".tif", ".gif", ".jpg", ".bmp"]))
    path = tmp_path_factory.mktemp("damaged") / f"a{suffix}"
    if suffix in (".tif", ".gif"):
        save_stack(path, pages(3))
    else:
        Image.fromarray(pages()[0]).save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    said = path.name
    try:
        for sequence in open_source(path).sequences:
            sequence.read(0, len(sequence))
    except NextframeError as error:  # any other exception fails the test
        said = str(error)
    assert path.name in said
