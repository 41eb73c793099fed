"""Moving MNIST by its rules: how digits move, bounce and overlap, and which digits they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextframe.errors import ConfigError
from nextframe.frames.generated.moving_digits import DIGIT, MovingDigits, digit_images
from nextframe.frames.source import open_source


def followed(movies: MovingDigits, movie: int, frame: int) -> np.ndarray:
    """One frame, its digits followed from the first one and drawn pixel by pixel."""
    number, start, step = (part[movie] for part in movies._drawn)
    way, canvas = movies.size - DIGIT, np.zeros((movies.size, movies.size), np.uint8)
    for digit in range(movies.digits):
        corner = []
        for axis in range(2):
            place, move = start[digit, axis], step[digit, axis]
            for _ in range(frame):
                place += move
                if place <= 0:
                    place, move = 0.0, -move
                elif place >= 1:
                    place, move = 1.0, -move
            corner.append(int(place * way))
        for row, column in np.ndindex(DIGIT, DIGIT):
            y, x = corner[0] + row, corner[1] + column
            canvas[y, x] = max(canvas[y, x], digit_images()[number[digit]][row, column])
    return canvas


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    size=st.integers(28, 70),
    digits=st.integers(1, 3),
    frame=st.integers(0, 40),
    part=st.sampled_from(["train", "test"]),
)
def test_frames_are_those_of_digits_followed_one_by_one(
    seed: int, size: int, digits: int, frame: int, part: str
) -> None:
    movies = MovingDigits(movies=2, frames=5, size=size, digits=digits, seed=seed, part=part)  # type: ignore[arg-type]
    rendered = movies.render(frame, frame + 1)
    assert rendered.shape == (2, 1, 1, size, size)
    for movie in range(2):
        np.testing.assert_array_equal(rendered[movie, 0, 0], followed(movies, movie, frame))


def test_more_movies_begin_with_the_same_ones_and_reading_gives_what_is_rendered() -> None:
    few, many = MovingDigits(movies=2, seed=3), MovingDigits(movies=5, seed=3)
    np.testing.assert_array_equal(few.render(0, 20), many.render(0, 20, slice(0, 2)))
    np.testing.assert_array_equal(many.sequences()[4].read(7, 20), many.render(7, 20)[4])


def test_no_digit_is_trained_on_and_tested() -> None:
    train = MovingDigits(movies=5000, part="train")._drawn[0]
    test = MovingDigits(movies=5000, part="test")._drawn[0]
    assert len(np.unique(test)) > 900
    assert not np.isin(train, test).any()


def test_opened_by_name() -> None:
    source = open_source("moving-mnist:movies=3,frames=12,seed=5,part=test")
    assert source.frame_shape == (1, 64, 64)
    assert len(source.sequences) == 3
    assert len(source.sequences[0]) == 12
    assert source.sequences[2].name == "moving-mnist[2]"


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("moving-mnist:size=20", "size: is too small"),
        ("moving-mnist:part=all", "train or test"),
        ("moving-mnist:digits=two", "is no value of digits"),
        ("moving-mnist:colour=1", "unknown option of moving-mnist"),
    ],
)
def test_options_that_make_no_movie(name: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        open_source(name)
