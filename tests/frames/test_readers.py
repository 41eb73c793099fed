"""Crop, coarsen, grey and the cache: against plain NumPy, and within their memory."""

import pickle
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nextframe.errors import ConfigError, DataError
from nextframe.frames.cache import Cached, cached
from nextframe.frames.grid import Grid
from nextframe.frames.readers import Cropped, coarsen, crop
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_source


def test_blocks_of_one_pixel_leave_bytes_what_they_are() -> None:
    movie = FrameSequence(values=np.zeros((3, 1, 4, 4), np.uint8), name="movie")
    assert coarsen(movie, 1) is movie


@settings(max_examples=50, deadline=None)
@given(data=st.data())
@pytest.mark.slow
def test_crop_and_coarsen_are_slices_and_block_means(data: st.DataObject) -> None:
    height, width, factor = data.draw(st.integers(3, 14)), data.draw(st.integers(3, 14)), data.draw(st.integers(1, 3))
    top, left = data.draw(st.integers(0, height - 3)), data.draw(st.integers(0, width - 3))
    high, wide = data.draw(st.integers(3, height - top)), data.draw(st.integers(3, width - left))
    numbers = st.floats(-100, 100, width=32) | st.just(np.nan)
    values = data.draw(hnp.arrays(np.float32, (3, 2, height, width), elements=numbers))
    grid = Grid(y=np.arange(height, dtype=np.float64) * 2, x=np.arange(width, dtype=np.float64) / -2)
    whole = FrameSequence(values=values, name="test", grid=grid, missing="mask")
    part = coarsen(crop(whole, (top, left, high, wide)), factor)
    rows, columns = high // factor, wide // factor
    assert part.shape == (3, 2, rows, columns)
    read = part.read(0, 3)
    assert part.grid is not None
    for row in range(rows):
        for column in range(columns):
            box = np.s_[
                top + row * factor : top + (row + 1) * factor, left + column * factor : left + (column + 1) * factor
            ]
            for t in range(3):
                for c in range(2):
                    known = values[(t, c, *box)]
                    known = known[np.isfinite(known)]
                    expected = known.mean(dtype=np.float64) if known.size else np.nan
                    np.testing.assert_allclose(read[t, c, row, column], expected, rtol=1e-4, atol=1e-4)
            assert part.grid.y[row] == grid.y[box[0]].mean()
            assert part.grid.x[column] == grid.x[box[1]].mean()


def test_a_fault_is_not_averaged_away(tmp_path: Path) -> None:
    values = np.ones((5, 8, 8), np.float32)
    values[2, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", values)
    (strict,) = open_source(tmp_path / "a.npy", coarsen=2).sequences
    with pytest.raises(DataError, match=r"a\.npy: frame 2 holds NaN"):
        strict.read(0, 5)
    (masked,) = open_source(tmp_path / "a.npy", coarsen=2, missing="mask").sequences
    np.testing.assert_array_equal(masked.read(0, 5), 1)


@pytest.mark.parametrize(
    "options", [{"coarsen": 0}, {"coarsen": -1}, {"crop": (0, 0, 0, 5)}, {"variable": ["rain"]}], ids=str
)
def test_options_without_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        open_source("squares:movies=2", **options)  # type: ignore[arg-type]


@dataclass
class Drawn:
    """Frames of 400 x 400 bytes that say which they are, made as they are read."""

    frames: int = 300
    reads: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.frames, 1, 400, 400

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def __getitem__(self, frames: slice, /) -> np.ndarray:
        self.reads += frames.stop - frames.start
        numbers = (np.arange(frames.start, frames.stop) % 250).astype(np.uint8)
        return np.broadcast_to(numbers[:, None, None, None], (len(numbers), *self.shape[1:])).copy()


def test_what_a_crop_cuts_off_is_not_kept_in_memory() -> None:
    reader = Cached(Cropped(Drawn(), (0, 0, 10, 10)))
    tracemalloc.start()
    for n in range(0, 300, 10):
        reader[n : n + 10]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2_000_000  # the whole frames are 48 MB


def test_all_sequences_together_stay_within_one_budget() -> None:
    lengths = (10, 40, 50)
    limit = 25 * 160_000
    sequences = cached([FrameSequence(values=Drawn(n), name="test") for n in lengths], limit)
    for sequence in sequences:
        for n in range(len(sequence)):
            sequence.read(n, n + 1)
    caches = [s.values for s in sequences if isinstance(s.values, Cached)]
    (kept,) = {id(cache.kept): cache.kept for cache in caches}.values()
    assert list(kept.frames) == [(2, n) for n in range(25, 50)]  # those read last, of whichever sequence
    assert kept.size == limit


def test_within_the_budget_every_frame_is_read_once() -> None:
    readers = [Drawn(6), Drawn(20)]
    sequences = cached([FrameSequence(values=r, name="test") for r in readers], 10**9)
    for _ in range(3):
        for sequence in sequences:
            for n in range(len(sequence) - 3):
                assert sequence.read(n, n + 4)[:, 0, 0, 0].tolist() == list(range(n, n + 4))
    assert [r.reads for r in readers] == [6, 20]


def test_a_worker_process_is_sent_no_frames() -> None:
    reader = Cached(Drawn(30))
    reader[0:30]
    sent = pickle.dumps(reader)
    assert len(sent) < 5000
    np.testing.assert_array_equal(pickle.loads(sent)[3:5], reader[3:5])
