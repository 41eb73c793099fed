"""Strangers' files: what links out of their folder, runs code, or claims more than it holds."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from nextframe.api import inspect_path
from nextframe.errors import DataError, NextframeError
from nextframe.frames.formats.opening import open_dataset
from nextframe.frames.source import open_source
from tests.frames.formats.grids import STEPS, rain, write

SECRET = b"what nobody is to see " * 64


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "secret"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


def refused(path: Path, received: object) -> None:
    for opening in (open_source, open_dataset):
        with pytest.raises(DataError, match=r"a\.nc: links to a file outside of its own folder") as raised:
            opening(path)
        assert str(received) in str(raised.value)


@pytest.mark.parametrize("absolute", [True, False])
def test_external_storage_of_another_file(
    folder: Path, secret: Path, absolute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(secret.parent)  # where HDF5 looks for a relative name
    name = str(secret) if absolute else secret.name
    with h5py.File(folder / "a.nc", "w") as file:
        file.create_dataset("rain", (4, 8, 8), "u1", external=[(name, 0, 256)])
    refused(folder / "a.nc", secret.name)


@pytest.mark.parametrize("name", ["{}", "../elsewhere/other.nc", "not-there.nc"])
def test_an_external_link_to_another_folder(folder: Path, secret: Path, name: str) -> None:
    other = write(secret.parent / "other.nc")
    with h5py.File(folder / "a.nc", "w") as file:
        file["group/rain"] = h5py.ExternalLink(name.format(other), "/rain")
    refused(folder / "a.nc", name.format(other))


def test_a_virtual_dataset_of_another_folder(folder: Path, secret: Path) -> None:
    other = write(secret.parent / "other.nc")
    layout = h5py.VirtualLayout((STEPS, 8, 8), "f4")
    layout[...] = h5py.VirtualSource(str(other), "rain", (STEPS, 8, 8))
    with h5py.File(folder / "a.nc", "w") as file:
        file.create_virtual_dataset("rain", layout)
    refused(folder / "a.nc", other)


def test_a_link_out_of_the_folder_by_way_of_a_neighbour(folder: Path, secret: Path) -> None:
    other = write(secret.parent / "other.nc")
    with h5py.File(folder / "b.nc", "w") as file:
        file["rain"] = h5py.ExternalLink(str(other), "/rain")
    with h5py.File(folder / "a.nc", "w") as file:
        file["rain"] = h5py.ExternalLink("b.nc", "/rain")
    refused(folder / "a.nc", other)


def test_a_link_within_the_folder_is_followed(folder: Path) -> None:
    write(folder / "b.nc")
    layout = h5py.VirtualLayout((STEPS, 8, 8), "f4")
    layout[...] = h5py.VirtualSource("b.nc", "rain", (STEPS, 8, 8))
    with h5py.File(folder / "a.nc", "w") as file:
        file.create_virtual_dataset("rain", layout)
    (sequence,) = open_source(folder / "a.nc").sequences
    np.testing.assert_array_equal(sequence.read(0, STEPS)[:, 0], rain())


@pytest.mark.parametrize(("version", "consolidated"), [(2, True), (2, False), (3, False)])
def test_pickles_in_a_zarr_store_are_refused(tmp_path: Path, version: int, consolidated: bool) -> None:
    path = tmp_path / "a.zarr"
    data = xr.Dataset({"rain": (("time", "y", "x"), rain())})
    data.to_zarr(path, group="one", consolidated=consolidated, zarr_format=version)
    for file in path.rglob("*"):
        if file.name in (".zarray", ".zmetadata", "zarr.json"):
            said = json.loads(file.read_text())
            for part in [said, *said.get("metadata", {}).values()]:
                if "compressor" in part:
                    part["compressor"] = {"id": "pickle", "protocol": 5}
                if "codecs" in part:
                    part["codecs"] = [{"name": "numcodecs.pickle", "configuration": {}}]
            file.write_text(json.dumps(said))
    with pytest.raises(DataError, match=r"a\.zarr: holds an array stored as pickles"):
        open_source(path)


def test_a_store_whose_attributes_speak_of_pickles(tmp_path: Path) -> None:
    data = xr.Dataset({"rain": (("time", "y", "x"), rain(), {"id": "pickle", "name": "pickle"})})
    data.to_zarr(tmp_path / "a.zarr", zarr_format=2, consolidated=True)
    assert len(open_source(tmp_path / "a.zarr").sequences[0]) == STEPS


def test_a_coordinate_that_claims_more_than_there_can_be(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.nc", "w") as file:
        for name, size in (("time", 10**12), ("y", 8), ("x", 8)):
            file.create_dataset(name, (size,), "i4", chunks=(min(size, 1024),))
            file[name].make_scale(name)
        file["time"].attrs["units"] = "hours since 2020-01-01"
        rain = file.create_dataset("rain", (10**12, 8, 8), "f4", chunks=(1, 8, 8))
        for n, name in enumerate(("time", "y", "x")):
            rain.dims[n].attach_scale(file[name])
    with pytest.raises(DataError, match=r"a\.nc: time claims 1,000,000,000,000 numbers"):
        open_source(tmp_path / "a.nc")


@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_frames_that_claim_more_than_memory_holds(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "nc":
        with h5py.File(path, "w") as file:
            file.create_dataset("rain", (3, 10**6, 10**6), "f4", chunks=(1, 64, 64))
    else:
        import zarr

        group = zarr.open_group(str(path), mode="w")
        group.create_array("rain", shape=(3, 10**6, 10**6), dtype="f4", chunks=(1, 64, 64))
    with pytest.raises(NextframeError, match=rf"a\.{kind}: rain cannot be read \(received takes 12 TB"):
        open_source(path).sequences[0].read(0, 1)


def test_a_name_with_two_colons_is_a_name_where_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a::b.npy", np.zeros((6, 8, 8)))
    for name, side in (("a::b.npy", 8), ("a::b.npy::coarsen=2", 4)):
        (sequence,) = open_source(name).sequences
        assert sequence.shape == (6, 1, side, side)
        assert inspect_path(name, past=2, future=1).height == side


def test_a_relative_name_with_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("2020-01-01T12:30:00.nc"))
    xr.Dataset({"rain": (("time", "y", "x"), rain())}).to_netcdf(tmp_path / "a::b.nc", engine="scipy")
    xr.Dataset({"rain": (("time", "y", "x"), rain())}).to_zarr(tmp_path / "c:d.zarr", consolidated=False)
    for name in ("2020-01-01T12:30:00.nc", "a::b.nc", "c:d.zarr"):
        assert len(open_source(name).sequences[0]) == STEPS
        with open_dataset(Path(name)) as dataset:
            assert "rain" in dataset


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (b"CDF\x05", "is NetCDF of the kind CDF-5, which is not read; convert it: nccopy -k nc4"),
        (b"\x0e\x03\x13\x01", "is HDF4, which is not read; convert it to NetCDF"),
        (b"GRIB", "cannot be read as NetCDF or Zarr .*may be truncated or damaged"),
    ],
)
def test_a_kind_that_is_known_and_not_read_is_not_called_damaged(tmp_path: Path, first: bytes, said: str) -> None:
    path = tmp_path / "a.nc"
    path.write_bytes(first + bytes(4000))
    with pytest.raises(DataError, match=said):
        open_source(path)
