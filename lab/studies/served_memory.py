"""The memory of a training on a Zarr archive that a server holds, by the archive's size.

    python -m lab served-memory

The archives are sparse: their chunks are hard links to a few that are there, so that twenty gigabytes of values take
some megabytes of disk, while every chunk is asked for, sent and decoded as if it was the only one. A server of this
machine, a process of its own, holds them on the loopback address. `nextframe train` reads windows that are evenly
spread over the whole; its memory is watched. lab/results/served-memory.json is written; sizes that were measured before
stay in it, and `python -m lab reading-page` shows it. A mark: the largest archive takes the memory of the smallest one,
within a tenth.
"""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from lab.options import parser
from lab.place import RESULTS, this_command
from lab.reading.archives import CHUNK, files_of, showers
from lab.reading.measure import Setting, train_on
from lab.reading.operations import served
from lab.speed.results import provenance
from nextframe.files import write_text

RESULT = RESULTS / "served-memory.json"
MARK = 0.1
"""Share by which the largest archive may take more memory than the smallest."""
DISTINCT = 64
"""Chunks that are there; all others are links to them."""
_STEP = np.timedelta64(5, "m")
_START = np.datetime64("2000-01-01", "ns")


def write_sparse(path: Path, frames: int, size: int, distinct: int = DISTINCT) -> Path:
    """A Zarr store of so many frames (T, H, W) of drifting showers, of which the first `distinct` chunks come again and
    again as links; the index is consolidated, since a web server lists no files.
    """
    chunks = -(-frames // CHUNK)
    there = min(distinct, chunks)
    rain = np.concatenate(list(showers(there * CHUNK, size)))[: min(there * CHUNK, frames)]
    field = xr.DataArray(rain, dims=("time", "y", "x"), attrs={"units": "mm/h"})
    axes = {"y": np.arange(size, dtype=np.float64), "x": np.arange(size, dtype=np.float64)}
    times = _START + np.arange(len(rain)) * _STEP
    encoding = {
        "rain": {"chunks": (CHUNK, size, size)},
        "time": {"units": "minutes since 2000-01-01", "dtype": "int64"},
    }
    xr.Dataset({"rain": field}, {"time": times, **axes}).to_zarr(path, consolidated=False, encoding=encoding)
    group = zarr.open_group(path, mode="r+")
    for name in ("rain", "time"):
        array = group[name]
        assert isinstance(array, zarr.Array)
        array.resize((frames, *array.shape[1:]))
        if name == "time":
            array[:] = np.arange(frames) * int(_STEP / np.timedelta64(1, "m"))
    place = path / "rain" / "c"
    for number in range(there, chunks):
        (place / str(number) / "0").mkdir(parents=True)
        (place / str(number) / "0" / "0").hardlink_to(place / str(number % there) / "0" / "0")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")  # no part of the format's third version yet
        zarr.consolidate_metadata(path)
    return path


def measure(gigabytes: float, setting: Setting) -> dict[str, Any]:
    """The memory of a training on an archive of so many 10^9 bytes of decoded values."""
    frames = int(gigabytes * 1e9 / (4 * setting.size**2))
    with tempfile.TemporaryDirectory(prefix="nextframe-served-") as folder:
        path = write_sparse(Path(folder) / "showers.zarr", frames, setting.size)
        distinct = {file.stat().st_ino: file.stat().st_size for file in files_of(path)}
        with served(path) as address:
            begun = time.perf_counter()
            peak = train_on(address, frames, Path(folder) / "run", setting)
            took = time.perf_counter() - begun
    return {
        "gigabytes": gigabytes,
        "frames": frames,
        "disk": sum(distinct.values()),
        "anonymous": peak.anonymous,
        "mapped": peak.mapped,
        "seconds": took,
        "command": this_command(),
    }


def main(arguments: Sequence[str]) -> None:
    """Measure, with the options that follow the task's name."""
    options = parser("served-memory", __doc__)
    options.add_argument("--gigabytes", default="2,20", help="sizes, 10^9 bytes of decoded values")
    options.add_argument(
        "--windows", type=int, default=Setting.windows, help="windows trained on, over the whole archive"
    )
    given = options.parse_args(arguments)
    setting = Setting(windows=given.windows)
    rows = [measure(float(size), setting) for size in given.gigabytes.split(",")]
    rows = with_earlier(rows, given.windows)
    commands = " and ".join(dict.fromkeys(row["command"] for row in rows))
    result = {"task": "served-memory", **provenance(commands), "windows": given.windows, "archives": rows}
    write_text(RESULT, json.dumps({**result, "markdown": to_markdown(rows)}, indent=1) + "\n")
    print(to_markdown(rows))


def with_earlier(rows: Sequence[dict[str, Any]], windows: int) -> list[dict[str, Any]]:
    """Rows with those of other sizes that were measured before, in order of size."""
    said = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    earlier = said["archives"] if said.get("windows") == windows else []
    by_size = {row["gigabytes"]: row for row in (*earlier, *rows)}
    return [by_size[size] for size in sorted(by_size)]


def to_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A table with what it shows, and whether the mark was reached."""
    lines = [
        "Of an archive on a server no more is in memory than of one on the disk. Sparse Zarr archives, held by a",
        "server of the same machine, trained on as above:",
        "",
    ]
    lines += [
        "| archive | frames | on the server's disk | memory | mapped files | seconds |",
        "| ---: |" + " ---: |" * 5,
    ]
    for row in rows:
        sizes = (f"{row[name] / 2**20:.0f} MiB" for name in ("disk", "anonymous", "mapped"))
        lines.append(f"| {row['gigabytes']:g} GB | {row['frames']:,} | {' | '.join(sizes)} | {row['seconds']:.0f} |")
    share = rows[-1]["anonymous"] / rows[0]["anonymous"] - 1
    reached = "reached" if share <= MARK else "not reached"
    lines += ["", f"Last over first: {share:+.0%}; the mark was at most {MARK:+.0%}: {reached}."]
    return "\n".join(lines) + "\n"
