"""One further frame of shipped models: nextframe's own step beside the runtimes that models are exported to.

    python -m lab runtimes [--models NAME ...] [--rounds 9] [--steps 10] [--parity [NAME ...]] [--out FOLDER]

The parity is measured, too, of every shipped model in the formats of other libraries than PyTorch, and of every
architecture after a short training in the first of these: how far forecasts are from the run's over 20 frames fed back,
and how far the run's are from those of its network in float64. With `--parity` that alone is measured, of the models
and architectures that are named, or of all; what was measured before stays.

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

from lab.options import parser
from lab.pages.marked import fill
from lab.place import DOCS, RESULTS, this_command
from nextframe.api import fit
from nextframe.architectures import names
from nextframe.errors import ConfigError, NextframeError
from nextframe.exports.description import describe
from nextframe.exports.forecaster import ExportedForecaster, open_exported
from nextframe.exports.formats import FORMATS, ExportFormat, require
from nextframe.exports.graph import graphs
from nextframe.exports.parity import EARLY, ROLLOUT, compare
from nextframe.exports.parts import part_path
from nextframe.files import write_text
from nextframe.forecasting.load import load_run
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.sequence import FloatArray
from nextframe.frames.source import open_source
from nextframe.machine import describe_machine
from nextframe.runs.shipped import shipped

RESULT = RESULTS / "runtimes.json"
PAGE = DOCS / "results" / "runtimes.md"
OWN = "nextframe"
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
REACHED = 1e-5
"""Difference that an export is to stay below."""
DIFFERENCES = ("early_difference", "difference", "own_rounding", "rounding")
_NONE = "\nNot measured yet.\n\n"
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
                left_out.append(" ".join(str(error).split()))
        found = timed(forecasters, first, rounds, steps)
    return {"size": list(first.shape[-2:]), "seconds": found, "left_out": left_out}


def parity(model: TrainedForecaster, rows: Sequence[ExportFormat]) -> dict[str, dict[str, float | None]]:
    """Differences of a model in each format from its run, and of the run from its network in float64."""
    found = {}
    for row in rows:
        with tempfile.TemporaryDirectory() as folder:
            try:
                compared = compare(model, written(model, row, Path(folder)))
            except ConfigError:  # a library that is missing, which the timing has named
                continue
        found[row.title] = {name: getattr(compared, name) for name in DIFFERENCES}
    return found


def parities(
    chosen: Sequence[str], rows: Sequence[ExportFormat]
) -> Iterator[tuple[str, dict[str, dict[str, float | None]]]]:
    """Parity of shipped models, and of architectures after a short training, one after the other; by default of all."""
    for name in chosen or (*shipped(), *names()):
        print(f"{name}: parity", file=sys.stderr)
        if name in shipped():
            yield name, parity(load_run(name), rows)
            continue
        with tempfile.TemporaryDirectory() as folder:
            trained = fit(model=name, out=Path(folder) / "run", progress=False, **TRAINING)  # type: ignore[arg-type]
            yield f"{name} (short)", parity(trained, rows[:1])


def versions() -> dict[str, str]:
    """Versions of the libraries that are there."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def table(result: dict[str, Any]) -> str:
    """Table of a result, and what it was measured on."""
    lines = [
        "| model | pixels | runtime | ms a frame | fastest to slowest | time |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for model, found in result["models"].items():
        own = found["seconds"][OWN]["median"]
        for name, took in found["seconds"].items():
            median, fastest, slowest = (1000 * took[key] for key in ("median", "fastest", "slowest"))
            lines.append(
                f"| `{model}` | {' x '.join(map(str, found['size']))} | {name} | {median:.2f} | "
                f"{fastest:.2f} to {slowest:.2f} | {took['median'] / own:.2f} |"
            )
    left_out = list(dict.fromkeys(line for found in result["models"].values() for line in found["left_out"]))
    libraries = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    said = (
        f"{result['rounds']} rounds of {result['steps']} steps, {result['threads']} threads. `{result['command']}` on "
        f"{result['machine']}, {result['date']} ({libraries})."
    )
    return "\n" + "\n".join([*lines, "", *(f"Left out: {line}\n" for line in left_out), said]) + "\n\n"


def parity_table(result: dict[str, Any]) -> str:
    """Table of the parity of every model, and which of them stay above what is to be reached."""
    lines = [
        f"| model | runtime | first {EARLY} frames | {ROLLOUT} frames | the run from float64 | "
        "PyTorch's float32 from float64 |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for model, found in result["parity"].items():
        for title, differences in found.items():
            told = [differences.get(name) for name in DIFFERENCES]
            shown = " | ".join("" if value is None else f"{value:.1e}" for value in told)
            lines.append(f"| `{model}` | {title} | {shown} |")
    return "\n" + "\n".join([*lines, "", *parity_words(result["parity"])]) + "\n\n"


def parity_words(compared: dict[str, dict[str, dict[str, float | None]]]) -> list[str]:
    """Sentences on which models stay above what is to be reached, and on what rounding alone makes of them."""
    least = {
        model: tuple(max(row[name] or 0.0 for row in rows.values()) for name in ("difference", "own_rounding"))
        for model, rows in compared.items()
        if rows
    }
    above = {model: pair for model, pair in least.items() if pair[0] >= REACHED}
    below = len(least) - len(above)
    words = [f"{below} of {len(least)} stay below {REACHED:.0e} of the range after {ROLLOUT} frames."]
    words += [
        f"`{model}` does not: {difference:.1e}, where the run itself is {rounding:.1e} from its own network in float64."
        for model, (difference, rounding) in above.items()
    ]
    return words


def section(mark: str = "runtimes") -> str:
    """What the page shows between its marks, "runtimes" or "parity": a table, or that there is none yet."""
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    if mark == "parity":
        return parity_table(result) if "parity" in result else _NONE
    return table(result) if result else _NONE


def all_timed(chosen: Sequence[str], rows: Sequence[ExportFormat], rounds: int, steps: int) -> dict[str, Any]:
    """Times of models, and what they were measured on."""
    models = {}
    for name in chosen:
        print(name, file=sys.stderr)
        model = load_run(name)
        first = open_source(MODELS[name]).sequences[0].read(0, 1)[None]
        models[name] = measured(model, first, rows, rounds, steps)
    return {
        "command": this_command(),
        "machine": describe_machine(),
        "date": date.today().isoformat(),
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "rounds": rounds,
        "steps": steps,
        "models": models,
    }


def main(arguments: Sequence[str]) -> None:
    options = parser("runtimes", __doc__)
    options.add_argument("--models", nargs="+", choices=MODELS, default=USUAL, metavar="NAME")
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--steps", type=int, default=10)
    options.add_argument("--parity", nargs="*", metavar="NAME", help="measure the parity alone, and keep the times")
    options.add_argument("--out", type=Path, help="folder for the JSON file; the page is left as it is")
    given = options.parse_args(arguments)
    rows = [row for row in FORMATS if row.write is not None]
    compared = [row for row in rows if row.suffix in COMPARED]
    if given.parity is not None:
        result = json.loads(RESULT.read_text(encoding="utf-8"))
    else:
        result = all_timed(given.models, rows, given.rounds, given.steps)
    result.setdefault("parity", {})
    for name, found in parities(given.parity or (), compared):
        result["parity"][name] = found
        keep(result, given.out)
    keep(result, given.out)
    print(table(result), parity_table(result), sep="")


def keep(result: dict[str, Any], out: Path | None) -> None:
    """Write what has been measured so far."""
    write_text((out or RESULTS) / RESULT.name, json.dumps(result, indent=1) + "\n")
    if out is None:
        page = PAGE.read_text(encoding="utf-8")
        for mark in ("runtimes", "parity"):
            page = fill(page, mark, section(mark))
        write_text(PAGE, page)
