"""Coordinates by name: the motion that each of them moves along.

Axes: T time of the past, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

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


def motion_for(coordinates: Coordinates, past: FloatArray) -> Motion | None:
    """The motion along which coordinates move, of a past (T, C, H, W) at its end; None where nothing is to be moved."""
    estimate = _MOTIONS.get(coordinates)
    return None if estimate is None else estimate(past)
