"""What no window can use, and how it is told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextframe.data.coverage import coverage
from nextframe.data.split import Span
from nextframe.data.windows import Windows
from nextframe.frames.sequence import FrameSequence

MINUTES = np.timedelta64(5, "m")


def every_five_minutes(steps: list[int], name: str = "radar") -> FrameSequence:
    """A frame at each of these multiples of five minutes from 2016-07-11 00:00 on."""
    times = np.datetime64("2016-07-11T00:00", "ns") + np.array(steps) * MINUTES
    return FrameSequence(values=np.zeros((len(steps), 1, 2, 2)), name=name, times=times, time_step=MINUTES)


def test_gaps_short_stretches_and_empty_frames_are_told() -> None:
    sequence = every_five_minutes([*range(0, 10), *range(12, 14), *range(20, 30)])
    found = coverage([Span(sequence, 0, 22)], past=3, future=2, empty_frames=4)
    assert (found.frames, found.windows, found.windows_lost) == (22, 12, 6)
    assert (found.short_stretches, found.short_frames) == (1, 2)
    assert found.sentence == (
        "2 gaps in time (2016-07-11 00:45 to 2016-07-11 01:00, 2016-07-11 01:05 to 2016-07-11 01:40) took 6 of 18 "
        "windows; 2 frames lie in a stretch too short for a window; 4 frames have no value"
    )


def test_frames_of_another_step_are_no_gaps() -> None:
    sequence = every_five_minutes([*range(0, 14, 2), *range(14, 34), *range(36, 46)])
    seen = coverage([Span(sequence, 0, 37)], past=3, future=2)
    assert (len(seen.gaps), seen.windows, seen.windows_lost, seen.short_frames) == (1, 22, 11, 0)
    assert seen.sentence == (
        "frames of another time step are in no window (2016-07-11 00:00 to 2016-07-11 01:00, where 7 are 10 min apart "
        "and not 5 min); 1 gap in time (2016-07-11 02:45 to 2016-07-11 03:00) and that took 11 of 33 windows"
    )
    assert coverage([Span(sequence, 0, 27)], past=3, future=2).sentence.endswith(
        "not 5 min), which took 7 of 23 windows"
    )
    assert coverage([Span(sequence, 7, 27)], past=3, future=2).sentence == ""


def test_only_the_first_gaps_are_named() -> None:
    many = every_five_minutes([n + n // 5 for n in range(30)])
    assert "and 2 more) took 10 of 28 windows" in coverage([Span(many, 0, 30)], past=2, future=1).sentence


def test_nothing_lost_is_nothing_said() -> None:
    assert coverage([Span(every_five_minutes(list(range(9))), 0, 9)], past=3, future=2).sentence == ""
    bare = FrameSequence(values=np.zeros((9, 1, 2, 2)), name="film")
    assert coverage([Span(bare, 2, 9)], past=3, future=2).sentence == ""


@given(
    steps=st.lists(st.sampled_from([1, 1, 1, 2, 7]), max_size=40),
    past=st.integers(1, 4),
    future=st.integers(1, 4),
    stride=st.integers(1, 3),
)
@pytest.mark.slow
def test_windows_and_what_is_lost_add_up(steps: list[int], past: int, future: int, stride: int) -> None:
    sequence = every_five_minutes(np.cumsum([0, *steps]).tolist())
    span = Span(sequence, 0, len(sequence))
    found = coverage([span], past=past, future=future, stride=stride)
    assert found.windows == len(Windows([span], past=past, future=future, stride=stride))
    if not found.others:
        assert len(found.gaps) == len(span.segments()) - 1
    assert found.frames == len(sequence)
    if stride == 1:
        without_gaps = max(0, len(sequence) - past - future + 1)
        assert found.windows + found.windows_lost == without_gaps
    assert bool(found.sentence) == bool(found.gaps or found.others or found.short_frames)
