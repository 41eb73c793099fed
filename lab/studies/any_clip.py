"""The shipped model of any clip on clips that it never saw, beside the last frame and the optical flow.

    python -m lab any-clip [--only NAME ...] [--data FOLDER] [--limit N] [--model RUN]

Clips are those of `python -m lab own-data`: the real ones below FOLDER, by default ../shared/data, and the drawn ones.
Nothing is trained. Results stand in lab/results/any-clip.json, and `python -m lab pages` writes them into
docs/your-own-data.md. A mark: at no lead time a PSNR below the better one of the two.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from lab.clips import CLIPS, draw, write
from lab.options import parser, wanted
from lab.place import RESULTS, ROOT, this_command
from lab.studies.own_data import REAL
from nextframe.api import verify_run
from nextframe.files import write_text
from nextframe.machine import describe_machine

RESULT = RESULTS / "any-clip.json"
REFERENCES = ("persistence", "extrapolation")
LIMIT = 30
"""Windows of each clip that are forecast, at most."""


def cases(data: Path) -> dict[str, Path | None]:
    """Clips by name, and where the real ones are; None for those that are drawn."""
    real = {name: data / path for name, path in REAL.items() if path.startswith("video/")}
    return {**{name: path for name, path in real.items() if path.exists()}, **dict.fromkeys(CLIPS)}


def run_case(name: str, path: Path | None, *, model: str, limit: int) -> dict[str, Any]:
    """Scores of forecasts from windows that are spread over a clip."""
    with tempfile.TemporaryDirectory() as folder:
        clip = path or Path(folder) / f"{name}.mp4"
        if path is None:
            write(clip, draw(CLIPS[name]))
        skill = verify_run(
            model, data=str(clip), baselines=REFERENCES, limit=limit, examples=0, out=Path(folder) / "out"
        )
    own = next(iter(skill.scores))
    return {
        "windows": skill.count,
        "psnr": {"model" if who == own else who: list(scores["psnr"]) for who, scores in skill.scores.items()},
        "machine": describe_machine(),
        "date": str(date.today()),
        "versions": dict(skill.versions),
    }


def gains(result: Mapping[str, Any]) -> list[float]:
    """Decibels by which the model is above the better reference, at each lead time."""
    references = [values for who, values in result["psnr"].items() if who != "model"]
    return [own - max(others) for own, *others in zip(result["psnr"]["model"], *references, strict=True)]


def tables() -> str:
    """The page's table, from the results."""
    results = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    return "\n".join(_lines(results)) if results else "No results yet: `python -m lab any-clip`.\n"


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    lead_times = max(len(result["psnr"]["model"]) for result in results.values())
    heads = " | ".join(f"frame {k}" for k in range(1, lead_times + 1))
    yield "\nPSNR of `video` in decibels, and what it gains over the better one of persistence and extrapolation:\n"
    yield f"| clip | windows | {heads} | least gain |"
    yield f"|---|---:|{'---:|' * lead_times}---:|"
    for name, result in results.items():
        cells = [f"{own:.1f} ({gain:+.2f})" for own, gain in zip(result["psnr"]["model"], gains(result), strict=True)]
        yield f"| {name} | {result['windows']} | {' | '.join(cells)} | {min(gains(result)):+.2f} |"
    made = sorted({(result["command"], result["machine"], result["date"]) for result in results.values()})
    yield "\n" + "\n".join(f"`{command}` on {machine}, {day}." for command, machine, day in made) + "\n"


def main(arguments: Sequence[str]) -> None:
    options = parser("any-clip", __doc__)
    options.add_argument("--only", nargs="+", metavar="NAME", help="some of the clips")
    options.add_argument("--data", default="../shared/data", help="folder that holds the real clips")
    options.add_argument("--limit", type=int, default=LIMIT, help="windows of each clip, at most")
    options.add_argument("--model", default="video", help="shipped model or run folder")
    given = options.parse_args(arguments)
    there = cases((ROOT / given.data).resolve())
    names = wanted(options, given.only, there, kind="clip")
    results = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    for name in names:
        found = run_case(name, there[name], model=given.model, limit=given.limit)
        print(f"{name}: {', '.join(f'{gain:+.2f}' for gain in gains(found))} dB", flush=True)
        if given.model == options.get_default("model"):
            results[name] = {**found, "command": this_command()}
            write_text(RESULT, json.dumps({each: results[each] for each in there if each in results}, indent=1) + "\n")
    print(tables())
