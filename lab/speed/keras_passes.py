"""Keras' forward and backward pass, each for itself: whole steps it compiles into one.

TensorFlow and JAX compile the forward pass, keep what the backward pass needs, and compile that pass too.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lab.speed.work import Step, Task


def keras_pass(task: Task, model: Any, inputs: Any, target: Any, backend: str) -> Step:
    """The forward or the backward pass of a batch.

    Args:
        task: "forward" or "backward".
        model: a built Keras model.
        inputs: movies (B, T, H, W, 1), or a list of these.
        target: (B, T, H, W, 1).
        backend: "tensorflow", "jax" or "torch".
    """
    forward, backward = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[backend](model, inputs, target)
    if task == "forward":
        return Step(forward)
    kept: list[Any] = []
    return Step(lambda: backward(kept.pop()), before=lambda: kept.append(forward()))


def _loss(target: Any, output: Any) -> Any:
    keras = import_module("keras")
    return keras.ops.mean(keras.losses.binary_crossentropy(target, output))


def _tensorflow(model: Any, inputs: Any, target: Any) -> tuple[Any, Any]:
    tensorflow = import_module("tensorflow")
    loss = tensorflow.function(lambda movies: _loss(target, model(movies, training=True)))
    movies = tensorflow.nest.map_structure(tensorflow.constant, inputs)

    def forward() -> Any:
        with tensorflow.GradientTape() as tape:
            value = loss(movies)
        value.numpy()  # waits
        return tape, value

    def backward(kept: Any) -> Any:
        tape, value = kept
        return [gradient.numpy() for gradient in tape.gradient(value, model.trainable_variables)]

    return forward, backward


def _jax(model: Any, inputs: Any, target: Any) -> tuple[Any, Any]:
    jax = import_module("jax")
    trainable = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]

    def compute(weights: Any, movies: Any) -> Any:
        output, _ = model.stateless_call(weights, others, movies, training=True)
        return _loss(target, output)

    # Movies are an argument: what is constant to a compiled function might be computed once and for all.
    vjp = jax.jit(lambda weights, movies: jax.vjp(lambda weights: compute(weights, movies), weights))
    pull = jax.jit(lambda pullback: pullback(1.0))

    def forward() -> Any:
        return jax.block_until_ready(vjp(trainable, inputs))[1]

    def backward(pullback: Any) -> Any:
        return jax.block_until_ready(pull(pullback))

    return forward, backward


def _torch(model: Any, inputs: Any, target: Any) -> tuple[Any, Any]:
    def forward() -> Any:
        return _loss(target, model(inputs, training=True))

    def backward(loss: Any) -> Any:
        return loss.backward()

    return forward, backward
