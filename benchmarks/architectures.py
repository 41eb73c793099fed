"""The architectures side by side, each trained for as long: skill by lead time, parameters, operations, seconds.

    python benchmarks/architectures.py [NAME ...] [--on squares,moving-mnist,radar] [--seconds 240] [--data FOLDER]
    python benchmarks/architectures.py --page

Each is trained with its default preset. How many steps it gets is found out first: its seconds a step, in a training of
some steps, tell how many fit. Results are merged into benchmarks/results/architectures.json as each training ends;
`--page` writes them to docs/results/architectures.md. FOLDER holds the public samples, by default ../shared/data.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

import nextframe
from nextframe.api import verify_run
from nextframe.config import ModelKind, RunConfig
from nextframe.files import write_text
from nextframe.machine import describe_machine
from nextframe.models.build import build_model
from nextframe.models.network import Network
from nextframe.models.rollout import rollout
from nextframe.training.presets import preset_config
from nextframe.training.run_folder import read_metrics

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "architectures.json"
PAGE = ROOT / "docs" / "results" / "architectures.md"
WARM_UP = 12
"""Steps that tell what a step takes."""
VALIDATION = 40
"""Movies validated on, of generated ones."""

ARCHITECTURES: dict[str, tuple[ModelKind, dict[str, Any]]] = {
    "stacked ConvLSTM": ("stacked", {}),
    "stacked ConvLSTM, peepholes": ("stacked", {"peepholes": True}),
    "ConvGRU": ("convgru", {}),
    "TrajGRU": ("trajgru", {}),
    "PredRNN": ("predrnn", {}),
    "multi-scale ConvLSTM": ("multiscale", {}),
    "SimVP": ("simvp", {}),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Frames to train and to verify on."""

    title: str
    past: int
    future: int
    options: dict[str, Any] = field(default_factory=dict)
    threshold: float = 0.5
    generated: str | None = None
    """A source of movies, as many new ones as there are steps; None where there is an archive."""
    held_out: str | None = None
    path: str = ""
    """The archive below the data folder."""


CASES = {
    "squares": Case(
        title="Moving squares, 40 x 40: 8 frames from 7",
        past=7,
        future=8,
        generated="squares:movies={},frames=15,seed=1",
        held_out="squares:movies=200,frames=15,seed=1000",
    ),
    "moving-mnist": Case(
        title="Moving MNIST, 64 x 64: 10 frames from 10, trained on cuts of 32",
        past=10,
        future=10,
        options={"train_crop": 32},
        generated="moving-mnist:movies={},frames=20,seed=1",
        held_out="moving-mnist:movies=100,frames=20,seed=1000",
    ),
    "radar": Case(
        title="Radar rain, the Netherlands (KNMI), 104 x 104 at 4 km: 6 frames from 4, event 1 mm/h",
        past=4,
        future=6,
        options={
            "rain_unit": "mm/h",
            "crop": (220, 160, 416, 416),
            "coarsen": 4,
            "validation": 0.12,
            "test": 0.42,
            "coordinates": "lagrangian",
            "output": "linear",
            "residual": True,
            "loss": "mse",
            "train_crop": 64,
            "batch_size": 8,
            "learning_rate": 2e-3,
        },
        threshold=1.0,
        path="radar/knmi-2010-08-26",
    ),
}


def configured(name: str, case: Case, seed: int) -> dict[str, Any]:
    """Options of a training, beside the data."""
    return {**ARCHITECTURES[name][1], "past": case.past, "future": case.future, "seed": seed, **case.options}


def train(name: str, case: Case, out: Path, data: Path, seed: int, steps: int | None, epochs: int) -> dict[str, float]:
    """Train on new movies for so many steps, or on the archive for so many epochs; the last epoch's metrics."""
    options = configured(name, case, seed)
    if case.generated is not None:
        assert steps is not None
        movies = steps * preset_config(ARCHITECTURES[name][0]).replace(options).training.batch_size + VALIDATION
        options |= {"data": case.generated.format(movies), "validation": VALIDATION / movies, "test": 0.0}
    else:
        options["data"] = str(data / case.path)
    nextframe.fit(model=ARCHITECTURES[name][0], out=out, progress=False, epochs=epochs, **options)
    rows = read_metrics(out)
    return {"seconds": sum(row["seconds"] for row in rows), "last": rows[-1]["seconds"]}


def run(name: str, on: str, seconds: float, data: Path, seed: int) -> dict[str, Any]:
    """Train for so long, and verify."""
    case = CASES[on]
    with tempfile.TemporaryDirectory() as folder:
        if case.generated is not None:
            each = train(name, case, Path(folder) / "warm-up", data, seed, WARM_UP, 1)["seconds"] / WARM_UP
            steps, epochs = max(round(seconds / each), 1), 1
        else:
            each = train(name, case, Path(folder) / "warm-up", data, seed, None, 2)["last"]
            steps, epochs = None, max(round(seconds / each), 1)
        out = Path(folder) / "run"
        taken = train(name, case, out, data, seed, steps, epochs)
        asked: dict[str, Any] = {"thresholds": [case.threshold], "out": Path(folder) / "skill", "progress": False}
        found = verify_run(out, data=case.held_out, baselines=("persistence",), examples=0, **asked)
    config = preset_config(ARCHITECTURES[name][0]).replace(configured(name, case, seed))
    size = 40 if on == "squares" else 64 if on == "moving-mnist" else 104
    event = f"csi_{case.threshold:g}"
    return {
        "architecture": name,
        "on": on,
        "seed": seed,
        "asked_seconds": seconds,
        "seconds": round(taken["seconds"], 1),
        "steps": steps,
        "epochs": epochs,
        "parameters": sum(p.numel() for p in built(config).parameters()),
        "gflop_per_frame": round(operations(config, size) / 1e9, 4),
        "forecasts": found.count,
        "scores": {
            who: {metric: [float(f"{value:.6g}") for value in found.scores[who][metric]] for metric in (event, "mse")}
            for who in ("model", "persistence")
        },
        "machine": describe_machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": str(date.today()),
    }


def built(config: RunConfig) -> Network:
    """The untrained network."""
    return build_model(config.model, 1, past=config.data.past, future=config.data.future)


def operations(config: RunConfig, size: int) -> float:
    """Floating-point operations of a whole forecast, over its frames; convolutions counted as direct ones."""
    model = built(config).double().eval()  # in float64 on PyTorch's operations, which are counted
    past = torch.zeros(1, config.data.past, 1, size, size, dtype=torch.float64)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        rollout(model, past, config.data.future)
    return float(counter.get_total_flops()) / config.data.future


def load() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return content


def write_page() -> None:
    content = load()
    lines = [
        "# Architectures side by side",
        "",
        "Each architecture with its default preset, of about 300,000 parameters, trained for the same time on two",
        "cores. ConvLSTM layers run on the engine; the others, and peepholes, on PyTorch's operations: this is what an",
        "architecture is worth in this package on a CPU. One seed each: differences of one or two hundredths say",
        "little. Operations are those of a whole forecast over its frames, convolutions counted as direct ones.",
        "",
    ]
    for on, case in CASES.items():
        found = [result for result in content.values() if result["on"] == on]
        if not found:
            continue
        event = f"csi_{case.threshold:g}"
        found.sort(key=lambda result: -sum(result["scores"]["model"][event]))
        leads = sorted({1, (case.future + 1) // 2, case.future})
        lines += [f"## {case.title}", ""]
        titles = ["architecture", "parameters", "GFLOP a frame", "seconds", "steps", "CSI", "MSE"]
        titles += [f"CSI, lead time {n}" for n in leads]
        lines += [f"| {' | '.join(titles)} |", f"|---{'|---:' * (len(titles) - 1)}|"]
        for result in found:
            scores = result["scores"]["model"]
            many = f"{result['steps']}" if result["steps"] else f"{result['epochs']} epochs"
            cells = [result["architecture"], f"{result['parameters']:,}", f"{result['gflop_per_frame']:.3g}"]
            cells += [f"{result['seconds']:.0f}", many, f"{_mean(scores[event]):.3f}", f"{_mean(scores['mse']):.4g}"]
            cells += [f"{scores[event][n - 1]:.3f}" for n in leads]
            lines.append(f"| {' | '.join(cells)} |")
        scores = found[0]["scores"]["persistence"]
        cells = ["persistence", "", "", "", "", f"{_mean(scores[event]):.3f}", f"{_mean(scores['mse']):.4g}"]
        cells += [f"{scores[event][n - 1]:.3f}" for n in leads]
        lines += [f"| {' | '.join(cells)} |", ""]
        made = sorted({(result["machine"], result["threads"], result["date"]) for result in found})
        for machine, threads, day in made:
            lines.append(f"{found[0]['forecasts']} forecasts; {machine}, {threads} threads, {day}.")
        lines.append("")
    lines += [
        "```console",
        "$ python benchmarks/architectures.py",
        "$ python benchmarks/architectures.py --page",
        "```",
        "",
    ]
    write_text(PAGE, "\n".join(lines))
    print(f"wrote {PAGE.relative_to(ROOT)}")


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", help="architectures; by default all")
    options.add_argument("--on", default=",".join(CASES), help="data sets; by default all")
    options.add_argument("--seconds", type=float, default=240.0)
    options.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds real data")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--page", action="store_true", help="only write docs/results/architectures.md")
    given = options.parse_args()
    if given.page:
        write_page()
        return
    for on in given.on.split(","):
        for name in given.names or ARCHITECTURES:
            result = run(name, on, given.seconds, given.data, given.seed)
            content = load()  # read again: another process may have added its own
            content[f"{name} on {on}, seed {given.seed}"] = result
            write_text(RESULTS, json.dumps(content, indent=1) + "\n")
            csi, *_ = result["scores"]["model"].values()
            print(f"{name} on {on}: CSI {_mean(csi):.3f}, {result['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
