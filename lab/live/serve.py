"""Requests to the service, by several clients at once, beside a program started for each."""

from __future__ import annotations

import asyncio
import io
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nextframe
from lab.live.spread import spread

CLIENTS = (1, 8, 64)
TOGETHER = (1, 2)
"""Programs that are started at a time."""
PROGRAMS = 6


def measure_serve(requests: int) -> dict[str, Any]:
    """Requests a second and seconds of each, of forecasts of 40x40 movies and of the latest forecast of a stream."""
    movie = nextframe.open_source("squares:movies=1,frames=7,seed=9").sequences[0].read(0, 7)[:, 0]
    address = f"http://127.0.0.1:{free_port()}"
    post = ("POST", f"{address}/forecast?format=npy&lead_times=8", _npy(movie))
    add = ("POST", f"{address}/streams/one/frames", _npy(movie[:1]))
    latest = ("GET", f"{address}/streams/one/forecasts/latest.json", None)
    command = [sys.executable, "-m", "nextframe", "serve", "squares-stacked", "--port", address.rpartition(":")[2]]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(f"{address}/healthz")
        asyncio.run(many(1, 3, *post))
        asyncio.run(many(1, 1, *add))
        rows = [
            {"what": what, **asyncio.run(many(clients, requests, *request))}
            for what, request in (("`POST /forecast`", post), ("`GET latest.json`", latest))
            for clients in CLIENTS
        ]
    finally:
        process.terminate()
        process.wait()
    program = max(_programs(movie, together) for together in TOGETHER)
    posts = [row["per_second"] for row in rows[: len(CLIENTS)]]
    return {
        "requests": requests,
        "rows": rows,
        "program_per_second": float(f"{program:.3g}"),
        "times_as_many": round(posts[0] / program, 1),
        "times_as_many_at_best": round(max(posts) / program, 1),
    }


def _npy(frames: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, frames)
    return buffer.getvalue()


def _programs(movie: NDArray[np.float32], together: int) -> float:
    """Forecasts a second by a program that is started for each, so many at a time."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.npy"
        np.save(clip, movie)
        program = [sys.executable, "-m", "nextframe", "forecast", "squares-stacked", "--input", str(clip), "--out"]

        def start(n: int) -> None:
            subprocess.run([*program, str(Path(folder) / f"next-{n}.npy")], check=True, stdout=subprocess.DEVNULL)

        start(0)  # what is read from the disk for the first time
        with ThreadPoolExecutor(together) as threads:
            started = time.perf_counter()
            list(threads.map(start, range(PROGRAMS)))
            return PROGRAMS / (time.perf_counter() - started)


async def many(clients: int, requests: int, method: str, address: str, body: bytes | None) -> dict[str, Any]:
    """Requests by some clients at once, each of which sends one after the other; one that is told so comes again."""
    import aiohttp  # whose own work is little: httpx answers a fifth as many of 64 clients as the service can

    seconds: list[float] = []
    again = lost = 0
    left = iter(range(requests))

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal again, lost
        for _ in left:
            while True:
                started = time.perf_counter()
                try:
                    async with session.request(method, address, data=body) as answer:
                        await answer.read()
                except aiohttp.ClientConnectionError:
                    lost += 1
                    break
                if answer.status not in (429, 503):
                    answer.raise_for_status()
                    seconds.append(time.perf_counter() - started)
                    break
                again += 1
                await asyncio.sleep(float(answer.headers["Retry-After"]))

    begun = time.perf_counter()
    connector = aiohttp.TCPConnector(limit=clients)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(300)) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    whole = time.perf_counter() - begun
    return {
        "clients": clients,
        "answered": len(seconds),
        "lost": lost,
        "again": again,
        "per_second": float(f"{len(seconds) / whole:.3g}"),
        "seconds": spread(seconds),
    }


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(address: str) -> None:
    """Wait until something answers there."""
    for _ in range(300):
        try:
            urllib.request.urlopen(address)
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{address} does not answer")
