"""Many clients, slow ones, ones that go away, and bodies that never end: memory is bounded and nobody else suffers."""

import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.service.limits import Limits
from nextframe.service.service import Service
from tests.service.conftest import FRAMES
from tests.service.running import Last, all_at_once, hold_problem, httpx, npy, running, server_of, service_of, until

Connect = Callable[..., socket.socket]
SHORT = 0.6
"""Seconds of patience that the tests have."""


@pytest.fixture
def last(model: ModelForecaster) -> Last:
    return Last(model)


@pytest.fixture
def impatient(last: Last) -> Iterator[tuple[str, Service]]:
    service = service_of(last, patience=SHORT, upload=2**20)
    with running(service) as address:
        yield address, service
        until(lambda: service.room.taken == 0)


@pytest.fixture
def connected() -> Iterator[Connect]:
    """Connections, which are closed at the end."""
    opened: list[socket.socket] = []

    def connect(address: str, receive: int | None = None) -> socket.socket:
        host, _, port = address.removeprefix("http://").partition(":")
        client = socket.socket()
        opened.append(client)
        if receive is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        client.settimeout(30)
        client.connect((host, int(port)))
        return client

    yield connect
    for client in opened:
        client.close()


def read_to_the_end(client: socket.socket) -> bytes:
    content = b""
    try:
        while piece := client.recv(65536):
            content += piece
    except ConnectionResetError:
        pass
    return content


def head(path: str, **fields: object) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "host: x",
        *(f"{name.replace('_', '-')}: {said}" for name, said in fields.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def test_an_answer_in_two_parts_does_not_wait_for_an_acknowledgement_between_them(
    model: ModelForecaster, connected: Connect
) -> None:
    with server_of(service_of(model)) as server:
        connected(f"127.0.0.1:{server.config.port}")
        until(lambda: len(server.server_state.connections) == 1)
        (connection,) = server.server_state.connections
        taken = connection.transport.get_extra_info("socket")
        assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


@pytest.mark.slow
def test_two_hundred_clients_at_once(model: ModelForecaster) -> None:
    service = service_of(model)
    with running(service) as address:
        asked = npy(FRAMES[:4])
        answers = all_at_once(200, "POST", f"{address}/forecast?lead_times=2&format=npy", asked)
        for answer in answers:
            if answer.status_code != 200:
                hold_problem(answer, 503)
        right = [answer.content for answer in answers if answer.status_code == 200]
        assert len(right) >= service.limits.waiting
        assert len(set(right)) == 1
        until(lambda: service.room.taken == 0)
        assert httpx.get(f"{address}/readyz").json() == {"status": "ready", "waiting": 0}
        # Those who were told to come again, and do, are answered in the end.
        left = sum(answer.status_code == 503 for answer in answers)
        while left:
            answers = all_at_once(left, "POST", f"{address}/forecast?lead_times=2&format=npy", asked)
            served = sum(answer.status_code == 200 for answer in answers)
            assert served
            left -= served


def test_bodies_have_a_bounded_room_together(connected: Connect, last: Last) -> None:
    service = service_of(last, held=3 * 2**20)
    body = npy(np.zeros((4, 256, 256), np.float32))  # 1 MiB, and as much again as frames
    last.go.clear()
    with running(service) as address, httpx.Client(timeout=60) as client:
        first = connected(address)
        first.sendall(head("/forecast?lead_times=1&format=npy", content_length=len(body)) + body)
        until(lambda: service.desk.line == 1)
        assert service.room.taken >= 2 * 2**20
        hold_problem(client.post(f"{address}/forecast?format=npy", content=body), 503)
        assert service.room.taken <= service.room.size
        assert client.get(f"{address}/healthz").status_code == 200
        last.go.set()
        assert first.recv(64).startswith(b"HTTP/1.1 200")
        first.close()
        until(lambda: service.room.taken == 0)
        assert client.post(f"{address}/forecast?lead_times=1&format=npy", content=body).status_code == 200


def test_work_for_clients_that_have_gone_is_not_begun(connected: Connect, last: Last) -> None:
    service = service_of(last)
    last.go.clear()
    asked = head("/forecast?lead_times=1&format=npy", content_length=len(npy(FRAMES[:4]))) + npy(FRAMES[:4])
    with running(service) as address:
        clients = [connected(address) for _ in range(20)]
        clients[0].sendall(asked)
        until(lambda: last.calls == 1)
        for client in clients[1:]:
            client.sendall(asked)
        until(lambda: service.desk.line == 20)
        for client in clients[1:]:
            client.close()
        until(lambda: service.desk.line == 1)
        last.go.set()
        assert clients[0].recv(64).startswith(b"HTTP/1.1 200")
        clients[0].close()
        assert httpx.get(f"{address}/readyz").json()["waiting"] == 0
        assert last.calls == 1
        until(lambda: service.room.taken == 0)


def test_the_desk_waits_for_work_whose_client_has_gone(connected: Connect, last: Last) -> None:
    service = service_of(last)
    last.go.clear()
    asked = head("/forecast?lead_times=1&format=npy", content_length=len(npy(FRAMES[:4]))) + npy(FRAMES[:4])
    with running(service) as address:
        one, other = connected(address), connected(address)
        one.sendall(asked)
        until(lambda: last.calls == 1)
        one.close()
        other.sendall(asked)
        until(lambda: service.desk.line == 2)
        assert last.calls == 1, "one at a time, whoever waits"
        last.go.set()
        assert other.recv(64).startswith(b"HTTP/1.1 200")
        assert last.calls == 2
        other.close()


@pytest.mark.parametrize("form", [False, True], ids=["body", "form"])
def test_a_body_that_never_ends(connected: Connect, impatient: tuple[str, Service], form: bool) -> None:
    address, _ = impatient
    kind = "multipart/form-data; boundary=x" if form else "application/octet-stream"
    begin = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.nc"\r\n\r\n' if form else b"CDF"
    client = connected(address)
    client.sendall(head("/forecast", content_type=kind, transfer_encoding="chunked"))
    client.sendall(b"%x\r\n%s\r\n" % (len(begin), begin))
    client.settimeout(0.05)
    answer = b""
    while not answer:
        client.sendall(b"1\r\nx\r\n")
        try:
            answer = client.recv(65536)
        except TimeoutError:
            continue
    assert answer.startswith(b"HTTP/1.1 408"), answer
    assert b"problem+json" in answer
    client.settimeout(30)
    assert b"HTTP" not in read_to_the_end(client), "it is closed, and nothing more is answered"


@pytest.mark.parametrize("form", [False, True], ids=["body", "form"])
def test_a_body_without_bound(connected: Connect, impatient: tuple[str, Service], form: bool) -> None:
    address, _ = impatient
    kind = "multipart/form-data; boundary=x" if form else "application/octet-stream"
    client = connected(address)
    client.sendall(head("/forecast", content_type=kind, transfer_encoding="chunked"))
    begin = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.nc"\r\n\r\n'
    client.sendall(b"%x\r\n%s\r\n" % (len(begin), begin))
    piece = b"x" * 2**18
    try:
        for _ in range(40):
            client.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
    except (BrokenPipeError, ConnectionResetError):
        pass  # the service has read enough
    assert read_to_the_end(client).startswith(b"HTTP/1.1 413")


def test_a_request_that_never_comes(connected: Connect, impatient: tuple[str, Service]) -> None:
    address, _ = impatient
    silent, slow = connected(address), connected(address)
    slow.sendall(b"GET /healthz HT")
    assert read_to_the_end(silent) == b""
    assert read_to_the_end(slow) == b""
    assert httpx.get(f"{address}/healthz").status_code == 200


@pytest.mark.slow
def test_a_client_that_does_not_read(connected: Connect, last: Last) -> None:
    service = service_of(last, patience=SHORT)
    frames = np.random.default_rng(0).random((1, 600, 600), np.float32)
    asked = head("/forecast?lead_times=30&format=npy", content_length=len(npy(frames))) + npy(frames)
    with running(service) as address:
        client = connected(address, receive=4096)
        client.sendall(asked)
        until(lambda: last.calls == 1)
        answer = httpx.post(f"{address}/forecast?lead_times=1&format=npy", content=npy(FRAMES[:4]), timeout=60)
        assert answer.status_code == 200, "others are answered meanwhile"
        until(lambda: service.room.taken == 0)  # without a byte being read
        assert len(read_to_the_end(client)) < 30 * frames.nbytes
        client.close()


def test_a_connection_that_is_broken_off(connected: Connect, impatient: tuple[str, Service]) -> None:
    address, _ = impatient
    client = connected(address)
    client.sendall(head("/forecast", content_length=1000) + b"CDF")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert httpx.get(f"{address}/healthz").status_code == 200


def test_requests_are_bounded(connected: Connect, last: Last) -> None:
    service = service_of(last, requests=3, waiting=10)
    last.go.clear()
    asked = head("/forecast?lead_times=1&format=npy", content_length=len(npy(FRAMES[:4]))) + npy(FRAMES[:4])
    with running(service) as address:
        clients = [connected(address) for _ in range(3)]
        for client in clients:
            client.sendall(asked)
        until(lambda: service.desk.line == 3)
        hold_problem(httpx.get(f"{address}/models"), 503)
        assert httpx.get(f"{address}/readyz").status_code == 200
        last.go.set()
        for client in clients:
            assert client.recv(64).startswith(b"HTTP/1.1 200")
            client.close()
        until(lambda: httpx.get(f"{address}/models").status_code == 200)


@pytest.mark.long
def test_listeners_are_bounded_and_end_with_the_service(connected: Connect, last: Last) -> None:
    service = service_of(last, listeners=2)
    with running(service) as address:
        listening = [connected(address) for _ in range(2)]
        for client in listening:
            client.sendall(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n")
            assert b": nextframe" in client.recv(4096) + client.recv(4096)
        hold_problem(httpx.get(f"{address}/events"), 503)
        listening.pop().close()
        until(lambda: len(service.streams._listeners) == 1)
    assert read_to_the_end(listening[0]).endswith(b"0\r\n\r\n"), "a whole answer, that has come to its end"


def test_limits_of_streams(model: ModelForecaster, tmp_path: Path) -> None:
    service = Service(models={"rain": model}, limits=Limits(streams=1, stored=2), folder=tmp_path)
    with running(service) as address, httpx.Client(base_url=address, timeout=60) as client:

        def add(name: str, n: int) -> httpx.Response:
            query = {"time": f"2016-07-11T21:{5 * n:02}:00Z", "lead_times": "2"}
            return client.post(f"/streams/{name}/frames", params=query, content=npy(FRAMES[n][None]))

        for n in range(6):
            assert add("a", n).json()["arrival"] == ("first" if n == 0 else "next")
        before = client.get("/streams/a/forecasts/latest.json").json()
        scores = client.get("/streams/a/skill").json()
        assert add("b", 0).is_success
        assert client.get("/streams").json() == ["b", "a"], "those in memory first"
        assert 'stream="a"' not in client.get("/metrics").text
        assert client.get("/streams/a/forecasts/latest.json").json() == before, "it comes back from disk"
        assert client.get("/streams").json() == ["a", "b"]
        assert client.get("/streams/a/skill").json() == scores, "and its scores with it"
        assert add("a", 6).json()["arrival"] == "next"
        assert client.get("/streams/a/skill").json()["6h"]["forecasts"] == [
            scores["6h"]["forecasts"][0] + 1,
            scores["6h"]["forecasts"][1] + 1,
        ]
        hold_problem(add("c", 0), 429)
        assert client.delete("/streams/b").json() == {"removed": "b"}
        hold_problem(client.get("/streams/b/forecasts"), 404)
        assert add("c", 0).is_success
