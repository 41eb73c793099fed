"""Zarr stores on servers are read as those on the disk; servers that fail are told in one sentence."""

import functools
import http.server
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nextframe import open_source
from nextframe.errors import ConfigError, DataError
from nextframe.frames import remote
from nextframe.frames.remote import Remote

pytest.importorskip("obstore", reason="needs obstore (extra cloud)")

pytestmark = pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
STEPS, SIDE = 12, 8


class _Server(http.server.ThreadingHTTPServer):
    """A server of a folder on the loopback address, which may refuse the first requests for some files, such as chunks,
    or break off in its answers to them.
    """

    daemon_threads = True
    refusals = breaks = 0
    of = "/c/"
    names_version = True
    asked: list[str]
    signed: list[str | None]


class _Handler(http.server.SimpleHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.signed.append(self.headers.get("Authorization"))
        if self.server.of in self.path and self.server.refusals:
            self.server.refusals -= 1
            self.send_error(503)
            return
        if self.server.of in self.path and self.server.breaks:
            self.server.breaks -= 1
            content = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        super().do_GET()

    def end_headers(self) -> None:
        if self.server.names_version:
            self.send_header("ETag", '"1"')  # as Google's storage has it
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[_Server, Path, str]]:
    folder = tmp_path / "www"
    folder.mkdir()
    served = _Server(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))
    served.asked, served.signed = [], []
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield served, folder, f"http://127.0.0.1:{served.server_address[1]}"
    served.shutdown()
    served.server_close()


def archive(path: Path, **attributes: str) -> np.ndarray:
    """An archive by MLCast's specification: a chunk a step, NaN for missing, a projection in well-known text."""
    rain = np.random.default_rng(0).gamma(0.5, 2, (STEPS, SIDE, SIDE)).astype(np.float32)
    rain[2, 3, 4] = np.nan
    wkt = 'PROJCS["plane",GEOGCS["sphere",DATUM["d",SPHEROID["s",6371000,0]],PRIMEM["Greenwich",0]]]'
    dataset = xr.Dataset(
        {
            "rainfall_rate": (
                ("time", "y", "x"),
                rain,
                {"units": "mm h-1", "standard_name": "rainfall_rate", "long_name": "rain", "grid_mapping": "crs"},
            ),
            "crs": ((), 0, {"spatial_ref": wkt, "crs_wkt": wkt, "grid_mapping_name": "mercator"}),
        },
        {
            "time": np.datetime64("2020-01-31T12:00", "ns") + np.arange(STEPS) * np.timedelta64(5, "m"),
            "y": ("y", np.arange(SIDE)[::-1] * 1000.0, {"units": "m", "standard_name": "projection_y_coordinate"}),
            "x": ("x", np.arange(SIDE) * 1000.0, {"units": "m", "standard_name": "projection_x_coordinate"}),
        },
        {"license": "CC-BY-4.0", **attributes},
    )
    dataset.to_zarr(path, encoding={"rainfall_rate": {"chunks": (1, SIDE, SIDE)}}, consolidated=True)
    return rain


@pytest.mark.slow
def test_an_archive_is_read_from_a_server_as_from_the_disk(server: tuple[_Server, Path, str]) -> None:
    served, folder, address = server
    rain = archive(folder / "radar.zarr")
    (sequence,) = open_source(f"{address}/radar.zarr").sequences
    assert not [path for path in served.asked if "/rainfall_rate/c/" in path]  # nothing but headers yet
    (beside,) = open_source(folder / "radar.zarr").sequences
    np.testing.assert_array_equal(sequence.read(0, STEPS)[:, 0], rain)
    np.testing.assert_array_equal(sequence.times, beside.times)
    assert (sequence.units, sequence.variables) == (("mm h-1",), ("rainfall_rate",))
    assert sequence.attributes["license"] == "CC-BY-4.0"
    assert sequence.grid is not None
    assert sequence.grid.mapping is not None
    assert "PROJCS" in str(sequence.grid.mapping["crs_wkt"])
    assert sequence.name == f"{address}/radar.zarr"


def test_of_an_archive_laid_out_into_the_future_only_what_is_written_is_read(tmp_path: Path) -> None:
    archive(tmp_path / "radar.zarr", last_valid_timestep="2020-01-31T12:30:00Z")
    assert len(open_source(tmp_path / "radar.zarr").sequences[0]) == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "names_version", "few", "said"),
    [
        ("refusals", True, 2, "rainfall_rate cannot be read at 2020-01-31T12:35:00"),
        # As a plain web server breaks off.
        ("breaks", False, remote.RETRIES, "rainfall_rate cannot be read at .*look whether the server answers"),
    ],
)
def test_what_fails_on_its_way_is_asked_for_again(
    server: tuple[_Server, Path, str], fault: str, names_version: bool, few: int, said: str
) -> None:
    served, folder, address = server
    rain = archive(folder / "radar.zarr")
    served.names_version = names_version
    sequence = open_source(f"{address}/radar.zarr").sequences[0]
    setattr(served, fault, few)
    np.testing.assert_array_equal(sequence.read(5, 6)[0, 0], rain[5])
    setattr(served, fault, 1000)
    served.asked.clear()
    with pytest.raises(DataError, match=said):
        sequence.read(7, 8)
    assert len(served.asked) == 2 * (1 + remote.RETRIES)  # with a second look for the step that failed


@pytest.mark.slow
def test_a_program_ends_with_its_sentence_while_answers_are_on_their_way(server: tuple[_Server, Path, str]) -> None:
    served, folder, address = server
    (folder / "radar.zarr").mkdir()
    for name in (".zgroup", ".zattrs", ".zmetadata", "zarr.json"):  # asked for at once
        (folder / "radar.zarr" / name).write_text("{}")
    served.names_version, served.of, served.breaks = False, "radar.zarr", 1000
    program = f"from nextframe.cli import main; raise SystemExit(main(['inspect', '{address}/radar.zarr']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "endpoint"), [("s3", "AWS_ENDPOINT_URL"), ("gs", "GOOGLE_BASE_URL")])
def test_a_bucket_is_read_anonymously(
    server: tuple[_Server, Path, str], monkeypatch: pytest.MonkeyPatch, scheme: str, endpoint: str
) -> None:
    served, folder, address = server
    rain = archive(folder / "bucket" / "radar.zarr")
    monkeypatch.setenv(endpoint, address)
    for keys in remote._KEYS.values():
        for key in keys:
            monkeypatch.delenv(key, raising=False)
    (sequence,) = open_source(f"{scheme}://bucket/radar.zarr").sequences
    np.testing.assert_array_equal(sequence.read(0, 1)[0, 0], rain[0])
    assert set(served.signed) == {None}
    with pytest.raises(DataError, match=rf"{scheme}://bucket/none\.zarr: holds no Zarr store"):
        open_source(f"{scheme}://bucket/none.zarr")


def test_with_keys_in_the_environment_a_bucket_is_asked_as_their_owner(
    server: tuple[_Server, Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, folder, address = server
    archive(folder / "bucket" / "radar.zarr")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    open_source("s3://bucket/radar.zarr")
    assert all(said is not None and "Credential=somebody/" in said for said in served.signed)


def test_a_server_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "ANSWER", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # the system takes the connection, and nobody reads from it
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/radar.zarr"
        with pytest.raises(DataError, match=r"radar\.zarr: cannot be read .*look whether the server answers"):
            open_source(address)


@pytest.mark.slow
def test_faults_of_servers_are_told(server: tuple[_Server, Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder, address = server
    with pytest.raises(DataError, match=r"http://127.*none.zarr: holds no Zarr store"):
        open_source(f"{address}/none.zarr")
    with pytest.raises(DataError, match=r"rain.nc: is on a server, from which Zarr stores alone are read"):
        open_source(f"{address}/rain.nc")
    monkeypatch.setattr(remote, "RETRIES", 1)
    with pytest.raises(
        DataError, match=r"http://127.0.0.1:9/radar.zarr: cannot be read .*look whether the server answers"
    ):
        open_source("http://127.0.0.1:9/radar.zarr")
    archive(folder / "plain.zarr")
    index = folder / "plain.zarr" / "zarr.json"
    index.write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    with pytest.raises(DataError, match=r"plain.zarr: .*consolidate"):
        open_source(f"{address}/plain.zarr")


def test_addresses_travel_to_other_processes() -> None:
    address = Remote("https://example.org/a/radar.zarr")
    assert str(pickle.loads(pickle.dumps(address))) == "https://example.org/a/radar.zarr"


def test_without_obstore_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ConfigError, match=r"needs obstore; pip install 'nextframe\[cloud\]'"):
        open_source("https://example.org/radar.zarr")
