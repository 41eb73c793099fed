"""Start of a forecast: the frames of a sequence that it is made from, and the true ones that follow them."""

from __future__ import annotations

from dataclasses import dataclass

from nextframe.errors import ConfigError
from nextframe.frames.sequence import FrameSequence


@dataclass(frozen=True, eq=False)
class Start:
    """A place in a sequence to forecast from."""

    past: FrameSequence
    """Frames seen, none of them from before a gap in time."""
    truth: FrameSequence | None
    """True frames of all lead times; None where the sequence does not hold them all, or not without a gap."""


def start_at(sequence: FrameSequence, first: int, *, past: int, lead_times: int) -> Start:
    """Start of the forecast whose first frame is frame `first` of a sequence.

    Args:
        sequence: the frames; nothing is read.
        first: number of the first frame to forecast, which the sequence need not hold.
        past: frames to see, at most; fewer where the sequence, or a stretch of it without a gap, begins later.
        lead_times: frames to forecast.

    Raises:
        ConfigError: no frame before it, or fewer than one lead time.

    >>> import numpy as np
    >>> frames = FrameSequence(values=np.zeros((20, 1, 8, 8), np.float32), name="frames")
    >>> start = start_at(frames, 12, past=7, lead_times=8)
    >>> len(start.past), start.past.first, len(start.truth)
    (7, 5, 8)
    """
    if lead_times < 1:
        raise ConfigError("asks for no frame", where="lead_times", expected="at least 1", received=lead_times)
    if not 1 <= first <= len(sequence):
        raise ConfigError(
            f"frame {first} cannot be forecast",
            where="start",
            expected=f"1 to {len(sequence)}",
            hint=f"see {sequence.name}",
        )
    begin, end = next((a, b) for a, b in sequence.segments() if a < first <= b)
    seen = sequence[max(begin, first - past) : first]
    return Start(seen, sequence[first : first + lead_times] if end - first >= lead_times else None)
