"""The service, over real connections: forecasts, streams, limits, and an end that loses nothing."""

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

import nextframe
from nextframe.forecasting.model_forecaster import ModelForecaster
from tests.service.conftest import BEGIN, FRAMES, STEP

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def served(*arguments: str, limits: dict[str, str] | None = None) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(limits or {})}
    command = [sys.executable, "-m", "nextframe", "serve", *arguments, "--port", str(port)]
    process = subprocess.Popen(command, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                httpx.get(f"{address}/healthz")
                break
            except httpx.TransportError:
                assert process.poll() is None, "the service has ended"
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield address, process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as ONNX, which is served like a run."""
    path = tmp_path_factory.mktemp("exported") / "rain.onnx"
    nextframe.export(run, path)
    return path


@pytest.fixture(scope="module")
def service(run: Path, exported: Path) -> Iterator[str]:
    with served(str(run), "squares-stacked", str(exported), "--upload", "1") as (address, _):
        yield address


def npy(frames: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, frames)
    return buffer.getvalue()


@pytest.mark.slow
def test_a_forecast_of_whatever_is_sent(service: str, model: ModelForecaster, arrives: Callable[..., Path]) -> None:
    name = httpx.get(f"{service}/models").json()[0]["name"]
    expected = model.forecast(FRAMES[:4], 2).values
    post = f"{service}/forecast?model={name}&lead_times=2"
    as_npy = httpx.post(f"{post}&format=npy", content=npy(FRAMES[:4]), timeout=60)
    by_onnx = httpx.post(
        f"{service}/forecast?model=rain.onnx&lead_times=2&format=npy", content=npy(FRAMES[:4]), timeout=60
    )
    np.testing.assert_allclose(np.load(io.BytesIO(by_onnx.content)), expected, atol=1e-3)
    assert as_npy.status_code == 200, as_npy.text
    np.testing.assert_allclose(np.load(io.BytesIO(as_npy.content)), expected, atol=1e-5)
    as_json = httpx.post(post, json={"frames": FRAMES[:4].tolist()}, timeout=60).json()
    np.testing.assert_allclose(np.array(as_json["values"]), expected, rtol=1e-3, atol=1e-3)
    assert as_json["units"] == ["1"]
    whole = io.BytesIO()
    field = xr.Dataset(
        {"rain": (("time", "y", "x"), FRAMES[:4], {"units": "mm/h"})}, coords={"time": BEGIN + np.arange(4) * STEP}
    )
    field.to_netcdf(whole)
    form = {"file": ("../../etc/passwd.nc", whole.getvalue())}
    answer = httpx.post(post, files=form, headers={"accept": "application/x-netcdf"}, timeout=60)
    assert answer.headers["content-type"] == "application/x-netcdf", answer.text
    with xr.open_dataset(io.BytesIO(answer.content), engine="h5netcdf") as made:
        np.testing.assert_allclose(made.rain, expected[:, 0], atol=1e-5)
        assert made.valid_time.values[0] == BEGIN + 4 * STEP
    gif = httpx.post(f"{post}&format=gif", content=npy(FRAMES[:4]), timeout=60)
    assert gif.content.startswith(b"GIF8")


@pytest.mark.slow
def test_what_cannot_be_answered_is_a_problem(service: str, tmp_path: Path) -> None:
    def refused(status: int, said: str, **request: Any) -> None:
        answer = httpx.post(f"{service}/forecast", timeout=60, **request)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert said in answer.json()["detail"]
        assert answer.json()["status"] == status

    refused(422, "no body")
    refused(404, "no model", params={"model": "x"}, content=npy(FRAMES[:4]))
    refused(413, "larger than 1 MiB", content=b"x" * (2 * 2**20))
    refused(413, "larger than 1 MiB", files={"file": ("a.nc", b"x" * (2 * 2**20))})
    refused(422, "format", params={"format": "docx"}, content=npy(FRAMES[:4]))
    refused(422, "lead_times", params={"lead_times": "100000"}, content=npy(FRAMES[:4]))
    refused(422, "no array of numbers", content=b'{"frames": [[1, "a"]]}')
    refused(422, "upload.nc", files={"file": ("a.nc", b"CDF\x01 nonsense")})
    pickled = io.BytesIO()
    np.save(pickled, np.array([object()]), allow_pickle=True)
    refused(422, "no array of numbers", content=pickled.getvalue())
    assert httpx.get(f"{service}/nothing").json()["status"] == 404
    assert httpx.get(f"{service}/healthz").status_code == 200


@pytest.mark.slow
def test_a_stream(service: str, model: ModelForecaster) -> None:
    name = httpx.get(f"{service}/models").json()[0]["name"]
    with httpx.Client(base_url=service, timeout=60) as client, client.stream("GET", "/streams/radar/events") as events:
        lines = events.iter_lines()
        assert next(lines) == ": nextframe"
        for n in range(6):
            time_ = f"{(BEGIN + n * STEP).astype('datetime64[s]')}Z"
            query = {"model": name, "lead_times": "2", "time": time_}
            told = client.post("/streams/radar/frames", params=query, content=npy(FRAMES[n][None])).json()
            assert told["arrival"] == ("first" if n == 0 else "next"), told
        event = json.loads(next(line for line in lines if line.startswith("data:")).removeprefix("data:"))
        assert event["forecast"] == "20160711T210000Z"
    latest = httpx.get(f"{service}/streams/radar/forecasts/latest.json").json()
    assert latest["init_time"] == "2016-07-11T21:25:00Z"
    np.testing.assert_allclose(np.array(latest["values"]), model.forecast(FRAMES[2:6], 2).values, rtol=1e-3, atol=1e-3)
    earlier = httpx.get(f"{service}/streams/radar/forecasts/20160711T211500Z.png", timeout=60)
    assert earlier.content.startswith(b"\x89PNG")
    skill = httpx.get(f"{service}/streams/radar/skill").json()["6h"]
    assert skill["forecasts"] == [5, 4]
    assert len(skill["scores"]) == 3
    assert httpx.get(f"{service}/streams/none/skill").status_code == 404
    outside = httpx.get(f"{service}/streams/radar/position?lat=1&lon=2")
    assert outside.status_code == 422
    assert "where" in outside.json()["detail"]
    metrics = httpx.get(f"{service}/metrics").text
    assert 'nextframe_frames_total{arrival="next",stream="radar"} 5.0' in metrics
    assert "nextframe_rolling_score" in metrics
    assert httpx.post(f"{service}/streams/a%2Fb/frames", content=npy(FRAMES[:1])).status_code in (404, 422)


@pytest.mark.slow
def test_many_clients_at_once_are_answered_or_told_to_come_again(service: str) -> None:
    name = httpx.get(f"{service}/models").json()[0]["name"]

    async def all_at_once() -> list[int]:
        async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=100)) as client:
            asked = [
                client.post(f"{service}/forecast?model={name}&lead_times=1&format=npy", content=npy(FRAMES[:4]))
                for _ in range(100)
            ]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    statuses = asyncio.run(all_at_once())
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= 30
    assert httpx.get(f"{service}/readyz").status_code == 200


@pytest.mark.slow
def test_a_token_and_an_end_that_finishes_what_it_began(run: Path, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("correct horse\n")
    with served(str(run), "--token-file", str(secret)) as (address, process):
        assert httpx.get(f"{address}/models").status_code == 401
        bearer = {"authorization": "Bearer correct horse"}
        assert httpx.get(f"{address}/models", headers=bearer).status_code == 200
        assert httpx.get(f"{address}/", headers=bearer).text.startswith("<!doctype html>")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in (0, 143, -signal.SIGTERM)
