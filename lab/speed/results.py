"""What was measured, as a table, and as a JSON file that says on what it was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nextframe.engine as engine
from lab.speed.work import Accelerator, Task, Work
from nextframe.files import write_text
from nextframe.machine import describe_machine


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one contender took for one piece of work."""

    work: Work
    """The work."""
    task: Task
    """What was done of it."""
    contender: str
    """Who did it."""
    threads: int
    """Threads that it was given."""
    seconds: float
    """Median seconds of a step."""
    fastest: float
    """Seconds of the fastest step."""
    slowest: float
    """Seconds of the slowest step."""
    memory: int
    """Peak memory in bytes: of its process, or of its tensors on the GPU."""
    idle_memory: int
    """The same before the first step: interpreter, libraries, model."""
    frames_per_second: float
    """Frames trained on, or forecast, in a second."""
    peak: float
    """Operations a second of this machine's direct convolution, at the work's size and with as many threads."""
    peak_share: float
    """Arithmetic that direct convolutions would have taken in this time, as a share of that peak."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All results of a benchmark."""

    results: tuple[Result, ...]
    """By thread count, then by work, in the order of the contenders."""
    left_out: tuple[str, ...] = ()
    """What could not be measured and why, a line each."""
    versions: dict[str, dict[str, str]]
    """Versions of Python and of the libraries that each contender computed with."""
    accelerator: Accelerator = "cpu"
    """Where the work was done."""
    device: str | None = None
    """The GPU's name."""


def ratios(results: Sequence[Result]) -> list[float]:
    """Seconds of each result over those of nextframe on the same work, with as many threads."""
    ours = {
        (result.work, result.threads): result.seconds for result in reversed(results) if result.contender == "nextframe"
    }
    return [result.seconds / ours.get((result.work, result.threads), float("nan")) for result in results]


def scaling(results: Sequence[Result]) -> list[float]:
    """Seconds of each contender with the fewest threads that were measured, over those with this result's threads."""
    fewest: dict[tuple[Work, str], Result] = {}
    for result in results:
        first = fewest.setdefault((result.work, result.contender), result)
        if result.threads < first.threads:
            fewest[result.work, result.contender] = result
    return [fewest[result.work, result.contender].seconds / result.seconds for result in results]


def threads_text(count: int) -> str:
    """The count in words: "1 thread"."""
    return "1 thread" if count == 1 else f"{count} threads"


def rows(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Titles of the columns, the first two of them text, and the rows of the table.

    The column "against N" stands only where several thread counts were measured.
    """
    counts = sorted({result.threads for result in results})
    titles = ["model", "contender", "threads", "s/step", "min to max", "frames/s", "peak memory", "conv peak", "time"]
    lines = [
        [
            result.work.label,
            result.contender,
            str(result.threads),
            f"{result.seconds:.3g}",
            f"{result.fastest:.3g} to {result.slowest:.3g}",
            f"{result.frames_per_second:.3g}",
            f"{result.memory / 2**20:.0f} MiB",
            f"{result.peak_share:.0%}",
            f"{ratio:.2f}",
        ]
        for result, ratio in zip(results, ratios(results), strict=True)
    ]
    if len(counts) > 1:
        titles.append(f"against {counts[0]}")
        for line, gain in zip(lines, scaling(results), strict=True):
            line.append(f"{gain:.2f}")
    return titles, lines


def to_markdown(results: Sequence[Result]) -> str:
    """The results as a Markdown table."""
    titles, lines = rows(results)
    marks = ["---"] * 2 + ["---:"] * (len(titles) - 2)
    return "\n".join(f"| {' | '.join(line)} |" for line in (titles, marks, *lines)) + "\n"


def provenance(command: str) -> dict[str, Any]:
    """What results were measured by and on: command, machine, engine, versions and date."""
    return {
        "command": command,
        "machine": describe_machine(),
        "engine": engine.describe(),
        "versions": {package: version(package) for package in ("nextframe", "torch")},
        "date": datetime.now(UTC).date().isoformat(),
    }


def save(measured: Measured, path: Path, command: str) -> None:
    """Write the results with command, machine, versions and date as JSON, whole or not at all."""
    results = measured.results
    gains = zip(results, ratios(results), scaling(results), strict=True)
    content = {
        "task": results[0].task,
        **provenance(command),
        "accelerator": measured.device or measured.accelerator,
        "contenders": measured.versions,
        "peak_gflops": {f"{r.work.label}, {threads_text(r.threads)}": round(r.peak / 1e9, 1) for r in results},
        "results": [{**result.to_dict(), "ratio": ratio, "scaling": gain} for result, ratio, gain in gains],
        "left_out": list(measured.left_out),
        "markdown": to_markdown(results),
    }
    write_text(path, json.dumps(content, indent=1) + "\n")
