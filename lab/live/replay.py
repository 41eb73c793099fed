"""A replay with files that are lost, late, doubled or truncated and a process that is killed, against one without.

Every product of a frame that arrived whole, now or later, has to be that of the undisturbed replay of these frames, to
the byte; of the time at which it was written alone nothing is asked.
"""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab.live.watching import Watching, composites, time_of

SHARE = 0.05
"""Share of the files that is disturbed in each of the ways."""
WAYS = ("dropped", "late", "doubled", "truncated")
_WRITTEN = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(?=: forecast by nextframe)")


@dataclass(frozen=True)
class Arrival:
    """A file that comes, or a part of it."""

    file: int
    """Number of the file."""
    name: str = ""
    """Name of a copy, where it is one."""
    part: float = 1.0
    """Share of its bytes."""


def schedule(files: int, seed: int = 0, share: float = SHARE) -> tuple[list[list[Arrival]], dict[str, list[int]]]:
    """Arrivals of each moment, and which files are disturbed in which way.

    - dropped: never comes
    - late: comes one to three moments after its own
    - doubled: comes again as a copy of another name one moment later
    - truncated: a part of it comes under its name; of every second one the whole two moments later, of others never
    """
    drawn = random.Random(seed)
    count = max(1, round(share * files))
    hit = drawn.sample(range(files), len(WAYS) * count)
    disturbed = {way: sorted(hit[n * count : (n + 1) * count]) for n, way in enumerate(WAYS)}
    moments: list[list[Arrival]] = [[] for _ in range(files + 4)]
    for n in range(files):
        way = next((way for way in WAYS if n in disturbed[way]), "")
        if way == "late":
            moments[n + drawn.randint(1, 3)].append(Arrival(n))
        elif way == "truncated":
            moments[n].append(Arrival(n, part=drawn.uniform(0.05, 0.95)))
            if disturbed[way].index(n) % 2 == 0:
                moments[n + 2].append(Arrival(n))
        elif way != "dropped":
            moments[n].append(Arrival(n))
            if way == "doubled":
                moments[n + 1].append(Arrival(n, name=drawn.choice(("A-copy-of-{}", "copy-of-{}"))))
    return moments, disturbed


def measure_replay(
    radar: Path,
    *,
    files: int = 92,
    kills: int = 10,
    seed: int = 0,
    run: str = "radar-rain",
    lead_times: int = 2,
) -> dict[str, Any]:
    """Products of a disturbed replay beside those of an undisturbed one; of few lead times, which take less time."""
    given = composites(radar)[:files]
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        told = replayed(
            given,
            [time_of(file) for file in given],
            disturbed=Watching(here / "disturbed", run, lead_times=lead_times),
            undisturbed=Watching(here / "undisturbed", run, lead_times=lead_times),
            kills=kills,
            seed=seed,
        )
    return {"lead_times": lead_times, **told}


def replayed(
    files: Sequence[Path],
    times: Sequence[np.datetime64],
    *,
    disturbed: Watching,
    undisturbed: Watching,
    kills: int,
    seed: int = 0,
    share: float = SHARE,
) -> dict[str, Any]:
    """Replay files in two folders, and compare the products.

    Args:
        files: files in order of time.
        times: their valid times.
        disturbed: what follows the folder whose files are lost, late, doubled or truncated, and is killed.
        undisturbed: what follows the other one.
        kills: number of kills.
        seed: of what is drawn by chance.
        share: share of the files that is disturbed in each way.
    """
    moments, ways = schedule(len(files), seed, share)
    began = time.perf_counter()
    whole = _disturbed_replay(files, times, moments, disturbed, kills=kills, seed=seed)
    undisturbed.begin()
    try:
        for n in whole:
            undisturbed.arrives(files[n])
            undisturbed.wait_for(undisturbed.product(times[n]))
    finally:
        undisturbed.end()
    return {
        "files": len(files),
        "disturbed": {way: len(numbers) for way, numbers in ways.items()},
        "whole": len(whole),
        "kills": kills,
        "seed": seed,
        **compared(disturbed.products, undisturbed.products),
        "seconds": round(time.perf_counter() - began),
    }


def _disturbed_replay(
    files: Sequence[Path],
    times: Sequence[np.datetime64],
    moments: Sequence[Sequence[Arrival]],
    watching: Watching,
    *,
    kills: int,
    seed: int,
) -> list[int]:
    """Replay the arrivals; return the numbers of the files that arrived whole, in order of time."""
    drawn = random.Random(seed + 1)
    deadly = set(drawn.sample(range(1, len(files)), kills))
    whole: set[int] = set()
    watching.begin()
    try:
        for n, arrivals in enumerate(moments):
            for arrival in arrivals:
                _arrive(watching, files[arrival.file], arrival)
                if arrival.part == 1.0:
                    whole.add(arrival.file)
            if n in deadly:
                time.sleep(drawn.uniform(0.0, 1.5))  # at any moment of its work
                watching.kill()
                watching.begin()
            elif arrivals and max(whole, default=-1) == n:  # else a live folder would not wait, either
                watching.wait_for(watching.product(times[n]))
        for n in whole:
            watching.wait_for(watching.product(times[n]))
        watching.settle()
    finally:
        watching.end()
    return sorted(whole)


def _arrive(watching: Watching, file: Path, arrival: Arrival) -> None:
    name = arrival.name.format(file.name) or file.name
    if arrival.part == 1.0:
        watching.arrives(file, name)
        return
    content = file.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        cut = Path(folder) / file.name
        cut.write_bytes(content[: int(len(content) * arrival.part)])
        watching.arrives(cut, name)


def compared(made: Path, expected: Path) -> dict[str, Any]:
    """Names of the products that differ, are missing, or should not be there."""
    own, others = _products(made), _products(expected)
    alike = {name: _bytes(own[name]) == _bytes(others[name]) for name in own.keys() & others.keys()}
    return {
        "products": len(others),
        "equal": sum(alike.values()),
        "different": sorted(name for name, same in alike.items() if not same),
        "missing": sorted(others.keys() - own.keys()),
        "more": sorted(own.keys() - others.keys()),
    }


def _products(folder: Path) -> Mapping[str, Path]:
    return {path.name: path for path in folder.iterdir() if path.is_file()}


def _bytes(path: Path) -> bytes:
    """Bytes of a product, but for the time of its writing, which NetCDF's history begins with."""
    return _WRITTEN.sub(b"then", path.read_bytes())
