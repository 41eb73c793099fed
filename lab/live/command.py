"""`python -m lab live`: how soon a forecast is there, and how many at once.

    python -m lab live [--only session,follow,replay,serve] [--frames 500] [--requests 256] [--radar FOLDER]

One run measures all four, one after the other: a session beside the network's own step; a folder that is followed, from
a KNMI file that is whole to its product on disk, and the memory of the process; a replay with lost, late, doubled and
truncated files and a process that is killed, against an undisturbed one; and requests to the service beside a program
started for each. Each part is written to lab/results/live.json as soon as it has ended, and with it the tables between
the marks in docs/live.md. Run it on an idle machine.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.live.follow import measure_follow
from lab.live.replay import measure_replay
from lab.live.serve import measure_serve
from lab.live.session import measure_session
from lab.options import parser
from lab.pages.marked import fill
from lab.place import DOCS, RESULTS, this_command
from lab.speed.results import provenance
from nextframe.errors import ConfigError
from nextframe.files import write_text

RESULT = RESULTS / "live.json"
PAGE = DOCS / "live.md"
RADAR = Path("../shared/data/radar/knmi-2010-08-26")


@dataclass(frozen=True)
class Part:
    """A part of the measurement."""

    name: str
    """What the option and the file of results call it."""
    measure: Callable[[Namespace], dict[str, Any]]
    """Measures it."""
    rows: Callable[[dict[str, Any]], list[str]]
    """Lines of the page that tell of a result."""
    radar: bool = False
    """Whether it needs the radar files."""


def main(arguments: Sequence[str]) -> None:
    """Measure, and write what was measured."""
    options = parser("live", __doc__)
    options.add_argument("--only", default=",".join(PARTS), help="parts to measure, separated by commas")
    options.add_argument("--frames", type=int, default=500, help="frames that the folder gets; files are used again")
    options.add_argument("--requests", type=int, default=256, help="requests of each number of clients")
    options.add_argument("--kills", type=int, default=10, help="kills of the replay")
    options.add_argument("--replayed", type=int, default=92, help="files of the replay")
    options.add_argument("--radar", type=Path, default=RADAR, help="folder of KNMI composites, one file a step")
    options.add_argument("--out", type=Path, default=RESULT, help="file of the results")
    options.add_argument("--page", type=Path, default=PAGE, help="page whose tables are written")
    given = options.parse_args(arguments)
    chosen = [name for name in given.only.split(",") if name]
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        raise ConfigError("is no part", where="only", expected=", ".join(PARTS), received=unknown[0])
    results = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else {}
    for name in chosen:
        part = PARTS[name]
        if part.radar and not given.radar.is_dir():
            print(f"{given.radar}: not there, so that {name} is left out")
            continue
        results[name] = {**provenance(this_command()), **part.measure(given)}
        print(json.dumps({name: results[name]}, indent=1), flush=True)
        write_text(given.out, json.dumps(results, indent=1) + "\n")
        write_text(given.page, fill(given.page.read_text(encoding="utf-8"), "live", tables(results)))


def tables(results: dict[str, Any]) -> str:
    """What was measured, as the page shows it."""
    lines = []
    for name, part in PARTS.items():
        if name in results:
            result = results[name]
            origin = f"`{result['command']}` on {result['machine']}, {result['date']}."
            lines += ["", *part.rows(result), "", origin]
    return "\n".join([*lines, "", ""])


def _session_rows(result: dict[str, Any]) -> list[str]:
    step, whole = result["step_ms"], result["session_ms"]
    return [
        "| one new frame of 40x40, the tutorial's stack | median | p99 |",
        "|---|---:|---:|",
        f"| the network's own step | {step['median']} ms | {step['p99']} ms |",
        f"| session: the new frame to the next forecast frame | {whole['median']} ms | {whole['p99']} ms |",
        f"| ratio | {result['ratio']} | |",
    ]


def _follow_rows(result: dict[str, Any]) -> list[str]:
    first, last = result["memory_mib"][0], result["memory_mib"][-1]
    return [
        f"| {result['frames']} KNMI composites one after the other, {result['lead_times']} lead times | median | p99 |",
        "|---|---:|---:|",
        f"| a file to its product on disk, NetCDF and COG | {result['seconds']['median']} s "
        f"| {result['seconds']['p99']} s |",
        f"| the first hundred of them | {result['early_seconds']['median']} s | {result['early_seconds']['p99']} s |",
        f"| the last hundred of them | {result['late_seconds']['median']} s | {result['late_seconds']['p99']} s |",
        f"| a frame with all that is done of it, its scores, too | {result['seconds_with_scores']} s (mean), "
        f"{result['times_real_speed']} times real speed | |",
        f"| memory of the process after {first[0]} frames | {first[1]} MiB | |",
        f"| memory of the process after {last[0]} frames | {last[1]} MiB ({result['memory_growth']:+.1%}) | |",
    ]


def _replay_rows(result: dict[str, Any]) -> list[str]:
    said = ", ".join(f"{count} {kind}" for kind, count in result["disturbed"].items())
    return [
        f"| a replay of {result['files']} KNMI composites, {result['lead_times']} lead times: {said}; "
        f"{result['kills']} kills | files |",
        "|---|---:|",
        f"| products of the frames that arrived whole | {result['products']} |",
        f"| equal to those of the undisturbed replay, byte for byte | {result['equal']} |",
        f"| different | {len(result['different'])} |",
        f"| missing | {len(result['missing'])} |",
        f"| beyond these, or half written | {len(result['more'])} |",
    ]


def _serve_rows(result: dict[str, Any]) -> list[str]:
    lines = [
        "| requests | clients | answered | lost | told to come again | a second | median | p99 |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['what']} | {row['clients']} | {row['answered']} | {row['lost']} | {row['again']} "
        f"| {row['per_second']} | {row['seconds']['median']} s | {row['seconds']['p99']} s |"
        for row in result["rows"]
    ]
    return [
        *lines,
        "",
        f"`nextframe forecast` started for each request instead: {result['program_per_second']} a second, the better "
        f"of one and of two at a time; the service answers {result['times_as_many']} times as many with one client, "
        f"{result['times_as_many_at_best']} times with the number of clients that suits it best.",
    ]


PARTS = {
    part.name: part
    for part in (
        Part("session", lambda given: measure_session(), _session_rows),
        Part("follow", lambda given: measure_follow(given.radar, given.frames), _follow_rows, radar=True),
        Part(
            "replay",
            lambda given: measure_replay(given.radar, files=given.replayed, kills=given.kills),
            _replay_rows,
            radar=True,
        ),
        Part("serve", lambda given: measure_serve(given.requests), _serve_rows),
    )
}
"""Parts by name, in the order in which they are measured."""
