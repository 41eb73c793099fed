"""Time of adding a forecast to a Zarr store, by the number of forecasts that it holds already.

    python -m lab appending

The stores are made with forecasts that are sparse (a chunk that is the array's fill value takes no file), but whose
times and descriptions are those of that many; then forecasts are added to each in turn. The page
docs/results/appending.md is written, and lab/results/appending.json. A mark: 10,000 earlier forecasts cost at most 20 %
more than none.
"""

from __future__ import annotations

import json
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from lab.options import parser
from lab.place import DOCS, RESULTS, this_command
from nextframe.files import write_text
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.radar.place import grid_within
from nextframe.machine import describe_machine
from nextframe.outputs.writers import save_forecast

PAGE = DOCS / "results" / "appending.md"
RESULT = RESULTS / "appending.json"
_START = np.datetime64("2020-01-01", "ns")
_STEP = np.timedelta64(5, "m")
MARK = 0.2
"""Share that adding to a full store may cost more."""


def forecast(number: int, size: int, leads: int) -> Forecast:
    """A forecast of rain; the number tells its initial time."""
    values = np.random.default_rng(number).gamma(0.7, 2, (leads, 1, size, size)).astype(np.float32)
    edges = (0.0, float(size), 0.0, float(size))
    return Forecast(
        values=values,
        forecaster="model",
        init_time=_START + number * _STEP,
        time_step=_STEP,
        variables=("rain_rate",),
        units=("mm/h",),
        grid=grid_within(edges, (size, size), "km", ""),
    )


def filled(path: Path, count: int, size: int, leads: int) -> None:
    """Make a store of so many forecasts: the first and the last whole, others sparse, all times as they would be."""
    save_forecast(forecast(0, size, leads), path)
    root = json.loads((path / "zarr.json").read_text())
    seconds = (_START - np.datetime64("1970-01-01", "ns")) / np.timedelta64(1, "s")
    inits = seconds + 300.0 * np.arange(count)
    for name, array in root["consolidated_metadata"]["metadata"].items():
        if name in ("init_time", "valid_time", "rain_rate"):
            array["shape"][0] = count
            write_text(path / name / "zarr.json", json.dumps(array))
    zarr.open_array(path / "init_time", mode="r+")[:] = inits
    zarr.open_array(path / "valid_time", mode="r+")[:] = inits[:, None] + 300.0 * np.arange(1, leads + 1)
    source = path / "rain_rate" / "c" / "0"
    for number in range(1, count):  # folders and files as a full store has them
        shutil.copytree(source, path / "rain_rate" / "c" / str(number), copy_function=_link)
    root["attributes"]["latest_init_time"] = str(_START + (count - 1) * _STEP)
    write_text(path / "zarr.json", json.dumps(root))


def _link(source: str, to: str) -> str:
    Path(to).hardlink_to(source)
    return to


def measure(count: int, *, size: int, leads: int, repeats: int) -> dict[str, Any]:
    """Seconds of adding a forecast to a store of so many, and to one of one, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"few": Path(folder) / "few.zarr", "many": Path(folder) / "many.zarr"}
        save_forecast(forecast(0, size, leads), places["few"])
        filled(places["many"], count, size, leads)
        numbers = {"few": 1, "many": count}
        seconds: dict[str, list[float]] = {"few": [], "many": []}
        for repeat in range(repeats + 2):
            for name in ("few", "many") if repeat % 2 else ("many", "few"):
                made = forecast(numbers[name], size, leads)
                begun = time.perf_counter()
                save_forecast(made, places[name])
                took = time.perf_counter() - begun
                numbers[name] += 1
                if repeat >= 2:
                    seconds[name].append(took)
        held = zarr.open_group(places["many"], mode="r")["rain_rate"]
        assert held.shape[0] == count + repeats + 2, "a forecast was lost"  # type: ignore[union-attr]
    few, many = (statistics.median(seconds[name]) for name in ("few", "many"))
    return {"earlier": count, "seconds_few": few, "seconds_many": many, "share": many / few - 1, "all": seconds}


def main(arguments: Sequence[str]) -> None:
    options = parser("appending", __doc__)
    options.add_argument("--earlier", type=int, default=10_000, help="forecasts in the store beforehand")
    options.add_argument("--size", type=int, default=256, help="pixels along a side")
    options.add_argument("--lead-times", type=int, default=12)
    options.add_argument("--repeats", type=int, default=21)
    given = options.parse_args(arguments)
    found = measure(given.earlier, size=given.size, leads=given.lead_times, repeats=given.repeats)
    result = {
        "command": this_command(),
        "machine": describe_machine(),
        "date": date.today().isoformat(),
        "versions": {"python": platform.python_version(), "zarr": zarr.__version__, "numpy": np.__version__},
        "size": given.size,
        "lead_times": given.lead_times,
        **found,
    }
    write_text(RESULT, json.dumps(result, indent=1) + "\n")
    write_text(PAGE, page(result))
    print(page(result))


def page(result: dict[str, Any]) -> str:
    """The page of a result."""
    reached = "reached" if result["share"] <= MARK else "not reached"
    lines = [
        "# Adding a forecast to a Zarr archive",
        "",
        f"Forecasts of {result['lead_times']} lead times of {result['size']} x {result['size']} pixels, added in turn",
        "to a store that holds few and to one that holds many; the median of each.",
        "",
        "| earlier forecasts | ms to add one |",
        "| ---: | ---: |",
        f"| 1 and those that were added | {1000 * result['seconds_few']:.1f} |",
        f"| {result['earlier']:,} | {1000 * result['seconds_many']:.1f} |",
        "",
        f"{result['share']:+.0%}; the mark was at most {MARK:+.0%}: {reached}.",
        "",
        f"`{result['command']}` on {result['machine']}, {result['date']}.",
    ]
    return "\n".join(lines) + "\n"
