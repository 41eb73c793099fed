"""`python -m lab live`: how soon a forecast is there, and how many at once.

    python -m lab live [--frames 92] [--requests 64] [--radar FOLDER]

One run measures all three: a session beside the network's own step; a folder that is followed, from a KNMI file that is
whole to its product on disk, and the memory of the process; and requests to the service beside a program started for
each. It writes lab/results/live.json and the tables between the marks in docs/live.md. Run it on an idle machine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.live.follow import measure_follow
from lab.live.serve import measure_serve
from lab.live.session import measure_session
from lab.options import parser
from lab.pages.marked import fill
from lab.place import DOCS, RESULTS, this_command
from lab.speed.results import provenance
from nextframe.files import write_text

RESULT = RESULTS / "live.json"
PAGE = DOCS / "live.md"
RADAR = Path("../shared/data/radar/knmi-2010-08-26")


def main(arguments: Sequence[str]) -> None:
    """Measure, and write what was measured."""
    options = parser("live", __doc__)
    options.add_argument("--frames", type=int, default=92, help="files of the replay")
    options.add_argument("--requests", type=int, default=64, help="requests of each number of clients")
    options.add_argument("--radar", type=Path, default=RADAR, help="folder of the replay's files, KNMI composites")
    given = options.parse_args(arguments)
    results: dict[str, Any] = {**provenance(this_command())}
    results["session"] = measure_session()
    print(json.dumps(results["session"], indent=1), flush=True)
    if given.radar.is_dir():
        results["follow"] = measure_follow(given.radar, given.frames)
        print(json.dumps(results["follow"], indent=1), flush=True)
    else:
        print(f"{given.radar}: not there, so that no folder is followed")
    results["serve"] = measure_serve(given.requests)
    print(json.dumps(results["serve"], indent=1), flush=True)
    write_text(RESULT, json.dumps(results, indent=1) + "\n")
    write_text(PAGE, fill(PAGE.read_text(encoding="utf-8"), "live", tables(results)))


def tables(results: dict[str, Any]) -> str:
    """What was measured, as the page shows it."""
    session, serve = results["session"], results["serve"]
    lines = [
        "",
        "| what | median | p99 |",
        "|---|---:|---:|",
        f"| the network's own step, 40x40, ms | {session['step_ms']['median']} | {session['step_ms']['p99']} |",
        f"| session: a new frame to the next forecast frame, ms | {session['session_ms']['median']} "
        f"| {session['session_ms']['p99']} |",
        f"| as a ratio | {session['ratio']} | |",
    ]
    if "follow" in results:
        follow = results["follow"]
        lines += [
            f"| a KNMI file to its product on disk (NetCDF and COG, {follow['lead_times']} lead times), s "
            f"| {follow['seconds']['median']} | {follow['seconds']['p99']} |",
            f"| memory after {follow['memory_mib'][0][0]} frames, MiB | {follow['memory_mib'][0][1]} | |",
            f"| memory after {follow['memory_mib'][-1][0]} frames, MiB | {follow['memory_mib'][-1][1]} | |",
        ]
    lines += [
        "",
        "| clients | requests | answered | told to come again | requests/s | median s | p99 s |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in serve["rows"]:
        lines.append(
            f"| {row['clients']} | {row['what']} | {row['answered']} | {row['again']} | {row['per_second']} "
            f"| {row['seconds']['median']} | {row['seconds']['p99']} |"
        )
    lines += [
        "",
        f"`nextframe forecast` started for each request: {serve['program_seconds']} s; the service, one client: "
        f"{serve['times_as_many']} times as many a second.",
        "",
        f"`{results['command']}` on {results['machine']}, {results['date']}.",
        "",
        "",
    ]
    return "\n".join(lines)
