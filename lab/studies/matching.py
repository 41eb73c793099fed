"""Forecasts as they are, and matched to the last frame or to the validation part, on rain that radar-rain has not seen.

    python -m lab matching [--data FOLDER] [--limit 60] [--out FOLDER]

verifies the shipped model on the test part of its data: CSI and frequency bias at 0.2, 1 and 3 mm/h, squared error
and the power of fine structure, means over lead times. Writes lab/results/matching.json and the table between the marks
of docs/verification.md; with `--out`, the JSON file alone, to that folder. FOLDER holds the data, by default
../shared/data.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from lab.options import parser
from lab.pages.marked import fill
from lab.place import DOCS, RESULTS, this_command
from nextframe.data.split import split_as
from nextframe.data.windows import cut_windows, windows_with_past
from nextframe.files import write_text
from nextframe.forecasting.baselines import make_baselines
from nextframe.forecasting.load import load_run
from nextframe.forecasting.matching import ProbabilityMatched, QuantileMapped
from nextframe.frames.source import open_as
from nextframe.machine import describe_machine
from nextframe.verification.verify import verify
from nextframe.words import evenly

RESULT = RESULTS / "matching.json"
PAGE = DOCS / "verification.md"
RUN = "radar-rain"
THRESHOLDS = (0.2, 1.0, 3.0)


def measured(limit: int) -> dict[str, Any]:
    """Scores of each way by its name: lists by lead time."""
    model = load_run(RUN)
    data = model.config.data
    spans = split_as(open_as(data), data).test
    windows = evenly(windows_with_past(cut_windows(spans, past=data.past, future=data.future)), limit)
    known = QuantileMapped(model, model.quantile_map(data.future), model.door.limits)
    everyone = [model, ProbabilityMatched(model), known, *make_baselines(("extrapolation",), ())]
    found = verify(everyone, windows, thresholds=THRESHOLDS, data=RUN)
    scores: dict[str, dict[str, list[float]]] = {}
    for who, values in found.scores.items():
        chosen = {f"csi_{threshold:g}": list(values[f"csi_{threshold:g}"]) for threshold in THRESHOLDS}
        for threshold in THRESHOLDS:  # events forecast over events that came
            pod, far = (np.asarray(values[f"{name}_{threshold:g}"]) for name in ("pod", "far"))
            chosen[f"bias_{threshold:g}"] = (pod / (1 - far)).tolist()
        scores[who] = {**chosen, "mse": list(values["mse"]), "power_8px": list(values["power_8px"])}
    return {"windows": len(windows), "scores": scores}


def table(result: Mapping[str, Any]) -> str:
    """Means over lead times, a row for each way."""
    names = [f"{name}_{threshold:g}" for name in ("csi", "bias") for threshold in THRESHOLDS] + ["mse", "power_8px"]
    heads = [f"CSI at {threshold:g} mm/h" for threshold in THRESHOLDS]
    heads += [f"frequency bias at {threshold:g}" for threshold in THRESHOLDS]
    lines = [f"| {' | '.join(['forecast', *heads, 'MSE', 'power below 8 px'])} |", f"|---|{'---:|' * len(names)}"]
    for who, scores in result["scores"].items():
        lines.append(f"| {who} | {' | '.join(_mean(scores[name]) for name in names)} |")
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> str:
    """Mean over lead times; nothing where one of them has no value."""
    mean = float(np.mean(values))
    return f"{mean:.3f}" if np.isfinite(mean) else ""


def main(arguments: Sequence[str]) -> None:
    options = parser("matching", __doc__)
    options.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds the data")
    options.add_argument("--limit", type=int, default=60, help="windows to verify at most")
    options.add_argument("--out", type=Path, help="folder for the JSON file alone")
    given = options.parse_args(arguments)
    out = None if given.out is None else given.out.resolve()
    with contextlib.chdir(given.data):
        found = measured(given.limit)
    machine = describe_machine()
    result = {"command": this_command(), "machine": machine, "date": date.today().isoformat(), **found}
    write_text(RESULT if out is None else out / RESULT.name, json.dumps(result, indent=1) + "\n")
    if out is None:
        said = (
            f"{RUN} on the test part of its data, {result['windows']} forecasts, means over 5 to 30 minutes; "
            f"`python -m lab matching` on {machine}."
        )
        text = PAGE.read_text(encoding="utf-8")
        write_text(PAGE, fill(text, "matching", f"\n{table(result)}\n\n{said}\n\n"))
    print(table(result))
