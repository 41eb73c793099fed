"""How much of the tutorial's stacks' poor rollout is batch norm's lag, and how much the leak.

    python benchmarks/batch_norm.py --same RUN --causal RUN

Batch norm as in Keras moves its running statistics by 0.01 a step, and 475 steps are few. Here they are estimated
again, from training movies and the final weights, which takes the lag away and leaves the rest as it was; then the
rollout is verified once more on the same 100 fresh movies. Writes benchmarks/results/tutorial/batch-norm.json, which
benchmarks/tutorial_tables.py shows.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import nn

import nextframe
from nextframe.files import write_text
from nextframe.machine import describe_machine
from nextframe.report.tables import mean

RESULT = Path(__file__).parent / "results" / "tutorial" / "batch-norm.json"


def estimate_again(model: nn.Module, movies: torch.Tensor, batch: int = 10) -> None:
    """Replace the running statistics of every batch norm by averages over `movies` (N, T, C, H, W)."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over what follows
    model.train()
    with torch.no_grad():
        for start in range(0, len(movies), batch):
            model(movies[start : start + batch])
    model.eval()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--same", type=Path, required=True)
    options.add_argument("--causal", type=Path, required=True)
    given = options.parse_args()
    held_out = nextframe.open_source("squares:movies=100,frames=15,seed=1000")
    training = nextframe.open_source("squares:movies=1000,frames=16").sequences[:200]
    movies = torch.stack([torch.from_numpy(sequence.read(0, 15)) for sequence in training])
    found = {}
    for name in ("same", "causal"):
        forecaster = nextframe.load_run(getattr(given, name))
        rows = {}
        for state in ("as trained", "statistics estimated again"):
            if state != "as trained":
                estimate_again(forecaster.model, movies)
            skill = nextframe.verify(forecaster, held_out, past=7, lead_times=8, baselines=(), progress=False)
            rows[state] = list(skill.scores["model"]["csi_0.5"])
            print(f"{name}, {state}: mean CSI {mean(rows[state]):.3f}", flush=True)
        found[name] = rows
    content = {"machine": describe_machine(), "torch": torch.__version__, "movies": len(movies), "csi": found}
    write_text(RESULT, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
