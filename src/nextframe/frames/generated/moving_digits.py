"""Moving MNIST: handwritten digits that bounce off the edges of the frame (Srivastava et al. 2015, arXiv 1502.04681).

The rules are those of the paper's generator: digits of 28x28 pixels in a frame of 64x64; a start anywhere in it; a
direction from all angles alike and a speed of a tenth of the way from edge to edge each frame; at an edge the digit
stops there and turns back; where digits overlap, the brighter pixel is seen.

The 10,000 digits that come with the package are from MNIST (Y. LeCun, C. Cortes and C. Burges; CC BY-SA 3.0), in order
of their class. Every tenth of them makes the movies to test on, the others those to train on: no digit is in both.

Axes: N movies, D digits, T time, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import as_file, files
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError
from nextframe.frames.readers import Drawn
from nextframe.frames.sequence import FrameSequence

DIGIT = 28
"""Height and width of a digit in pixels."""
SPEED = 0.1
"""Speed of a digit in a frame, as a share of its way from edge to edge."""
EVERY = 10
"""Every tenth digit is shown by test movies alone."""


@dataclass(frozen=True, kw_only=True)
class MovingDigits:
    """Seeded movies of bouncing digits; the same arguments give the same movies, and more movies begin with the same
    ones.

    Raises:
        ConfigError: fewer than one movie, frame or digit, frames smaller than a digit, or an unknown part.
    """

    movies: int = 1000
    """Number of movies N."""
    frames: int = 20
    """Frames of each movie T; `render` knows the truth beyond them."""
    size: int = 64
    """Height and width of a frame."""
    digits: int = 2
    """Digits D in a movie."""
    seed: int = 0
    """Seed of everything drawn."""
    part: Literal["train", "test"] = "train"
    """Part of the digits that are drawn from."""

    def __post_init__(self) -> None:
        for name, least in (("movies", 1), ("frames", 1), ("size", DIGIT), ("digits", 1), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise ConfigError(
                    "is too small", where=f"moving-mnist: {name}", expected=f"at least {least}", received=value
                )
        if self.part not in ("train", "test"):
            raise ConfigError("unknown", where="moving-mnist: part", expected="train or test", received=self.part)

    @cached_property
    def _drawn(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Numbers of the digits (N, D); start and step (N, D, 2) as shares of the way from edge to edge."""
        # One stream for each quantity, so that a longer list of movies begins with the shorter one.
        streams = [np.random.default_rng(s) for s in np.random.SeedSequence(self.seed).spawn(3)]
        numbers = digits_of(self.part)
        number = numbers[streams[0].integers(0, len(numbers), (self.movies, self.digits))]
        start = streams[1].random((self.movies, self.digits, 2))
        angle = streams[2].random((self.movies, self.digits)) * 2 * np.pi
        return number, start, SPEED * np.stack([np.sin(angle), np.cos(angle)], axis=-1)

    def render(self, start: int, stop: int, movies: slice = slice(None)) -> NDArray[np.uint8]:
        """Frames `start` to `stop` (exclusive), also beyond the movies' last frame: (N, T, 1, H, W), 0 to 255."""
        number, place, step = (part[movies] for part in self._drawn)
        place, step = place.copy(), step.copy()
        frames = np.zeros((len(number), stop - start, 1, self.size, self.size), np.uint8)
        for t in range(stop):
            if t > 0:
                place += step
                outside = (place <= 0) | (place >= 1)
                place = place.clip(0, 1)
                step[outside] *= -1
            if t < start:
                continue
            corner = (place * (self.size - DIGIT)).astype(np.int64)
            for movie, digit in np.ndindex(number.shape):
                y, x = corner[movie, digit]
                seen = frames[movie, t - start, 0, y : y + DIGIT, x : x + DIGIT]
                np.maximum(seen, digit_images()[number[movie, digit]], out=seen)
        return frames

    def sequences(self) -> tuple[FrameSequence, ...]:
        """One sequence for each movie, drawn when it is read."""
        return tuple(
            FrameSequence(values=Drawn(self, n), name=f"moving-mnist[{n}]", variables=("brightness",))
            for n in range(self.movies)
        )


def digits_of(part: Literal["train", "test"]) -> NDArray[np.intp]:
    """Numbers of the digits of a part."""
    tested = np.arange(len(digit_images())) % EVERY == EVERY - 1
    return np.flatnonzero(tested if part == "test" else ~tested)


@cache
def digit_images() -> NDArray[np.uint8]:
    """The digits that come with the package, (10000, 28, 28)."""
    with as_file(files("nextframe.frames.generated") / "digits.npz") as path, np.load(path) as stored:
        images: NDArray[np.uint8] = stored["images"]
    return images
