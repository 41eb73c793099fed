"""MeteoNet's radar files, made small in the same layout, and its published samples where they are there."""

import pickle
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from nextframe import open_source
from nextframe.data.split import split
from nextframe.errors import DataError


def write(folder: Path, name: str, start: datetime, data: np.ndarray, *, gone: int = -1) -> None:
    dates = [start + timedelta(minutes=5 * n) for n in range(len(data) + (gone >= 0))]
    missed = [dates.pop(gone)] if gone >= 0 else []
    np.savez_compressed(
        folder / name, data=data, dates=np.array(dates, object), miss_dates=np.array(missed, object)
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for n, (year, month) in enumerate([(2017, 12), (2016, 1), (2018, 6), (2018, 7)]):
        data = random.integers(0, 70, (6, 9, 12)).astype(np.int16)
        data[0, 0] = (255, 0, 8, 16, *range(20, 28))
        write(tmp_path, f"reflectivity_old_SE_{year}_{month:02d}.1.npz", datetime(year, month, 1 + n), data, gone=3)
    lats, lons = np.meshgrid(46 - 0.01 * np.arange(9), 2 + 0.01 * np.arange(12), indexing="ij")
    np.savez(tmp_path / "radar_coords_SE.npz", lats=lats, lons=lons)
    return tmp_path


def test_parts_are_those_of_cascast(folder: Path) -> None:
    source = open_source(folder)
    assert [(s.part, len(s)) for s in source.sequences] == [("train", 12), ("validation", 6), ("test", 6)]
    parts = split(source)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [1, 1, 1]


def test_values_times_and_places_are_read(folder: Path) -> None:
    (train,) = open_source(folder, part="train").sequences
    assert (train.variables, train.units) == (("reflectivity",), ("dBZ",))
    first = train.read(0, 1)[0, 0, 0]
    np.testing.assert_array_equal(first[:4], [np.nan, -30, 8, 16])  # missing; no echo; values
    assert train.times is not None
    assert train.times[0] == np.datetime64("2016-01-02T00:00")
    assert [stop - start for start, stop in train.segments()] == [3, 3, 3, 3]  # a frame is missing in each file
    for start, stop in [(0, 12), (4, 8), (11, 12)]:
        whole = np.concatenate(
            [
                np.load(folder / f"reflectivity_old_SE_{name}.1.npz", allow_pickle=True)["data"]
                for name in ("2016_01", "2017_12")
            ]
        ).astype(np.float32)
        there = whole[start:stop] != 255
        read = train.read(start, stop)[:, 0]
        np.testing.assert_array_equal(np.isfinite(read), there)
        np.testing.assert_array_equal(
            read[there & (whole[start:stop] > 0)], whole[start:stop][there & (whole[start:stop] > 0)]
        )
    assert train.grid is not None
    assert (train.grid.y[0], train.grid.x[-1]) == (46, pytest.approx(2.11))
    assert not train.grid.rows_run_north


def test_rain_and_the_new_reflectivity_have_units_of_their_own(tmp_path: Path) -> None:
    rain = np.array([[[-1, 0, 125]]] * 3, np.int16)
    write(tmp_path, "rainfall_NW_2016_08.3.npz", datetime(2016, 8, 21), rain)
    (sequence,) = open_source(tmp_path).sequences
    np.testing.assert_allclose(sequence.read(0, 1)[0, 0, 0], [np.nan, 0, 1.25])
    assert (sequence.units, sequence.accumulation) == (("mm",), (np.timedelta64(5, "m"),))
    (hourly,) = open_source(tmp_path, rain_unit="mm/h").sequences
    np.testing.assert_allclose(hourly.read(0, 1)[0, 0, 0], [np.nan, 0, 15])
    other = tmp_path / "new"
    other.mkdir()
    write(
        other,
        "reflectivity_new_SE_2018_12.2.npz",
        datetime(2018, 12, 11),
        np.array([[[-200, -100, -85, 255]]], np.int16),
    )
    np.testing.assert_allclose(open_source(other).sequences[0].read(0, 1)[0, 0, 0], [np.nan, -30, -8.5, 25.5])


def test_files_of_two_zones_are_told_apart(folder: Path) -> None:
    write(folder, "reflectivity_old_NW_2016_01.1.npz", datetime(2016, 1, 1), np.zeros((3, 9, 12), np.int16))
    with pytest.raises(DataError, match="reflectivity_old NW, reflectivity_old SE"):
        open_source(folder)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (print, ("run",))


def test_dates_run_no_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "reflectivity_old_SE_2016_01.1.npz"
    np.savez(path, data=np.zeros((1, 2, 2), np.int16), dates=np.array([Evil()], object))
    with pytest.raises(DataError, match="which no dates are made of"):
        open_source(path)
    assert capsys.readouterr().out == ""
    assert pickle.loads(pickle.dumps(Evil())) is None  # as it would have


def test_a_cut_file_is_told(folder: Path) -> None:
    path = folder / "reflectivity_old_SE_2016_01.1.npz"
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(DataError, match=r"2016_01.1.npz: cannot be read as a NumPy file"):
        open_source(folder)
