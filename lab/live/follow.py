"""A folder that is followed by a process of its own: whole file to product on disk, and the memory of the process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lab.live.spread import spread

LEAD_TIMES = 6
PATIENCE = 120.0


def measure_follow(radar: Path, frames: int) -> dict[str, Any]:
    """Seconds from a file that is renamed into the folder to its product, one after the other."""
    files = sorted(path for path in radar.iterdir() if path.suffix == ".h5")[:frames]
    seconds, memory = [], []
    with tempfile.TemporaryDirectory() as folder:
        incoming, out = Path(folder) / "incoming", Path(folder) / "products"
        incoming.mkdir()
        command = [sys.executable, "-m", "nextframe", "watch", "radar-rain", "--input", str(incoming / "*.h5")]
        command += ["--out", str(out), "--format", "nc,tif", "--lead-times", str(LEAD_TIMES)]
        with (Path(folder) / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            for number, file in enumerate(files, start=1):
                half = incoming / f"{file.name}.part"
                shutil.copyfile(file, half)
                os.utime(half, (time.time() - 60, time.time() - 60))
                started = time.perf_counter()
                half.rename(incoming / file.name)
                while len(list(out.glob("*.tif"))) < number:
                    if process.poll() is not None or time.perf_counter() - started > PATIENCE:
                        raise SystemExit((Path(folder) / "log").read_text())
                    time.sleep(0.005)
                seconds.append(time.perf_counter() - started)
                if number in (8, len(files) // 2, len(files)):
                    memory.append((number, resident(process.pid)))
        finally:
            process.terminate()
            process.wait()
    return {
        "files": len(files),
        "lead_times": LEAD_TIMES,
        "first_seconds": round(seconds[0], 2),
        "seconds": spread(seconds[1:]),
        "memory_mib": memory,
    }


def resident(pid: int) -> int:
    """Memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0
