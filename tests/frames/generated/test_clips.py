"""Moving clips: what is drawn is a function of seed and number, moves as its path says, and has a licence."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from nextframe.errors import ConfigError
from nextframe.frames.generated import clips, pictures
from nextframe.frames.generated.clips import MovingClips
from nextframe.frames.source import open_source

ROOT = Path(__file__).parents[3]
PARTS: tuple[clips.Part, ...] = ("train", "test")


@pytest.mark.slow
def test_more_movies_begin_with_the_same_ones_and_reading_gives_what_is_rendered() -> None:
    few, many = MovingClips(movies=2, seed=3, size=32), MovingClips(movies=5, seed=3, size=32)
    np.testing.assert_array_equal(few.render(0, 6), many.render(0, 6, slice(0, 2)))
    np.testing.assert_array_equal(many.sequences()[4].read(7, 15), many.render(7, 15)[4])
    assert (many.render(0, 1) != MovingClips(movies=5, seed=4, size=32).render(0, 1)).mean() > 0.5


def test_frames_go_on_beyond_the_last_one() -> None:
    short, long = MovingClips(movies=1, frames=3, size=32), MovingClips(movies=1, frames=9, size=32)
    np.testing.assert_array_equal(short.render(0, 9), long.render(0, 9))


@pytest.mark.parametrize(("colour", "channels"), [("no", 1), ("yes", 3)])
def test_a_source_of_clips_is_read_as_any_other(colour: str, channels: int) -> None:
    source = open_source(f"clips:movies=3,frames=4,size=24,seed=5,colour={colour},part=test")
    assert source.frame_shape == (channels, 24, 24)
    sequence = source.sequences[2]
    assert (sequence.values.dtype.name, sequence.name, len(sequence.variables)) == ("uint8", "clips[2]", channels)
    assert sequence.read(0, 4).shape == (4, channels, 24, 24)


@pytest.mark.slow
def test_grey_shows_what_colour_shows() -> None:
    grey = MovingClips(movies=6, frames=8, seed=11).render(0, 8)[:, :, 0].astype(float)
    luminance = np.array([0.299, 0.587, 0.114])
    colour = np.moveaxis(MovingClips(movies=6, frames=8, seed=11, colour="yes").render(0, 8), 2, -1) @ luminance
    for one, other in zip(grey, colour, strict=True):
        assert np.abs(one - other).mean() < 8  # noise, and colours that are cut off at 0 and 255, differ


@pytest.mark.slow
def test_clips_are_as_various_as_said() -> None:
    drawn = MovingClips(movies=60, frames=2, size=32).render(0, 2).astype(float)
    change = np.sqrt(((drawn[:, 1] - drawn[:, 0]) ** 2).mean(axis=(1, 2, 3)))
    assert (change < 1).mean() > 0.02  # some stand nearly still
    assert (change > 8).mean() > 0.1  # some move much
    assert len(np.unique(drawn.mean(axis=(1, 2, 3, 4)).round(-1))) > 12


def test_a_camera_moves_the_picture_as_its_path_says() -> None:
    picture = np.random.default_rng(0).random((1, 40, 50)).astype(np.float32)
    y, x = np.indices((20, 20), dtype=np.float32)
    smoothed = pictures.smooth(picture)
    np.testing.assert_allclose(clips._sample(smoothed, y + 3, x + 7)[0], picture[0, 3:23, 7:27], atol=1e-4)
    np.testing.assert_allclose(clips._sample(smoothed, y - 9, x)[0, :9], picture[0, 9:0:-1, :20], atol=1e-4)


def test_no_photograph_is_trained_on_and_tested() -> None:
    assert set(pictures.TESTED) < set(pictures.PHOTOGRAPHS)
    train, test = (MovingClips(movies=20, size=24, part=part).render(0, 1) for part in PARTS)
    assert (train != test).mean() > 0.3


@pytest.mark.parametrize("name", pictures.PHOTOGRAPHS)
def test_every_photograph_is_there_free_and_credited(name: str) -> None:
    assert (files("skimage.data") / name).is_file()
    said = pictures.PHOTOGRAPHS[name]
    assert said.endswith(("CC0", "public domain"))
    whose = said.split(", by ")[1].rsplit(", ", 1)[0]
    assert whose in (ROOT / "NOTICE").read_text(encoding="utf-8")
    scales = pictures.photograph(name)
    assert max(scales[0].shape) <= 512
    assert min(scales[-1].shape[1:]) >= 48


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clips:size=8", "size: is too small"),
        ("clips:movies=0", "movies: is too small"),
        ("clips:colour=red", "no or yes"),
        ("clips:part=all", "train or test"),
        ("clips:frames=some", "is no value of frames"),
        ("clips:digits=2", "unknown option of clips"),
    ],
)
def test_bad_options_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_source(text)
