"""What the engine was to reach, beside what was measured; `python -m lab marks` writes docs/engine.md's table.

It reads what these commands wrote:

    python -m lab training --threads 1,2 --keras-python PYTHON --out lab/results/training.json
    python -m lab streaming --steps 21 --keras-python PYTHON --out lab/results/streaming.json
    python -m lab training --kernel 5 --out lab/results/training-5x5.json
    python -m lab sweep --out lab/results/sweep.json
    python -m lab recompute
"""

import json
from collections.abc import Sequence
from typing import Any

from lab.options import parser
from lab.pages.marked import fill
from lab.place import DOCS, RESULTS
from nextframe.files import write_text

PAGE = DOCS / "engine.md"

KERAS, USUAL, PLAIN = "keras on tensorflow", "usual loop", "nextframe without its engine"
THRIFTY = tuple(f"nextframe, recompute {n}" for n in (8, 4, 2, 1))
Row = tuple[str, float, float, bool]  # what, mark, measured, whether more is better


def load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def find(content: dict[str, Any], model: str, contender: str, threads: int | None = None) -> dict[str, Any]:
    """A result, with the most threads if none are named."""
    found = [
        result
        for result in content["results"]
        if result["work"]["model"] == model
        and result["contender"] == contender
        and threads in (None, result["threads"])
    ]
    best: dict[str, Any] = max(found, key=lambda result: result["threads"])
    return best


def times(content: dict[str, Any], model: str, contender: str, ours: str = "nextframe") -> float:
    """How many times faster this package is."""
    return float(find(content, model, contender)["seconds"] / find(content, model, ours)["seconds"])


def step_memory(result: dict[str, Any]) -> float:
    """What steps add to the memory of the idle process."""
    return float(result["memory"] - result["idle_memory"])


def rows() -> list[Row]:
    names = ("training", "streaming", "training-5x5", "sweep", "recompute")
    training, streaming, large, sweep, recompute = map(load, names)
    found: list[Row] = []
    for model, keras, usual in (("stacked", 5.5, 4.0), ("encoder-decoder", 5.0, 6.5)):
        found.append((f"{model}, training step, against Keras", keras, times(training, model, KERAS), True))
        found.append((f"{model}, training step, against the usual loop", usual, times(training, model, USUAL), True))
    for model in ("stacked", "encoder-decoder"):
        share = find(training, model, "nextframe")["peak_share"]
        found.append((f"{model}, direct arithmetic over the direct convolution's peak", 2.2, share, True))
    found.append(("stacked, one new frame, against the usual loop", 3.0, times(streaming, "stacked", USUAL), True))
    found.append(("stacked, one new frame, against Keras", 100.0, times(streaming, "stacked", KERAS), True))
    for model in ("stacked", "encoder-decoder"):
        usual_memory = step_memory(find(recompute, model, USUAL))
        for what, ways, mark in (("a step", ("nextframe",), 1.0), ("a step with recomputation", THRIFTY, 1 / 3)):
            share = min(step_memory(find(recompute, model, ours)) / usual_memory for ours in ways)
            found.append((f"{model}, memory that {what} takes, over the usual loop's", mark, share, False))
    slowest = min(
        plain["seconds"] / ours["seconds"]
        for ours in sweep["results"]
        for plain in sweep["results"]
        if ours["contender"] == "nextframe"
        and plain["contender"] == PLAIN
        and ours["work"] == plain["work"]
        and ours["threads"] == plain["threads"]
    )
    found.append(("any size of the sweep, against the plain path, the least gain", 1.0, slowest, True))
    for model in ("stacked", "encoder-decoder"):
        one, two = (find(training, model, "nextframe", threads)["seconds"] for threads in (1, 2))
        found.append((f"{model}, two threads against one", 1.85, one / two, True))
    for model in ("stacked", "encoder-decoder"):
        found.append((f"{model}, 5x5 kernels, against the usual loop", 1.8, times(large, model, USUAL), True))
    return found


def table() -> str:
    lines = ["| what | mark | measured | |", "|---|---:|---:|---|"]
    for what, mark, measured, more in rows():
        reached = measured >= mark if more else measured <= mark
        sign = "at least" if more else "at most"
        lines.append(f"| {what} | {sign} {mark:.3g} | {measured:.2f} | {'reached' if reached else 'not reached'} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    parser("marks", __doc__).parse_args(arguments)
    machine = load("training")["machine"]
    note = f"Medians of interleaved runs on {machine}; the files in `lab/results` name command, versions and date."
    write_text(PAGE, fill(PAGE.read_text(encoding="utf-8"), "marks", f"\n{table()}\n\n{note}\n\n"))
    print(table())
