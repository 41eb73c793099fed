"""Your own data: clips and events, each trained on and verified with no option but its name, beside simple forecasts.

    python -m lab own-data [--only NAME ...] [--minutes M] [--data FOLDER] [--limit N]

What is done already stays, and a run that was stopped goes on with what is left (`--again` does all anew). FOLDER holds
the real data, by default ../shared/data; the drawn clips (`lab/clips.py`) need none. Results stand in
lab/results/own-data.json, and `python -m lab pages` writes them into docs/your-own-data.md.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from lab.clips import CLIPS, draw, write
from lab.options import parser, wanted
from lab.place import RESULTS, ROOT, environment, this_command
from nextframe.data.simple import name_of
from nextframe.files import write_text
from nextframe.frames.units import same_unit
from nextframe.machine import cores, describe_machine
from nextframe.runs.folder import load_config
from nextframe.runs.manifest import MANIFEST, Manifest, read_manifest
from nextframe.verification.result import Verification
from nextframe.verification.titles import number

RESULT = RESULTS / "own-data.json"
RUNS = ROOT / "runs" / "own-data"
SIMPLE = ("persistence", "translation", "extrapolation")
LIMIT = 30
"""Windows of the test part that each run is verified on, at most."""

REAL: Mapping[str, str] = {
    "carphone": "video/carphone_pristine.mp4",
    "bikes": "video/bikes.mp4",
    "era5": "grid/era5-t2m-uk-2019-03.nc",
    "bom": "radar/bom-brisbane-2020-10-31",
    "knmi": "radar/knmi-2010-08-26",
    "mch-2015": "radar/mch-2015-05-15",
    "mch-2016": "radar/mch-2016-07-11",
}
"""Real clips and events by name, below the folder of the data; events of `radar-more` are named as their files."""


def cases(data: Path) -> dict[str, Path]:
    """All clips and events that there are, and where."""
    real = {name: data / path for name, path in REAL.items()}
    real |= {path.stem: path for path in sorted((data / "radar-more").glob("*.nc"))}
    return {name: RUNS / f"{name}.mp4" for name in CLIPS} | {name: path for name, path in real.items() if path.exists()}


def run_case(name: str, source: Path, *, minutes: float | None, limit: int) -> dict[str, Any]:
    """Train and verify as somebody does who chooses nothing, and measure what that takes."""
    RUNS.mkdir(parents=True, exist_ok=True)
    if name in CLIPS and not source.exists():
        write(source, draw(CLIPS[name]))
    run = RUNS / name
    if run.exists():
        shutil.rmtree(run)
    budget = [] if minutes is None else ["--minutes", f"{minutes:g}"]
    said, seconds, memory = _program("train", "stacked", "--data", str(source), "--out", str(run), *budget)
    manifest, config = read_manifest(run / MANIFEST), load_config(run / "config.yaml")
    rain = any(same_unit(unit, "mm/h") or unit.startswith("mm") for unit in manifest.units)
    baselines = ",".join((*SIMPLE, *(("anvil",) if rain and config.data.past >= 4 else ())))
    _program("verify", str(run), "--baselines", baselines, "--limit", str(limit), "--examples", "0")
    skill = Verification.from_json(run / "verification.json")
    own = next(iter(skill.scores))
    announced = re.search(r"takes about (.+?) in all.*about ([\d.,]+ [kMGT]?B)", said)
    return {
        "frame": [manifest.channels, manifest.height, manifest.width],
        "minutes": config.training.minutes,
        "base": name_of(config.data.coordinates)
        + ("" if config.training.from_ is None else f" and {config.training.from_}"),
        "kept": _kept(manifest),
        "announced_seconds": None if announced is None else _seconds(announced[1]),
        "announced_memory": None if announced is None else announced[2],
        "seconds": round(seconds, 1),
        "memory_mib": round(memory / 2**20),
        "windows": skill.count,
        "blocks": skill.blocks,
        "unit": skill.units[0],
        "mse": {"model" if who == own else who: list(scores["mse"]) for who, scores in skill.scores.items()},
        "skill": {
            who: {"score": list(s["mse"].score), "low": list(s["mse"].low), "high": list(s["mse"].high)}
            for who, s in skill.skill.items()
            if "mse" in s
        },
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")) or cores(),
        "machine": describe_machine(),
        "load": round(os.getloadavg()[0], 1),
        "date": str(date.today()),
        "versions": dict(skill.versions),
    }


def _program(*arguments: str) -> tuple[str, float, int]:
    """Run the program; what it said, seconds, and bytes of memory at most."""
    command = [str(Path(sys.executable).parent / "nextframe"), *arguments]
    print("$", "nextframe", *arguments, flush=True)
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    print(said, flush=True)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return said, time.monotonic() - started, usage.ru_maxrss * 1024


def _kept(manifest: Manifest) -> str:
    """Weights that were kept: those of a round, or those that the training began with."""
    if manifest.epoch:
        return f"round {manifest.epoch}"
    return f"{manifest.config.training.from_} untuned" if manifest.config.training.from_ else "untrained"


def _seconds(text: str) -> float:
    scale = {"h": 3600, "min": 60, "s": 1}
    return sum(float(value) * scale[unit] for value, unit in re.findall(r"([\d.]+) (h|min|s)\b", text))


def against(result: Mapping[str, Any]) -> tuple[str, list[float]]:
    """The best of the references by mean MSE, and the model's share of its error at each lead time."""
    mse = result["mse"]
    others = {who: values for who, values in mse.items() if who != "model" and None not in values}
    best = min(others, key=lambda who: sum(others[who]))
    return best, [own / least for own, least in zip(mse["model"], map(min, *others.values()), strict=True)]


def verdict(result: Mapping[str, Any]) -> str:
    """The bootstrap's verdict against every reference, in a few words."""
    parts = []
    for who, skill in result["skill"].items():
        lows = [low for low in skill["low"] if low is not None and low == low]
        if not lows:
            parts.append(f"{who}: too few blocks")
            continue
        better = sum(low > 0 for low in skill["low"])
        worse = sum(high < 0 for high in skill["high"])
        what = f"better at {better}" if better else "level"
        parts.append(f"{who}: {what}" + (f", worse at {worse}" if worse else ""))
    return "; ".join(parts)


def tables() -> str:
    """The page's tables, from the results."""
    results = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    if not results:
        return "No results yet: `python -m lab own-data`.\n"
    return "\n".join(_lines(results))


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    yield "\nMean squared error, mean over lead times, in source units squared; the best in bold:\n"
    names = [*dict.fromkeys(who for result in results.values() for who in result["mse"])]
    yield f"| clip or event | windows | {' | '.join(names)} | begins as | kept | worst share |"
    yield f"|---|---:|{'---:|' * len(names)}---|---|---:|"
    for name, result in results.items():
        means = {who: sum(values) / len(values) for who, values in result["mse"].items()}
        least = min(means.values())
        cells = [
            "" if who not in means else f"**{number(means[who])}**" if means[who] == least else number(means[who])
            for who in names
        ]
        worst = max(against(result)[1])
        columns = (name, str(result["windows"]), *cells, result["base"], result["kept"], f"{worst:.3f}")
        yield f"| {' | '.join(columns)} |"
    yield (
        "\n`worst share` is the model's squared error as a share of the best reference's, at the lead time where that "
        "is largest: below 1 it wins at every lead time.\n"
    )
    yield "| clip or event | lead times at which the 95 % interval of a block bootstrap leaves no doubt |"
    yield "|---|---|"
    for name, result in results.items():
        yield f"| {name} | {verdict(result)} |"
    yield "\n| clip or event | frame | minutes | announced s | took s | announced memory | took memory | load |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for name, result in results.items():
        channels, height, width = result["frame"]
        memory = result["announced_memory"] or ""
        announced = "" if result["announced_seconds"] is None else f"{result['announced_seconds']:.0f}"
        yield (
            f"| {name} | {channels} x {height} x {width} | {result['minutes']:g} | {announced} | "
            f"{result['seconds']:.0f} | {memory} | {result['memory_mib']} MiB | {result['load']:g} |"
        )
    made = sorted({(result["command"], result["machine"], result["date"]) for result in results.values()})
    yield "\n" + "\n".join(f"`{command}` on {machine}, {day}." for command, machine, day in made)
    yield (
        "`load` is that of the machine at the end: beyond its cores, others computed on it at the same time, so that a "
        "minute held less.\n"
    )


def main(arguments: Sequence[str]) -> None:
    options = parser("own-data", __doc__)
    options.add_argument("--only", nargs="+", metavar="NAME", help="some of the clips and events")
    options.add_argument("--minutes", type=float, help="budget of each; by default that of `nextframe train`")
    options.add_argument("--data", default="../shared/data", help="folder that holds the real data")
    options.add_argument("--limit", type=int, default=LIMIT, help="windows to verify each on, at most")
    options.add_argument("--again", action="store_true", help="do what is done already, too")
    given = options.parse_args(arguments)
    there = cases((ROOT / given.data).resolve())
    names = wanted(options, given.only, there, kind="clip or event")
    results = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    for name in names:
        if name in results and not given.again:
            continue
        found = run_case(name, there[name], minutes=given.minutes, limit=given.limit)
        results[name] = {**found, "command": this_command()}
        results = {each: results[each] for each in [*there, *results] if each in results}
        write_text(RESULT, json.dumps(results, indent=1) + "\n")
    print(tables())
