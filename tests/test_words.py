"""Words: numbers and times as people write them, options as each face does."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextframe.cli.face import on_command_line
from nextframe.words import (
    count,
    duration,
    evenly,
    in_python,
    joined,
    listing,
    minute,
    moment,
    printable,
    seconds,
    size,
    spell,
)


@pytest.mark.parametrize(
    ("hint", "python", "command_line"),
    [
        ("use {missing=mask}", "use missing='mask'", "use --missing mask"),
        ("name one with {rain_unit}", "name one with rain_unit=", "name one with --rain-unit"),
        ("use {resume=True}", "use resume=True", "use --resume"),
        ("try {filters=64,64}", "try filters=(64, 64)", "try --filters 64,64"),
        ("name them: {axes=NTHWC}", "name them: axes='NTHWC'", "name them: --axes NTHWC"),
        ("try {epochs=3} or {learning_rate=1e-3}", "try epochs=3 or learning_rate=1e-3", None),
        ("name it with {source=SOURCE}", "name it with source=SOURCE", "name it with --input SOURCE"),
        ("look at {data=my file.nc}", "look at data='my file.nc'", "look at --data 'my file.nc'"),
        ("nothing to choose", "nothing to choose", "nothing to choose"),
    ],
)
def test_each_face_writes_options_in_its_way(hint: str, python: str, command_line: str | None) -> None:
    assert spell(hint, in_python) == python
    if command_line is not None:
        assert spell(hint, on_command_line) == command_line


def test_what_is_no_option_stays_as_it_is() -> None:
    for text in ("a set {1, 2}", "{}", "{Not_one}", "{two words}", "{unit"):
        assert spell(text, on_command_line) == text


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (np.timedelta64(300, "s"), "5 min"),
        (np.timedelta64(86400 + 3600, "s"), "1 d 1 h"),
        (np.timedelta64(1500, "ms"), "1.5 s"),
        (np.timedelta64(40, "ms"), "40 ms"),
        (np.timedelta64(-90, "s"), "-1 min 30 s"),
        (0, "0 ms"),
        (0.25, "250 ms"),
        (3600, "1 h"),
    ],
)
def test_durations_are_said_in_their_largest_units(step: np.timedelta64 | float, text: str) -> None:
    assert duration(step) == text


def test_seconds_of_a_duration_keep_its_fraction() -> None:
    assert seconds(np.timedelta64(1, "ms")) == 0.001
    assert seconds(np.timedelta64(2, "D")) == 172800.0


def test_times_leave_out_what_is_zero() -> None:
    assert moment(np.datetime64("2020-02-29")) == "2020-02-29 00:00"
    assert moment(np.datetime64("2020-02-29T12:30:15.250")) == "2020-02-29 12:30:15"
    assert minute(np.datetime64("2020-02-29T12:30:59")) == "2020-02-29 12:30"


def test_counts_have_their_noun() -> None:
    assert [count(n, "file") for n in (0, 1, 2, 1000000)] == ["0 files", "1 file", "2 files", "1,000,000 files"]
    assert count(3, "entry", "entries") == "3 entries"
    assert [size(n) for n in (1, 999, 1000, 1_500_000, 2 * 10**12)] == ["1 byte", "999 bytes", "1 kB", "1.5 MB", "2 TB"]


def test_lists_are_cut_and_joined() -> None:
    assert listing("abc") == "a, b, c"
    assert listing("abcd", shown=1, separator="; ") == "a and 3 more"
    assert listing([]) == ""
    assert [joined(items) for items in ([], [1], [1, 2], [1, 2, 3])] == ["", "1", "1 and 2", "1, 2 and 3"]
    assert joined(["a", "b"], "or") == "a or b"


@given(st.lists(st.integers(), max_size=50), st.integers(-2, 60))
@pytest.mark.slow
def test_what_is_spread_evenly_keeps_its_order_and_begins_with_the_first(items: list[int], number: int) -> None:
    numbered = list(enumerate(items))
    chosen = evenly(numbered, number)
    assert len(chosen) == min(len(items), max(number, 0))
    assert chosen == sorted(set(chosen))
    assert chosen[:1] == numbered[: min(1, max(number, 0))]
    gaps = np.diff([n for n, _ in chosen])
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


@pytest.mark.slow
@given(st.text())
def test_texts_from_elsewhere_cannot_steer_a_terminal(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert not re.search(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]", shown)
