"""A contender in a process of its own: it does one step of work whenever it is told to, and says how long that took.

The order comes as JSON in the first argument; then each line "step" on standard input is answered by the seconds of one
step, and the line "memory" by the process' peak memory in bytes. Between steps it sleeps on its input, so that
contenders can take turns on the same cores. The Keras worker imports neither torch nor anything that does, so that it
also runs under an interpreter of its own.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import numpy as np

from nextframe.benchmark.work import Step, Task, Work


def step_of(contender: str, work: Work, task: Task) -> Step:
    """The step that a contender is measured by, on the same movie for all."""
    draw = np.random.default_rng(0)
    shape = (work.batch, work.past + work.future, work.size, work.size, 1)
    movie = (draw.random(shape) > 0.9).astype(np.float32)
    if contender.startswith("keras"):
        from nextframe.benchmark.keras_models import keras_step

        return keras_step(work, task, movie)
    import torch

    from nextframe.benchmark.ours import nextframe_step
    from nextframe.benchmark.usual import usual_step

    torch.manual_seed(0)
    frames = torch.from_numpy(np.moveaxis(movie, -1, 2).copy())
    return (nextframe_step if contender.startswith("nextframe") else usual_step)(work, task, frames)


def main(order: str) -> None:
    """Serve one contender until standard input ends."""
    told: dict[str, Any] = json.loads(order)
    work = Work(**{**told["work"], "filters": tuple(told["work"]["filters"])})
    if told["threads"] and not told["contender"].startswith("keras"):
        import torch

        torch.set_num_threads(told["threads"])
    if told["keeps_memory"]:
        from nextframe.training.memory import keep_freed_memory

        keep_freed_memory()
    step = step_of(told["contender"], work, told["task"])
    step()  # not measured: allocations, compilations
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, flush=True)
            continue
        started = time.perf_counter()
        step()
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
