"""Stretches of an NPZ file's arrays are those of the whole, wherever they are read, and little of it is in memory."""

import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from nextframe.errors import DataError
from nextframe.frames.formats.inflated import Member, members


@pytest.fixture
def movie() -> np.ndarray:
    random = np.random.default_rng(0)
    quiet = random.integers(0, 3, (200, 40, 50)) * (random.random((200, 1, 1)) < 0.5)
    return quiet.astype(np.int16)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_any_stretch_is_read(movie: np.ndarray, save: object, tmp_path: Path) -> None:
    save(tmp_path / "movie.npz", other=np.arange(3), data=movie)  # type: ignore[operator]
    member = Member(tmp_path / "movie.npz", "data", every=20_000)
    assert member.shape == movie.shape
    assert members(tmp_path / "movie.npz") == ("other", "data")
    for start, stop in [(0, 3), (3, 9), (150, 200), (20, 21), (199, 200), (0, 200), (7, 7), (100, 140)]:
        np.testing.assert_array_equal(member[start:stop], movie[start:stop])
    again = pickle.loads(pickle.dumps(member))  # a worker process decodes by itself
    np.testing.assert_array_equal(again[50:60], movie[50:60])


def test_a_stretch_takes_little_memory(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "large.npz", data=np.zeros((200, 100, 1000), np.int16))
    member = Member(tmp_path / "large.npz", "data")
    tracemalloc.start()
    member[190:191]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 2**20 / 2  # half of the whole


def test_damaged_files_are_told(movie: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "movie.npz"
    np.savez_compressed(path, data=movie, names=np.array(["a"], object))
    with pytest.raises(DataError, match="holds no numbers"):
        Member(path, "names")
    with pytest.raises(DataError, match="cannot be read as a NumPy file"):
        Member(path, "absent")
    whole = path.read_bytes()
    middle = len(whole) // 3
    path.write_bytes(whole[:middle] + bytes(200) + whole[middle + 200 :])
    with pytest.raises(DataError, match=r"movie.npz"):
        Member(path, "data")[0:200]
    path.write_bytes(whole[:middle])
    assert members(path) == ()
    with pytest.raises(DataError, match="cannot be read as a NumPy file"):
        Member(path, "data")
