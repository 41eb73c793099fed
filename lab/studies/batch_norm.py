"""How much of the tutorial's stacks' rollout is lost to batch norm's running statistics, and how much to the leak.

    python -m lab batch-norm --same RUN --causal RUN

The same weights with three sets of statistics, verified on the same 100 fresh movies: those of the run, averages of the
batches that it saw; those that PyTorch and Keras 3 would have kept, in which the initial values (mean 0, variance 1)
still have a share; and statistics estimated again from training movies with the final weights, which lag behind
nothing. Writes lab/results/tutorial/batch-norm.json, which `python -m lab tutorial-tables` shows.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

import nextframe
from lab.options import parser
from lab.place import RESULTS
from nextframe.files import write_text
from nextframe.machine import describe_machine
from nextframe.models.layers import BatchNorm
from nextframe.verification.titles import mean

RESULT = RESULTS / "tutorial" / "batch-norm.json"
STATES = ("as trained", "initial values mixed in", "estimated again")


def batch_norms(model: nn.Module) -> list[BatchNorm]:
    return [module for module in model.modules() if isinstance(module, BatchNorm)]


def mix_in_initial_values(model: nn.Module) -> None:
    """Give every batch norm the statistics that PyTorch and Keras 3 would have kept of the same batches."""
    for norm in batch_norms(model):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        left = (1 - norm.step) ** int(norm.num_batches_tracked)  # type: ignore[arg-type]
        norm.running_mean.mul_(1 - left)
        norm.running_var.mul_(1 - left).add_(left)


def estimate_again(model: nn.Module, movies: torch.Tensor, batch: int = 10) -> None:
    """Replace the running statistics of every batch norm by averages over `movies` (N, T, C, H, W)."""
    for norm in batch_norms(model):
        norm.reset_running_stats()
    model.train()
    with torch.no_grad():
        for start in range(0, len(movies), batch):
            model(movies[start : start + batch])
    model.eval()


def main(arguments: Sequence[str]) -> None:
    options = parser("batch-norm", __doc__)
    options.add_argument("--same", type=Path, required=True)
    options.add_argument("--causal", type=Path, required=True)
    given = options.parse_args(arguments)
    held_out = nextframe.open_source("squares:movies=100,frames=15,seed=1000")
    training = nextframe.open_source("squares:movies=1000,frames=16").sequences[:200]
    movies = torch.stack([torch.from_numpy(sequence.read(0, 15)) for sequence in training])
    found, steps = {}, {}
    for name in ("same", "causal"):
        rows = {}
        for state in STATES:
            forecaster = nextframe.ModelForecaster.load(getattr(given, name))
            steps[name] = int(batch_norms(forecaster.model)[0].num_batches_tracked)  # type: ignore[arg-type]
            if state == "initial values mixed in":
                mix_in_initial_values(forecaster.model)
            elif state == "estimated again":
                estimate_again(forecaster.model, movies)
            skill = nextframe.verify(forecaster, held_out, past=7, lead_times=8, baselines=(), progress=False)
            rows[state] = list(skill.scores["model"]["csi_0.5"])
            print(f"{name}, {state}: mean CSI {mean(rows[state]):.3f}", flush=True)
        found[name] = rows
    content = {
        "machine": describe_machine(),
        "torch": torch.__version__,
        "movies": len(movies),
        "steps": steps,  # of training, behind the run's best weights
        "csi": found,
    }
    write_text(RESULT, json.dumps(content, indent=1) + "\n")
