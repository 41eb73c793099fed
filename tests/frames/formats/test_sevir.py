"""SEVIR's catalogue and files, made small in the same layout."""

import csv
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import nextframe
from nextframe import open_source
from nextframe.api import verify_run
from nextframe.data.split import split
from nextframe.errors import ConfigError, DataError
from nextframe.frames.geography import Geography

COLUMNS = (
    *("id", "file_name", "file_index", "img_type", "time_utc", "minute_offsets", "episode_id", "event_id"),
    *("event_type", "llcrnrlat", "llcrnrlon", "urcrnrlat", "urcrnrlon", "proj", "size_x", "size_y"),
    *("height_m", "width_m", "data_min", "data_max", "pct_missing"),
)
PROJ = "+proj=laea +lat_0=38 +lon_0=-98 +units=m +a=6370997.0 +ellps=sphere "
FRAMES = 25


def row(event: str, file: str, index: int, time: str, **changed: object) -> dict[str, object]:
    offsets = ":".join(str(minute) for minute in range(-60, 5 * FRAMES - 60, 5))
    about = {"llcrnrlat": 36.0, "llcrnrlon": -97.0, "proj": PROJ, "size_x": 16, "size_y": 16, "height_m": 16000.0}
    return {
        "id": event, "file_name": file, "file_index": index, "img_type": "vil", "time_utc": time,
        "minute_offsets": offsets, "width_m": 16000.0, "pct_missing": 0.0, **about, **changed,
    }  # fmt: skip


@pytest.fixture
def sevir(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    folder = tmp_path / "sevir"
    for year in (2018, 2019):
        place = folder / "data" / "vil" / str(year)
        place.mkdir(parents=True)
        with h5py.File(place / f"SEVIR_VIL_STORMEVENTS_{year}_0101_1231.h5", "w") as file:
            vil = random.integers(0, 255, (4, 16, 16, FRAMES)).astype(np.uint8)
            vil[3, 2, 5, 7] = 255
            file.create_dataset("vil", data=vil, chunks=(1, 16, 16, FRAMES), compression="gzip")
            file["id"] = [f"S{year}{n}".encode() for n in range(4)]
    early, late = (f"vil/{year}/SEVIR_VIL_STORMEVENTS_{year}_0101_1231.h5" for year in (2018, 2019))
    rows = [
        row("S20180", early, 0, "2018-06-01 12:00:00"),
        row("S20181", early, 1, "2018-07-01 12:00:00"),
        row("S20182", early, 2, "2019-01-01 00:00:00"),  # up to and with the first moment of the year
        row("S20183", early, 3, "2018-08-01 00:00:00", pct_missing=0.1),
        row("S20190", late, 0, "2019-01-01 00:30:00"),
        row("S20191", late, 1, "2019-06-01 00:00:00"),
        row("S20192", late, 2, "2019-06-01 00:30:00"),  # its first frame is of May
        row("S20193", late, 3, "2019-09-01 00:00:00"),
        row("S20190", "ir069/2019/absent.h5", 0, "2019-01-01 00:30:00", img_type="ir069"),
        row("S20199", late, 2, "2019-09-02 00:00:00"),
        row("S20199", late, 3, "2019-09-03 00:00:00"),  # an id that two have
    ]
    with (folder / "CATALOG.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_events_are_read_in_order_of_time(sevir: Path) -> None:
    source = open_source(sevir)
    ids = [sequence.name.rpartition("[")[2] for sequence in source.sequences]
    assert ids == ["S20180]", "S20181]", "S20182]", "S20190]", "S20191]", "S20192]", "S20193]"]
    second = source.sequences[1]
    assert second.shape == (FRAMES, 1, 16, 16)
    assert (second.variables, second.units) == (("vil",), ("count",))
    assert second.times is not None
    assert second.times[12] == np.datetime64("2018-07-01T12:00")
    assert second.time_step == np.timedelta64(5, "m")
    with h5py.File(sevir / "data/vil/2018/SEVIR_VIL_STORMEVENTS_2018_0101_1231.h5") as file:
        stored = file["vil"][1]
    np.testing.assert_array_equal(second.read(3, 9)[:, 0], np.moveaxis(stored, -1, 0)[3:9])


def test_255_is_missing(sevir: Path) -> None:
    last = open_source(sevir).sequences[-1].read(7, 8)[0, 0]
    assert np.isnan(last[2, 5])
    assert np.isnan(last).sum() == 1


def test_parts_are_those_of_earthformer(sevir: Path) -> None:
    parts = split(open_source(sevir))
    names = [[span.sequence.name[-7:-1] for span in part] for part in (parts.train, parts.validation, parts.test)]
    assert names == [["S20180", "S20181", "S20182"], ["S20190", "S20191"], ["S20192", "S20193"]]
    assert [len(open_source(sevir, part=part).sequences) for part in ("train", "validation", "test")] == [3, 2, 2]


def test_events_lie_where_the_catalogue_says(sevir: Path) -> None:
    pyproj = pytest.importorskip("pyproj")
    grid = open_source(sevir).sequences[0].grid
    assert grid is not None
    assert grid.rows_run_north
    left, bottom = pyproj.Proj(PROJ)(-97.0, 36.0)
    np.testing.assert_allclose((grid.x[0], grid.y[0]), (left + 500, bottom + 500), atol=0.5)
    assert Geography(grid).kilometres == pytest.approx((1, 1), rel=0.01)


def test_files_that_are_not_there_are_told(sevir: Path) -> None:
    late = sevir / "data/vil/2019/SEVIR_VIL_STORMEVENTS_2019_0101_1231.h5"
    late.unlink()
    source = open_source(sevir)
    assert len(source.sequences) == 3
    assert source.notes == ("4 events of files that are not there left out",)
    with pytest.raises(ConfigError, match="has no part 'test'"):
        open_source(sevir, part="test")
    (sevir / "data/vil/2018/SEVIR_VIL_STORMEVENTS_2018_0101_1231.h5").unlink()
    with pytest.raises(DataError, match="no event of which the file is there"):
        open_source(sevir)


def test_a_catalogue_that_does_not_fit_is_told(sevir: Path) -> None:
    catalogue = sevir / "CATALOG.csv"
    catalogue.write_text(catalogue.read_text().replace("_1231.h5,2,", "_1231.h5,7,"))
    with pytest.raises(DataError, match=r"index below 4 and 25 times"):
        open_source(sevir)


@pytest.mark.slow
def test_the_published_test_part_is_verified_by_the_published_protocol(sevir: Path) -> None:
    verification = nextframe.verify(
        "persistence", sevir, past=13, lead_times=12, baselines=(), protocol="earthformer", progress=False, part="test"
    )
    assert verification.count == 2  # an event of 25 frames holds one window
    assert verification.protocol is not None
    (note,) = verification.protocol.notes
    assert note == "published with frames of 384 x 384 pixels; here of 16 x 16"
    assert 0 < verification.protocol.scores["persistence"]["earthformer.csi_16"] < 1


@pytest.mark.slow
@pytest.mark.long
def test_a_run_holds_out_the_published_test_part(sevir: Path, tmp_path: Path) -> None:
    tiny: dict[str, Any] = {"filters": (2,), "epochs": 1, "past": 13, "future": 12, "progress": False, "norm": "layer"}
    nextframe.fit(sevir, out=tmp_path / "own", output="linear", loss="mse", stride=5, **tiny)
    own = verify_run(tmp_path / "own", baselines=(), protocol="earthformer", examples=0, progress=False)
    assert own.count == 2  # the events after May 2019
    assert own.protocol is not None
    assert "earthformer.csi_mean" in own.protocol.scores["model"]
    # A part that a run was trained on is not one that other frames have to have.
    nextframe.fit(
        sevir, out=tmp_path / "part", output="linear", loss="mse", part="train", validation=0.3, test=0, **tiny
    )
    every = verify_run(tmp_path / "part", data=sevir, baselines=(), seen=True, examples=0, progress=False)
    assert every.count == 7
    test = verify_run(tmp_path / "part", data=sevir, part="test", baselines=(), examples=0, progress=False)
    assert test.count == 2
