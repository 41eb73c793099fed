"""A service within the tests' own process, over real connections, and models that are made for the occasion."""

import asyncio
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nextframe.forecasting.adapt import Prepared
from nextframe.forecasting.baselines import make_baseline
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.service.limits import Limits

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")

from nextframe.service.app import make_app  # noqa: E402 - after what may be absent
from nextframe.service.server import Server  # noqa: E402
from nextframe.service.service import Service  # noqa: E402

PATIENCE = 60.0


class Last(ModelForecaster):
    """A model whose forecast is the last frame; it takes as long as it is told to."""

    def __init__(self, like: ModelForecaster) -> None:
        super().__init__(like.model, like.manifest, name="last")
        self.go = threading.Event()
        self.go.set()
        self.calls = 0

    def forecast_prepared(self, prepared: Prepared, lead_times: int, **options: Any) -> Forecast:
        self.calls += 1
        assert self.go.wait(PATIENCE)
        return make_baseline("persistence").forecast(prepared.start.past, lead_times)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(service: Service) -> Iterator[str]:
    """The address of a service whose server is a thread."""
    with server_of(service) as server:
        yield f"http://127.0.0.1:{server.config.port}"


@contextmanager
def server_of(service: Service) -> Iterator[Server]:
    """The server of a service: a thread that listens at a socket made as the program makes it."""
    patience = service.limits.patience
    server = Server(make_app(service), end=service.streams.end, host="127.0.0.1", port=free_port(), patience=patience)
    thread = threading.Thread(target=server.run, args=([server.config.bind_socket()],))
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        yield server
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


def service_of(*models: ModelForecaster, **limits: Any) -> Service:
    return Service(models={model.name: model for model in models}, limits=Limits(**limits))


def until(is_so: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until something is so, for so many seconds at most."""
    deadline = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.01)


def npy(frames: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, frames)
    return buffer.getvalue()


def all_at_once(number: int, method: str, address: str, body: bytes | None = None) -> list[Any]:
    """Answers to requests that are sent at the same time, each by a connection of its own."""

    async def send() -> list[Any]:
        limits = httpx.Limits(max_connections=number, max_keepalive_connections=0)
        async with httpx.AsyncClient(timeout=4 * PATIENCE, limits=limits) as client:
            return list(await asyncio.gather(*(client.request(method, address, content=body) for _ in range(number))))

    return asyncio.run(send())


def hold_problem(answer: Any, *statuses: int) -> dict[str, Any]:
    """Hold an answer to RFC 9457; return the problem."""
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"].strip()
    assert "\n" not in problem["detail"]
    if answer.status_code in (429, 503):
        assert int(answer.headers["retry-after"]) > 0
    return problem
