"""Hostile and damaged uploads end as one sentence, and leave the service as it was."""

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.lib import format as npy_format
from PIL import Image

from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.service.service import Service
from tests.service.conftest import FRAMES
from tests.service.running import Last, hold_problem, httpx, npy, running, service_of, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hardened(run: Any) -> Iterator[tuple[Any, Service]]:
    service = service_of(Last(ModelForecaster.load(run)), reading_seconds=20, in_place=1000, values=2_000_000)
    with running(service) as address, httpx.Client(base_url=address, timeout=120) as client:
        yield client, service


def headed(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    """An NPY file that has no more than its header."""
    buffer = io.BytesIO()
    npy_format.write_array_header_1_0(buffer, {"shape": shape, "fortran_order": False, "descr": descr})
    return buffer.getvalue()


def stored(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def zipped(name: str, zeros: int, claim: tuple[int, ...]) -> bytes:
    """An archive that is small, and large when it is read."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as file,
    ):
        file.write(headed(claim, "|u1"))
        for _ in range(zeros // 2**20):
            file.write(bytes(2**20))
    return buffer.getvalue()


def hdf5(make: Callable[[h5py.File], object]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        make(file)
    return buffer.getvalue()


def never_written(file: h5py.File) -> None:
    """A dataset of ten billion values, of which none is there."""
    file.create_dataset("rain", (1, 100_000, 100_000), "f4", chunks=(1, 1000, 1000), compression="gzip")


def elsewhere(file: h5py.File) -> None:
    file["rain"] = h5py.ExternalLink("/etc/passwd", "/")
    file.create_dataset("more", (10,), "u1", external=[("/etc/passwd", 0, 10)])


def netcdf(part: float) -> bytes:
    import xarray as xr

    buffer = io.BytesIO()
    times = np.datetime64("2016-07-11T21:00", "ns") + np.arange(4) * np.timedelta64(5, "m")
    xr.Dataset({"rain": (("time", "y", "x"), FRAMES[:4])}, coords={"time": times}).to_netcdf(buffer, engine="h5netcdf")
    content = buffer.getvalue()
    return content[: int(part * len(content))]


def picture(width: int, height: int) -> bytes:
    """A PNG that claims a size, and holds a line of it."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, format="PNG")
    content = bytearray(buffer.getvalue())
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


GIGANTIC = "9" * 400
BODIES: dict[str, Callable[[], bytes]] = {
    "npy of a zettabyte": lambda: headed((2**35, 2**35)),
    "npy of a terabyte": lambda: headed((4, 2**18, 2**18)),
    "npy beyond all numbers": lambda: headed((2**62, 2**62, 2**62)),
    "npy of a negative size": lambda: headed((-4, 8, 8)),
    "npy of nothing": lambda: headed((0, 8, 8)),
    "npy that is cut off": lambda: npy(FRAMES[:4])[:-100],
    "npy with no end of a header": lambda: b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{" + b"(" * 50_000,
    "npy of objects": lambda: stored(np.array([object()])),
    "npy of words": lambda: stored(np.array(["rain"] * 4)),
    "npy of complex numbers": lambda: stored(np.ones((4, 8, 8), np.complex64)),
    "npy of structures": lambda: stored(np.zeros((4, 8, 8), [("a", "f4"), ("b", "f4")])),
    "npy of infinite values": lambda: npy(np.full((4, 8, 8), np.inf, np.float32)),
    "npy of too many values": lambda: npy(np.zeros((200, 101, 101), np.float32)),
    "npy of no value": lambda: npy(np.full((4, 8, 8), np.nan, np.float32)),
    "json that is deep": lambda: b"[" * 900,
    "json that is deeper": lambda: b'{"frames": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "json of words": lambda: b'{"frames": [["a"]]}',
    "json of ragged rows": lambda: b'{"frames": [[[1, 2], [3]]]}',
    "json of large numbers": lambda: f'{{"frames": [[[{GIGANTIC}]]]}}'.encode(),
    "json of infinity": lambda: b'{"frames": [[[1e999, 1]], [[1, 1]]]}',
    "json of empty lists": lambda: b"[" + b"[]," * 300_000 + b"[]]",
    "json of nothing": lambda: b"{}",
    "json without an end": lambda: b'{"frames": [[[1',
    "json of no text": lambda: b'{"frames": "\xff\xfe"}',
}
FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "npz that is large": ("a.npz", lambda: zipped("frames.npy", 2**27, (2**7, 2**10, 2**10))),
    "npz that claims more": ("a.npz", lambda: zipped("frames.npy", 2**20, (2**20, 2**20))),
    "npz that is none": ("a.npz", lambda: b"PK\x03\x04" + bytes(100)),
    "hdf5 of ten billion values": ("a.nc", lambda: hdf5(never_written)),
    "hdf5 of another file": ("a.nc", lambda: hdf5(elsewhere)),
    "hdf5 of nothing": ("a.h5", lambda: hdf5(lambda file: None)),
    "netcdf that is cut off": ("a.nc", lambda: netcdf(0.6)),
    "netcdf of a head alone": ("a.nc", lambda: netcdf(0.02)),
    "png of four billion pixels": ("a.png", lambda: picture(2**16, 2**16)),
    "png of a negative size": ("a.png", lambda: picture(2**31, 1)),
    "gif without an end": ("a.gif", lambda: b"GIF89a\xff\xff\xff\xff\x00\x00\x00,"),
    "noise as a video": ("a.mp4", lambda: np.random.default_rng(0).bytes(5000)),
    "a playlist as a video": ("a.ts", lambda: b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n"),
    "files by name as a video": ("a.mp4", lambda: b"ffconcat version 1.0\nfile /etc/passwd\n"),
    "noise as tiff": ("a.tif", lambda: b"II*\x00" + np.random.default_rng(1).bytes(500)),
    "a drawing as tiff": ("a.tif", lambda: b'<VRTDataset rasterXSize="8" rasterYSize="8"></VRTDataset>'),
    "noise as grib": ("a.grib2", lambda: b"GRIB" + np.random.default_rng(2).bytes(500)),
    "packed grib without an end": ("a.grib2.gz", lambda: b"\x1f\x8b\x08" + bytes(50)),
    "a name with a path": ("../../../etc/passwd", lambda: b"root"),
    "a suffix with a path": ("a./../x", lambda: b"root"),
    "an unknown format": ("a.docx", lambda: b"PK"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_holds_no_frames(hardened: tuple[Any, Service], name: str) -> None:
    client, service = hardened
    hold_problem(client.post("/forecast", params={"lead_times": "1"}, content=BODIES[name]()), 413, 422)
    until(lambda: service.room.taken == 0)
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_holds_no_frames(hardened: tuple[Any, Service], name: str) -> None:
    client, service = hardened
    file, make = FILES[name]
    problem = hold_problem(client.post("/forecast", files={"file": (file, make())}), 413, 422)
    assert "/tmp" not in problem["detail"], "where it lay is nobody's business"
    assert "root:" not in problem["detail"]
    until(lambda: service.room.taken == 0)
    assert client.get("/healthz").status_code == 200


def test_what_follows_is_answered(hardened: tuple[Any, Service]) -> None:
    client, _ = hardened
    answer = client.post("/forecast", params={"lead_times": "1"}, files={"file": ("a.nc", netcdf(1.0))})
    assert answer.status_code == 200, answer.text
    np.testing.assert_allclose(np.array(answer.json()["values"])[0, 0], FRAMES[3], rtol=1e-4)
    large = json.dumps({"frames": FRAMES[:4].tolist()})
    assert len(large) > 1000, "it is read by the process that reads files"
    assert client.post("/forecast", params={"lead_times": "1"}, content=large).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        {"lead_times": "x"},
        {"lead_times": "1e9"},
        {"lead_times": "9" * 5000},
        {"lead_times": "-1"},
        {"format": "../x"},
        {"threshold": "nan"},
        {"beside": "x" * 500},
        {"axes": "XYZ"},
        {"model": "../../etc"},
        {"lead_times": "120", "check": "true"},
    ],
    ids=lambda query: "-".join(f"{name}-{said[:9]}" for name, said in query.items()),
)
def test_a_query_that_makes_no_sense(hardened: tuple[Any, Service], query: dict[str, str]) -> None:
    client, _ = hardened
    problem = hold_problem(client.post("/forecast", params=query, content=npy(FRAMES[:4])), 404, 422)
    assert len(problem["detail"]) < 300


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/streams/none/forecasts/latest.nc"),
        ("GET", "/streams/one/forecasts/latest.docx"),
        ("GET", "/streams/one/forecasts/19000101T000000Z.nc"),
        ("GET", "/streams/one/position"),
        ("GET", "/streams/one/position?lat=x&lon=1"),
        ("GET", "/streams/one/position?lat=nan&lon=1"),
        ("GET", "/streams/one/position?lat=91&lon=1"),
        ("GET", "/streams/one/position?coords=POINT(1.2.3 4)"),
        ("GET", "/streams/one/position?coords=POINT(1)"),
        ("GET", "/streams/one/area"),
        ("GET", "/streams/one/area?coords=POLYGON((nan nan, 1 1, 2 2))"),
        ("GET", "/streams/one/area?coords=POLYGON((1 1, 2 2))"),
        ("GET", "/streams/one/area?coords=POLYGON((1 1 1, 2 2 2, 3 3 3))"),
        ("GET", "/streams/one/forecasts/latest.json?past=perhaps"),
        ("GET", "/nothing"),
        ("PUT", "/forecast"),
        ("DELETE", "/streams/none"),
        ("POST", "/streams/a%20b/frames"),
        ("POST", "/streams/one/frames?time=NaT"),
        ("POST", "/streams/one/frames?time=yesterday"),
    ],
)
def test_a_request_that_makes_no_sense(hardened: tuple[Any, Service], method: str, path: str) -> None:
    client, _ = hardened
    assert client.post("/streams/one/frames?time=2016-07-11T21:00:00Z", content=npy(FRAMES[:1])).is_success
    answer = client.request(method, path, content=npy(FRAMES[:1]) if method == "POST" else None)
    assert len(hold_problem(answer, 404, 405, 422)["detail"]) < 300
