"""HKO-7's pictures, masks and lists, made small in the same layout."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nextframe import open_source
from nextframe.data.split import split
from nextframe.errors import DataError

DAYS = {"train": "20140102", "valid": "20140103", "test": "20150104", "nowhere": "20150105"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for part, day in DAYS.items():
        year, month, date = day[:4], day[4:6], day[6:]
        for kind in ("radarPNG", "radarPNG_mask"):
            (tmp_path / kind / year / month / date).mkdir(parents=True)
        for minute in (0, 6, 12, 24, 30):
            name = f"RAD{day[2:]}00{minute:02d}00"
            pixels = random.integers(1, 256, (8, 10)).astype(np.uint8)
            pixels[0, :3] = (0, 255, 51)
            Image.fromarray(pixels).save(tmp_path / "radarPNG" / year / month / date / f"{name}.png")
            valid = np.ones((8, 10), bool)
            valid[1, 4] = False
            (tmp_path / "radarPNG_mask" / year / month / date / f"{name}.mask").write_bytes(
                zlib.compress(valid.tobytes())
            )
        if part != "nowhere":
            (tmp_path / f"hko7_rainy_{part}_days.txt").write_text(f"{day}, 0.5\n")
    excluded = np.zeros((8, 10), np.uint8)
    excluded[7] = 1
    np.savez(tmp_path / "mask_dat.npz", exclude_mask=excluded)
    return tmp_path


def test_days_of_the_lists_are_the_parts(folder: Path) -> None:
    parts = split(open_source(folder))
    starts = [str(part[0].sequence.times[0])[:10] for part in (parts.train, parts.validation, parts.test)]  # type: ignore[index]
    assert starts == ["2014-01-02", "2014-01-03", "2015-01-04"]
    for path in folder.glob("*.txt"):
        path.unlink()
    years = [(sequence.part, len(sequence)) for sequence in open_source(folder).sequences]
    assert years == [("train", 10), ("test", 10)]


def test_bytes_are_reflectivity_and_masked_pixels_are_missing(folder: Path) -> None:
    sequence = open_source(folder, part="test").sequences[0]
    assert sequence.units == ("dBZ",)
    assert [stop - start for start, stop in sequence.segments()] == [3, 2]
    frame = sequence.read(0, 2)[1, 0]
    np.testing.assert_allclose(frame[0, :3], [-30, 60, 4], atol=1e-5)
    assert np.isnan(frame[7]).all()
    assert np.isnan(frame[:7]).sum() == 1
    assert np.isnan(frame[1, 4])


def test_what_is_damaged_is_told(folder: Path) -> None:
    mask = next((folder / "radarPNG_mask" / "2015/01/04").glob("*.mask"))
    mask.write_bytes(zlib.compress(bytes(10**6)))  # more than it may be
    sequence = open_source(folder, part="test").sequences[0]
    with pytest.raises(DataError, match="is no mask of its picture"):
        [sequence.read(n, n + 1) for n in range(5)]
    (folder / "hko7_rainy_test_days.txt").write_text("a day\n")
    with pytest.raises(DataError, match="names no day"):
        open_source(folder)
