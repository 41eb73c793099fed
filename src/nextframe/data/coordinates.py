"""Coordinates by name: the motion that each of them moves along.

Axes: T time of the past, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from nextframe.config import Coordinates
from nextframe.data.motion import Motion, motion_field, shift_field
from nextframe.data.trusted import trusted_motion
from nextframe.frames.sequence import FloatArray


def _of_last_two(estimate: Callable[[FloatArray], Motion | None]) -> Callable[[FloatArray], Motion | None]:
    return lambda past: estimate(past[-2:])


_MOTIONS: Mapping[Coordinates, Callable[[FloatArray], Motion | None]] = MappingProxyType(
    {
        "lagrangian": _of_last_two(motion_field),
        "translated": _of_last_two(shift_field),
        "adaptive": trusted_motion,
    }
)


def motion_for(coordinates: Coordinates, past: FloatArray, *, skewed: bool = False) -> Motion | None:
    """The motion along which coordinates move, of a past (T, C, H, W) at its end; None where nothing is to be moved.

    Args:
        coordinates: name of the coordinates.
        past: the frames.
        skewed: look for the motion of the values' cube roots, as is right for amounts such as rain: light rain, whose
            motion is as good as that of a few strong pixels, hardly counts otherwise.
    """
    estimate = _MOTIONS.get(coordinates)
    if estimate is None:
        return None
    return estimate(np.cbrt(past) if skewed else past)
