"""Images: grey or colour by what they hold, stacks of pages, and files that differ."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nextframe.errors import DataError, ShapeError
from nextframe.frames.formats import images
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
    (sequence,) = open_source(tmp_path).sequences
    with pytest.raises(DataError, match=r"2\.tif: differs in its type of numbers from 1\.tif"):
        sequence.read(0, 2)


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


def test_a_gif_beyond_the_memory_given_is_held_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_stack(tmp_path / "a.gif", pages(), duration=50)
    (whole,) = open_source(tmp_path / "a.gif").sequences
    monkeypatch.setattr(images, "CACHE_BYTES", 100)
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
