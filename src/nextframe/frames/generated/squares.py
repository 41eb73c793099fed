"""The tutorial's moving squares, and the truth beyond their last frame.

The movies are those of the Keras example "Next-frame prediction with Conv-LSTM": each holds 3 to 7 squares that move in
straight lines over a canvas twice as large as the frame, whose centre is cut out. The example also sprinkles noise over
some squares of its inputs; the tutorial's movies, and these, have none.

Axes: N movies, T time, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError
from nextframe.frames.readers import Drawn
from nextframe.frames.sequence import FrameSequence


@dataclass(frozen=True, kw_only=True)
class MovingSquares:
    """Seeded movies of moving squares; the same arguments give the same movies, and more movies begin with the same
    ones.

    Raises:
        ConfigError: fewer than one movie, frame or pixel.
    """

    movies: int = 1000
    """Number of movies N."""
    frames: int = 15
    """Frames of each movie T; `render` knows the truth beyond them."""
    size: int = 40
    """Height and width of a frame; the canvas is twice as large."""
    seed: int = 0
    """Seed of everything drawn."""

    def __post_init__(self) -> None:
        for name in ("movies", "frames", "size"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    "is too small", where=f"squares: {name}", expected="at least 1", received=getattr(self, name)
                )
        if self.seed < 0:
            raise ConfigError("is negative", where="squares: seed", received=self.seed)

    @cached_property
    def _squares(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Start and direction (N, 7, 2) in canvas pixels; half-width (N, 7), zero where a movie has fewer squares."""
        # One stream for each quantity, so that a longer list of movies begins with the shorter one.
        streams = [np.random.default_rng(s) for s in np.random.SeedSequence(self.seed).spawn(4)]
        count = streams[0].integers(3, 8, self.movies)
        start = streams[1].integers(self.size // 2, self.size * 3 // 2, (self.movies, 7, 2))
        direction = streams[2].integers(-1, 2, (self.movies, 7, 2))
        half_width = streams[3].integers(2, 4, (self.movies, 7))
        return start, direction, np.where(np.arange(7) < count[:, None], half_width, 0)

    def positions(
        self, start: int, stop: int, movies: slice = slice(None)
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Centres (N, 7, T, 2) of the squares in pixels of the frame, and their half-widths (N, 7), zero where a movie
        has fewer squares.
        """
        origin, direction, half_width = (part[movies] for part in self._squares)
        moved = direction[:, :, None] * np.arange(start, stop)[:, None]
        return origin[:, :, None] + moved - self.size // 2, half_width

    def render(self, start: int, stop: int, movies: slice = slice(None)) -> NDArray[np.uint8]:
        """Frames `start` to `stop` (exclusive), also beyond the movies' last frame: (N, T, 1, H, W), zeros and ones.

        A square of half-width w around a centre covers the pixels centre - w to centre + w - 1; overlapping squares
        clip at one, and what leaves the canvas or the frame is cut off.
        """
        centre, half_width = self.positions(start, stop, movies)
        pixels = np.arange(self.size)
        half = half_width[:, :, None, None, None]
        inside = (pixels >= centre[..., None] - half) & (pixels < centre[..., None] + half)  # (N, 7, T, 2, size)
        rows, columns = inside[:, :, :, 0], inside[:, :, :, 1]
        frames = np.zeros((len(centre), stop - start, 1, self.size, self.size), np.bool_)
        for square in range(7):
            frames[:, :, 0] |= rows[:, square, :, :, None] & columns[:, square, :, None, :]
        return frames.view(np.uint8)

    def sequences(self) -> tuple[FrameSequence, ...]:
        """One sequence for each movie, drawn when it is read."""
        return tuple(
            FrameSequence(values=Drawn(self, n), name=f"squares[{n}]", variables=("brightness",))
            for n in range(self.movies)
        )
