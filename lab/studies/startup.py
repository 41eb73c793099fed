"""The cost of a start: commands beside the imports that they cannot do without.

    python -m lab startup

Each command is a process of its own, and they take turns; a first turn, which brings files into memory, is not counted.
CPU seconds are those of the process, user and system together, as the kernel counts them at its end. The file that is
looked at is a NetCDF file of radar frames. lab/results/startup.json is written, and `python -m lab pages` shows it in
docs/command-line.md. Marks, of medians of CPU seconds: a forecast by a shipped model at most 1.6 times `import torch`,
a look at a file at most 1.3 times `import xarray`, help under 0.4 s. The machine should have nothing else to do.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import xarray as xr

from lab.options import parser
from lab.place import RESULTS, environment, this_command
from lab.reading.archives import showers
from lab.speed.results import provenance
from nextframe.errors import ConfigError
from nextframe.files import write_text

RESULT = RESULTS / "startup.json"
FILE = "radar.nc"


@dataclass(frozen=True)
class Start:
    """A process to be started.

    Args:
        name: what the table calls it.
        arguments: what follows the interpreter's name.
        most: mark of its CPU seconds: in those of `beside`, or in seconds where that is None.
        beside: name of the start that it is compared with.
    """

    name: str
    arguments: tuple[str, ...]
    most: float | None = None
    beside: str | None = None


STARTS = (
    Start("import torch", ("-c", "import torch")),
    Start(
        "nextframe forecast squares-stacked", ("-m", "nextframe", "forecast", "squares-stacked"), 1.6, "import torch"
    ),
    Start("import xarray", ("-c", "import xarray")),
    Start(f"nextframe inspect {FILE}", ("-m", "nextframe", "inspect", FILE), 1.3, "import xarray"),
    Start("nextframe --help", ("-m", "nextframe", "--help"), 0.4),
)


def started(arguments: Sequence[str], folder: Path) -> tuple[float, float]:
    """CPU and wall seconds of a process from its start to its end.

    Raises:
        ConfigError: it ended with another code than 0.
    """
    with tempfile.TemporaryFile() as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()
            raise ConfigError("could not be started", where=" ".join(arguments), received=said)
    return usage.ru_utime + usage.ru_stime, wall


def measured(starts: Sequence[Start], rounds: int, folder: Path) -> dict[str, dict[str, Any]]:
    """Seconds of each start, by name: medians, and all of them."""
    seconds: dict[str, list[tuple[float, float]]] = {start.name: [] for start in starts}
    for turn in range(rounds + 1):
        for start in starts if turn % 2 else reversed(starts):
            took = started(start.arguments, folder)
            if turn:
                seconds[start.name].append(took)
    return {
        name: {kind: median(values) for kind, values in zip(("cpu", "wall"), zip(*pairs, strict=True), strict=True)}
        | {"all": pairs}
        for name, pairs in seconds.items()
    }


def write_file(path: Path) -> None:
    """A NetCDF file of an hour of radar frames."""
    rain = np.concatenate(list(showers(12, 64)))[:12]
    times = np.datetime64("2020-06-01", "ns") + np.arange(len(rain)) * np.timedelta64(5, "m")
    frames = xr.DataArray(rain, dims=("time", "y", "x"), coords={"time": times}, attrs={"units": "mm/h"})
    frames.to_dataset(name="rain_rate").to_netcdf(path)


def table(result: Mapping[str, Any]) -> str:
    """Seconds of each start, what that is of what it is compared with, and whether its mark was reached."""
    seconds = result["seconds"]
    lines = ["", "| start | CPU s | s | CPU, times | mark | |", "|---|---:|---:|---:|---:|---|"]
    for start in STARTS:
        cpu, wall = (seconds[start.name][kind] for kind in ("cpu", "wall"))
        times, mark, reached = "", "", ""
        if start.most is not None:
            value = cpu / seconds[start.beside]["cpu"] if start.beside else cpu
            reached = "reached" if value <= start.most else "not reached"
            times = f"{value:.2f} of `{start.beside}`" if start.beside else ""
            mark = f"{start.most:g}" if start.beside else f"{start.most:g} s"
        lines.append(f"| `{start.name}` | {cpu:.2f} | {wall:.2f} | {times} | {mark} | {reached} |")
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    told = f"Medians of {result['rounds']}; `{result['command']}` on {result['machine']}, {versions}, {result['date']}."
    return "\n".join([*lines, "", told]) + "\n\n"


def section() -> str:
    """What the page shows between its marks: the table, or that there is none yet."""
    if not RESULT.is_file():
        return "\n`python -m lab startup` measures it.\n\n"
    return table(json.loads(RESULT.read_text(encoding="utf-8")))


def main(arguments: Sequence[str]) -> None:
    options = parser("startup", __doc__)
    options.add_argument("--rounds", type=int, default=3, help="turns of each command")
    options.add_argument("--out", type=Path, default=RESULT, help="file of the result")
    given = options.parse_args(arguments)
    if given.rounds < 1:
        options.error("rounds: must be at least 1")
    with tempfile.TemporaryDirectory() as folder:
        write_file(Path(folder) / FILE)
        seconds = measured(STARTS, given.rounds, Path(folder))
    result = provenance(this_command()) | {"rounds": given.rounds, "seconds": seconds}
    result["versions"] |= {"xarray": xr.__version__, "Python": platform.python_version()}
    write_text(given.out, json.dumps(result, indent=1) + "\n")
    print(table(result))
