"""Clips of the kind that people bring, drawn: a ball over a colour gradient, with what films have besides.

Every clip is a function of its name alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FRAMES, RATE = 300, 30
"""Frames of a clip, and frames a second."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A clip of a ball that bounces, as a row."""

    seed: int
    noise: float = 3.0
    """Standard deviation of the noise, in grey levels."""
    light: float = 0.0
    """Share by which the light swells and fades."""
    pan: float = 0.0
    """Pixels a frame that the background moves by."""
    posts: int = 0
    """Posts that stand before the ball."""
    balls: int = 1
    """Balls."""


CLIPS: Mapping[str, Clip] = {
    "ball-noise": Clip(seed=1, noise=8.0),
    "ball-light": Clip(seed=2, light=0.25),
    "ball-pan": Clip(seed=3, pan=1.5),
    "ball-posts": Clip(seed=4, posts=3),
    "ball-two": Clip(seed=5, balls=2),
}
"""The clips, by name."""

COLOURS = np.array([[210, 40, 40], [40, 60, 200], [30, 160, 60]], np.float32)


def draw(clip: Clip, *, frames: int = FRAMES, height: int = 240, width: int = 320) -> NDArray[np.uint8]:
    """A clip's frames (T, H, W, 3)."""
    random = np.random.default_rng(clip.seed)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius = max(height / 12, 2)
    place = random.uniform(radius, [height - radius, width - radius], (clip.balls, 2))
    speed = random.uniform(0.5, 1.0, (clip.balls, 2)) * random.choice([-1, 1], (clip.balls, 2)) * height / 80
    shape = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        along = x + clip.pan * t
        picture = np.stack([90 + 60 * y / height, 110 + 40 * np.sin(along / 40), 150 + 30 * np.cos(along / 25)], -1)
        picture[(along // 20 + y // 20) % 2 == 0] += 8
        for n in range(clip.balls):
            there = np.clip(radius - np.hypot(y - place[n, 0], x - place[n, 1]) + 0.5, 0, 1)[..., None]
            picture = picture * (1 - there) + COLOURS[n] * there
        for post in range(clip.posts):
            left = width * (post + 1) / (clip.posts + 1) - width / 32
            picture[:, int(left) : int(left + width / 16)] = (60, 60, 70)
        picture = picture * (1 + clip.light * np.sin(2 * np.pi * t / 45))
        picture += random.normal(0, clip.noise, (height, width, 1))
        shape[t] = np.clip(np.rint(picture), 0, 255)
        place += speed
        limit = np.array([height - radius, width - radius])
        beyond = (place < radius) | (place > limit)
        speed[beyond] *= -1
        place = np.clip(place, radius, limit)
    return shape


def write(path: Path, frames: NDArray[np.uint8], *, rate: int = RATE) -> None:
    """Write frames (T, H, W, 3) as an MP4 of H.264."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "18"}
        for frame in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
