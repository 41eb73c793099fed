"""The tutorial's two models in Keras, on TensorFlow where it is installed and on torch otherwise, to measure against.

Shapes: B batch, T time, K lead times, H height, W width; channels last.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.benchmark.work import Step, Task, Work

BACKENDS = ("tensorflow", "jax", "torch")


def keras_backend() -> str | None:
    """The backend that Keras would be measured on; None where Keras is not installed."""
    if find_spec("keras") is None:
        return None
    return next((backend for backend in BACKENDS if find_spec(backend) is not None), None)


def keras_step(work: Work, task: Task, movie: NDArray[np.float32]) -> Step:
    """One step of the work, on a movie (B, T + K, H, W, 1). Chooses Keras's backend for the whole process."""
    os.environ["KERAS_BACKEND"] = keras_backend() or ""
    import keras

    model = _stack(keras, work) if work.model == "stacked" else _encoder_decoder(keras, work)
    past = work.past
    if task == "training":
        stacked = work.model == "stacked"
        optimizer = (
            keras.optimizers.Adadelta(learning_rate=1.0) if stacked else keras.optimizers.RMSprop(learning_rate=1e-3)
        )
        model.compile(loss="binary_crossentropy", optimizer=optimizer)
        inputs: Any = movie[:, :-1] if stacked else [movie[:, : past - 1], movie[:, past - 1 : -1]]
        target = movie[:, 1:] if stacked else movie[:, past:]
        return lambda: model.train_on_batch(inputs, target)

    if task == "streaming":  # Keras' layers keep no state between calls of `predict`: they read everything again
        everything = movie[:, : past + 1]
        again: Any = everything if work.model == "stacked" else [everything[:, :past], everything[:, past:]]
        return lambda: model.predict(again, verbose=0)

    def forecast() -> NDArray[np.float32]:
        seen = movie[:, :past]
        for _ in range(work.future):
            read = seen if work.model == "stacked" else [seen[:, : past - 1], seen[:, past - 1 :]]
            seen = np.concatenate([seen, model.predict_on_batch(read)[:, -1:]], axis=1)
        return seen[:, past:]

    return forecast


def _stack(keras: Any, work: Work) -> Any:
    layers = [keras.Input((None, work.size, work.size, 1))]
    for filters in work.filters:
        layers += [
            keras.layers.ConvLSTM2D(filters, 3, padding="same", return_sequences=True),
            keras.layers.BatchNormalization(),
        ]
    layers.append(keras.layers.Conv3D(1, 3, padding="same", activation="sigmoid"))
    return keras.Sequential(layers)


def _encoder_decoder(keras: Any, work: Work) -> Any:
    past, future = (keras.Input((None, work.size, work.size, 1)) for _ in range(2))
    _, hidden, cell = keras.layers.ConvLSTM2D(work.filters[0], 3, padding="same", return_state=True)(past)
    decoder = keras.layers.ConvLSTM2D(work.filters[0], 3, padding="same", return_sequences=True)
    decoded = decoder(future, initial_state=[hidden, cell])
    frames = keras.layers.TimeDistributed(keras.layers.Conv2D(1, 1, activation="sigmoid"))(decoded)
    return keras.Model([past, future], frames)
