"""Errors: one sentence, the same in every process, with options as each face writes them."""

import copy
import multiprocessing
import pickle
import warnings
from pathlib import Path

import pytest

from nextframe.cli.face import on_command_line
from nextframe.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    NextframeError,
    NextframeWarning,
    ShapeError,
    first_line,
)

KINDS = (CheckpointError, ConfigError, DataError, ShapeError)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (DataError("is empty"), "is empty"),
        (DataError("is empty", where="a.nc"), "a.nc: is empty"),
        (ConfigError("is too small", where="past", expected="at least 1"), "past: is too small (expected at least 1)"),
        (ConfigError("is odd", received=0), "is odd (received 0)"),
        (
            ShapeError("does not fit", expected=(2, 3), received=(3, 2), hint="swap its axes"),
            "does not fit (expected (2, 3), received (3, 2)); swap its axes",
        ),
        (DataError("holds NaN", hint="use {missing=mask}"), "holds NaN; use missing='mask'"),
    ],
)
def test_an_error_is_one_sentence(error: NextframeError, sentence: str) -> None:
    assert str(error) == sentence


def test_a_sentence_is_no_file() -> None:
    said = str(DataError("has no column name", where="a.csv", received="word " * 100_000))
    assert said.startswith("a.csv: has no column name (received word")
    assert said.endswith(" ...)")
    assert len(said) < 1000


def test_each_face_writes_the_hint_in_its_way() -> None:
    error = DataError("holds NaN", where="a.nc", hint="use {missing=mask}")
    assert error.render(on_command_line) == "a.nc: holds NaN; use --missing mask"
    warning = NextframeWarning("left as it is; see {rain_unit}")
    assert str(warning) == "left as it is; see rain_unit="
    assert warning.render(on_command_line) == "left as it is; see --rain-unit"


def test_only_the_hint_names_options() -> None:
    """What comes from a file or a user is shown as it is, braces and all."""
    error = DataError("holds {missing}", where="{rain_unit}.nc", received="{crop=1}", hint="look at it")
    assert error.render(on_command_line) == "{rain_unit}.nc: holds {missing} (received {crop=1}); look at it"


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_whole_out_of_another_process(kind: type[NextframeError]) -> None:
    error = kind("is wrong", where=Path("a.nc"), expected=1, received=object, hint="use {missing=mask}")
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(same) is kind
        assert str(same) == str(error)
        assert same.render(on_command_line) == error.render(on_command_line)


def raise_it() -> None:
    raise DataError("is empty", where=Path("a.nc"), hint="check {data}")


@pytest.mark.slow
def test_an_error_crosses_from_a_worker() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool, pytest.raises(DataError, match=r"a.nc: is empty; check"):
        pool.apply(raise_it)


@pytest.mark.parametrize("kind", KINDS)
def test_all_can_be_caught_at_once(kind: type[NextframeError]) -> None:
    with pytest.raises(NextframeError):
        raise kind("is wrong")


def test_a_warning_is_the_users_and_not_a_librarys() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn(NextframeWarning("left out"), stacklevel=1)
    (warning,) = caught
    assert issubclass(warning.category, UserWarning)


def test_of_another_librarys_error_the_first_line_is_told() -> None:
    assert first_line(ValueError("bad header\n  in chunk 3")) == "bad header"
    assert first_line(EOFError()) == "EOFError"
