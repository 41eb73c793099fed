"""Moving clips: photographs and textures moved, turned, scaled, lit and occluded, with sprites, digits and noise.

Each clip is a background that a camera moves over, things that move before it, the light, and the noise of the camera.
All of it is drawn from the clip's own seed: what there is of it, its pictures, shapes and speeds. The ranges are those
of videos that people have: a camera that stands, pans, turns, zooms or shakes; things of a twentieth to a third of the
frame; up to five pixels a frame; light that rises, falls or flickers; noise of up to a twentieth of the range.

Axes: N movies, T time, C channel, H height, W width. Places are (y, x) in pixels from the centre of the frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError
from nextframe.frames.generated.moving_digits import digit_images, digits_of
from nextframe.frames.generated.pictures import PHOTOGRAPHS, TESTED, TEXTURES, Picture, photograph, smooth
from nextframe.frames.readers import LUMA, Drawn
from nextframe.frames.sequence import FrameSequence

Part = Literal["train", "test"]
Plane = NDArray[np.float32]

FASTEST = 5.0
"""Largest speed in pixels a frame."""
NOISIEST = 12.0
"""Largest standard deviation of the noise, of values from 0 to 255."""


@dataclass(frozen=True, kw_only=True)
class MovingClips:
    """Seeded clips of moving pictures; the same arguments give the same clips, and more of them begin with the same
    ones. In grey they show the same pictures and motions as in colour.

    Raises:
        ConfigError: fewer than one movie or frame, frames of fewer than 16 pixels, or an unknown part or colour.
    """

    movies: int = 1000
    """Number of movies N."""
    frames: int = 15
    """Frames of each movie T; `render` knows the truth beyond them."""
    size: int = 64
    """Height and width of a frame."""
    seed: int = 0
    """Seed of everything drawn."""
    colour: Literal["no", "yes"] = "no"
    """Red, green and blue, or grey alone."""
    part: Part = "train"
    """Part of the photographs and digits that are drawn from: no test clip shows one of those to train on."""

    def __post_init__(self) -> None:
        for name, least in (("movies", 1), ("frames", 1), ("size", 16), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise ConfigError("is too small", where=f"clips: {name}", expected=f"at least {least}", received=value)
        for name, choices in (("colour", ("no", "yes")), ("part", ("train", "test"))):
            if (value := getattr(self, name)) not in choices:
                raise ConfigError("unknown", where=f"clips: {name}", expected=" or ".join(choices), received=value)

    @property
    def channels(self) -> int:
        """Channels C of a frame."""
        return 3 if self.colour == "yes" else 1

    def render(self, start: int, stop: int, movies: slice = slice(None)) -> NDArray[np.uint8]:
        """Frames `start` to `stop` (exclusive), also beyond the movies' last frame: (N, T, C, H, W), 0 to 255."""
        numbers = range(self.movies)[movies]
        drawn = np.empty((len(numbers), stop - start, self.channels, self.size, self.size), np.uint8)
        for clip, number in zip(drawn, numbers, strict=True):
            scene = _Scene(seed=(self.seed, number), size=self.size, part=self.part, grey=self.channels == 1)
            for n, frame in enumerate(clip):
                frame[:] = scene.frame(start + n)
        return drawn

    def sequences(self) -> tuple[FrameSequence, ...]:
        """One sequence for each movie, drawn when it is read."""
        variables = ("red", "green", "blue") if self.channels == 3 else ("brightness",)
        return tuple(
            FrameSequence(
                values=Drawn(self, n, channels=self.channels, at_once=False),
                name=f"clips[{n}]",
                variables=variables,
            )
            for n in range(self.movies)
        )


@dataclass(frozen=True, kw_only=True)
class _Path:
    """Way of a thing or a camera: where it is, how it is turned and how large, as functions of time."""

    place: NDArray[np.float64]
    speed: NDArray[np.float64]
    sway: NDArray[np.float64]
    """How far it swings to and fro."""
    period: float
    angle: float = 0.0
    spin: float = 0.0
    growth: float = 0.0
    """Growth rate of its size, a frame."""
    shake: float = 0.0
    """Deviation of its place from frame to frame."""
    seed: tuple[int, ...]

    def at(self, t: int) -> tuple[NDArray[np.float64], float, float]:
        """Place (y, x), angle, and size relative to that at time 0."""
        place = self.place + self.speed * t + self.sway * np.sin(2 * np.pi * t / self.period)
        if self.shake:
            place = place + self.shake * np.random.default_rng((*self.seed, t)).standard_normal(2)
        return place, self.angle + self.spin * t, float(np.exp(self.growth * t))


@dataclass(frozen=True, kw_only=True)
class _Thing:
    """Something that moves before the background."""

    path: _Path
    radius: float
    bumps: NDArray[np.float64]
    """Waves (2, order) of the radius along the outline: an outline without any is a disc."""
    corners: float
    """0 for that outline, else the ratio of the sides of a rectangle."""
    picture: Picture
    digit: Picture | None
    """Its shape in place of an outline: a digit, brightest where it is opaque."""

    @property
    def reach(self) -> float:
        """Distance from its middle beyond which it covers nothing."""
        return (
            float(self.radius * np.hypot(self.corners**0.5, self.corners**-0.5) if self.corners else 2 * self.radius)
            + 1
        )


@dataclass(frozen=True, kw_only=True)
class _Scene:
    """One clip, all of whose frames are functions of its seed."""

    seed: tuple[int, int]
    size: int
    part: Part
    grey: bool
    draw: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "draw", np.random.default_rng(self.seed))
        _ = self.contents

    @cached_property
    def contents(self) -> tuple[Picture, float, _Path, NDArray[np.float64], tuple[_Thing, ...]]:
        """Background, its scale, the camera's path, waves of the background, and the things before it."""
        draw = self.draw
        background, scale = self._picture(), draw.uniform(0.5, 1.0)
        camera = self._path(still=0.4, spread=300.0, number=0, turning=0.3)
        waves = np.array([draw.uniform(0.3, 2.0), draw.uniform(10, 40), draw.uniform(8, 40), draw.uniform(0, np.pi)])
        waves[0] *= draw.random() < 0.15
        count = draw.choice(5, p=(0.2, 0.3, 0.25, 0.15, 0.1))
        return background, scale, camera, waves, tuple(self._thing(n + 1) for n in range(count))

    @cached_property
    def light(self) -> tuple[float, ...]:
        """Change of brightness a frame; depth, period and phase of its flicker; direction, depth, place and speed of a
        shadow; deviation of the noise.
        """
        draw = np.random.default_rng((*self.seed, 1))
        trend = draw.normal(0, 0.012) * (draw.random() < 0.3)
        flicker = draw.uniform(0.02, 0.3) * (draw.random() < 0.2)
        shadow = draw.uniform(0.1, 0.5) * (draw.random() < 0.12)
        noise = (draw.random() < 0.7) * np.exp(draw.uniform(np.log(0.5), np.log(NOISIEST)))
        numbers = [trend, flicker, draw.uniform(4, 60), draw.uniform(0, 2 * np.pi)]
        numbers += [draw.uniform(0, 2 * np.pi), shadow, draw.uniform(-0.5, 0.5) * self.size, draw.normal(0, 2), noise]
        return tuple(map(float, numbers))

    def frame(self, t: int) -> NDArray[np.uint8]:
        """Frame t, (C, H, W)."""
        background, scale, camera, (depth, length, period, towards), things = self.contents
        down, right = _grid(self.size)
        y, x = _seen(down, right, *camera.at(t))
        if depth:
            swing = depth * np.sin(2 * np.pi * ((np.cos(towards) * y + np.sin(towards) * x) / length + t / period))
            y, x = y + swing * np.cos(towards), x - swing * np.sin(towards)
        frame = _sample(background, y * scale, x * scale)
        for thing in things:
            place, angle, grown = thing.path.at(t)
            reach = thing.reach * grown
            rows, columns = (_near(self.size, middle, reach) for middle in place)
            y, x = _seen(down[rows] - place[0], right[:, columns] - place[1], np.zeros(2), angle, grown)
            if y.size and (cover := _cover(thing, y, x, grown)).any():
                seen = frame[:, rows, columns]
                seen += cover * (_sample(thing.picture, y, x) - seen)
        return self._exposed(frame, down, right, t)

    def _exposed(self, frame: Picture, down: Plane, right: Plane, t: int) -> NDArray[np.uint8]:
        """The frame in its light and with its noise."""
        trend, flicker, period, phase, towards, shadow, place, speed, noise = self.light
        gain = np.exp(trend * t + flicker * np.sin(2 * np.pi * t / period + phase))
        if shadow:
            edge = np.cos(towards) * down + np.sin(towards) * right - place - speed * t
            gain = gain * (1 - shadow / (1 + np.exp(-np.clip(edge, -40, 40))))
        frame = frame * np.asarray(gain, np.float32)
        if noise:
            grain = np.random.default_rng((*self.seed, 2, t)).standard_normal((3, *frame.shape[1:]), np.float32)
            grain = np.tensordot(LUMA, grain, 1)[None] if self.grey else grain
            frame = frame + np.float32(noise) * grain
        return np.clip(np.rint(frame), 0, 255).astype(np.uint8)

    def _path(self, *, still: float, spread: float, number: int, turning: float) -> _Path:
        """A path: of those that move, most do so slowly."""
        draw = self.draw
        moves = draw.random() > still
        angle = draw.uniform(0, 2 * np.pi)
        speed = moves * np.exp(draw.uniform(np.log(0.15), np.log(FASTEST))) * np.array([np.sin(angle), np.cos(angle)])
        turns, grows, sways, shakes = draw.random(4) < (turning * moves, turning * moves, 0.25 * moves, 0.12 * moves)
        return _Path(
            place=draw.uniform(-0.5, 0.5, 2) * spread,
            speed=speed,
            sway=sways * draw.normal(0, 4, 2),
            period=float(draw.uniform(12, 60)),
            angle=float(draw.uniform(0, 2 * np.pi) * (draw.random() < turning)),
            spin=float(turns * draw.normal(0, 0.03)),
            growth=float(grows * draw.normal(0, 0.012)),
            shake=float(shakes * draw.uniform(0.2, 1.5)),
            seed=(*self.seed, 3, number),
        )

    def _thing(self, number: int) -> _Thing:
        draw = self.draw
        # Where it passes through the frame, rather than past it: its path is centred on the first 15 frames.
        path = self._path(still=0.2, spread=0.9 * self.size, number=number, turning=0.3)
        middle = path.speed * 7
        path = replace(path, place=path.place - middle)
        order = np.arange(2, 7)
        bumps = draw.normal(0, 0.25, (2, len(order))) / order * (draw.random() < 0.6)
        corners = float(np.exp(draw.uniform(np.log(0.2), np.log(5))) * (draw.random() < 0.35))
        radius = float(np.exp(draw.uniform(np.log(0.05), np.log(0.33))) * self.size)
        digit = None
        if draw.random() < 0.1:
            digit = smooth(digit_images()[draw.choice(digits_of(self.part))].astype(np.float32)[None])
        return _Thing(path=path, radius=radius, bumps=bumps, corners=corners, picture=self._picture(), digit=digit)

    def _picture(self) -> Picture:
        """A photograph at one of its scales, or a texture, turned over or not; its channels are those of the clip."""
        draw = self.draw
        if draw.random() < 0.55:
            names = [name for name in PHOTOGRAPHS if (name in TESTED) == (self.part == "test")]
            scales = photograph(names[draw.integers(len(names))])
            picture = scales[draw.integers(len(scales))]
            contrast, brightness = draw.uniform(0.5, 1.2), draw.normal(0, 25)
            picture = np.float32(contrast) * (picture - 128) + np.float32(128 + brightness)
            if len(picture) == 1 and draw.random() < 0.5:
                picture = picture * (1 + draw.normal(0, 0.15, (3, 1, 1))).astype(np.float32)
            if draw.random() < 0.5:
                picture = picture[:, :, ::-1]
        else:
            picture = TEXTURES[draw.choice(len(TEXTURES), p=(0.4, 0.2, 0.15, 0.25))](draw)
        if self.grey:
            return np.tensordot(LUMA, picture, 1)[None] if len(picture) == 3 else picture
        return np.broadcast_to(picture, (3, *picture.shape[1:]))


def _grid(size: int) -> tuple[Plane, Plane]:
    """Places of the pixels, from the centre."""
    along = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    return along[:, None], along[None]


def _seen(down: Plane, right: Plane, place: NDArray[np.float64], angle: float, grown: float) -> tuple[Plane, Plane]:
    """Places in a picture that is turned, grown and moved, as seen from pixels of the frame."""
    cos, sin = np.float32(np.cos(angle) / grown), np.float32(np.sin(angle) / grown)
    return cos * down + sin * right + np.float32(place[0]), cos * right - sin * down + np.float32(place[1])


def _cover(thing: _Thing, y: Plane, x: Plane, grown: float) -> Plane:
    """Share of each pixel that a thing covers, 0 to 1, (H, W); the edge is a pixel wide."""
    if thing.digit is not None:
        scale = np.float32(14 / max(thing.radius, 4.0))
        inside = (np.abs(y * scale) < 14) & (np.abs(x * scale) < 14)
        return np.where(inside, _sample(thing.digit, y * scale + 14, x * scale + 14)[0].clip(0, 255) / 255, 0)
    if thing.corners:
        tall = np.sqrt(thing.corners)
        distance = np.minimum(thing.radius * tall - np.abs(y), thing.radius / tall - np.abs(x))
    else:
        radius: float | Plane = thing.radius
        if thing.bumps.any():
            around = np.arctan2(y, x)
            waves = sum(
                a * np.cos(n * around) + b * np.sin(n * around) for n, (a, b) in enumerate(thing.bumps.T, start=2)
            )
            radius = thing.radius * np.clip(1 + waves, 0.3, 2)
        distance = radius - np.hypot(y, x)
    covered: Plane = np.clip(distance * grown + 0.5, 0, 1).astype(np.float32)
    return covered


def _near(size: int, middle: float, reach: float) -> slice:
    """Pixels along an axis of the frame that lie within reach of a place."""
    centre = middle + (size - 1) / 2
    return slice(max(int(np.floor(centre - reach)), 0), max(int(np.ceil(centre + reach)) + 1, 0))


def _sample(picture: Picture, y: Plane, x: Plane) -> Picture:
    """Values (C, H, W) of a picture at places in its pixels; beyond its edges it is mirrored."""
    from scipy.ndimage import map_coordinates

    places = np.broadcast_arrays(y, x)
    return np.stack([map_coordinates(c, places, np.float32, 3, "mirror", prefilter=False) for c in picture])
