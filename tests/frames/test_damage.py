"""Damaged files: named with variable and time, or skipped and counted where that is asked for."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from nextframe.errors import DataError, ShapeError
from nextframe.frames.damage import Damage
from nextframe.frames.readers import tolerate
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.source import open_source

TIMES = np.datetime64("2020-01-01", "ns") + np.arange(4) * np.timedelta64(1, "h")


def archive(folder: Path, files: int = 4) -> list[Path]:
    """Files of four hours each, whose values tell their hour."""
    paths = []
    for n in range(files):
        times = TIMES + n * np.timedelta64(4, "h")
        hours = np.broadcast_to(np.arange(4 * n, 4 * n + 4, dtype=np.float32)[:, None, None], (4, 40, 50))
        axes = {"time": times, "y": np.arange(40.0), "x": np.arange(50.0)}
        dataset = xr.Dataset({"rain": (("time", "y", "x"), np.array(hours), {"units": "mm"})}, axes)
        paths.append(folder / f"{n}.nc")
        packed = {"rain": {"zlib": True, "chunksizes": (1, 40, 50)}}
        dataset.to_netcdf(paths[-1], engine="h5netcdf", encoding=packed)
    return paths


def truncate(path: Path, share: float = 0.5) -> None:
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * share))


def break_step(path: Path, step: int) -> None:
    """Overwrite the compressed values of one step."""
    with h5py.File(path) as file:
        chunk = file["rain"].id.get_chunk_info_by_coord((step, 0, 0))
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * chunk.size)


def test_a_file_that_is_cut_after_it_was_opened_is_named(tmp_path: Path) -> None:
    paths = archive(tmp_path)
    (sequence,) = open_source(tmp_path).sequences
    sequence.read(0, 4)
    truncate(paths[2])
    with pytest.raises(DataError, match=r"2\.nc: (rain cannot be read at 2020-01-01T08:00:00|cannot be read)"):
        sequence.read(6, 12)


@pytest.mark.parametrize("suffix", ["nc", "npy"])
def test_a_mapped_file_that_is_cut_after_it_was_opened_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mapped.{suffix}"
    values = np.random.default_rng(0).random((50, 64, 64), np.float32)
    if suffix == "npy":
        np.save(path, values)
    else:
        xr.Dataset({"rain": (("time", "y", "x"), values)}).to_netcdf(path, engine="scipy", format="NETCDF3_64BIT")
    (strict,) = open_source(path).sequences
    source = open_source(path, damaged="skip")
    assert strict.read(0, 2).shape == (2, 1, 64, 64)
    truncate(path)  # to touch what is gone would end the process
    with pytest.raises(DataError, match=rf"mapped\.{suffix}: has become shorter since it was opened"):
        strict.read(45, 50)
    assert np.isnan(source.sequences[0].read(45, 50)).all()
    assert source.damage is not None
    assert source.damage.sentence.startswith("left out 5 damaged frames: ")


def test_the_first_step_that_cannot_be_read_is_the_one_named(tmp_path: Path) -> None:
    break_step(archive(tmp_path, 2)[0], 2)
    (sequence,) = open_source(tmp_path).sequences
    assert sequence.read(0, 2).shape == (2, 1, 40, 50)
    with pytest.raises(DataError, match=r"0\.nc: rain cannot be read at 2020-01-01T02:00:00 .*may be truncated"):
        sequence.read(0, 8)


def test_skipped_frames_are_missing_and_counted_and_the_others_are_there(tmp_path: Path) -> None:
    paths = archive(tmp_path)
    break_step(paths[0], 2)
    break_step(paths[3], 0)
    source = open_source(tmp_path, damaged="skip", crop=(5, 5, 8, 8), coarsen=2)
    (sequence,) = source.sequences
    assert source.damage is not None
    assert source.damage.sentence == ""  # nothing was read yet
    for _ in range(2):  # counted once, however often it is read
        frames = np.concatenate([sequence.read(0, 5), sequence.read(5, 16)])
    assert frames.shape == (16, 1, 4, 4)
    lost = np.isnan(frames).all(axis=(1, 2, 3))
    assert np.flatnonzero(lost).tolist() == [2, 12]
    np.testing.assert_array_equal(frames[~lost, 0, 0, 0], np.flatnonzero(~lost))
    assert source.damage.sentence.startswith(f"left out 2 damaged frames: {paths[0]}: rain cannot be read at 2020")
    assert f"{paths[3]}: rain cannot be read at 2020-01-01T12:00:00" in source.damage.sentence
    assert source.damage.touches(sequence.name, 12, 14)
    assert not source.damage.touches(sequence.name, 3, 12)


def test_a_file_that_cannot_be_opened_leaves_a_gap_in_time(tmp_path: Path) -> None:
    paths = archive(tmp_path)
    truncate(paths[0], 0.01)
    truncate(paths[2], 0.0)
    with pytest.raises(DataError, match=r"[02]\.nc"):
        open_source(tmp_path)
    source = open_source(tmp_path, damaged="skip")
    (sequence,) = source.sequences
    assert sequence.segments() == [(0, 4), (4, 8)]
    np.testing.assert_array_equal(sequence.read(0, 8)[:, 0, 0, 0], [4, 5, 6, 7, 12, 13, 14, 15])
    assert source.damage is not None
    assert source.damage.sentence.startswith("left out 2 damaged files: ")
    assert "2.nc: is an empty file" in source.damage.sentence


def test_where_nothing_can_be_opened_it_is_an_error_also_when_skipping(tmp_path: Path) -> None:
    for path in archive(tmp_path, 2):
        truncate(path, 0.01)
    with pytest.raises(DataError, match=r"0\.nc: cannot be read as NetCDF"):
        open_source(tmp_path, damaged="skip")
    with pytest.raises(DataError, match=r"0\.nc: cannot be read as NetCDF"):
        open_source(tmp_path / "0.nc", damaged="skip")


def test_an_image_that_cannot_be_read_keeps_its_place(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for n in range(4):
        Image.fromarray(draw.integers(0, 255, (12, 10), dtype=np.uint8)).save(tmp_path / f"{n}.png")
    whole = open_source(tmp_path).sequences[0].read(0, 4)
    truncate(tmp_path / "0.png", 0.05)
    truncate(tmp_path / "2.png", 0.7)
    (tmp_path / "3.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"[03]\.png"):
        open_source(tmp_path)
    source = open_source(tmp_path, damaged="skip")
    frames = source.sequences[0].read(0, 4)
    assert np.isnan(frames).all(axis=(1, 2, 3)).tolist() == [True, False, True, True]
    np.testing.assert_array_equal(frames[1], whole[1])
    assert source.sequences[0].values.dtype == np.uint8
    assert source.damage is not None
    assert source.damage.sentence.startswith("left out 3 damaged frames: ")


def test_a_movie_that_cannot_be_opened_is_left_out(tmp_path: Path) -> None:
    for n in range(3):
        np.save(tmp_path / f"{n}.npy", np.full((6, 4, 4), n, np.float32))
    truncate(tmp_path / "1.npy")
    source = open_source(tmp_path, damaged="skip")
    assert [Path(s.name).name for s in source.sequences] == ["0.npy", "2.npy"]
    assert source.damage is not None
    assert source.damage.sentence.startswith("left out 1 damaged file: ")


def test_undeclared_nan_is_damage_where_damage_is_skipped() -> None:
    values = np.ones((5, 1, 2, 2), np.float32)
    values[3, 0, 0, 0] = np.nan
    damage = Damage()
    frames = tolerate(FrameSequence(values=values, name="film.npy"), damage).read(0, 5)
    assert np.isnan(frames).all(axis=(1, 2, 3)).tolist() == [False, False, False, True, False]
    assert "film.npy: frame 3 holds NaN" in damage.sentence


def test_only_the_first_faults_are_named_and_a_wrong_size_is_a_fault() -> None:
    class Shrinking:
        shape, dtype = (6, 1, 3, 3), np.dtype(np.float32)

        def __getitem__(self, frames: slice, /) -> np.ndarray:
            if frames.stop > 1:
                raise ShapeError(f"is smaller at {frames.start}", where="film")
            return np.zeros((1, 1, 3, 3), np.float32)

    damage = Damage()
    tolerate(FrameSequence(values=Shrinking(), name="film"), damage).read(0, 6)
    assert damage.sentence.startswith("left out 5 damaged frames: film: is smaller at 1; ")
    assert damage.sentence.endswith("; and 2 more")
