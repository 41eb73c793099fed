"""Frames that a training has seen, recognised by time and place, by number in a file, and by content."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nextframe.data.seen import EVERY, Seen, seen_in, without
from nextframe.data.split import Span, whole_spans
from nextframe.errors import NextframeWarning
from nextframe.frames.grid import Grid
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_source
from nextframe.runs.seen import read_seen, write_seen


def film(frames: int = 100, seed: int = 0, **options: object) -> FrameSequence:
    values = np.random.default_rng(seed).random((frames, 1, 6, 7)).astype(np.float32)
    return FrameSequence(values=values, name="film", **options)  # type: ignore[arg-type]


def timed(sequence: FrameSequence, start: str = "2020-01-01") -> FrameSequence:
    times = np.datetime64(start, "ns") + np.arange(len(sequence)) * np.timedelta64(5, "m")
    return replace(sequence, times=times)


def numbers(mask: np.ndarray) -> list[int]:
    return np.flatnonzero(mask).tolist()


def test_frames_in_memory_are_known_by_their_content() -> None:
    seen = seen_in([Span(film(), 10, 60)])
    assert numbers(seen.among(film())) == list(range(10, 60))
    cut = film()[40:90]
    assert numbers(seen.among(cut)) == list(range(20))
    assert not seen.among(film(seed=1)).any()


def counting(sequence: FrameSequence) -> tuple[FrameSequence, list[slice]]:
    """The same sequence, and the frames that are read of it, a slice each."""
    values = np.asarray(sequence.values)
    read: list[slice] = []

    class Counting:
        shape, dtype = values.shape, values.dtype

        def __getitem__(self, frames: slice, /) -> np.ndarray:
            read.append(frames)
            return values[frames]

    return replace(sequence, values=Counting()), read


def test_one_of_sixteen_frames_is_enough_and_the_others_are_not_read() -> None:
    counted, read = counting(film())
    seen_in([Span(counted, 0, 96)])
    assert len(read) == 96 / EVERY


def test_of_a_large_archive_few_frames_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextframe.data.seen.MOST", 4)
    counted, read = counting(film(2000))
    seen = seen_in([Span(counted, 0, 1000), Span(counted, 1000, 2000)])
    assert len(read) <= 4
    assert seen.among(film(2000)).all()


def test_times_tell_where_places_overlap() -> None:
    grid = Grid(y=np.arange(6.0) * 1000 + 500, x=np.arange(7.0) * 1000 + 500)
    seen = seen_in([Span(replace(timed(film()), grid=grid), 0, 50)])
    other = replace(timed(film(seed=9), "2020-01-01T00:05"), grid=grid)  # processed anew, and beginning later
    assert numbers(seen.among(other)) == list(range(49))
    elsewhere = replace(other, grid=replace(grid, x=grid.x + 1e6))
    assert not seen.among(elsewhere).any()
    assert not seen.among(replace(timed(film(), "2021-01-01"), grid=grid)).any()


def test_where_no_place_is_known_the_content_decides_between_equal_times() -> None:
    seen = seen_in([Span(timed(film()), 0, 50)])
    assert numbers(seen.among(timed(film())[30:])) == list(range(20))
    assert not seen.among(timed(film(seed=1))).any()


def test_frames_of_one_file_are_told_by_their_number_and_a_copy_by_its_content(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asarray(film().values))
    seen = seen_in([Span(open_source(tmp_path / "a.npy").sequences[0], 20, 80)])
    assert numbers(seen.among(open_source(tmp_path / "a.npy", coarsen=2).sequences[0])) == list(range(20, 80))
    assert numbers(seen.among(open_source(tmp_path / "a.npy", frames=(70, 100)).sequences[0])) == list(range(10))
    shutil.copy(tmp_path / "a.npy", tmp_path / "b.npy")
    assert numbers(seen.among(open_source(tmp_path / "b.npy").sequences[0])) == list(range(20, 80))


def test_frames_without_contrast_are_no_proof() -> None:
    dry = FrameSequence(values=np.zeros((40, 1, 6, 7), np.float32), name="dry")
    assert not seen_in([Span(dry, 0, 20)]).among(dry).any()
    assert not seen_in([Span(dry, 0, 20)]).among(replace(film(), missing="mask")).any()


def test_generated_movies_are_known_by_their_seed() -> None:
    trained = whole_spans(open_source("squares:movies=6,frames=8,size=16,seed=3"))[:4]
    left, number = without(whole_spans(open_source("squares:movies=6,frames=8,size=16,seed=3")), seen_in(trained))
    assert (len(left), number) == (2, 32)
    left, number = without(whole_spans(open_source("squares:movies=6,frames=8,size=16,seed=4")), seen_in(trained))
    assert (len(left), number) == (6, 0)


@pytest.mark.parametrize("spans", [[], [Span(timed(film()), 3, 40), Span(film(seed=2), 0, 17)]])
def test_a_record_is_read_as_it_was_written(tmp_path: Path, spans: list[Span]) -> None:
    seen = seen_in(spans)
    write_seen(tmp_path / "seen.npz", seen)
    again = read_seen(tmp_path / "seen.npz")
    assert again is not None
    for one, other in zip(seen.stretches, again.stretches, strict=True):
        assert (one.file, one.start, one.stop, one.box, one.frames, one.marks) == (
            (other.file, other.start, other.stop, other.box, other.frames, other.marks)
        )
        np.testing.assert_array_equal(one.times, other.times)
    (tmp_path / "seen.npz").write_bytes(b"no archive")
    with pytest.warns(NextframeWarning, match="no record that can be read"):
        assert read_seen(tmp_path / "seen.npz") is None
    assert read_seen(tmp_path / "none.npz") is None
    assert not Seen().among(film()).any()


@pytest.mark.filterwarnings("ignore:.*no record that can be read")
def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    write_seen(tmp_path / "seen.npz", seen_in([Span(timed(film()), 3, 40)]))
    whole = (tmp_path / "seen.npz").read_bytes()
    records = set()
    for position in range(0, len(whole), 5):
        damaged = whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :]
        (tmp_path / "seen.npz").write_bytes(damaged)
        records.add(read_seen(tmp_path / "seen.npz") is None)
    (tmp_path / "seen.npz").write_bytes(whole)
    assert records == {True, False}
    assert read_seen(tmp_path / "seen.npz") is not None
