"""A contender in a process of its own: it does one step of work whenever it is told to, and says how long that took.

The order comes as JSON in the first argument; then each line "step" on standard input is answered by the seconds of one
step, the line "memory" by peak memory in bytes, "idle memory" by that before the first step, and the line "versions" by
those of its libraries, as JSON. Between steps it sleeps on its input, so that contenders can take turns on the same
cores. The Keras worker imports neither torch nor anything that does, so that it also runs under an interpreter of its
own.
"""

from __future__ import annotations

import json
import platform
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from lab.speed.contenders import Contender
from lab.speed.work import Accelerator, Step, Task, Work

WARM_UP = 3
"""Steps that are not measured: compilations, and allocations until they have settled."""
FRAMES = 20
"""New frames in a row in one measured step of streaming, whose seconds are the mean of them: a single one would measure
how fast sleeping threads wake."""
LIBRARIES = ("numpy", "torch", "keras", "tensorflow", "jax", "jaxlib")


def step_of(contender: Contender, work: Work, task: Task, accelerator: Accelerator) -> Step:
    """The step that a contender is measured by, on the same movie for all."""
    draw = np.random.default_rng(0)
    shape = (work.batch, work.past + work.future, work.size, work.size, 1)
    movie = (draw.random(shape) > 0.9).astype(np.float32)
    if contender.kind == "keras":
        from lab.speed.keras_models import keras_step

        assert contender.backend is not None
        return keras_step(work, task, movie, contender.backend)
    import torch

    from lab.speed.on_gpu import on_gpu
    from lab.speed.ours import nextframe_step
    from lab.speed.usual import usual_step

    torch.manual_seed(0)
    frames = torch.from_numpy(np.moveaxis(movie, -1, 2).copy()).to(accelerator)
    if contender.kind == "nextframe":
        step = nextframe_step(work, task, frames, compiled=contender.compiled, recompute=contender.recompute)
    else:
        step = usual_step(work, task, frames, compiled=contender.compiled, channels_last=contender.channels_last)
    return on_gpu(step, contender.precision) if accelerator == "cuda" else step


def seconds_of(step: Step, times: int = 1) -> float:
    """Do a step so many times; the mean seconds that its measured part took."""
    seconds = 0.0
    for _ in range(times):
        if step.before is not None:
            step.before()
        started = time.perf_counter()
        done = step.measured()
        seconds += time.perf_counter() - started
        del done  # a graph that is freed now does not count
    return seconds / times


def peak_memory(accelerator: Accelerator) -> int:
    """Peak memory in bytes: of this process, or of its tensors on the GPU."""
    if accelerator == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that are loaded."""
    loaded = {name: str(sys.modules[name].__version__) for name in LIBRARIES if name in sys.modules}
    return {"python": platform.python_version(), **loaded}


def main(order: str) -> None:
    """Serve one contender until standard input ends."""
    told: dict[str, Any] = json.loads(order)
    contender, accelerator = Contender(**told["contender"]), told["accelerator"]
    work = Work(**{**told["work"], "filters": tuple(told["work"]["filters"])})
    if contender.kind != "keras":
        import torch

        torch.set_num_threads(told["threads"])
    if contender.keeps_memory:
        from nextframe.malloc import keep_freed_memory

        keep_freed_memory()
    step = step_of(contender, work, told["task"], accelerator)
    idle = peak_memory(accelerator)
    for _ in range(WARM_UP):
        step()
    print("ready", flush=True)
    answers: dict[str, Callable[[], object]] = {
        "step": lambda: seconds_of(step, FRAMES if told["task"] == "streaming" else 1),
        "idle memory": lambda: idle,
        "memory": lambda: peak_memory(accelerator),
        "versions": lambda: json.dumps(versions()),
    }
    for line in sys.stdin:
        print(answers[line.strip()](), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
