"""Pictures that moving clips are made of: photographs that come with scikit-image, and textures that are drawn.

The photographs are those of scikit-image's samples that are in its wheel and that anybody may use (`PHOTOGRAPHS`). Each
is kept at several scales, smoothed before every second pixel is left out, so that a clip can show it from near and far.

A picture is held as the coefficients of the cubic B-splines that pass through its pixels (`smooth`), so that it can be
shown moved by any part of a pixel, turned and scaled, without losing sharpness.

Axes: C channel, H height, W width. Values are 0 to 255.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import DataError

Picture = NDArray[np.float32]
"""Spline coefficients (C, H, W), of one channel or three."""

PHOTOGRAPHS = {
    "astronaut.png": "Eileen Collins, by NASA, public domain",
    "brick.png": "bricks, by CC0 Textures, CC0",
    "camera.png": "cameraman, by Lav Varshney, CC0",
    "coffee.png": "cup of coffee, by Rachel Michetti, CC0",
    "grass.png": "grass, by Linolafett (DeviantArt), CC0",
    "hubble_deep_field.jpg": "Hubble eXtreme Deep Field, by NASA, public domain",
    "retina.jpg": "retina, by Mikael Häggström, CC0",
    "chelsea.png": "Chelsea the cat, by Stefan van der Walt, CC0",
    "gravel.png": "gravel, by CC0 Textures, CC0",
    "rocket.jpg": "launch of DSCOVR, by SpaceX, public domain",
}
"""File -> what is on it, whose it is, and its licence, as scikit-image states them."""
TESTED = ("chelsea.png", "gravel.png", "rocket.jpg")
"""Photographs that are shown by test clips alone."""

_FINEST = 512  # pixels of the longer side
_SMALLEST = 96
_TEXTURE = 192  # pixels of a side


@cache
def photograph(name: str) -> tuple[Picture, ...]:
    """A photograph at scales 1, 1/2, 1/4, ... of its own size, the finest of 512 pixels at most.

    Raises:
        DataError: scikit-image is here without it.
    """
    from PIL import Image

    path = files("skimage.data") / name
    if not path.is_file():
        raise DataError(
            "is not among scikit-image's files here",
            where=name,
            hint="install scikit-image as its wheel has it: pip install --force-reinstall scikit-image",
        )
    with path.open("rb") as file, Image.open(file) as image:
        values = np.asarray(image, np.float32)
    picture = values[None] if values.ndim == 2 else np.moveaxis(values[..., :3], -1, 0)
    while max(picture.shape[1:]) > _FINEST:
        picture = _halved(picture)
    scales = [np.ascontiguousarray(picture)]
    while min(scales[-1].shape[1:]) >= 2 * _SMALLEST:
        scales.append(_halved(scales[-1]))
    return tuple(map(smooth, scales))


def smooth(values: NDArray[np.float32]) -> Picture:
    """Spline coefficients of values (C, H, W), mirrored beyond their edges."""
    from scipy.ndimage import spline_filter

    return np.stack([spline_filter(channel, 3, np.float32, "mirror") for channel in values])


def noise_texture(draw: np.random.Generator) -> Picture:
    """Random texture whose spectrum falls with a power of the wave number: clouds, plaster, sand."""
    steepness = draw.uniform(0.6, 2.2)
    spectrum = np.fft.rfft2(draw.standard_normal((_TEXTURE, _TEXTURE)))
    wave = np.hypot(np.fft.fftfreq(_TEXTURE)[:, None], np.fft.rfftfreq(_TEXTURE)[None])
    wave[0, 0] = np.inf
    # The finest waves are left out: a camera would not see them either.
    field = np.fft.irfft2(spectrum * wave**-steepness * np.exp(-((wave / 0.3) ** 2)), (_TEXTURE, _TEXTURE))
    field /= field.std()
    colour = _colour(draw)
    return colour + np.float32(draw.uniform(5, 50)) * _tint(draw) * smooth(field.astype(np.float32)[None])


def gradient_texture(draw: np.random.Generator) -> Picture:
    """Colour that changes evenly along one direction."""
    angle, across = draw.uniform(0, 2 * np.pi), np.linspace(-0.5, 0.5, _TEXTURE, dtype=np.float32)
    ramp = np.cos(angle) * across[None] + np.sin(angle) * across[:, None]
    return _colour(draw) + np.float32(draw.uniform(10, 160)) * _tint(draw) * smooth(ramp.astype(np.float32)[None])


def stripe_texture(draw: np.random.Generator) -> Picture:
    """Stripes, or the squares of a board, with soft edges."""
    period, sharpness = draw.uniform(8, 40), draw.uniform(1, 6)
    along = np.arange(_TEXTURE, dtype=np.float32)
    angle = draw.uniform(0, np.pi)
    waves = np.sin(2 * np.pi / period * (np.cos(angle) * along[None] + np.sin(angle) * along[:, None]))
    if draw.random() < 0.5:
        waves = waves * np.sin(2 * np.pi / period * (np.cos(angle) * along[:, None] - np.sin(angle) * along[None]))
    board = smooth(np.tanh(sharpness * waves).astype(np.float32)[None])
    return _colour(draw) + np.float32(draw.uniform(10, 90)) * _tint(draw) * board


def flat_texture(draw: np.random.Generator) -> Picture:
    """One colour everywhere."""
    return np.broadcast_to(_colour(draw), (3, 4, 4)).astype(np.float32)


TEXTURES = (noise_texture, gradient_texture, stripe_texture, flat_texture)
"""Textures that are drawn, each by a generator of random numbers."""


def _colour(draw: np.random.Generator) -> Picture:
    """A colour (3, 1, 1), more often dull than bright."""
    grey = draw.uniform(20, 235)
    return np.clip(grey + draw.normal(0, 35, (3, 1, 1)), 0, 255).astype(np.float32)


def _tint(draw: np.random.Generator) -> Picture:
    """Share of each channel in a change of brightness, (3, 1, 1)."""
    return (1 + draw.normal(0, 0.25, (3, 1, 1))).astype(np.float32)


def _halved(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The picture at half its size: means of 2 x 2 pixels."""
    channels, height, width = picture.shape
    even = picture[:, : height // 2 * 2, : width // 2 * 2]
    halved: NDArray[np.float32] = even.reshape(channels, height // 2, 2, width // 2, 2).mean(axis=(2, 4))
    return halved
