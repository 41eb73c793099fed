"""RADOLAN composites are read as the format's description says, and as wradlib places them."""

import gzip
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from nextframe import open_source
from nextframe.errors import ConfigError, DataError
from nextframe.frames.cache import Cached
from nextframe.frames.readers import CutsItself

pytest.importorskip("wradlib", reason="needs wradlib (extra radolan)")

DATA = Path(__file__).parents[4] / "shared" / "data" / "formats" / "radolan"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the data beside the repository (shared/data)")
MISSING = 0x29C4
"""What DWD's description of the format has for a pixel without a value: bit 14 and 2500."""


PRECISION = {"RX": "E+00", "RW": "E-01", "WN": "E-01"}
INTERVAL = {"RW": 60}


def composite(
    folder: Path, minute: int, counts: np.ndarray, *, product: str = "RY", version: int = 3, more: str = ""
) -> Path:
    """A composite of counts (H, W) by the description of the format, of 15 January 2020, some minutes past 10."""
    rows, columns = counts.shape
    body = counts.astype("<u2").tobytes() if product != "RX" else counts.astype(np.uint8).tobytes()
    precision, interval = PRECISION.get(product, "E-02"), INTERVAL.get(product, 5)
    tail = f"VS{version:2d}SW   2.21.0PR {precision}INT{interval:4d}GP{rows:4d}x{columns:4d}{more}MS  5<boo>"
    head = f"{product}151{minute:03d}100000120BY"
    length = len(head) + 7 + len(tail) + 1 + len(body)
    path = folder / f"raa01-{product.lower()}_10000-200115{1000 + minute}-dwd---bin.gz"
    path.write_bytes(gzip.compress(f"{head}{length:7d}{tail}\x03".encode() + body))
    return path


def counted(path: Path) -> np.ndarray:
    """Values of an original by NumPy alone: 12 bits of hundredths of a millimetre, bit 14 for missing."""
    whole = gzip.decompress(path.read_bytes())
    rows = 1100 if "-yw" in path.name else 900
    stored = np.frombuffer(whole[whole.index(b"\x03") + 1 :], "<u2").reshape(rows, 900)
    return np.where(stored & 0x2000, np.nan, (stored & 0xFFF) * 0.01).astype(np.float32)


@needs_data
@pytest.mark.parametrize(("product", "rows"), [("ry", 900), ("yw", 1100)])
@pytest.mark.slow
def test_originals_are_read(product: str, rows: int) -> None:
    files = sorted(DATA.glob(f"raa01-{product}*"))
    (sequence,) = open_source(str(DATA / f"raa01-{product}*")).sequences
    assert sequence.shape == (len(files), 1, rows, 900)
    assert sequence.units == ("mm",)
    assert sequence.accumulation == (np.timedelta64(300, "s"),)
    assert sequence.times is not None
    assert set(np.diff(sequence.times)) == {np.timedelta64(300, "s")}
    assert str(sequence.times[0])[:16] == ("2020-01-01T15:00" if product == "ry" else "2017-08-16T01:00")
    for n, path in enumerate(files):
        np.testing.assert_allclose(sequence.read(n, n + 1)[0, 0], counted(path), atol=1e-6)
    rate = open_source(str(DATA / f"raa01-{product}*"), rain_unit="mm/h").sequences[0]
    np.testing.assert_allclose(rate.read(0, 1)[0, 0], counted(files[0]) * 12, rtol=1e-5)


@needs_data
def test_pixels_lie_where_dwd_says() -> None:
    """The corners of the 900 x 900 grid in DWD's description, in degrees."""
    pyproj = pytest.importorskip("pyproj")
    grid = open_source(str(DATA / "raa01-ry*")).sequences[0].grid
    assert grid is not None
    assert grid.mapping is not None
    assert grid.rows_run_north
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        place = pyproj.Proj(pyproj.CRS.from_cf(dict(grid.mapping)))
    corners = [(grid.x[0] - 500, grid.y[0] - 500), (grid.x[-1] + 500, grid.y[-1] + 500)]
    np.testing.assert_allclose(
        [place(*corner, inverse=True) for corner in corners], [(3.5889, 46.9526), (15.7208, 54.7405)], atol=2e-4
    )


def test_a_crop_is_kept_of_every_composite(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).integers(0, 4096, (3, 900, 900))
    for n in range(3):
        composite(tmp_path, 5 * n, counts[n])
    truth = (counts * 0.01).astype(np.float32)
    (sequence,) = open_source(tmp_path, crop=(600, 30, 20, 50)).sequences
    np.testing.assert_array_equal(sequence.read(1, 3)[:, 0], truth[1:, 600:620, 30:80])
    cache = sequence.values
    assert isinstance(cache, Cached)
    assert isinstance(cache.reader, CutsItself)
    part = cache.reader.cropped((3, 4, 5, 6))
    np.testing.assert_array_equal(part[0:2][:, 0], truth[:2, 603:608, 34:40])
    assert part[1:1].shape == (0, 1, 5, 6)


def test_missing_pixels_and_forecast_times(tmp_path: Path) -> None:
    counts = np.full((900, 900), 25)
    counts[0, 0] = MISSING
    composite(tmp_path, 0, counts)
    composite(tmp_path, 5, counts * 0, product="RY")
    (sequence,) = open_source(tmp_path).sequences
    values = sequence.read(0, 1)[0, 0]
    assert np.isnan(values[0, 0])
    np.testing.assert_allclose(values[1:], 0.25)
    ahead = tmp_path / "forecast"
    ahead.mkdir()
    composite(ahead, 0, counts, product="RV", more="VV  30")
    times = open_source(ahead).sequences[0].times
    assert times is not None
    assert str(times[0])[:16] == "2020-01-15T10:30"


def test_reflectivity_is_told_by_the_product(tmp_path: Path) -> None:
    counts = np.full((900, 900), 85)
    counts[3, 4] = 250
    composite(tmp_path, 0, counts, product="RX")
    (sequence,) = open_source(tmp_path).sequences
    assert sequence.units == ("dBZ",)
    values = sequence.read(0, 1)[0, 0]
    assert values[0, 0] == 10.0
    assert np.isnan(values[3, 4])


def test_hourly_sums_are_of_the_hour_that_ends_with_them(tmp_path: Path) -> None:
    counts = np.full((900, 900), 25)
    counts[0, 0] = MISSING
    composite(tmp_path, 50, counts, product="RW")
    (sequence,) = open_source(tmp_path).sequences
    assert (sequence.units, sequence.accumulation) == (("mm",), (np.timedelta64(3600, "s"),))
    assert sequence.times is not None
    assert str(sequence.times[0])[:16] == "2020-01-15T10:50"
    (rate,) = open_source(tmp_path, rain_unit="mm/h").sequences
    for values in (sequence.read(0, 1)[0, 0], rate.read(0, 1)[0, 0]):
        assert np.isnan(values[0, 0])
        np.testing.assert_allclose(values[1:], 2.5, rtol=1e-6)


def test_forecast_reflectivity_has_tenths_and_stands_at_the_time_that_it_is_for(tmp_path: Path) -> None:
    for ahead in (0, 5):
        folder = tmp_path / str(ahead)
        folder.mkdir()
        counts = np.full((1200, 1100), 851)  # in tenths of half a decibel above -32.5 dBZ
        counts[2, 3], counts[4, 5] = MISSING, 0
        composite(folder, 0, counts, product="WN", version=5, more=f"VV {ahead:03d}MF 00000008")
        (sequence,) = open_source(folder).sequences
        assert sequence.units == ("dBZ",)
        assert sequence.times is not None
        assert str(sequence.times[0])[:16] == f"2020-01-15T10:{ahead:02d}"
        values = sequence.read(0, 1)[0, 0]
        assert np.isnan(values[2, 3])
        np.testing.assert_allclose([values[0, 0], values[4, 5]], [10.05, -32.5], rtol=1e-6)
        assert sequence.grid is not None
        assert (sequence.grid.y.shape, sequence.grid.x.shape) == ((1200,), (1100,))


def test_faults_are_told(tmp_path: Path) -> None:
    whole = composite(tmp_path, 0, np.zeros((900, 900)))
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / whole.name).write_bytes(gzip.compress(gzip.decompress(whole.read_bytes())[:50_000]))
    with pytest.raises(DataError, match=r"-bin.gz: rain_amount of 2020-01-15T10:00 cannot be read"):
        open_source(cut).sequences[0].read(0, 1)
    (cut / whole.name).write_bytes(whole.read_bytes()[: len(whole.read_bytes()) // 2])
    with pytest.raises(DataError, match=r"cannot be read|cannot be unzipped"):
        open_source(cut).sequences[0].read(0, 1)
    (cut / whole.name).write_bytes(gzip.compress(b"nothing"))
    with pytest.raises(DataError, match="has no header of RADOLAN"):
        open_source(cut)
    (cut / whole.name).unlink()
    composite(cut, 0, np.zeros((900, 900)), product="PG")
    with pytest.raises(DataError, match=r"holds no rain or reflectivity .*received PG"):
        open_source(cut)


def test_without_wradlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = composite(tmp_path, 0, np.zeros((900, 900)))
    for name in ("wradlib", "wradlib.io", "wradlib.io.radolan"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"needs wradlib; pip install 'nextframe\[radolan\]'"):
        open_source(path)
