"""The shipped radar model tuned to radars that it never saw, by minutes of training.

    python -m lab tuning [--only NETWORK ...] [--minutes 5 30] [--data FOLDER] [--limit N]

Of each network whose data are not in the shipped model, the first part of the frames is what a forecaster has:
`nextframe train --from radar-rain` is given these, and no other option. The rest is forecast: by the model as it ships,
by what the tunings made of it, and by the baselines. What is done stays in lab/results/tuning.json, so that a run that
was stopped goes on, and `python -m lab radar --page` writes it into docs/for-forecasters.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from lab.options import parser, wanted
from lab.place import RESULTS, ROOT, environment, this_command
from lab.radar.measure import BASELINES, SCORED, Kept
from lab.radar.networks import NETWORKS, PAST, Network, network
from nextframe.data.split import Span
from nextframe.data.windows import cut_windows, windows_with_past
from nextframe.files import write_text
from nextframe.forecasting.baselines import make_baselines
from nextframe.forecasting.matching import ProbabilityMatched
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.frames.source import open_source
from nextframe.frames.together import written
from nextframe.machine import cores, describe_machine
from nextframe.runs.shipped import find_run
from nextframe.verification.verify import verify
from nextframe.words import evenly

RESULT = RESULTS / "tuning.json"
RUNS = ROOT / "runs" / "tuning"
MODEL = "radar-rain"
SHARE = 0.6
"""Share of each event's frames that come first, and are trained on."""
FEWEST = 40
"""Frames of an event below which its rest is too short to forecast."""
KEPT = ("csi_0.2", "csi_1", "csi_3", "fss_1_5px", "fss_1_15px", "mse", "crps", "power_8px", "coverage")


def networks(data: Path) -> dict[str, Network]:
    """Networks that the shipped model never saw, and that are long enough."""
    new = (row for row in NETWORKS if not row.shippable)
    return {row.name: row for row in new if sum(_frames(row, path) for path in row.paths(data)) >= FEWEST}


def _frames(row: Network, path: Path) -> int:
    return sum(map(len, open_source(path, **row.options()).sequences))


def tune(row: Network, data: Path, minutes: float) -> Path:
    """Run that was tuned to the first part of a network's events, for so many minutes."""
    run = RUNS / f"{row.name}-{minutes:g}"
    if (run / "verification.json").exists() or (run / "calibration.json").exists():
        return run
    if run.exists():
        shutil.rmtree(run)
    sources = [
        written({"path": str(path), "name": path.stem, **row.reading, "frames": (0, round(SHARE * _frames(row, path)))})
        for path in row.paths(data)
    ]
    command = [str(Path(sys.executable).parent / "nextframe"), "train", "--from", MODEL, "--minutes", f"{minutes:g}"]
    named = [part for source in sources for part in ("--data", source)]
    subprocess.run([*command, *named, "--out", str(run)], check=True, env=environment())
    return run


def score(row: Network, data: Path, runs: Mapping[str, str | Path], *, limit: int) -> dict[str, Any]:
    """Means over lead times of each forecaster's scores on the rest of a network's events."""
    windows = []
    for path in row.paths(data):
        (sequence,) = open_source(path, **row.options()).sequences
        rest = Span(sequence, round(SHARE * len(sequence)), len(sequence))
        windows += evenly(windows_with_past(cut_windows([rest], past=PAST, future=row.lead_times)), limit)
    ours = []
    for name, run in runs.items():
        model = ModelForecaster.load(find_run(run), name=name)
        kept = Kept(model)
        ours += [model, ProbabilityMatched(kept)]
    found = verify([*ours, *make_baselines(BASELINES, ())], windows, data=row.name, **SCORED)
    means = {
        who: {metric: float(np.mean(values[metric])) for metric in KEPT if metric in values}
        for who, values in found.scores.items()
    }
    return {"windows": len(windows), "scores": means}


def main(arguments: Sequence[str]) -> None:
    """Tune, score, and keep what was found."""
    options = parser("tuning", __doc__)
    options.add_argument("--only", nargs="+", metavar="NETWORK", help="some of the networks")
    options.add_argument("--minutes", nargs="+", type=float, default=[5.0, 30.0], help="minutes of the tunings")
    options.add_argument("--limit", type=int, default=12, help="forecasts of each event, at most")
    options.add_argument("--data", default="../shared/data", help="folder that holds the data")
    given = options.parse_args(arguments)
    data = (ROOT / given.data).resolve()
    for name in wanted(options, given.only, networks(data), kind="network"):
        began = time.monotonic()
        row = network(name)
        tuned = {f"after {minutes:g} minutes": tune(row, data, minutes) for minutes in given.minutes}
        found = score(row, data, {"as shipped": MODEL, **tuned}, limit=given.limit)
        results = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
        results[name] = {
            **found,
            "command": this_command(),
            "machine": describe_machine(),
            "threads": int(os.environ.get("OMP_NUM_THREADS", "0")) or cores(),
            "seconds": round(time.monotonic() - began),
            "date": str(date.today()),
        }
        write_text(RESULT, json.dumps(results, indent=1) + "\n")
        print(json.dumps({name: found}, indent=1), flush=True)
