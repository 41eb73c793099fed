"""Members that hang together in space and time, beside members that err everywhere alike.

    python -m lab members [NAME ...] [--data FOLDER] [--limit 60]

takes each model of CASES as it is calibrated, trains those that do not come with the package, and verifies both kinds
of members, which have the same quantiles at every pixel, on frames that it has not seen: the CRPS and the coverage of
means over squares and of sums over all lead times, rank histograms, and the spectra of single members. NAME may be
"cost", too: seconds and memory of 20 members of 12 lead times on 765 x 700 pixels, and of a whole forecast on that
grid, in processes of their own. What is measured goes into lab/results/members.json, beside what is there of the
others, and the tables between the marks of docs/uncertainty.md are written from it. FOLDER holds the data, by default
../shared/data.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from lab.options import parser
from lab.pages.marked import fill
from lab.place import DOCS, RESULTS, this_command
from nextframe.data.motion import Motion
from nextframe.data.split import split_as, whole_spans
from nextframe.data.windows import Window, cut_windows, windows_with_past
from nextframe.errors import ConfigError
from nextframe.files import write_text
from nextframe.forecasting.calibration import Calibration
from nextframe.forecasting.dependence import Dependence
from nextframe.forecasting.error_quantiles import LEVELS
from nextframe.forecasting.load import load_run
from nextframe.forecasting.random_fields import BANDS
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.source import open_as, open_source
from nextframe.machine import describe_machine, peak_memory
from nextframe.report.cards import load_card
from nextframe.verification.additive import Settings, join
from nextframe.verification.ensembles import Areas
from nextframe.verification.spectra import Spectra
from nextframe.words import evenly

RESULT = RESULTS / "members.json"
PAGE = DOCS / "uncertainty.md"
SIDES = (1, 4, 16, 64)
WAVES = {"below 8 px": (0.0, 8.0), "8 to 32 px": (8.0, 32.0), "above 32 px": (32.0, np.inf)}
"""Bands of wavelength whose power in a member is set against that in the truth."""
TOGETHER, FIELDS, FORECAST = "one error everywhere", "fields", "the forecast"
COST = "cost"
LARGE, MEMBERS, LEADS = (765, 700), 20, 12


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model, and the frames that it is calibrated and verified on."""

    title: str
    train: str = ""
    """Options of a training; empty for a shipped model."""


CASES = {
    "radar-rain": Case(title="radar-rain, shipped: two evenings that it has not seen"),
    "netherlands-2021": Case(
        title="a stacked ConvLSTM of 16 filters, 3 epochs on four evenings, calibrated on two others: two more",
        train="stacked --data radar-more/knmi-2021-0*.nc --rain-unit mm/h --crop 220,160,416,416 --coarsen 4 --past 4 "
        "--future 6 --split sequence --validation 0.25 --test 0.25 --coordinates lagrangian --output linear "
        "--residual --filters 16 --train-crop 64 --batch-size 8 --learning-rate 2e-3 --loss mse --epochs 3",
    ),
}


def loaded(name: str, folder: Path) -> TrainedForecaster:
    """A case's model, trained where it does not come with the package."""
    if not CASES[name].train:
        return load_run(name)
    from nextframe.cli.program import main as nextframe

    run = folder / name
    if nextframe(["train", *CASES[name].train.split(), "--no-progress", "--out", str(run)]) != 0:
        raise SystemExit(f"{name} could not be trained")
    return load_run(run)


def tested(name: str, model: TrainedForecaster) -> Sequence[Window]:
    """Windows to verify on, which the model has not seen."""
    data = model.config.data
    card = None if CASES[name].train else load_card(name)
    if card is not None and card.held_out is not None:
        spans = whole_spans(open_source(card.held_out))
    else:
        spans = split_as(open_as(data), data).test
    return windows_with_past(cut_windows(spans, past=data.past, future=data.future, stride=data.stride))


def verified(model: TrainedForecaster, known: Calibration, windows: Sequence[Window]) -> dict[str, Any]:
    """Scores of both kinds of members on the same windows."""
    settings = Settings(areas=SIDES)
    kinds = {TOGETHER: replace(known, dependence=None), FIELDS: known}
    areas: dict[str, list[Areas]] = {name: [] for name in kinds}
    sums: dict[str, list[Areas]] = {name: [] for name in kinds}
    spectra: dict[str, list[Spectra]] = {name: [] for name in (*kinds, FORECAST)}
    for window in windows:
        past, truth = (frames[None] for frames in window.read())
        forecast = model.predict(past, window.future)
        missing = np.where(np.isfinite(truth) & np.isfinite(forecast), np.float32(0), np.float32(np.nan))
        truth = truth + missing
        spectra[FORECAST].append(Spectra.each(forecast, truth, settings).total())
        for name, calibration in kinds.items():
            model.calibration = calibration
            members = model.calibrated(forecast, forecast[:, None], past, forecast.shape[1])[1]
            areas[name].append(Areas.each(members, truth, settings).total())
            total = members.mean(2, keepdims=True)
            sums[name].append(Areas.each(total, truth.mean(1, keepdims=True), settings).total())
            alike = np.repeat(truth, members.shape[1], axis=0)
            spectra[name].append(Spectra.each(members[0], alike, settings).total())
    scores: dict[str, Any] = {}
    for name in kinds:
        both = {"lead times": areas[name], "sums": sums[name]}
        scores[name] = {what: _of_areas(join(found).total()) for what, found in both.items()}
    for name, found in spectra.items():
        scores.setdefault(name, {})["power"] = _of_spectra(found)
    return scores


def _of_areas(found: Areas) -> dict[str, Any]:
    """Scores by side, each the mean over lead times, of sides that frames have room for."""
    scores = {}
    for n, side in enumerate(found.sides):
        count = found.count[n]
        if not count.any():
            continue
        members = found.members
        shares = found.ranks[n].sum(-1) / count.sum()
        scores[str(side)] = {
            "crps": float(((found.absolute_error[n] - found.pairs[n]) / count).mean()),
            "coverage": float((found.covered[n] / count).mean()),
            "spread": float(np.sqrt((members + 1) / members * found.variance[n].sum() / found.squared_error[n].sum())),
            "ranks": [round(float(share), 5) for share in shares],
            "unevenness": float(np.abs(shares - 1 / (members + 1)).sum()),
        }
    return scores


def _of_spectra(found: Sequence[Spectra]) -> dict[str, float]:
    """Power over that of the truth by band of wavelength."""
    total = join(found).total()
    shares = {}
    for name, (low, high) in WAVES.items():
        inside = (total.wavelength >= low) & (total.wavelength < high)
        if inside.any():
            shares[name] = float(total.power[:, inside].sum() / total.truth_power[:, inside].sum())
    return shares


def cost_of_members() -> dict[str, float]:
    """Seconds and memory of many members on a large grid, moved along a motion."""
    power = np.linspace(1, 2, BANDS)
    known = Calibration(
        edges=[[[0.1, 0.5, 2.0]] * LEADS],
        errors=[[np.sort(np.random.default_rng(0).normal(size=(4, LEVELS)), axis=1).tolist()] * LEADS],
        windows=1,
        dependence=Dependence(
            power=[[(power / power.sum()).tolist()] * LEADS],
            persistence=[[[0.9] * BANDS] * (LEADS - 1)],
            between=[[1.0]],
            along_motion=True,
        ),
    )
    forecast = np.random.default_rng(1).gamma(0.5, 2, (1, LEADS, 1, *LARGE)).astype(np.float32)
    past = forecast[:, :2].copy()
    motion: Motion = np.stack([np.full(LARGE, 2.3), np.full(LARGE, -1.2)])
    before = peak_memory()
    begun = time.perf_counter()
    worked = time.process_time()
    known.members(forecast, past, motions=[motion], number=MEMBERS)
    return {**_since(begun, worked), "memory": peak_memory(), "before": before}


def cost_of_forecast() -> dict[str, float]:
    """Seconds and memory of a process that forecasts radar-rain on the whole grid of the composite, from the files."""
    import nextframe

    begun, worked = time.perf_counter(), time.process_time()
    made = nextframe.forecast("radar-rain", "radar/knmi-2010-08-26", crop=())
    assert made.members is not None
    shape = made.members.shape
    return {**_since(begun, worked), "memory": peak_memory(), "members": shape[0], "leads": shape[1]}


def _since(begun: float, worked: float) -> dict[str, float]:
    return {"seconds": time.perf_counter() - begun, "processor": time.process_time() - worked}


def apart(call: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What a call returns, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(call)


def _took(cost: Mapping[str, float]) -> str:
    memory = cost["memory"] / 2**30
    return f"{cost['seconds']:.1f} s ({cost['processor']:.1f} s of a processor's time) and {memory:.1f} GiB"


def tables(result: Mapping[str, Any]) -> str:
    """Tables of a result for the page."""
    lines = [
        "Both kinds, with the same quantiles at every pixel. *Spread* is that of the members over the error of their",
        "mean, 1 is right; *unevenness* sums up how far the [rank histogram](#is-it-any-good) is from even, 0 is best.",
        "",
    ]
    for name in (name for name in CASES if name in result):
        found = result[name]
        lines += [
            f"{CASES[name].title[0].upper()}{CASES[name].title[1:]}; calibrated on {found['calibrated on']} forecasts, "
            f"verified on {found['windows']} (`{found['command']}`):",
            "",
            "| members | mean over | CRPS | coverage | spread | unevenness of ranks | CRPS, sum of all lead times | "
            "coverage |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for side in found["scores"][FIELDS]["lead times"]:
            for kind in (TOGETHER, FIELDS):
                one, total = (found["scores"][kind][what][side] for what in ("lead times", "sums"))
                shown = (one["coverage"], one["spread"], one["unevenness"])
                cells = [f"{one['crps']:.4g}", *(f"{value:.2f}" for value in shown), f"{total['crps']:.4g}"]
                lines.append(f"| {kind} | {side} px | {' | '.join(cells)} | {total['coverage']:.2f} |")
        lines += ["", "| power over that of the truth | " + " | ".join(WAVES) + " |"]
        lines.append("| --- |" + " ---: |" * len(WAVES))
        for kind in (FORECAST, TOGETHER, FIELDS):
            power = found["scores"][kind]["power"]
            who = kind if kind == FORECAST else f"a member, {kind}"
            lines.append(f"| {who} | " + " | ".join(f"{power[w]:.2f}" if w in power else "" for w in WAVES) + " |")
        lines.append("")
    if COST in result:
        drawn, whole = result[COST]["members"], result[COST]["forecast"]
        size = " x ".join(map(str, LARGE))
        lines.append(
            f"{MEMBERS} members of {LEADS} lead times on {size} pixels, moved along a motion, are drawn in "
            f"{_took(drawn)}. A forecast of radar-rain from files of that grid, {whole['members']} members of "
            f"{whole['leads']} lead times, takes {_took(whole)}, loading included (`{result[COST]['command']}`)."
        )
    return "\n".join(lines)


def measured(name: str, limit: int, folder: Path) -> dict[str, Any]:
    """What is measured of a case, or of the cost."""
    if name == COST:
        return {"members": apart(cost_of_members), "forecast": apart(cost_of_forecast)}
    model = loaded(name, folder)
    known = model.calibration
    if known is None or known.dependence is None:
        raise ConfigError("knows no dependence of its errors", where=name, hint="calibrate it again")
    windows = evenly(tested(name, model), limit)
    print(f"{name}: verifying on {len(windows)} windows", file=sys.stderr, flush=True)
    return {"calibrated on": known.windows, "windows": len(windows), "scores": verified(model, known, windows)}


def main(arguments: Sequence[str]) -> None:
    options = parser("members", __doc__)
    options.add_argument("names", nargs="*", help=f"any of {', '.join((*CASES, COST))}; by default all")
    options.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds the data")
    options.add_argument("--limit", type=int, default=60, help="windows to verify at most")
    given = options.parse_args(arguments)
    result: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    about = {"command": this_command(), "machine": describe_machine(), "date": date.today().isoformat()}
    for name in given.names or (*CASES, COST):
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(given.data):
            result[name] = {**about, **measured(name, given.limit, Path(folder))}
        write_text(RESULT, json.dumps(result, indent=1) + "\n")
    filled = fill(PAGE.read_text(encoding="utf-8"), "members", f"\n{tables(result)}\n\n")
    write_text(PAGE, filled)
    print(tables(result))
