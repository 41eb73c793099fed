"""xarray objects as sources."""

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


def test_what_dask_holds_is_computed_when_it_is_read_and_not_before() -> None:
    dask = pytest.importorskip("dask.array")
    computed: list[int] = []

    def block(values: np.ndarray) -> np.ndarray:
        computed.append(len(values))
        return values

    plain = rain()
    lazy = plain.copy(
        data=dask.from_array(plain.values, chunks=(1, 6, 8)).map_blocks(block, dtype=float, meta=plain.values[:0])
    )
    for source in (open_source(lazy), open_source(xr.Dataset({"rain": lazy}))):
        (sequence,) = source.sequences
        assert not computed
        np.testing.assert_array_equal(sequence.read(2, 4)[:, 0], plain.values[2:4].astype(np.float32))
        assert computed == [1, 1]
        computed.clear()
    whole = xr.DataArray(dask.ones((4, 3, 3), chunks=2, dtype=np.int16), dims=("time", "y", "x"))
    assert open_source(whole).sequences[0].read(0, 4).sum() == 36


def test_a_larger_array_than_memory_is_a_source() -> None:
    dask = pytest.importorskip("dask.array")
    frames = dask.zeros((500_000, 1000, 1000), chunks=(1, 1000, 1000), dtype=np.float32)
    (sequence,) = open_source(xr.DataArray(frames, dims=("time", "y", "x"))).sequences
    assert sequence.read(499_999, 500_000).shape == (1, 1, 1000, 1000)


def test_a_file_of_the_same_name_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (rain() * 100).drop_attrs().to_netcdf(tmp_path / "rain_rate", engine="h5netcdf")
    monkeypatch.chdir(tmp_path)
    values = open_source(rain()).sequences[0].read(0, 1)[0, 0]
    np.testing.assert_array_equal(values, rain().values[0].astype(np.float32))
