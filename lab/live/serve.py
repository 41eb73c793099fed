"""Requests to the service, by several clients at once, beside a program started for each."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

import nextframe
from lab.live.spread import spread

PORT = 8232
CLIENTS = (1, 8, 64)
ADDRESS = f"http://127.0.0.1:{PORT}"


def measure_serve(requests: int) -> dict[str, Any]:
    """Requests a second and seconds of each, of forecasts of 40x40 movies and of the latest forecast of a stream."""
    movie = nextframe.open_source("squares:movies=1,frames=7,seed=9").sequences[0].read(0, 7)[:, 0]
    buffer = io.BytesIO()
    np.save(buffer, movie)
    first = io.BytesIO()
    np.save(first, movie[:1])
    command = [sys.executable, "-m", "nextframe", "serve", "squares-stacked", "--port", str(PORT)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(f"{ADDRESS}/healthz")
        post = ("POST", "/forecast?format=npy&lead_times=8", buffer.getvalue())
        latest = ("GET", "/streams/one/forecasts/latest.json", None)
        asyncio.run(many(1, 3, *post))
        asyncio.run(many(1, 1, "POST", "/streams/one/frames", first.getvalue()))
        rows = []
        for clients in CLIENTS:
            for what, request in (("POST /forecast", post), ("GET latest.json", latest)):
                rows.append({"what": what, **asyncio.run(many(clients, requests, *request))})
    finally:
        process.terminate()
        process.wait()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.npy"
        np.save(clip, movie)
        program = [sys.executable, "-m", "nextframe", "forecast", "squares-stacked", "--input", str(clip)]
        taken = []
        for _ in range(4):
            started = time.perf_counter()
            subprocess.run([*program, "--out", str(Path(folder) / "next.npy")], check=True, stdout=subprocess.DEVNULL)
            taken.append(time.perf_counter() - started)
    alone = float(np.median(taken[1:]))
    return {"rows": rows, "program_seconds": round(alone, 2), "times_as_many": round(rows[0]["per_second"] * alone, 1)}


async def many(clients: int, requests: int, method: str, path: str, body: bytes | None) -> dict[str, Any]:
    """Requests by some clients at once, each of which sends one after the other; one that is told so comes again."""
    import httpx

    seconds: list[float] = []
    again = 0
    left = iter(range(requests))

    async def client(session: httpx.AsyncClient) -> None:
        nonlocal again
        for _ in left:
            while True:
                started = time.perf_counter()
                answer = await session.request(method, ADDRESS + path, content=body)
                if answer.status_code not in (429, 503):
                    answer.raise_for_status()
                    seconds.append(time.perf_counter() - started)
                    break
                again += 1
                await asyncio.sleep(float(answer.headers.get("retry-after", 1)))

    begun = time.perf_counter()
    async with httpx.AsyncClient(timeout=300, limits=httpx.Limits(max_connections=clients)) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    whole = time.perf_counter() - begun
    return {
        "clients": clients,
        "answered": len(seconds),
        "again": again,
        "per_second": float(f"{requests / whole:.3g}"),
        "seconds": spread(seconds),
    }


def wait_for(address: str) -> None:
    """Wait until something answers there."""
    for _ in range(300):
        try:
            urllib.request.urlopen(address)
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{address} does not answer")
