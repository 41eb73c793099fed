"""TaxiBJ's file as OpenSTL lays it out, made small."""

from pathlib import Path

import numpy as np
import pytest

from nextframe import open_source
from nextframe.data.split import split
from nextframe.errors import ShapeError


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_movies_are_their_past_and_their_future(save: object, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    parts = {f"{letter}_{part}": random.uniform(-1, 1, (number, 4, 2, 32, 32)).astype(np.float32)
             for part, number in (("train", 5), ("test", 3)) for letter in "XY"}  # fmt: skip
    save(tmp_path / "dataset.npz", **parts)  # type: ignore[operator]
    source = open_source(tmp_path)
    assert len(source.sequences) == 8
    assert source.sequences[0].variables == ("inflow", "outflow")
    whole = (np.concatenate([parts["X_test"][1], parts["Y_test"][1]]) + 1) / 2
    np.testing.assert_array_equal(source.sequences[6].read(2, 7), whole[2:7])
    divided = split(source, validation=0.2)
    assert [len(part) for part in (divided.train, divided.validation, divided.test)] == [4, 1, 3]


def test_arrays_that_do_not_fit_are_told(tmp_path: Path) -> None:
    movies = np.zeros((2, 4, 2, 8, 8), np.float32)
    np.savez(tmp_path / "dataset.npz", X_train=movies, Y_train=movies[:1], X_test=movies, Y_test=movies)
    with pytest.raises(ShapeError, match="no movies of X_train and Y_train"):
        open_source(tmp_path / "dataset.npz")
