"""ODIM: read back by pysteps and by this package's own reader with the same values, at the same place."""

import contextlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nextframe.errors import ConfigError
from nextframe.frames.geography import Geography
from nextframe.frames.grid import Grid
from nextframe.frames.source import open_source
from nextframe.outputs.writers import save_forecast
from tests.outputs.made import degrees, rain, stereographic, westward

h5py = pytest.importorskip("h5py")


@pytest.mark.parametrize("unit", ["mm/h", "dBZ", "mm"])
@pytest.mark.parametrize(
    "grid",
    [stereographic(), stereographic(north_up=False), degrees(), westward(stereographic())],
    ids=["", "south", "deg", "west"],
)
def test_our_own_reader_brings_it_back(tmp_path: Path, grid: Grid, unit: str) -> None:
    made = rain(grid, unit=unit)
    save_forecast(made, tmp_path / "f.h5")
    (sequence,) = open_source(tmp_path / "f.h5").sequences
    values = made.values[..., ::-1, :] if grid.rows_run_north else made.values
    values = values[..., ::-1] if grid.x[0] > grid.x[-1] else values
    np.testing.assert_array_equal(sequence.read(0, 3), values)
    assert sequence.times is not None
    np.testing.assert_array_equal(sequence.times, made.valid_time)
    assert sequence.units == (unit,)
    if unit == "mm":
        assert sequence.accumulation == (np.timedelta64(5, "m"),)
    assert sequence.grid is not None
    np.testing.assert_allclose(Geography(sequence.grid).x, np.sort(Geography(grid).x), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(np.sort(Geography(sequence.grid).y), np.sort(Geography(grid).y), rtol=1e-6)


@pytest.mark.filterwarnings("ignore")  # of pysteps
@pytest.mark.parametrize("unit", ["mm/h", "dBZ"])
def test_pysteps_brings_it_back(tmp_path: Path, unit: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        importers = pytest.importorskip("pysteps.io.importers")
    made = rain(unit=unit)
    quantity = "RATE" if unit == "mm/h" else "DBZH"
    for lead, path in enumerate(save_forecast(made, tmp_path / "f-{valid}.h5")):
        field, _, metadata = importers.import_odim_hdf5(str(path), qty=quantity)
        np.testing.assert_array_equal(np.asarray(field, np.float32), made.values[lead, 0])
        assert metadata["unit"] == unit
        assert (metadata["xpixelsize"], metadata["ypixelsize"]) == (20_000, 20_000)
        assert metadata["x1"] == pytest.approx(100_000, abs=1)
        assert metadata["y2"] == pytest.approx(-3_860_000, abs=1)
        assert metadata["yorigin"] == "upper"
        (sequence,) = open_source(path).sequences
        assert made.valid_time is not None
        assert sequence.times is not None
        assert sequence.times[0] == made.valid_time[lead]


def test_what_odim_does_not_hold_is_refused(tmp_path: Path) -> None:
    for made, message in (
        (rain(unit="K"), "no rain and no reflectivity"),
        (replace(rain(), grid=None), "needs evenly spaced pixels and a projection"),
        (replace(rain(), init_time=None, time_step=None), "has no times"),
    ):
        with pytest.raises(ConfigError, match=message):
            save_forecast(made, tmp_path / "f.h5")
    assert not list(tmp_path.iterdir())
