"""Trainings without one network, and scores of each of its events: kept as files, so that a run can be stopped."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lab.place import RESULTS, ROOT, environment
from lab.radar.networks import NETWORKS, PAST, Network
from nextframe.api import verify, verify_run
from nextframe.files import write_text
from nextframe.frames.together import written
from nextframe.verification.result import Verification

RADAR = RESULTS / "radar"
RUNS = ROOT / "runs" / "radar"
BASELINES = ("persistence", "extrapolation", "steps", "anvil")
THRESHOLDS = (0.2, 1.0, 3.0)
SCALES = (5, 15)
SCORED: dict[str, Any] = {"thresholds": THRESHOLDS, "scales": SCALES, "examples": 0, "progress": False}

FUTURE = 12
"""Frames that are forecast in training, and calibrated: an hour of most networks. Nothing else is chosen."""


def train(without: Network | None, data: Path, out: Path, *, minutes: float) -> dict[str, Any]:
    """Train on all networks but one, or on those whose data may be shipped where none is left out.

    Returns:
        The command, and seconds that it took.
    """
    taken = [row for row in NETWORKS if (row.shippable if without is None else row is not without)]
    events = [(path.stem in row.watches, row, path) for row in taken for path in row.paths(data)]
    watching = sum(watches for watches, _, _ in events)
    sources = [
        written({"path": str(path), "name": path.stem, **row.reading})
        for _, row, path in sorted(events, key=lambda event: event[0])  # the last of them are the validation part
    ]
    options = [
        *("--rain-unit", "mm/h", "--resolution", str(taken[0].options()["resolution"])),
        *("--past", str(PAST), "--future", str(FUTURE), "--minutes", f"{minutes:g}"),
        *("--split", "sequence", "--validation", f"{watching / len(events):.4f}", "--test", "0"),
    ]
    named = [part for source in sources for part in ("--data", source)]
    if out.exists():
        shutil.rmtree(out)
    command = ["nextframe", "train", "stacked", *named, *options, "--out", str(out)]
    started = time.monotonic()
    subprocess.run([str(Path(sys.executable).parent / command[0]), *command[1:]], check=True, env=environment())
    return {"command": _portable(" ".join(command), data), "seconds": round(time.monotonic() - started)}


def _portable(text: str, data: Path) -> str:
    """A text whose paths are below the data's folder or the repository, and name no machine."""
    return text.replace(f"{data}/", "").replace(f"{ROOT}/", "")


def _keep(found: Verification, file: Path, data: Path) -> None:
    """Write scores for the repository."""
    file.parent.mkdir(parents=True, exist_ok=True)
    found.to_json(file)
    write_text(file, _portable(file.read_text(encoding="utf-8"), data))


def score_baselines(row: Network, data: Path, *, limit: int) -> None:
    """Scores of the baselines on each event of a network, where they are not there yet."""
    for path in row.paths(data):
        file = RADAR / "baselines" / row.name / f"{path.stem}.json"
        if file.exists():
            continue
        print(f"{row.name}: baselines on {path.stem}", flush=True)
        found = verify(
            list(BASELINES), path, past=PAST, lead_times=row.lead_times, baselines=(), limit=limit, **SCORED,
            **row.options(),
        )  # fmt: skip
        _keep(found, file, data)


def score_run(run: Path, row: Network, data: Path, variant: str, *, limit: int) -> None:
    """Scores of a run on each event of a network that it never saw, as it is and matched to the last frame."""
    for path in row.paths(data):
        file = RADAR / variant / row.name / f"{path.stem}.json"
        if file.exists():
            continue
        print(f"{row.name}: {variant} on {path.stem}", flush=True)
        found = verify_run(
            run, data=path, baselines=(), lead_times=row.lead_times, matched=True, limit=limit, out=RUNS / "reports",
            **SCORED, **row.options(),
        )  # fmt: skip
        _keep(found, file, data)


def leave_out(row: Network, data: Path, variant: str, *, minutes: float, limit: int) -> None:
    """Train without a network and score on it; what is there already is not done again."""
    note = RADAR / variant / row.name / "training.json"
    run = RUNS / variant / f"without-{row.name}"
    if not note.exists() or not (run / "model.json").exists():
        for old in (RADAR / variant / row.name).glob("*.json"):
            old.unlink()
        made = train(row, data, run, minutes=minutes)
        note.parent.mkdir(parents=True, exist_ok=True)
        write_text(note, json.dumps(made, indent=1) + "\n")
    score_run(run, row, data, variant, limit=limit)
