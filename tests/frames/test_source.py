"""What `open_source` says to sources that it does not take, and arrays that are laid out otherwise."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextframe.api import inspect_path
from nextframe.errors import ConfigError, DataError, NextframeError
from nextframe.frames.mapped import Mapped
from nextframe.frames.source import open_source


def test_files_of_no_format(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    path = folder / "a.xyz"
    path.write_bytes(b"something")
    with pytest.raises(DataError, match=r"a\.xyz: is of no format.*\.xyz"):
        open_source(path)
    with pytest.raises(DataError, match=r"archive: holds no file that can be read.*1 others \(\.xyz\)"):
        open_source(folder)


def test_moving_mnist_is_known_by_its_file_name(tmp_path: Path) -> None:
    movies = np.random.default_rng(0).integers(0, 255, (20, 6, 9, 9)).astype(np.uint8)
    np.save(tmp_path / "mnist_test_seq.npy", movies)
    sequences = open_source(tmp_path / "mnist_test_seq.npy").sequences
    assert len(sequences) == 6
    assert "Moving MNIST" in str(sequences[0].attributes["axes"])
    np.testing.assert_array_equal(sequences[4].read(3, 20)[:, 0], movies[3:, 4])


def test_an_npy_file_is_mapped_and_not_loaded(tmp_path: Path) -> None:
    with (tmp_path / "A.NPY").open("wb") as file:
        np.save(file, np.zeros((4, 5, 6)))
    (sequence,) = open_source(tmp_path / "A.NPY").sequences
    assert isinstance(sequence.values, Mapped)
    assert isinstance(sequence.values.array, np.memmap)


def test_a_choice_that_an_array_does_not_have(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 5, 6)))
    with pytest.raises(ConfigError, match=r"variable, for .*a\.npy"):
        open_source(tmp_path / "a.npy", variable=["rain"])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
@pytest.mark.slow
def test_a_damaged_array_is_read_or_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    suffix = data.draw(st.sampled_from([".npy", ".npz"]))
    path = tmp_path_factory.mktemp("damaged") / f"a{suffix}"
    array = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    if suffix == ".npy":
        np.save(path, array)
    else:
        np.savez_compressed(path, array)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    said = path.name
    try:
        for sequence in open_source(path).sequences:
            sequence.read(0, len(sequence))
    except NextframeError as error:  # any other exception fails the test
        said = str(error)
    assert path.name in said


def test_a_stretch_numbers_its_frames_as_the_file_does(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).random((20, 4, 4))
    frames[12, 0, 0] = np.nan
    np.save(tmp_path / "film.npy", frames)
    stretch = open_source(tmp_path / "film.npy").sequences[0][5:18][4:]
    with pytest.raises(DataError, match="frame 12 holds NaN"):
        stretch.read(0, len(stretch))
    problems = inspect_path(tmp_path / "film.npy", frames=(5, 18), past=2, future=2).problems
    assert any(problem.startswith(f"Frame 12 of {tmp_path / 'film.npy'} holds NaN") for problem in problems)
