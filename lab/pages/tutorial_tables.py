"""Write docs/results/tutorial.md: the tutorial's training tables beside those of our runs, and the rollout's skill.

    python -m lab tutorial-tables --same RUN ... --causal RUN ... --encoder-decoder RUN ...

Each RUN is the folder of one of the example programs, with any seed; of several the page gives mean and spread:

    python examples/next-frame.py --temporal-padding same --seed 0 --out RUN
    python examples/next-frame.py --temporal-padding causal --seed 0 --out RUN
    python examples/encoder-decoder.py --seed 0 --out RUN

The runs' own files (metrics.csv, verification.json) are copied to lab/results/tutorial/MODEL/seed-N/, beside
those of other seeds, and the page is written from these copies, so that it can be written again without the runs.
"""

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from lab.options import parser
from lab.place import DOCS, RESULTS
from nextframe.files import write_text
from nextframe.machine import describe_machine
from nextframe.runs.folder import load_config
from nextframe.runs.metrics import read_metrics
from nextframe.verification.result import Verification

TUTORIAL = RESULTS / "tutorial"
PAGE = DOCS / "results" / "tutorial.md"

# The tutorial's own figures: epoch -> (seconds, loss, validation loss), on one GPU.
STACKED = {
    1: (37, 0.2410, 0.0775),
    2: (29, 0.0235, 0.0157),
    3: (29, 0.0044, 0.0042),
    4: (29, 0.0015, 0.0019),
    5: (29, 8.3291e-04, 7.3238e-04),
}
_LOSSES = (0.1155, 0.0074, 0.0021, 0.0010, 0.0006, 0.0004, 0.0003, 0.0002, 0.0002, 0.0001)
ENCODER_DECODER = dict(zip(range(1, 20, 2), _LOSSES, strict=True))
ENCODER_DECODER_SECONDS = 36

TITLES = {
    "same": 'Stacked ConvLSTM, `temporal_padding="same"` (the tutorial\'s)',
    "causal": 'Stacked ConvLSTM, `temporal_padding="causal"`',
    "encoder-decoder": "Encoder-decoder ConvLSTM",
}


def runs(name: str) -> list[Path]:
    """What is kept of a model's runs, a folder for each seed."""
    return sorted((TUTORIAL / name).glob("seed-*"))


def epochs(name: str) -> list[list[dict[str, float]]]:
    """The metrics of each epoch, of all runs that came so far."""
    everyone = [read_metrics(run) for run in runs(name)]
    return [[rows[n] for rows in everyone if n < len(rows)] for n in range(max(map(len, everyone)))]


def spread(values: Iterable[float], digits: str) -> str:
    """The mean, and with more than one value their standard deviation; where one of them is all of this, the range."""
    some = list(values)
    mean = f"{statistics.fmean(some):{digits}}"
    if len(some) == 1:
        return mean
    deviation = statistics.stdev(some)
    if deviation > statistics.fmean(some):
        return f"{mean} ({min(some):{digits}} to {max(some):{digits}})"
    return f"{mean} ± {deviation:{'.1g' if digits.endswith('g') else digits}}"


def least_to_most(values: Iterable[float]) -> str:
    """The range of seconds: those of several machines have no mean that tells anything."""
    some = sorted(values)
    least, most = f"{some[0]:.0f}", f"{some[-1]:.0f}"
    return least if least == most else f"{least}-{most}"


def training_table(name: str) -> list[str]:
    if name == "encoder-decoder":
        lines = [
            "| epoch | tutorial: loss | loss | validation loss | rollout CSI | seconds |",
            "|---|---|---|---|---|---|",
        ]
    else:
        lines = [
            "| epoch | tutorial: loss | loss | tutorial: validation loss | validation loss | rollout CSI "
            "| tutorial: seconds | seconds |",
            "|---|---|---|---|---|---|---|---|",
        ]
    for epoch, rows in enumerate(epochs(name), start=1):
        loss, validation = (spread((row[metric] for row in rows), ".3g") for metric in ("train_loss", "val_loss"))
        csi = spread((row["val_rollout_csi"] for row in rows), ".3f")
        seconds = least_to_most(row["seconds"] for row in rows)
        if name == "encoder-decoder":
            theirs = ENCODER_DECODER.get(epoch)
            cells = [str(epoch), "" if theirs is None else f"{theirs:.4f}", loss, validation, csi, seconds]
        else:
            took, first, second = STACKED[epoch]
            cells = [str(epoch), f"{first:.4g}", loss, f"{second:.4g}", validation, csi, str(took), seconds]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def frames_seen_table(name: str) -> list[str]:
    rows = epochs(name)[-1]
    seen = [metric for metric in rows[0] if metric.startswith("val_loss_frames_seen_")]
    head = "| frames seen | " + " | ".join(metric.rsplit("_", 1)[1] for metric in seen) + " |"
    body = "| validation loss | " + " | ".join(spread((row[m] for row in rows), ".3g") for m in seen) + " |"
    return [head, "|---" * (len(seen) + 1) + "|", body]


def rollout_skills(name: str) -> list[Verification]:
    """The verification of each run."""
    return [Verification.from_json(run / "verification.json") for run in runs(name)]


def skill_table(name: str) -> list[str]:
    skills = rollout_skills(name)
    leads = [f"{lead:g}" for lead in skills[0].lead_time]
    lines = ["| CSI at 0.5, lead time | " + " | ".join(leads) + " | mean |", "|---" * (len(leads) + 2) + "|"]
    for forecaster in skills[0].scores:
        found = [[value or 0.0 for value in skill.scores[forecaster]["csi_0.5"]] for skill in skills]
        if forecaster != "model":
            found = found[:1]  # the same movies: the same scores
        columns = [*zip(*found, strict=True), [statistics.fmean(values) for values in found]]
        lines.append(f"| {forecaster} | " + " | ".join(spread(values, ".3f") for values in columns) + " |")
    return lines


def page() -> str:
    lines = [
        "# The tutorial's tables, rerun",
        "",
        "Written by `python -m lab tutorial-tables` from the run folders of `examples/next-frame.py` and",
        "`examples/encoder-decoder.py`. The tutorial's figures were made on a GPU, ours on the machine named with each",
        "table. The losses are those of one-step forecasts with the true past as input; the rollout's CSI at 0.5 is",
        "what a user gets: the forecast fed back, on movies that no training saw.",
        "",
    ]
    for name, title in TITLES.items():
        kept = runs(name)
        if not kept:
            continue
        config = load_config(kept[0] / "config.yaml")
        machines = "; ".join(sorted({(run / "machine.txt").read_text(encoding="utf-8").strip() for run in kept}))
        done = f"{len(epochs(name))} of {config.training.epochs} epochs run"
        several = (
            f"{len(kept)} seeds: mean ± standard deviation, or least to most where one seed differs by more than the "
            "mean; of the seconds the least and the most"
        )
        seeds = "one seed" if len(kept) == 1 else several
        lines += [f"## {title}", "", f"{machines}. Preset `tutorial`, {done}; {seeds}.", ""]
        if name == "encoder-decoder":
            lines += [f"The tutorial's epochs took about {ENCODER_DECODER_SECONDS} s.", ""]
        lines += [*training_table(name), ""]
        if name != "encoder-decoder":
            lines += ["By number of frames seen, after the last epoch:", "", *frames_seen_table(name), ""]
        best = [min(read_metrics(run), key=lambda row: row["val_rollout_mse"])["epoch"] for run in kept]
        *others, latest = [f"{n:.0f}" for n in sorted(set(best))]
        which = f"the weights of epoch {', '.join(others)}{' and ' if others else ''}{latest}"
        which += ", the best by the rollout's MSE in validation"
        lines += [f"The free rollout on 100 fresh movies, with {which}:", "", *skill_table(name), ""]
    return "\n".join([*lines, *batch_norm()])


def batch_norm() -> list[str]:
    """How much of the rollout's weakness is batch norm's statistics, and how much the leak."""
    path = TUTORIAL / "batch-norm.json"
    if not path.exists():
        return []
    content = json.loads(path.read_text(encoding="utf-8"))
    found, steps = content["csi"], content["steps"]
    left = {stack: f"{0.99**count:.1%}" for stack, count in steps.items()}
    means = {(stack, state): sum(csi) / len(csi) for stack, rows in found.items() for state, csi in rows.items()}
    leads = range(1, 1 + len(next(iter(found["same"].values()))))
    lines = [
        "## What the leak costs, and what batch norm's statistics",
        "",
        "Two things stand between these losses and a forecast. The 'same' stack sees the frame that it is to",
        "forecast, so its one-step losses measure copying. And in use, batch norm divides by running statistics, of",
        "which there are three kinds. The tutorial's Keras kept moving averages of the batches seen without a share",
        "of their initial values, and so do we (the tables above). PyTorch and Keras 3 start from mean 0 and variance",
        f"1 and move by 0.01 a step, so that of this guess {left['same']} is left in the 'same' stack",
        f"({steps['same']} steps behind its best weights) and",
        f"{left['causal']} in the causal one ({steps['causal']} steps): more than the variance of many a",
        "hidden channel where most of a frame is empty. And both lag behind weights that still change; statistics",
        "estimated again from training movies with these weights do not. `python -m lab batch-norm` verifies the same",
        "weights with each:",
        "",
        "| CSI at 0.5, lead time | " + " | ".join(map(str, leads)) + " | mean |",
        "|---" * (len(leads) + 2) + "|",
    ]
    for (stack, state), average in means.items():
        cells = [f"{value:.3f}" for value in [*found[stack][state], average]]
        lines.append(f"| `{stack}`, {state} | {' | '.join(cells)} |")

    def change(stack: str, before: str, after: str) -> str:
        return f"{means[stack, after] - means[stack, before]:+.3f}"

    trained, mixed, again = "as trained", "initial values mixed in", "estimated again"
    rest = means["causal", again] - means["same", again]
    others = [
        statistics.fmean(value or 0.0 for value in skill.scores["model"]["csi_0.5"])
        for skill in rollout_skills("causal")[1:]
    ]
    lines += [
        "",
        f"The share of the initial values costs the mean CSI {change('same', trained, mixed)} ('same') and",
        f"{change('causal', trained, mixed)} (causal); taking the rest of the lag away changes it by",
        f"{change('same', trained, again)} and {change('causal', trained, again)}. With statistics estimated again,",
        f"the causal stack stands {rest:+.3f} from the 'same' one: what the leak costs here. Seed 0 of each;",
        f"as trained, the causal stack has {' and '.join(f'{csi:.3f}' for csi in others)} with the other seeds.",
        "",
    ]
    return lines


def main(arguments: Sequence[str]) -> None:
    options = parser("tutorial-tables", __doc__)
    for name in TITLES:
        options.add_argument(f"--{name}", type=Path, nargs="+", default=[], metavar="RUN")
    options.add_argument("--machine", help="what the runs ran on, for the page; by default this machine")
    given = options.parse_args(arguments)
    for name in TITLES:
        for run in getattr(given, name.replace("-", "_")):
            folder = TUTORIAL / name / f"seed-{load_config(run / 'config.yaml').training.seed}"
            folder.mkdir(parents=True, exist_ok=True)
            for file in ("config.yaml", "metrics.csv", "verification.json"):
                # Commands have the run folder, which may lie anywhere on the machine.
                text = (run / file).read_text(encoding="utf-8").replace(str(run.resolve()), f"runs/{run.name}")
                write_text(folder / file, text)
            write_text(folder / "machine.txt", (given.machine or describe_machine()) + "\n")
    write_text(PAGE, page())
