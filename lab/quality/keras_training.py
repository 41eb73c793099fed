"""The tutorial's recipe in Keras on TensorFlow, in a process of its own that imports no torch.

The trial's name comes in the first argument, a folder in the second. At each point it writes its weights there, prints
step, seconds and file as a line of JSON, and goes on when a line comes on standard input: who measures them has the
cores to himself.

Axes: N movies, T time, H height, W width; channels last.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from lab.quality.trials import TRAINING_SEED, TRIALS, Trial
from lab.speed.keras_models import stack
from nextframe.frames.generated.squares import MovingSquares

BATCH = 10
"""The tutorial's."""
FILTERS = (40, 40, 40)
"""The tutorial's."""


def train(trial: Trial, folder: Path) -> None:
    """Train, and hand out the weights after each of the trial's `points`."""
    import keras

    assert trial.movies is not None
    goal = trial.goal
    source = MovingSquares(movies=trial.movies, frames=goal.frames, seed=TRAINING_SEED)
    movies = np.moveaxis(source.render(0, goal.frames), 2, -1).astype(np.float32)
    model = stack(keras, FILTERS, 3, 40, causal=goal.options["temporal_padding"] == "causal")
    model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adadelta(learning_rate=1.0))
    draw = np.random.default_rng(0)
    order = np.empty(0, np.int64)
    paused, started = 0.0, time.perf_counter()
    for step in range(1, trial.steps + 1):
        if len(order) < BATCH:
            order = draw.permutation(len(movies))
        some, order = movies[order[:BATCH]], order[BATCH:]
        model.train_on_batch(some[:, :-1], some[:, 1:])
        seconds = (began := time.perf_counter()) - started - paused
        last = step == trial.steps or seconds >= trial.longest
        if step in trial.points or last:
            file = folder / f"{step}.npz"
            np.savez(file, *model.get_weights())
            told = {"step": step, "seconds": round(seconds, 2), "weights": file.name, "last": last}
            print(json.dumps(told), flush=True)
            sys.stdin.readline()
            paused += time.perf_counter() - began
        if last:
            return


if __name__ == "__main__":
    train(next(trial for trial in TRIALS if trial.name == sys.argv[1]), Path(sys.argv[2]))
