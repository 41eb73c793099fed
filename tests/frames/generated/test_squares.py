"""Moving squares against a drawing loop, pixel by pixel, and what the tutorial says of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextframe.errors import ConfigError
from nextframe.frames.generated.squares import MovingSquares
from nextframe.frames.source import open_source


def drawn(squares: MovingSquares, movie: int, frame: int) -> np.ndarray:
    """One frame drawn on the whole canvas, square by square, and its centre cut out."""
    start, direction, half_width = (part[movie] for part in squares._squares)
    size = squares.size
    canvas = np.zeros((2 * size, 2 * size), np.uint8)
    for origin, step, half in zip(start, direction, half_width, strict=True):
        if half == 0:
            continue
        y, x = origin + step * frame
        for row in range(y - half, y + half):
            for column in range(x - half, x + half):
                if 0 <= row < 2 * size and 0 <= column < 2 * size:
                    canvas[row, column] = 1
    corner = size // 2
    return canvas[corner : corner + size, corner : corner + size]


@settings(max_examples=30, deadline=None)
@given(
    size=st.integers(8, 45),
    seed=st.integers(0, 2**20),
    movies=st.integers(1, 4),
    frame=st.integers(0, 60),
)
def test_frames_are_those_of_a_drawing_loop(size: int, seed: int, movies: int, frame: int) -> None:
    squares = MovingSquares(movies=movies, frames=5, size=size, seed=seed)
    rendered = squares.render(frame, frame + 1)
    assert rendered.shape == (movies, 1, 1, size, size)
    for movie in range(movies):
        np.testing.assert_array_equal(rendered[movie, 0, 0], drawn(squares, movie, frame))


def test_what_the_tutorial_says_of_the_squares() -> None:
    squares = MovingSquares(movies=2000, size=40)
    start, direction, half_width = squares._squares
    count = (half_width > 0).sum(1)
    assert set(count) == {3, 4, 5, 6, 7}
    there = half_width > 0
    assert start[there].min() == 20
    assert start[there].max() == 59
    assert set(np.unique(direction[there])) == {-1, 0, 1}
    assert set(np.unique(half_width[there])) == {2, 3}
    assert set(np.unique(squares.render(0, 2, slice(0, 50)))) == {0, 1}


def test_the_seed_makes_the_movies() -> None:
    first = MovingSquares(movies=5, seed=1).render(0, 15)
    np.testing.assert_array_equal(first, MovingSquares(movies=5, seed=1).render(0, 15))
    np.testing.assert_array_equal(first, MovingSquares(movies=9, seed=1).render(0, 15)[:5])
    assert not np.array_equal(first, MovingSquares(movies=5, seed=2).render(0, 15))


def test_the_truth_goes_on_beyond_the_last_frame() -> None:
    short, long = MovingSquares(movies=3, frames=7, seed=4), MovingSquares(movies=3, frames=15, seed=4)
    assert short.sequences()[0].shape == (7, 1, 40, 40)
    np.testing.assert_array_equal(short.render(7, 15)[1], long.sequences()[1].read(7, 15).astype(np.uint8))


def test_a_source_takes_its_options_after_a_colon() -> None:
    source = open_source("squares:movies=3,frames=20,size=24,seed=9")
    assert len(source.sequences) == 3
    assert source.sequences[2].shape == (20, 1, 24, 24)
    with pytest.raises(ConfigError, match=r"squares:moves=3: unknown option.*movies=NUMBER"):
        open_source("squares:moves=3")
    with pytest.raises(ConfigError, match="at least 1"):
        open_source("squares:movies=0")
