"""xarray objects as sources."""

import gc
import tempfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nextframe.errors import ConfigError, DataError
from nextframe.frames.source import open_source


def rain() -> xr.DataArray:
    values = np.random.default_rng(0).random((9, 6, 8))
    values[4, :2] = np.nan
    times = np.datetime64("2020-01-01T00:00", "ns") + np.arange(9) * np.timedelta64(10, "m")
    coords = {"time": times, "y": np.arange(6.0), "x": np.arange(8.0) * 2}
    attributes = {"units": "mm h-1", "long_name": "rain", "checked": True, "settings": {"a": 1}}
    return xr.DataArray(values, coords, ("time", "y", "x"), "rain_rate", attributes)


def test_an_array_of_xarray_is_read_with_all_that_it_knows() -> None:
    array = rain()
    array.encoding = {"dtype": "int16", "scale_factor": 1e-9}  # of a file that it came from; would overflow
    source = open_source(array)
    (sequence,) = source.sequences
    assert source.name == "rain_rate"
    assert sequence.variables == ("rain_rate",)
    assert sequence.time_step == np.timedelta64(10, "m")
    assert sequence.times is not None
    np.testing.assert_array_equal(sequence.times, array.time.values)
    assert sequence.grid is not None
    np.testing.assert_array_equal(sequence.grid.x, array.x)
    np.testing.assert_array_equal(sequence.read(0, 9)[:, 0], array.values.astype(np.float32))
    assert array.attrs["checked"] is True  # what was given stays as it was
    assert open_source(array[1:5], crop=(0, 0, 4, 4)).sequences[0].shape == (4, 1, 4, 4)


def test_of_a_dataset_variables_are_chosen() -> None:
    dataset = xr.Dataset({"rain": rain(), "snow": rain() * 2})
    with pytest.raises(ConfigError, match="several"):
        open_source(dataset)
    (sequence,) = open_source(dataset, variable=["snow"]).sequences
    np.testing.assert_array_equal(sequence.read(0, 9)[:, 0], (rain() * 2).values.astype(np.float32))


def test_what_no_netcdf_can_hold() -> None:
    for array in (rain().astype(complex), rain()[0, 0]):
        with pytest.raises(DataError, match=r"rain_rate: (cannot be held by NetCDF|holds no )"):
            open_source(array)


def test_the_temporary_file_goes_with_the_sequence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = open_source(rain())
    assert list(tmp_path.glob("nextframe-*/dataset.nc"))
    source.sequences[0].read(0, 9)
    del source
    gc.collect()
    assert not list(tmp_path.iterdir())
