"""Plain text is read, and what is none is told."""

from pathlib import Path

import numpy as np
import pytest

from nextframe import open_source
from nextframe.errors import DataError


def test_plain_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "two.frames"
    path.write_text("2 1 1 3\n1 2 3\n4 5 nan\n")
    (sequence,) = open_source(path, missing="mask").sequences
    np.testing.assert_array_equal(sequence.read(0, 2), [[[[1, 2, 3]]], [[[4, 5, np.nan]]]])


def test_what_is_no_plain_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.frames"
    path.write_text("2 1 1 3\n1 2 3\n")
    with pytest.raises(DataError, match=r"cut.frames: cannot be read as plain text"):
        open_source(path)
