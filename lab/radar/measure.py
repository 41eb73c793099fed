"""Trainings without one network, and scores of each of its events: kept as files, so that a run can be stopped."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lab.place import RESULTS, ROOT, environment
from lab.radar.networks import NETWORKS, PAST, Network
from nextframe.api import verify as verify_with_baselines
from nextframe.data.remembered import Remembered
from nextframe.data.split import whole_spans
from nextframe.data.windows import cut_windows, windows_with_past
from nextframe.files import write_text
from nextframe.forecasting.forecast import Forecaster
from nextframe.forecasting.load import load_run
from nextframe.forecasting.matching import ProbabilityMatched, QuantileMapped
from nextframe.frames.sequence import FloatArray
from nextframe.frames.source import open_source
from nextframe.frames.together import written
from nextframe.verification.result import Verification
from nextframe.verification.verify import verify
from nextframe.words import evenly, joined

RADAR = RESULTS / "radar"
RUNS = ROOT / "runs" / "radar"
BASELINES = ("persistence", "extrapolation", "steps", "anvil", "linda")
THRESHOLDS = (0.2, 1.0, 3.0)
SCALES = (5, 15)
SCORED: dict[str, Any] = {"thresholds": THRESHOLDS, "scales": SCALES, "progress": False}

FUTURE = 12
"""Frames that are forecast in training, and calibrated: an hour of most networks. Nothing else is chosen."""


def train(
    without: Sequence[Network],
    data: Path,
    out: Path,
    *,
    minutes: float,
    tested: bool = False,
    other: Sequence[str] = (),
) -> dict[str, Any]:
    """Train on all networks but some.

    Args:
        without: networks that are left out.
        data: folder that holds the data.
        out: the run.
        minutes: budget of the training.
        tested: leave the events out, too, that the shipped model is measured on.
        other: further options of `nextframe train`, each as "name=value".

    Returns:
        The command, and seconds that it took.
    """
    taken = [row for row in NETWORKS if row not in without]
    # The last sources are the test part, those before them the validation part.
    events = sorted(
        (
            (2 if tested and path.stem in row.tests else int(path.stem in row.watches), row, path)
            for row in taken
            for path in row.paths(data)
        ),
        key=lambda event: event[0],
    )
    shares = [sum(part == number for part, _, _ in events) / len(events) for number in (1, 2)]
    sources = [written({"path": str(path), "name": path.stem, **row.reading}) for _, row, path in events]
    options = [
        *("--rain-unit", "mm/h", "--resolution", str(taken[0].options()["resolution"])),
        *("--past", str(PAST), "--future", str(FUTURE), "--minutes", f"{minutes:g}"),
        *("--split", "sequence", "--validation", f"{shares[0]:.4f}", "--test", f"{shares[1]:.4f}"),
    ]
    options += [part for pair in other for part in (f"--{pair.partition('=')[0]}", pair.partition("=")[2])]
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


def keep(found: Verification, file: Path, data: Path) -> None:
    """Write scores for the repository, without curves that the page does not show."""
    file.parent.mkdir(parents=True, exist_ok=True)
    replace(found, spectra={}, skill={}, reliability={}, ranks={}).to_json(file)
    write_text(file, _portable(file.read_text(encoding="utf-8"), data))


def score_baselines(row: Network, data: Path, *, limit: int) -> None:
    """Scores of the baselines on each event of a network, of those that have none yet."""
    for path in row.paths(data):
        file = RADAR / "baselines" / row.name / f"{path.stem}.json"
        before = Verification.from_json(file) if file.exists() else None
        missing = [name for name in BASELINES if before is None or name not in before.scores]
        if not missing:
            continue
        print(f"{row.name}: {joined(missing, 'and')} on {path.stem}", flush=True)
        found = verify_with_baselines(
            missing, path, past=PAST, lead_times=row.lead_times, baselines=(), limit=limit, examples=0,
            **SCORED, **row.options(),
        )  # fmt: skip
        keep(found if before is None else replace(before, scores={**before.scores, **found.scores}), file, data)


class Kept(Forecaster):
    """A forecaster whose last forecasts are kept, for others that change them."""

    def __init__(self, inner: Forecaster) -> None:
        self.inner = inner
        self._predict = Remembered(inner.predict, limit=2**28)

    @property
    def name(self) -> str:
        return self.inner.name

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """The forecast (B, K, C, H, W) of a past (B, T, C, H, W)."""
        return np.array(self._predict(past, lead_times))


def score_run(run: Path, row: Network, data: Path, variant: str, *, limit: int) -> None:
    """Scores of a run on each event of a network that it never saw: as it is, matched to the last frame seen, and
    mapped to the distribution of its validation part.
    """
    waiting = [path for path in row.paths(data) if not (RADAR / variant / row.name / f"{path.stem}.json").exists()]
    if not waiting:
        return
    model = load_run(run)
    kept = Kept(model)
    mapped = QuantileMapped(kept, model.quantile_map(row.lead_times), model.door.limits)
    for path in waiting:
        print(f"{row.name}: {variant} on {path.stem}", flush=True)
        spans = whole_spans(open_source(path, **row.options()))
        windows = evenly(windows_with_past(cut_windows(spans, past=PAST, future=row.lead_times)), limit)
        found = verify([model, ProbabilityMatched(kept), mapped], windows, judged=3, data=path.stem, **SCORED)
        keep(found, RADAR / variant / row.name / f"{path.stem}.json", data)


def leave_out(
    rows: Sequence[Network],
    data: Path,
    variant: str,
    *,
    minutes: float,
    limit: int,
    tested: bool = False,
    other: Sequence[str] = (),
) -> None:
    """Train without some networks and score on each of them; what is there already is not done again."""
    run = RUNS / variant / f"without-{'-'.join(row.name for row in rows)}"
    notes = [RADAR / variant / row.name / "training.json" for row in rows]
    if not all(note.exists() for note in notes) or not (run / "model.json").exists():
        for old in (file for note in notes for file in note.parent.glob("*.json")):
            old.unlink()
        made = {
            "without": [row.name for row in rows],
            **train(rows, data, run, minutes=minutes, tested=tested, other=other),
        }
        for note in notes:
            note.parent.mkdir(parents=True, exist_ok=True)
            write_text(note, json.dumps(made, indent=1) + "\n")
    for row in rows:
        score_run(run, row, data, variant, limit=limit)
