"""Stored numbers as values: signs, fill values and limits, in NetCDF and Zarr alike."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from nextframe.api import inspect_path
from nextframe.errors import DataError, NextframeWarning
from nextframe.frames.formats.packing import Packing
from nextframe.frames.source import open_source
from tests.frames.formats.grids import HOURS, SIDE, rain, write


def read(path: Path, **options: Any) -> np.ndarray:
    (sequence,) = open_source(path, **options).sequences
    assert sequence.missing == "mask"
    return sequence.read(0, len(sequence))[:, 0]


@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_limits_and_fill_values_are_unsigned_where_the_values_are(tmp_path: Path, kind: str) -> None:
    packed = np.round(rain() * 8000).astype(np.uint16)  # up to 40000, beyond what a signed short holds
    packed[:, 0, 0], packed[:, 0, 1] = 65535, 65533
    attributes = {
        "_Unsigned": "true",
        "valid_range": np.array([0, -6], np.int16),
        "scale_factor": np.array([1 / 8000], np.float32),
        "_FillValue": np.int16(-1),
    }
    path = tmp_path / f"a.{kind}"
    if kind == "nc":
        write(path, packed.view(np.int16), attributes)
    else:
        said = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in attributes.items()}
        written: dict[str, Any] = {**said, "_FillValue": -1, "scale_factor": 1 / 8000}
        group = zarr.open_group(str(path), mode="w", zarr_format=3)
        array = group.create_array("rain", shape=packed.shape, dtype="i2", dimension_names=["time", "y", "x"])
        array[:] = packed.view(np.int16)
        array.attrs.update(written)
    expected = rain()
    expected[:, 0, :2] = np.nan
    np.testing.assert_allclose(read(path), expected, atol=1e-4)


def test_signed_bytes_of_unsigned_storage() -> None:
    packing = Packing.of("t", "uint8", {"_Unsigned": "false", "valid_min": -10}, "a.nc")
    np.testing.assert_array_equal(packing.unpack(np.array([0, 250, 200], np.uint8)), [0, -6, np.nan])


def test_foreign_byte_order() -> None:
    packing = Packing.of("t", ">i2", {"_Unsigned": "true"}, "a.nc")
    np.testing.assert_array_equal(packing.unpack(np.array([1, -1], ">i2")), [1, 65535])


@pytest.mark.parametrize(
    ("attributes", "values", "expected"),
    [
        ({"missing_value": np.float64(1e20)}, np.array([1, 1e20], np.float32), [1, np.nan]),
        ({"missing_value": np.float64(-3.40282e38)}, np.array([1, -3.4028235e38], np.float32), [1, np.nan]),
        ({"missing_value": "-9999"}, np.array([1, -9999], np.float32), [1, np.nan]),
        ({"_FillValue": -999.0, "missing_value": -99.0}, np.array([-999, -99, 3], np.float32), [np.nan, np.nan, 3]),
        ({"missing_value": np.array([-1.0, -2.0])}, np.array([-1, -2, 3], np.float32), [np.nan, np.nan, 3]),
        ({"_FillValue": 255}, np.array([-1, 5], np.int8), [np.nan, 5]),
        ({"scale_factor": 0.1, "missing_value": -9.99}, np.array([-100, 5], np.int16), [-10.0, 0.5]),
        ({"scale_factor": "0.5", "add_offset": np.array([1], np.float32)}, np.array([2], np.int16), [2.0]),
        ({"valid_max": np.int32(300)}, np.array([255], np.uint8), [255]),
        ({"valid_range": [0.0, 1.0], "scale_factor": 0.1}, np.array([5, 20], np.int16), [0.5, np.nan]),
        ({"valid_range": [0, 10], "scale_factor": 0.1}, np.array([10, 11], np.int16), [1.0, np.nan]),
        ({"_FillValue": np.nan}, np.array([np.nan, 9.96921e36], np.float32), [np.nan, 9.96921e36]),
    ],
)
def test_values(attributes: dict[str, Any], values: np.ndarray, expected: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # two fill values are no reason for a warning
        packing = Packing.of("rain", values.dtype, attributes, "a.nc")
        np.testing.assert_allclose(packing.unpack(values), np.array(expected, np.float32), rtol=1e-6)
    assert packing.declares_missing == bool({*attributes} - {"scale_factor", "add_offset"})


@pytest.mark.parametrize(
    ("attributes", "what"),
    [
        ({"valid_range": np.array([0, -6], np.int16)}, r"valid range that leaves no value.*_Unsigned"),
        ({"valid_range": "0 to 50"}, "valid range that is none"),
        ({"scale_factor": "tenth"}, "scale_factor that is no number"),
        ({"add_offset": np.array([1.0, 2.0])}, "add_offset that is no number"),
        ({"scale_factor": np.nan}, "scale_factor that is no number"),
    ],
)
def test_attributes_that_make_no_sense(attributes: dict[str, Any], what: str) -> None:
    with pytest.raises(DataError, match=f"a.nc: variable rain has .*{what}"):
        Packing.of("rain", "int16", attributes, "a.nc")


def test_a_fill_value_that_is_no_number_is_ignored_and_told() -> None:
    with pytest.warns(NextframeWarning, match=r"a\.nc: rain has a _FillValue that is no number \(none\), which is"):
        packing = Packing.of("rain", "float32", {"_FillValue": "none"}, "a.nc")
    assert packing.fills == ()


@pytest.mark.parametrize("unwritten", [np.s_[:, :2], np.s_[-3:]])
def test_what_netcdf_has_filled_in_is_missing_and_told(tmp_path: Path, unwritten: Any) -> None:
    values = rain()
    values[unwritten] = np.float32(9.969209968386869e36)
    path = write(tmp_path / "a.nc", values)
    with pytest.warns(NextframeWarning, match=r"a\.nc: rain holds 9\.96921e\+36.*taken as missing"):
        found = read(path)
    values[unwritten] = np.nan
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("declared", [False, True])
def test_a_number_beyond_float32_is_an_error_that_names_the_time_or_missing(tmp_path: Path, declared: bool) -> None:
    values = rain().astype(np.float64)
    values[3, 0, 0] = 1e300
    path = write(tmp_path / "a.nc", values, {"_FillValue": 1e300} if declared else {"valid_min": 0.0})
    (sequence,) = open_source(path).sequences
    if declared:
        np.testing.assert_array_equal(sequence.read(0, 12)[:, 0], np.where(values == 1e300, np.nan, values))
        return
    with pytest.raises(DataError, match=r"rain cannot be read at 2020-01-01T03.*1e\+300, which is beyond float32"):
        sequence.read(0, 12)


def test_undeclared_nan_beside_no_fill_is_a_fault(tmp_path: Path) -> None:
    values = rain()
    values[3, 0, 0] = np.nan
    (sequence,) = open_source(write(tmp_path / "a.nc", values)).sequences
    with pytest.raises(DataError, match="frame 3 holds NaN"):
        sequence.read(0, 12)


@pytest.mark.parametrize(("fill", "missing"), [(0.0, False), (5.0, False), (-9999.0, True), (np.nan, True)])
def test_the_fill_value_of_zarr_2_is_none_of_cf_unless_it_can_mean_nothing_else(
    tmp_path: Path, fill: float, missing: bool
) -> None:
    values = rain()
    values[:, 0] = fill
    values[:, 1] = 5.0
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    array = group.create_array("rain", shape=values.shape, dtype="f4", fill_value=fill)
    array[:] = values
    array.attrs["_ARRAY_DIMENSIONS"] = ["time", "y", "x"]
    (sequence,) = open_source(tmp_path / "a.zarr").sequences
    found = sequence.read(0, 12)[:, 0]
    if missing:
        values[:, 0] = np.nan
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("version", [2, 3])
def test_what_xarray_declares_missing_in_a_zarr_store_is(tmp_path: Path, version: int) -> None:
    values = rain()
    values[:, 0] = np.nan
    for fill in (-9999.0, np.nan, -1.0):
        data = xr.Dataset({"rain": (("time", "y", "x"), values)})
        encoding = {
            "rain": {"dtype": "int16", "scale_factor": 0.5, "_FillValue": -32768}
            if fill == -1
            else {"_FillValue": fill}
        }
        path = tmp_path / f"{fill}.zarr"
        data.to_zarr(path, encoding=encoding, consolidated=False, zarr_format=version)
        np.testing.assert_allclose(read(path), values)


def test_a_number_as_fill_value_of_zarr_3(tmp_path: Path) -> None:
    values = rain()
    values[:, 0] = -9999
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=3)
    array = group.create_array("rain", shape=values.shape, dtype="f4", dimension_names=["time", "y", "x"])
    array[:] = values
    array.attrs["_FillValue"] = -9999.0
    time = group.create_array("time", shape=(12,), dtype="i4", dimension_names=["time"])
    time[:] = np.arange(12)
    time.attrs.update(HOURS)
    values[:, 0] = np.nan
    np.testing.assert_array_equal(read(tmp_path / "a.zarr"), values)
    assert open_source(tmp_path / "a.zarr").sequences[0].time_step == np.timedelta64(1, "h")
    assert values.shape[1:] == (SIDE, SIDE)


@pytest.mark.parametrize("fill", [1e20, -3.4028234663852886e38, -9999.0, -999.9, -32768.0])
def test_the_doctor_names_numbers_that_look_like_fill_values(tmp_path: Path, fill: float) -> None:
    values = rain()
    values[:, 0] = fill
    found = inspect_path(write(tmp_path / "a.nc", values), past=2, future=1)
    assert any("looks like a fill value" in finding for finding in found.problems)
