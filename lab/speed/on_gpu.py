"""Steps on a GPU: their precision, and a clock that waits for them."""

from __future__ import annotations

from collections.abc import Callable

import torch

from lab.speed.contenders import Precision
from lab.speed.work import Step


def on_gpu(step: Step, precision: Precision) -> Step:
    """The step in a precision; the GPU has nothing left to do when it begins, and nothing when it returns."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.backends.cudnn.benchmark = True

    def waited_for(part: Callable[[], object]) -> Callable[[], object]:
        def run() -> object:
            # Mixed precision begins anew in each part: on leaving, the weights that it has rounded are dropped.
            with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
                done = part()
            torch.cuda.synchronize()
            return done

        return run

    return Step(waited_for(step.measured), waited_for(step.before or torch.cuda.synchronize))
