"""Frames in the unit of the data set that a published protocol is made for."""

from __future__ import annotations

from dataclasses import replace

from nextframe.errors import ConfigError
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.units import same_unit
from nextframe.verification.protocols import Applied, named
from nextframe.words import joined

_PLAIN = ("1", "")


def applied(name: str | None, sequence: FrameSequence, data_range: float) -> Applied | None:
    """A protocol by its name, on frames of a unit; None where none is named.

    Plain numbers are told by their range: 0..1 are the data set's scaled frames, 0..255 its bytes.

    Args:
        name: what `named` takes.
        sequence: frames.
        data_range: distance between their smallest and largest possible value, 1 for 0..1, 255 for bytes.

    Raises:
        ConfigError: no such protocol, frames in a unit that its data set does not have, or plain numbers of another
            range.
    """
    if name is None:
        return None
    chosen = named(name)
    data = chosen.data
    plain = [unit in _PLAIN for unit in sequence.units]
    factor: float | None = None
    if not any(plain) and all(same_unit(unit, data.unit) for unit in sequence.units):
        factor = 1.0
    elif all(plain):
        factor = {1.0: data.full, 255.0: data.byte / 255}.get(data_range, 1.0 if data.unit == "count" else None)
    if factor is None:
        others = [f"{chosen.protocol.name}:{other.name}" for other in chosen.protocol.sets if other is not data]
        given = dict.fromkeys(
            f"plain numbers with a range of {data_range:g}" if unit in _PLAIN else unit for unit in sequence.units
        )
        raise ConfigError(
            f"is for {data.title}",
            where=f"protocol {chosen.name}",
            received=f"frames in {joined(list(given))}",
            hint=f"choose one for other data, {joined(others, 'or')}" if others else "leave {protocol} out",
        )
    return replace(chosen, factor=factor)
