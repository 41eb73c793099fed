"""A trained network as a model of Keras 3, in the source's units, for any of its backends.

It reads movies (N, T, H, W, C): the stack gives at each frame the forecast of the next one; the encoder-decoder takes
the past but its last frame, and from there on what the decoder reads, as the tutorial has it. Frames are of the size of
the training, which Keras' ConvLSTM2D asks for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nextframe.data.normalise import Normaliser
from nextframe.errors import ConfigError, NextframeError
from nextframe.exports.graph import members_of
from nextframe.exports.keras_gates import (
    KERAS_3_SLOPE,
    OUR_SLOPE,
    Weights,
    kernel_to_keras,
    rows_swapped,
    sigmoid_gates_scaled,
)
from nextframe.exports.parity import known_movies
from nextframe.files import check_writable, replacing
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.models.convlstm import ConvLSTM2d
from nextframe.models.encoder_decoder import EncoderDecoder
from nextframe.models.layers import ChannelNorm
from nextframe.models.network import Network
from nextframe.models.stacked import StackedConvLSTM
from nextframe.runs.exported import KERAS

ALLOWED = 1e-4


def write(model: TrainedForecaster, path: Path) -> tuple[list[Path], float]:
    """Write a `.keras` file.

    Returns:
        The file, and the largest difference of its forecasts of one frame from the model's, in the model's range.

    Raises:
        ConfigError: a model that Keras' layers do not make up.
        NextframeError: a file whose forecasts are not those of the model.
    """
    members = members_of(model)
    if len(members) > 1:
        raise _cannot(model, f"an ensemble of {len(members)} models", "export its members one by one")
    (member,) = members
    network = _network(member)
    check_writable(path)
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    built = _build(keras, network, member)
    difference = _compare(built, member)
    if not difference <= ALLOWED:
        raise NextframeError(
            "forecasts something else than the model, and is not written",
            where=path,
            expected=f"differences below {ALLOWED:g}",
            received=f"{difference:.2g}",
        )
    with replacing(path) as temporary:
        saved = temporary.with_suffix(KERAS)  # the only ending that it takes, in small letters
        built.save(saved)
        saved.replace(temporary)
    return [path], difference


def _cannot(model: TrainedForecaster, what: str, hint: str = "export it to .onnx") -> ConfigError:
    return ConfigError(f"cannot be exported to Keras: {what}", where=model.run or model.name, hint=hint)


def _network(member: ModelForecaster) -> StackedConvLSTM | EncoderDecoder:
    """The network, where Keras has all its parts."""
    network: Network = member.model
    config = member.config
    obstacles = {
        "Keras has no such layers as the architecture's": not isinstance(network, (StackedConvLSTM, EncoderDecoder)),
        "patches": config.model.patch > 1,
        "peepholes": config.model.peepholes,
        "quantiles": network.quantiles > 1,
        "static fields or a mask": network.static_channels > 0,
        f"{config.data.coordinates} coordinates": member.door.moves,
    }
    for what, there in obstacles.items():
        if there:
            raise _cannot(member, what)
    assert isinstance(network, (StackedConvLSTM, EncoderDecoder))
    return network


def _build(keras: Any, network: StackedConvLSTM | EncoderDecoder, member: ModelForecaster) -> Any:
    channels = network.in_channels
    layers = keras.layers
    size = (member.manifest.height, member.manifest.width)  # Keras' ConvLSTM2D is of one grid
    movie = keras.Input((None, *size, channels), name="frames")
    if isinstance(network, StackedConvLSTM):
        frames = features = _normalised(keras, movie, member.normaliser)
        for layer, norm in zip(network.layers, network.norms, strict=True):
            features = _normed(layers, norm, _convlstm(layers, layer, size)(features))
        causal = network.temporal_padding == "causal"
        if causal:
            features = layers.ZeroPadding3D(((2, 0), (1, 1), (1, 1)))(features)
        readout = layers.Conv3D(channels, 3, padding="valid" if causal else "same")
        logits = readout(features)
        readout.set_weights([_numpy(network.readout.weight).transpose(2, 3, 4, 1, 0), _numpy(network.readout.bias)])
        inputs: Any = movie
    else:
        future = keras.Input((None, *size, channels), name="decoded_frames")
        states = []
        features = _normalised(keras, movie, member.normaliser)
        for n, layer in enumerate(network.encoder):
            features, *state = _convlstm(layers, layer, size, return_state=True)(features)
            states.append(state)
            if n < len(network.encoder_norms):
                features = _normed(layers, network.encoder_norms[n], features)
        frames = features = _normalised(keras, future, member.normaliser)
        for n, layer in enumerate(network.decoder):
            features = _convlstm(layers, layer, size)(features, initial_state=states[n])
            if n < len(network.decoder_norms):
                features = _normed(layers, network.decoder_norms[n], features)
        last = layers.Conv2D(channels, 1)
        logits = layers.TimeDistributed(last)(features)
        assert network.readout.bias is not None
        last.set_weights([_numpy(network.readout.weight).transpose(2, 3, 1, 0), _numpy(network.readout.bias)])
        inputs = [movie, future]
    if network.residual:
        logits = layers.Add()([logits, frames])
    if network.output == "sigmoid":
        logits = layers.Activation("sigmoid")(logits)
    return keras.Model(inputs, _inverse(keras, logits, member.normaliser), name="nextframe")


def _convlstm(layers: Any, layer: nn.Module, size: tuple[int, int], *, return_state: bool = False) -> Any:
    """A layer of Keras with the weights of ours, which are set once it has been built."""
    assert isinstance(layer, ConvLSTM2d)
    old = layer.gate_activation == "hard_sigmoid"
    convolution = layers.ConvLSTM2D(
        layer.filters,
        layer.kernel_size,
        padding="same",
        activation=layer.cell_activation,
        recurrent_activation="hard_sigmoid" if old else "sigmoid",
        return_sequences=True,
        return_state=return_state,
    )
    factor = OUR_SLOPE / KERAS_3_SLOPE if old else 1.0
    bias = np.zeros(4 * layer.filters, np.float32) if layer.bias is None else _numpy(layer.bias)
    kernels = [
        kernel_to_keras(sigmoid_gates_scaled(_numpy(weight), factor)) for weight in (layer.weight_x, layer.weight_h)
    ]
    convolution.build((None, None, *size, layer.in_channels))
    convolution.set_weights([*kernels, rows_swapped(sigmoid_gates_scaled(bias, factor))])
    return convolution


def _normed(layers: Any, norm: nn.Module, features: Any) -> Any:
    if isinstance(norm, nn.Identity):
        return features
    if isinstance(norm, nn.GroupNorm):
        inner = layers.GroupNormalization(groups=1, axis=-1, epsilon=norm.eps)
        layer = layers.TimeDistributed(inner)
    elif isinstance(norm, ChannelNorm):
        layer = layers.LayerNormalization(axis=-1, epsilon=norm.eps)
    else:
        layer = layers.BatchNormalization(epsilon=norm.eps)
    normed = layer(features)
    weights = [norm.weight, norm.bias]
    if isinstance(norm, nn.BatchNorm2d):
        weights += [norm.running_mean, norm.running_var]  # type: ignore[list-item]
    layer.set_weights([_numpy(weight) for weight in weights])  # type: ignore[arg-type]
    return normed


def _normalised(keras: Any, movie: Any, normaliser: Normaliser) -> Any:
    if normaliser.method == "identity":
        return movie
    scale, offset = (np.asarray(column, np.float64) for column in (normaliser.scale, normaliser.offset))
    if normaliser.method == "log":
        size = keras.ops.log1p(_rescaled(keras, keras.ops.absolute(movie), 1 / np.asarray(normaliser.bend), 0 * scale))
        movie = keras.ops.multiply(keras.ops.sign(movie), size)
    return _rescaled(keras, movie, 1 / scale, -offset / scale)


def _inverse(keras: Any, output: Any, normaliser: Normaliser) -> Any:
    if normaliser.method == "identity":
        return output
    scale, offset = (np.asarray(column, np.float64) for column in (normaliser.scale, normaliser.offset))
    output = _rescaled(keras, output, scale, offset)
    if normaliser.method == "log":
        size = _rescaled(keras, keras.ops.expm1(keras.ops.absolute(output)), np.asarray(normaliser.bend), 0 * scale)
        output = keras.ops.multiply(keras.ops.sign(output), size)
    return output


def _rescaled(keras: Any, frames: Any, scale: Sequence[float] | Any, offset: Sequence[float] | Any) -> Any:
    return keras.layers.Rescaling([float(value) for value in scale], [float(value) for value in offset])(frames)


def _numpy(tensor: torch.Tensor) -> Weights:
    return np.asarray(tensor.detach().cpu().numpy(), np.float32)


def _compare(built: Any, member: ModelForecaster) -> float:
    """Largest difference of the forecasts of every frame of a few movies, in the model's range."""
    frames = known_movies(member, 2, 5, member.manifest.height, member.manifest.width)
    read, _ = member.door.enter(frames)
    with torch.inference_mode():
        if isinstance(member.model, EncoderDecoder):
            true = member.model(read[:, :3], read[:, 3:])[0]
        else:
            true = member.model(read)[0]
    movie = frames.transpose(0, 1, 3, 4, 2)
    forms: Any = [movie[:, :2], movie[:, 2:-1]] if isinstance(member.model, EncoderDecoder) else movie
    forecast = np.asarray(built.predict(forms, verbose=0)).transpose(0, 1, 4, 2, 3)
    difference = np.abs(member.normaliser.apply(forecast) - true.numpy())
    return float(difference.max())
