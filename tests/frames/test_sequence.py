"""`FrameSequence`: what it holds to, and what its cuts keep."""

import numpy as np
import pytest

from nextframe.errors import ShapeError
from nextframe.frames.readers import coarsen, crop
from nextframe.frames.sequence import FrameSequence

HOUR = np.timedelta64(1, "h")


def test_accumulations_are_kept_by_cuts() -> None:
    values = np.zeros((5, 2, 8, 8), np.float32)
    assert FrameSequence(values=values, name="a").accumulation == (None, None)
    sequence = FrameSequence(values=values, name="a", accumulation=(HOUR, None))
    for part in (sequence[1:3], crop(sequence, (0, 0, 4, 4)), coarsen(sequence, 2)):
        assert part.accumulation == (HOUR, None)
    with pytest.raises(ShapeError, match="a: has 2 channels but 1 accumulations"):
        FrameSequence(values=values, name="a", accumulation=(HOUR,))
