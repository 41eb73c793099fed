"""The tutorial's two models in Keras, on TensorFlow or JAX, to measure against.

Shapes: B batch, T time, K lead times, H height, W width; channels last.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.speed.keras_passes import keras_pass
from lab.speed.work import PASSES, Step, Task, Work


def keras_step(work: Work, task: Task, movie: NDArray[np.float32], backend: str) -> Step:
    """One step of the work, on a movie (B, T + K, H, W, 1). Chooses Keras's backend for the whole process."""
    os.environ["KERAS_BACKEND"] = backend
    import keras

    stacked = work.model == "stacked"
    model = stack(keras, work.filters, work.kernel, work.size) if stacked else _encoder_decoder(keras, work)
    past = work.past
    if task in PASSES:
        inputs: Any = movie[:, :-1] if stacked else [movie[:, : past - 1], movie[:, past - 1 : -1]]
        target = movie[:, 1:] if stacked else movie[:, past:]
        if task != "training":
            return keras_pass(task, model, inputs, target, backend)
        optimizer = (
            keras.optimizers.Adadelta(learning_rate=1.0) if stacked else keras.optimizers.RMSprop(learning_rate=1e-3)
        )
        model.compile(loss="binary_crossentropy", optimizer=optimizer)
        return Step(lambda: model.train_on_batch(inputs, target))

    if task == "streaming":  # Keras' layers keep no state between calls of `predict`: they read everything again
        everything = movie[:, : past + 1]
        again: Any = everything if stacked else [everything[:, :past], everything[:, past:]]
        return Step(lambda: model.predict(again, verbose=0))

    def forecast() -> NDArray[np.float32]:
        seen = movie[:, :past]
        for _ in range(work.future):
            read = seen if stacked else [seen[:, : past - 1], seen[:, past - 1 :]]
            seen = np.concatenate([seen, model.predict_on_batch(read)[:, -1:]], axis=1)
        return seen[:, past:]

    return Step(forecast)


def stack(keras: Any, filters: Sequence[int], kernel: int, size: int, *, causal: bool = False) -> Any:
    """The tutorial's stack on frames of `size` pixels; its last convolution sees the next frame unless it is causal."""
    layers = [keras.Input((None, size, size, 1))]
    for count in filters:
        layers += [
            keras.layers.ConvLSTM2D(count, kernel, padding="same", return_sequences=True),
            keras.layers.BatchNormalization(),
        ]
    if causal:
        layers.append(keras.layers.ZeroPadding3D(((2, 0), (1, 1), (1, 1))))
    padding = "valid" if causal else "same"
    layers.append(keras.layers.Conv3D(1, 3, padding=padding, activation="sigmoid"))
    return keras.Sequential(layers)


def _encoder_decoder(keras: Any, work: Work) -> Any:
    filters, kernel = work.filters[0], work.kernel
    past, future = (keras.Input((None, work.size, work.size, 1)) for _ in range(2))
    _, hidden, cell = keras.layers.ConvLSTM2D(filters, kernel, padding="same", return_state=True)(past)
    decoder = keras.layers.ConvLSTM2D(filters, kernel, padding="same", return_sequences=True)
    decoded = decoder(future, initial_state=[hidden, cell])
    frames = keras.layers.TimeDistributed(keras.layers.Conv2D(1, 1, activation="sigmoid"))(decoded)
    return keras.Model([past, future], frames)
