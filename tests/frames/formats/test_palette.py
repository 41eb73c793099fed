"""Pictures are turned back to the values that their colours stand for."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nextframe import open_source
from nextframe.errors import ConfigError, DataError, NextframeWarning

VALUES = {(0, 0, 0): 0.0, (153, 0, 255): 0.5, (255, 0, 0): 2.0, (128, 128, 128): np.nan}
COLOURS = np.array(list(VALUES), np.uint8)
CSV = """# variable: rain_rate
# units: mm/h
colour,value
#000000,0
#9900ff,0.5
255,0,0,2
grey,missing
"""


def classes(steps: int = 3) -> np.ndarray:
    """Numbers of colours, (T, H, W)."""
    return np.random.default_rng(0).integers(0, len(COLOURS), (steps, 12, 16))


def expected(numbers: np.ndarray) -> np.ndarray:
    """Values by a look-up of its own, one pixel after the other."""
    return np.array([VALUES[tuple(COLOURS[n].tolist())] for n in numbers.ravel()], np.float32).reshape(numbers.shape)


@pytest.fixture
def palette(tmp_path: Path) -> Path:
    path = tmp_path / "palette.csv"
    path.write_text(CSV)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    return path


@pytest.mark.parametrize("suffix", ["png", "gif", "webp", "bmp"])
def test_pictures_become_values(folder: Path, palette: Path, suffix: str) -> None:
    numbers = classes()
    for n, frame in enumerate(numbers):
        Image.fromarray(COLOURS[frame]).save(folder / f"radar_20200131_12{5 * n:02}.{suffix}", lossless=True)
    (sequence,) = open_source(folder, palette=str(palette), time_format="%Y%m%d_%H%M").sequences
    np.testing.assert_array_equal(sequence.read(0, 3)[:, 0], expected(numbers))
    assert (sequence.variables, sequence.units, sequence.missing) == (("rain_rate",), ("mm/h",), "mask")
    assert sequence.time_step == np.timedelta64(300, "s")
    assert open_source(folder, palette=str(palette), rain_unit="dBZ").sequences[0].units == ("dBZ",)


def test_pixels_that_are_transparent_have_a_value_of_their_own(folder: Path, palette: Path) -> None:
    numbers = classes(2)
    palette.write_text(CSV + "transparent,missing\n")
    for n, frame in enumerate(numbers):
        opacity = np.where(np.arange(16) < 4, 0, 255).astype(np.uint8) * np.ones((12, 1), np.uint8)
        Image.fromarray(np.dstack([COLOURS[frame], opacity])).save(folder / f"{n}.png")
    values = open_source(folder, palette=str(palette)).sequences[0].read(0, 2)[:, 0]
    assert np.isnan(values[..., :4]).all()
    np.testing.assert_array_equal(values[..., 4:], expected(numbers)[..., 4:])


def test_an_animation_becomes_values(tmp_path: Path, palette: Path) -> None:
    numbers = classes()
    first, *others = (Image.fromarray(COLOURS[frame]) for frame in numbers)
    first.save(tmp_path / "loop.gif", save_all=True, append_images=others, duration=100)
    (sequence,) = open_source(tmp_path / "loop.gif", palette=str(palette)).sequences
    np.testing.assert_array_equal(sequence.read(0, 3)[:, 0], expected(numbers))


def test_a_colour_that_the_palette_lacks_is_told(folder: Path, palette: Path) -> None:
    picture = COLOURS[classes(1)[0]]
    picture[2:4, 5] = (250, 3, 0)
    Image.fromarray(picture).save(folder / "a.png")
    source = open_source(folder / "a.png", palette=str(palette))
    message = (
        r"frame 0 of .*a.png: has a colour that the palette lacks .*received #fa0300 in 2 pixels.*#ff0000.*tolerance: 6"
    )
    with pytest.raises(DataError, match=message):
        source.sequences[0].read(0, 1)
    palette.write_text("# tolerance: 6\n" + CSV)
    with pytest.warns(NextframeWarning, match=r"taken for the nearest \(1.0% of its pixels\)"):
        values = open_source(folder / "a.png", palette=str(palette)).sequences[0].read(0, 1)[0, 0]
    assert (values[2:4, 5] == 2.0).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour,value\n#zzz,1\n", "line 2 of .* is no colour and value"),
        ("#zzz,1\n#ff0000,2\n", "line 1 of .* is no colour and value"),
        ("colour,value\n", "holds no colour"),
        ("#ff0000,1\n#00ff00,much\n", "line 2 of .* is no colour and value"),
        ("#ff0000,1\n300,0,0,2\n", "line 2 of .* is no colour and value"),
        ("#ff0000,1\nred,2\n", "line 2 of .* gives a colour a second value"),
        ("# tolerance: 999\n#ff0000,1\n", "has no such tolerance"),
        ("", "holds no colour"),
    ],
)
def test_a_palette_that_makes_no_sense_is_told(folder: Path, palette: Path, text: str, message: str) -> None:
    Image.fromarray(COLOURS[classes(1)[0]]).save(folder / "a.png")
    palette.write_text(text)
    with pytest.raises(ConfigError, match=rf"palette: .*{message}"):
        open_source(folder / "a.png", palette=str(palette))
    with pytest.raises(ConfigError, match=r"palette: cannot read .*none.csv"):
        open_source(folder / "a.png", palette=str(folder / "none.csv"))


def test_frames_without_colours_are_told(tmp_path: Path, palette: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 8, 8)))
    with pytest.raises(ConfigError, match=r"takes no palette .*leave out palette=.*, which is for GeoTIFF and images"):
        open_source(tmp_path / "a.npy", palette=str(palette))
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match="has no colours of 8 bits"):
        open_source(tmp_path / "deep.png", palette=str(palette))
