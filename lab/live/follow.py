"""A folder that is followed by a process of its own: whole file to product on disk, and the memory of the process."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lab.live.spread import spread
from lab.live.watching import Watching, composites, later, resident, time_of

LEAD_TIMES = 6
STEP = np.timedelta64(5, "m")
EARLY = 50
"""Frames after which the memory is first measured."""
HUNDRED = 100


def measure_follow(radar: Path, frames: int) -> dict[str, Any]:
    """Seconds from a file that is renamed into the folder to its product. The next file comes when the scores of the
    one before are written, too; where there are fewer files than frames, they come again as files of later times.
    """
    files = composites(radar)
    span = len(files) * STEP
    seconds: list[float] = []
    began = time.perf_counter()
    memory: list[tuple[int, int]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "files").mkdir()
        watching = Watching(folder / "watch", "radar-rain", lead_times=LEAD_TIMES)
        watching.begin()
        assert watching.process is not None
        try:
            for n in range(frames):
                file = later(files[n % len(files)], n // len(files) * span, folder / "files")
                product = watching.product(time_of(file))
                started = time.perf_counter()
                watching.arrives(file)
                seconds.append(watching.wait_for(product) - started)
                watching.wait_for_grades(time_of(file))
                file.unlink()
                began = time.perf_counter() if n == 0 else began
                if n + 1 in (min(EARLY, frames), frames):
                    memory.append((n + 1, resident(watching.process.pid)))
            each = (time.perf_counter() - began) / max(frames - 1, 1)
        finally:
            watching.end()
    later_ones = seconds[1:] or seconds
    whole = spread(later_ones)
    return {
        "frames": frames,
        "files": len(files),
        "lead_times": LEAD_TIMES,
        "first_seconds": round(seconds[0], 2),
        "seconds": whole,
        "early_seconds": spread(later_ones[:HUNDRED]),
        "late_seconds": spread(later_ones[-HUNDRED:]),
        "seconds_with_scores": float(f"{each:.3g}"),
        "times_real_speed": round(float(STEP / np.timedelta64(1, "s")) / each),
        "memory_mib": memory,
        "memory_growth": round(memory[-1][1] / memory[0][1] - 1, 4),
    }
