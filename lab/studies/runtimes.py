"""One further frame of shipped models: nextframe's own step beside the runtimes that models are exported to.

    python -m lab runtimes [--models NAME ...] [--rounds 9] [--steps 10] [--out FOLDER]
    python -m lab runtimes --parity [NAME ...] [--out FOLDER]
    python -m lab runtimes --exports [NAME ...] [--out FOLDER]

The parity is measured, too, of every shipped model, and of every architecture after a short training, in the formats
of other libraries than PyTorch: how far forecasts are from the run's over 20 frames fed back, and how far the run's are
from those of its network in float64, which is what rounding makes of the model without any export. And the seconds that
the export of every shipped model takes in each format, comparison included, as `nextframe export` does it. With
`--parity` or `--exports` that alone is measured, of the models (and, for the parity, architectures) that are named, or
of all; what was measured before stays. Parities do not depend on what else the machine does.

Each model is written in every format that holds a step graph, then all take turns, round by round, on the same frames
and as many threads: rollouts from one frame, so that every step is a frame in and a frame out. Seconds are of one step.
A format whose library is missing, or that a model cannot be written in, is named. Writes lab/results/runtimes.json and
docs/results/runtimes.md; with `--out`, the JSON file alone, to that folder. Run it on an idle machine.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from lab.options import parser, wanted
from lab.pages.marked import fill
from lab.place import RESULTS, ROOT, this_command
from lab.studies.runtime_tables import DIFFERENCES, OWN, PAGE, RESULT, SECTIONS, section
from nextframe.api import fit
from nextframe.architectures import names
from nextframe.errors import ConfigError, NextframeError
from nextframe.exports.description import describe
from nextframe.exports.export import export
from nextframe.exports.forecaster import ExportedForecaster, open_exported
from nextframe.exports.formats import FORMATS, ExportFormat, require
from nextframe.exports.graph import graphs
from nextframe.exports.parity import compare
from nextframe.exports.parts import part_path
from nextframe.files import write_text
from nextframe.forecasting.load import load_run
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.sequence import FloatArray
from nextframe.frames.source import open_source
from nextframe.machine import describe_machine
from nextframe.runs.shipped import shipped

MODELS = {
    "squares-stacked": "squares:movies=1,frames=20,seed=1007",
    "moving-mnist": "moving-mnist:movies=1,frames=20,seed=1000,part=test",
    "squares-encoder-decoder": "squares:movies=1,frames=20,seed=1007",
}
"""Shipped models, and the frames that they are timed on."""
COMPARED = (".onnx", ".xml")
"""Suffixes of formats whose parity is measured: their libraries have arithmetic of their own."""
USUAL = ("squares-stacked", "moving-mnist")
"""Models that are timed where none is named: compiling the third one's two files takes minutes."""
TRAINING = {"data": "squares:movies=200,frames=15", "filters": (8, 8), "minutes": 0.2}
"""Training of an architecture whose parity is measured."""
ROUNDING = {
    "the run itself": ("early_own_rounding", "own_rounding"),
    "the network by PyTorch's operations": ("early_rounding", "rounding"),
}
"""What is computed in float32 beside every export, and its differences from the network in float64."""
EXPORTED = (".onnx", ".xml", ".pt2", ".keras", "")
"""Suffixes of formats whose export is timed; AOTInductor compiles for minutes."""
LIBRARIES = ("torch", "onnxruntime", "openvino", "numpy")


def written(model: TrainedForecaster, row: ExportFormat, folder: Path) -> ExportedForecaster:
    """A model in a format, opened; its own tests compare it with the model."""
    require(row)
    assert row.write is not None
    path, parts = folder / f"model{row.suffix}", graphs(model)
    names = {part: part_path(path, part) for part in parts}
    description = describe(model, parts, {part: name.name for part, name in names.items()})
    for part, name in names.items():
        row.write(parts[part], description, name)
    return open_exported(path)


def timed(forecasters: dict[str, TrainedForecaster], first: FloatArray, rounds: int, steps: int) -> dict[str, Any]:
    """Seconds of a step by contender: each in every round, the order turned about from round to round.

    A turn begins with a forecast that is not counted. In it the threads of the one before go to sleep, which wait for
    work for about a millisecond, and its own wake up, as in a forecast of more than one frame they are.
    """
    seconds: dict[str, list[float]] = {name: [] for name in forecasters}
    for n in range(-1, rounds):  # the first is not counted
        order = list(forecasters) if n % 2 else list(reversed(forecasters))
        for name in order:
            forecasters[name].predict(first, steps)
            begun = time.perf_counter()
            forecasters[name].predict(first, steps)
            if n >= 0:
                seconds[name].append((time.perf_counter() - begun) / steps)
    return {
        name: {"median": statistics.median(all_), "fastest": min(all_), "slowest": max(all_)}
        for name, all_ in seconds.items()
    }


def measured(
    model: TrainedForecaster, first: FloatArray, rows: Sequence[ExportFormat], rounds: int, steps: int
) -> dict[str, Any]:
    """Seconds of a step of a model by contender, and what was left out and why."""
    forecasters, left_out = {OWN: model}, []
    with tempfile.TemporaryDirectory() as folder:
        for row in rows:
            print(f"  {row.title}", file=sys.stderr)
            try:
                forecasters[row.title] = written(model, row, Path(folder))
            except NextframeError as error:
                left_out.append(" ".join(str(error).split()).replace(f"{ROOT}/", ""))
        found = timed(forecasters, first, rounds, steps)
    return {"size": list(first.shape[-2:]), "seconds": found, "left_out": left_out}


def parity(model: TrainedForecaster, rows: Sequence[ExportFormat]) -> dict[str, Any]:
    """Differences of a model in each format from its run, and of what is computed in float32 from its network in
    float64.
    """
    exports: dict[str, dict[str, float | None]] = {}
    rounding: dict[str, dict[str, float | None]] = {}
    for row in rows:
        with tempfile.TemporaryDirectory() as folder:
            try:
                compared = compare(model, written(model, row, Path(folder)))
            except ConfigError:  # a library that is missing, which the timing has named
                continue
        exports[row.title] = {name: getattr(compared, name) for name in DIFFERENCES}
        for what, names_ in ROUNDING.items():  # of the movie that this export was the farthest on
            before = rounding.setdefault(what, dict.fromkeys(DIFFERENCES))
            for name, own in zip(DIFFERENCES, names_, strict=True):
                value = getattr(compared, own)
                before[name] = value if before[name] is None or value is None else max(before[name] or 0.0, value)
    return {"exports": exports, "rounding": rounding, **conditions()}


def parities(chosen: Sequence[str], rows: Sequence[ExportFormat]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Parity of shipped models, and of architectures after a short training, one after the other."""
    for name in chosen:
        print(f"{name}: parity", file=sys.stderr)
        if name in shipped():
            yield name, parity(load_run(name), rows)
            continue
        with tempfile.TemporaryDirectory() as folder:
            trained = fit(model=name, out=Path(folder) / "run", progress=False, **TRAINING)  # type: ignore[arg-type]
            yield f"{name} (short)", parity(trained, rows)


def export_times(name: str, rows: Sequence[ExportFormat]) -> dict[str, Any]:
    """Seconds of the export of a shipped model in each format, and what was left out and why."""
    model = load_run(name)
    seconds: dict[str, float] = {}
    left_out: list[str] = []
    for row in rows:
        print(f"{name}: export, {row.title}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            try:
                export(model, Path(folder) / f"model{row.suffix}")
            except NextframeError as error:
                left_out.append(" ".join(str(error).split()).replace(f"{ROOT}/", ""))
                continue
            seconds[row.title] = time.perf_counter() - begun
    return {"seconds": seconds, "left_out": left_out, **conditions()}


def conditions() -> dict[str, Any]:
    """What something was measured by, on and with."""
    return {
        "command": this_command(),
        "machine": describe_machine(),
        "date": date.today().isoformat(),
        "versions": versions(),
        "threads": torch.get_num_threads(),
    }


def versions() -> dict[str, str]:
    """Versions of the libraries that are there."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def all_timed(chosen: Sequence[str], rows: Sequence[ExportFormat], rounds: int, steps: int) -> dict[str, Any]:
    """Times of models, and what they were measured on."""
    models = {}
    for name in chosen:
        print(name, file=sys.stderr)
        model = load_run(name)
        first = open_source(MODELS[name]).sequences[0].read(0, 1)[None]
        models[name] = measured(model, first, rows, rounds, steps)
    return {**conditions(), "rounds": rounds, "steps": steps, "models": models}


def main(arguments: Sequence[str]) -> None:
    options = parser("runtimes", __doc__)
    options.add_argument("--models", nargs="+", choices=MODELS, default=USUAL, metavar="NAME")
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--steps", type=int, default=10)
    options.add_argument("--parity", nargs="*", metavar="NAME", help="measure the parity alone, and keep the times")
    options.add_argument("--exports", nargs="*", metavar="NAME", help="time the exports alone, and keep the rest")
    options.add_argument("--out", type=Path, help="folder for the JSON file; the page is left as it is")
    given = options.parse_args(arguments)
    rows = [row for row in FORMATS if row.write is not None]
    whole = given.parity is None and given.exports is None
    if whole:
        result = all_timed(given.models, rows, given.rounds, given.steps)
    else:
        result = json.loads(RESULT.read_text(encoding="utf-8"))
    if whole or given.exports is not None:
        timed_rows = [row for row in FORMATS if row.suffix in EXPORTED]
        for name in wanted(options, given.exports or None, shipped(), kind="shipped model"):
            result.setdefault("exports", {})[name] = export_times(name, timed_rows)
            keep(result, given.out)
    if whole or given.parity is not None:
        compared = [row for row in FORMATS if row.suffix in COMPARED]
        for name, found in parities(
            wanted(options, given.parity or None, (*shipped(), *names()), kind="model"), compared
        ):
            result.setdefault("parity", {})[name] = found
            keep(result, given.out)
    keep(result, given.out)
    print(*(shown(result) for needed, shown in SECTIONS.values() if needed in result), sep="")


def keep(result: dict[str, Any], out: Path | None) -> None:
    """Write what has been measured so far."""
    write_text((out or RESULTS) / RESULT.name, json.dumps(result, indent=1) + "\n")
    if out is None:
        page = PAGE.read_text(encoding="utf-8")
        for mark in SECTIONS:
            page = fill(page, mark, section(mark))
        write_text(PAGE, page)
