"""Write docs/results/tutorial.md: the tutorial's training tables beside those of our runs, and the rollout's skill.

    python benchmarks/tutorial_tables.py --same RUN --causal RUN --encoder-decoder RUN

Each RUN is the folder of one of the example programs:

    python examples/next-frame.py --temporal-padding same --out RUN
    python examples/next-frame.py --temporal-padding causal --out RUN
    python examples/encoder-decoder.py --out RUN

The runs' own files (metrics.csv, verification.json) are copied to benchmarks/results/tutorial/, and the page is written
from these copies, so that it can be written again without the runs.
"""

import argparse
import json
import shutil
from pathlib import Path

from nextframe.files import write_text
from nextframe.training.run_folder import load_config, read_metrics
from nextframe.verification.result import Verification

RESULTS = Path(__file__).parent / "results" / "tutorial"
PAGE = Path(__file__).parent.parent / "docs" / "results" / "tutorial.md"

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

TITLES = {
    "same": 'Stacked ConvLSTM, `temporal_padding="same"` (the tutorial\'s)',
    "causal": 'Stacked ConvLSTM, `temporal_padding="causal"`',
    "encoder-decoder": "Encoder-decoder ConvLSTM",
}


def training_table(name: str) -> list[str]:
    rows = read_metrics(RESULTS / name)
    if name == "encoder-decoder":
        lines = [
            "| epoch | tutorial: loss | loss | validation loss | rollout CSI | seconds |",
            "|---|---|---|---|---|---|",
        ]
        for row in rows:
            theirs = ENCODER_DECODER.get(int(row["epoch"]))
            lines.append(
                f"| {row['epoch']:.0f} | {'' if theirs is None else f'{theirs:.4f}'} | {row['train_loss']:.4f} | "
                f"{row['val_loss']:.4f} | {row['val_rollout_csi']:.3f} | {row['seconds']:.0f} |"
            )
        return lines
    lines = [
        "| epoch | tutorial: loss | loss | tutorial: validation loss | validation loss | rollout CSI "
        "| tutorial: seconds | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        seconds, loss, validation = STACKED[int(row["epoch"])]
        lines.append(
            f"| {row['epoch']:.0f} | {loss:.4g} | {row['train_loss']:.4g} | {validation:.4g} | {row['val_loss']:.4g} | "
            f"{row['val_rollout_csi']:.3f} | {seconds} | {row['seconds']:.0f} |"
        )
    return lines


def frames_seen_table(name: str) -> list[str]:
    last = read_metrics(RESULTS / name)[-1]
    seen = {k.rsplit("_", 1)[1]: v for k, v in last.items() if k.startswith("val_loss_frames_seen_")}
    head = "| frames seen | " + " | ".join(seen) + " |"
    body = "| validation loss | " + " | ".join(f"{v:.4f}" for v in seen.values()) + " |"
    return [head, "|---" * (len(seen) + 1) + "|", body]


def skill_table(name: str) -> list[str]:
    skill = Verification.from_json(RESULTS / name / "verification.json")
    leads = [f"{lead:g}" for lead in skill.lead_time]
    lines = ["| CSI at 0.5, lead time | " + " | ".join(leads) + " | mean |", "|---" * (len(leads) + 2) + "|"]
    for forecaster, scores in skill.scores.items():
        values = [0.0 if value is None else float(value) for value in scores["csi_0.5"]]
        cells = [f"{value:.3f}" for value in [*values, sum(values) / len(values)]]
        lines.append(f"| {forecaster} | " + " | ".join(cells) + " |")
    return lines


def page() -> str:
    lines = [
        "# The tutorial's tables, rerun",
        "",
        "Written by `benchmarks/tutorial_tables.py` from the run folders of `examples/next-frame.py` and",
        "`examples/encoder-decoder.py`. The tutorial's figures were made on a GPU, ours on the machine named with each",
        "table. The losses are those of one-step forecasts with the true past as input; the rollout's CSI at 0.5 is",
        "what a user gets: the forecast fed back, on movies that no training saw.",
        "",
    ]
    for name, title in TITLES.items():
        if not (RESULTS / name / "metrics.csv").exists():
            continue
        config = load_config(RESULTS / name / "config.yaml")
        machine = (RESULTS / name / "machine.txt").read_text(encoding="utf-8").strip()
        done = f"{len(read_metrics(RESULTS / name))} of {config.training.epochs} epochs run"
        lines += [f"## {title}", "", f"{machine}. Preset `tutorial`, {done}.", ""]
        lines += [*training_table(name), ""]
        if name != "encoder-decoder":
            lines += ["By number of frames seen, after the last epoch:", "", *frames_seen_table(name), ""]
        if (RESULTS / name / "verification.json").exists():
            epoch = min(read_metrics(RESULTS / name), key=lambda row: row["val_rollout_mse"])["epoch"]
            kept = f"the weights of epoch {epoch:.0f}, the best by the rollout's MSE in validation"
            lines += [f"The free rollout on 100 fresh movies, with {kept}:", "", *skill_table(name), ""]
    return "\n".join([*lines, *batch_norm()])


def batch_norm() -> list[str]:
    """How much of the rollout's weakness is batch norm's statistics, and how much the leak."""
    path = RESULTS / "batch-norm.json"
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
        "which there are three kinds. The tutorial's Keras kept plain averages of the batches seen, and so do we (the",
        "tables above). PyTorch and Keras 3 start from mean 0 and variance 1 and move by 0.01 a step, so that of this",
        f"guess {left['same']} is left in the 'same' stack ({steps['same']} steps behind its best weights) and",
        f"{left['causal']} in the causal one ({steps['causal']} steps): more than the variance of many a",
        "hidden channel where most of a frame is empty. And both lag behind weights that still change; statistics",
        "estimated again from training movies with these weights do not. `benchmarks/batch_norm.py` verifies the same",
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
    lines += [
        "",
        f"The share of the initial values costs the mean CSI {change('same', trained, mixed)} ('same') and",
        f"{change('causal', trained, mixed)} (causal); taking the rest of the lag away changes it by",
        f"{change('same', trained, again)} and {change('causal', trained, again)}. With statistics estimated again,",
        f"the causal stack stands {rest:+.3f} from the 'same' one: what the leak costs here. One seed each.",
        "",
    ]
    return lines


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in TITLES:
        options.add_argument(f"--{name}", type=Path, metavar="RUN")
    options.add_argument("--machine", help="what the runs ran on, for the page")
    given = options.parse_args()
    for name in TITLES:
        run = getattr(given, name.replace("-", "_"))
        if run is None:
            continue
        (RESULTS / name).mkdir(parents=True, exist_ok=True)
        for file in ("config.yaml", "metrics.csv", "verification.json"):
            if (run / file).exists():
                shutil.copy(run / file, RESULTS / name / file)
        if given.machine:
            write_text(RESULTS / name / "machine.txt", given.machine + "\n")
    write_text(PAGE, page())


if __name__ == "__main__":
    main()
