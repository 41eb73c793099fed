"""Which squares a model forecasts wrongly: those that leave the frame, touch another one, stand still, or move.

    python -m lab squares-errors RUN [--movies 500]

RUN is a run folder or the name of a shipped model of moving squares. Every pixel on which forecast and truth differ
about CSI's event is counted for the square that is nearest in truth. The counts go to
lab/results/squares-errors.json; `python -m lab quality-page` writes them to its page.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import nextframe
from lab.options import parser
from lab.place import RESULTS, this_command
from lab.speed.results import provenance
from nextframe.errors import ConfigError
from nextframe.files import write_text
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.frames.generated.squares import MovingSquares
from nextframe.models.rollout import rollout

RESULT = RESULTS / "squares-errors.json"
SEED = 1001
"""Of the movies, which nothing was trained on or chosen by."""
EVENT = 0.5
KINDS = (
    "crosses the edge of the frame",
    "touches another square",
    "has touched another one before",
    "alone, at rest",
    "alone, moves along an axis",
    "alone, moves diagonally",
)
"""Of squares at a lead time; the first that holds."""


def kinds(source: MovingSquares, frames: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The kind of each square at each time (N, 7, T), and whether any of it is in the frame."""
    centre, half = source.positions(0, frames)
    low, high = centre - half[:, :, None, None], centre + half[:, :, None, None]  # (N, 7, T, 2), high exclusive
    there = ((high > 0) & (low < source.size)).all(-1) & (half > 0)[:, :, None]
    crosses = ((low < 0) | (high > source.size)).any(-1)
    near = (low[:, :, None] <= high[:, None]) & (low[:, None] <= high[:, :, None])  # (N, 7, 7, T, 2); sides may touch
    touching = near.all(-1) & there[:, :, None] & there[:, None] & ~np.eye(7, dtype=bool)[:, :, None]
    touches = touching.any(2)
    before = np.maximum.accumulate(touches, axis=2)
    axes = np.abs(np.diff(centre, axis=2)[:, :, :1]).sum(-1)  # how many axes it moves along, (N, 7, 1)
    kind = np.where(crosses, 0, np.where(touches, 1, np.where(before, 2, 3 + axes)))
    return kind, there


def nearest(source: MovingSquares, frames: int, there: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """For each movie the square that is nearest to each pixel, (T, H, W), by the distance to its side."""
    centre, half = source.positions(0, frames)
    pixels = np.arange(source.size) + 0.5
    for movie in range(len(centre)):
        away = np.abs(pixels - centre[movie, ..., None]) - half[movie, :, None, None, None]  # (7, T, 2, size)
        distance = np.maximum(away[:, :, 0, :, None], away[:, :, 1, None, :])  # (7, T, H, W)
        distance[~there[movie]] = np.inf
        yield distance.argmin(0)


def measure(run: str, movies: int) -> dict[str, Any]:
    """Pixels missed and falsely forecast by kind of square and lead time, and how many squares there are."""
    forecaster = nextframe.load_run(run)
    if not isinstance(forecaster, ModelForecaster):
        raise ConfigError("is an ensemble", where=run, hint="name one of its members")
    past, lead_times = forecaster.config.data.past, forecaster.config.data.future
    frames = past + lead_times
    source = MovingSquares(movies=movies, frames=frames, seed=SEED)
    drawn = torch.from_numpy(source.render(0, frames)).float()
    with torch.inference_mode():
        model = forecaster.model.eval()
        forecasts = torch.cat([rollout(model, part[:, :past], lead_times) for part in drawn.split(20)])
    said, truth = forecasts[:, :, 0].numpy() > EVENT, drawn[:, past:, 0].numpy() > EVENT
    kind, there = kinds(source, frames)
    shape = (len(KINDS), lead_times)
    squares, missed, false = np.zeros(shape, int), np.zeros(shape, int), np.zeros(shape, int)
    steps = np.arange(lead_times)
    for movie, owner in enumerate(nearest(source, frames, there)):
        of = kind[movie][owner[past:], (steps + past)[:, None, None]]  # (K, H, W)
        for n in range(len(KINDS)):
            squares[n] += ((kind[movie] == n) & there[movie])[:, past:].sum(0)
            missed[n] += (truth[movie] & ~said[movie] & (of == n)).sum((1, 2))
            false[n] += (said[movie] & ~truth[movie] & (of == n)).sum((1, 2))
    counts = {"squares": squares, "missed": missed, "false": false}
    table = {name: {key: values[n].tolist() for key, values in counts.items()} for n, name in enumerate(KINDS)}
    return {"run": run, "movies": movies, "seed": SEED, "kinds": table}


def section() -> list[str]:
    """The tables as lines of Markdown; none where nothing was measured."""
    if not RESULT.exists():
        return []
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    lines = [
        "## What is forecast wrongly",
        "",
        f"Pixels wrong for each square, by what the square does, in the free rollouts of {content['movies']} further",
        f"movies (seed {content['seed']}); and the share of all wrong pixels that such squares have.",
        "",
    ]
    for found in content["runs"].values():
        kinds = found["kinds"]
        last = len(next(iter(kinds.values()))["squares"])
        everything = sum(sum(part["missed"]) + sum(part["false"]) for part in kinds.values())
        head = ["the square", "squares", "missed", "false", f"at lead time {last}: missed", "false", "share of all"]
        lines += [f"`{found['run']}`:", "", f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
        for name, part in kinds.items():
            many = sum(part["squares"])
            cells = [name, f"{many / sum(sum(p['squares']) for p in kinds.values()):.0%}"]
            cells += [f"{sum(part[key]) / many:.2f}" for key in ("missed", "false")]
            cells += [f"{part[key][-1] / part['squares'][-1]:.2f}" for key in ("missed", "false")]
            cells.append(f"{(sum(part['missed']) + sum(part['false'])) / everything:.0%}")
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return [*lines, "```console", f"$ {content['command']}", "```", ""]


def main(arguments: Sequence[str]) -> None:
    options = parser("squares-errors", __doc__)
    options.add_argument("runs", nargs="+", metavar="RUN")
    options.add_argument("--movies", type=int, default=500)
    given = options.parse_args(arguments)
    made = provenance(this_command())
    runs = {run: measure(run, given.movies) for run in given.runs}
    content = {**made, "movies": given.movies, "seed": SEED, "runs": runs}
    write_text(RESULT, json.dumps(content, indent=1) + "\n")
    print("\n".join(section()))
