"""Variables that are shorter than their axes, arrays that stand alone, and truth values."""

from pathlib import Path
from typing import Any, Literal

import h5netcdf
import h5py
import numpy as np
import pytest
import zarr

from nextframe.errors import DataError
from nextframe.frames.source import open_source
from tests.frames.formats.grids import HOURS, SIDE, STEPS, rain

Version = Literal[2, 3]


def array(group: Any, name: str, values: np.ndarray, dims: tuple[str, ...], version: Version) -> Any:
    named: Any = {"dimension_names": dims} if version == 3 else {}
    made = group.create_array(name, shape=values.shape, dtype=values.dtype, chunks=values.shape, **named)
    made[...] = values
    if version == 2:
        made.attrs["_ARRAY_DIMENSIONS"] = list(dims)
    return made


@pytest.mark.parametrize("fill", [None, -1.0])
def test_steps_that_nobody_has_written_yet_are_missing(tmp_path: Path, fill: float | None) -> None:
    path = tmp_path / "a.nc"
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": None, "y": SIDE, "x": SIDE}
        file.resize_dimension("time", STEPS)
        variable = file.create_variable("rain", ("time", "y", "x"), "f4", fillvalue=fill)
        variable[...] = rain()
        time = file.create_variable("time", ("time",), "i4")
        time[...] = np.arange(STEPS)
        time.attrs["units"] = HOURS["units"]
    with h5py.File(path, "a") as plain:
        plain["rain"].resize(STEPS - 3, axis=0)
    (sequence,) = open_source(path).sequences
    truth = rain()
    truth[STEPS - 3 :] = np.nan
    assert (len(sequence), sequence.missing) == (STEPS, "mask")
    np.testing.assert_array_equal(sequence.read(0, STEPS)[:, 0], truth)
    np.testing.assert_array_equal(sequence.read(STEPS - 4, STEPS - 1)[:, 0], truth[-4:-1])
    np.testing.assert_array_equal(sequence.read(STEPS - 2, STEPS)[:, 0], truth[-2:])


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("steps", [STEPS - 2, STEPS + 2])
def test_a_store_left_half_way_is_refused(tmp_path: Path, version: Version, steps: int) -> None:
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=version)
    array(group, "rain", rain(), ("time", "y", "x"), version)
    array(group, "time", np.arange(steps), ("time",), version).attrs["units"] = HOURS["units"]
    with pytest.raises(DataError, match=rf"differing lengths along time \(expected {STEPS}.*received {steps} of time"):
        open_source(tmp_path / "a.zarr")


def test_an_axis_of_a_group_by_the_name_of_one_above_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": STEPS + 5, "y": SIDE, "x": SIDE}
        for place, steps in ((file, STEPS + 5), (file.create_group("Grid"), STEPS)):
            if steps == STEPS:
                place.dimensions = {"time": STEPS}
                place.create_variable("rain", ("time", "y", "x"), "f4")[...] = rain()
            else:
                time = place.create_variable("time", ("time",), "i4")
                time[...] = np.arange(steps)
                time.attrs["units"] = HOURS["units"]
    (sequence,) = open_source(path, variable="Grid/rain").sequences
    assert (len(sequence), sequence.times) == (STEPS, None)
    np.testing.assert_array_equal(sequence.read(0, STEPS)[:, 0], rain())


@pytest.mark.parametrize("version", [2, 3])
def test_an_array_that_stands_alone_is_read(tmp_path: Path, version: Version) -> None:
    zarr.create_array(str(tmp_path / "rain.zarr"), data=rain(), zarr_format=version)
    (sequence,) = open_source(tmp_path / "rain.zarr").sequences
    assert sequence.variables == ("rain",)
    np.testing.assert_array_equal(sequence.read(0, STEPS)[:, 0], rain())


@pytest.mark.parametrize("kind", ["nc", 2, 3])
def test_truth_values_are_0_and_1(tmp_path: Path, kind: Literal["nc"] | Version) -> None:
    wet = rain() > 0
    path = tmp_path / ("a.nc" if kind == "nc" else "a.zarr")
    if kind == "nc":
        with h5py.File(path, "w") as file:
            file["wet"] = wet
    else:
        array(zarr.open_group(str(path), mode="w", zarr_format=kind), "wet", wet, ("time", "y", "x"), kind)
    (sequence,) = open_source(path).sequences
    np.testing.assert_array_equal(sequence.read(0, STEPS)[:, 0], wet)
