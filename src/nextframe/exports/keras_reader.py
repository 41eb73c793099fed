"""Networks of Keras as plans of ours, layer by layer; what does not map is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nextframe.errors import CheckpointError, ConfigError
from nextframe.exports.keras_axes import check_axes, order_of
from nextframe.exports.keras_files import KerasFile, KerasLayer, read_archive, read_weights
from nextframe.exports.keras_gates import Weights
from nextframe.exports.keras_plan import EPSILON, KerasNorm, KerasPlan, misfits
from nextframe.runs.exported import KERAS

_SILENT = ("InputLayer", "Dropout", "SpatialDropout3D", "GaussianNoise", "Permute")
"""Layers that say nothing when a network forecasts; `check_axes` follows what a Permute does."""


def read_plan(path: Path, options: Mapping[str, Any]) -> KerasPlan:
    """The plan of a Keras file.

    Args:
        path: `.keras`, or `.weights.h5` with the architecture among the options.
        options: `model`, and of `.weights.h5` those of `temporal_padding`, `gate_activation`, `cell_activation` and
            `output` that differ from Keras' own.

    Raises:
        CheckpointError: a file that cannot be read, or layers that have no counterpart here: all of them are named.
        ConfigError: weights without an architecture, or options of a file that tells them itself.
    """
    if path.name.lower().endswith(".weights.h5"):
        return _plan_of_weights(path, options)
    if path.suffix.lower() != KERAS:
        raise CheckpointError("is no file of Keras", where=path, expected=f"{KERAS} or .weights.h5")
    if options:
        raise ConfigError("is told by the file", where=", ".join(options), received=path, hint="leave it out")
    file = read_archive(path)
    faults: list[str] = []
    plan = _plan_of(file, faults)
    if faults or plan is None:
        raise CheckpointError(
            f"has layers that do not map to a network here: {'; '.join(faults)}",
            where=path,
            expected="ConvLSTM2D layers with BatchNormalization and a Conv3D, or an encoder-decoder of them",
            hint="nothing was written",
        )
    return plan


def _plan_of(file: KerasFile, faults: list[str]) -> KerasPlan | None:
    recurrent = [layer for layer in file.layers if layer.kind == "ConvLSTM2D"]
    inputs = [layer for layer in file.layers if layer.kind == "InputLayer"]
    if not recurrent:
        faults.append("no ConvLSTM2D")
    double = len(inputs) > 1
    norms: list[KerasNorm | None] = []
    readout: KerasLayer | None = None
    padded, activated = (0, 0), ""
    scale: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()
    scaled_back = False
    for layer in file.layers:
        if layer.kind == "ConvLSTM2D":
            norms.append(None)
            _check_recurrent(layer, faults)
        elif layer.kind in ("BatchNormalization", "LayerNormalization") and norms and readout is None:
            if norms[-1] is not None:
                faults.append(f"{layer.name}, a second norm")
            norms[-1] = _norm(layer, faults)
        elif (layer.kind == "Conv3D" or _is_convolution_each(layer)) and readout is None:
            readout = layer
        elif layer.kind == "ZeroPadding3D":
            padded = _padding(layer, faults)
        elif layer.kind == "Rescaling" and not norms:
            scale, shift = (_column(layer.config[name]) for name in ("scale", "offset"))
        elif layer.kind == "Rescaling" and readout is not None and scale:
            inverse = (tuple(1 / a for a in scale), tuple(-b / a for a, b in zip(scale, shift, strict=False)))
            scaled_back = np.allclose(inverse, [_column(layer.config[name]) for name in ("scale", "offset")])
        elif layer.kind == "Activation" and readout is not None:
            if activated:
                faults.append(f"{layer.name}, a second activation of the output")
            activated = _activation(layer.config.get("activation"))
        elif layer.kind not in _SILENT:
            faults.append(f"{layer.name} ({layer.kind})")
    if scale and not scaled_back:
        faults.append("a Rescaling of the input without its inverse at the end")
    if readout is None:
        faults.append("no Conv3D, or TimeDistributed Conv2D, at the end")
    _check_order(file, double, recurrent, faults)
    check_axes(file.layers, faults)
    gates = _shared("recurrent_activation", ("sigmoid", "hard_sigmoid"), recurrent, faults)
    cell = _shared("activation", ("tanh", "relu"), recurrent, faults)
    if faults or readout is None:
        return None
    kernel, bias, sees_next, output = _readout(readout, padded, faults)
    if activated and output != "linear":
        faults.append(f"{readout.name} with activation={output!r} before another")
    output = activated or output
    if output not in ("sigmoid", "linear"):
        faults.append(f"the output's activation {output!r}")
    if double and (kernel.shape[:3] != (1, 1, 1) or len(recurrent) % 2):
        faults.append("an encoder-decoder whose readout is not 1x1, or whose halves differ")
    shape = inputs[0].config.get("batch_shape", inputs[0].config.get("batch_input_shape")) if inputs else None
    if faults:
        return None
    rows = order_of(file.layers).index("H") + 1
    size = (None, None) if shape is None else tuple(shape[rows : rows + 2])
    old = int(file.version.split(".")[0]) < 3
    plan = KerasPlan(
        model="encoder-decoder" if double else "stacked",
        recurrent=[_with_bias(layer.weights) for layer in recurrent],
        norms=norms,
        readout=kernel,
        bias=bias,
        sees_next=sees_next,
        gates=gates if gates != "hard_sigmoid" or old else "hard_sigmoid_3",
        cell=cell,
        output=output,
        size=(size[0], size[1]),
        scale=scale,
        shift=shift,
    )
    faults += misfits(plan)
    return plan


def _is_convolution_each(layer: KerasLayer) -> bool:
    """True for a convolution of every frame by itself."""
    return layer.kind == "TimeDistributed" and layer.config.get("layer", {}).get("class_name") == "Conv2D"


def _check_recurrent(layer: KerasLayer, faults: list[str]) -> None:
    config = layer.config
    wanted: dict[str, tuple[Any, ...]] = {
        "strides": ([1, 1], 1),
        "dilation_rate": ([1, 1], 1),
        "padding": ("same",),
        "go_backwards": (False,),
    }
    for option, values in wanted.items():
        if config.get(option, values[0]) not in values:
            faults.append(f"{layer.name} with {option}={config[option]}")
    size = config.get("kernel_size")
    if not isinstance(size, list) or size[0] != size[1] or size[0] % 2 == 0:
        faults.append(f"{layer.name} with kernel_size={size}, which is not square and odd")
    if len(layer.weights) not in (2, 3):
        faults.append(f"{layer.name} without its weights")


def _shared(option: str, allowed: Sequence[str], layers: Sequence[KerasLayer], faults: list[str]) -> str:
    """The activation that all ConvLSTM layers share."""
    names = {layer.name: _activation(layer.config.get(option)) for layer in layers}
    for layer, name in names.items():
        if name not in allowed:
            faults.append(f"{layer} with {option}={name!r}")
    if len(set(names.values())) > 1:
        faults.append(f"layers whose {option} differ")
    return next(iter(names.values()), "")


def _activation(value: Any) -> str:
    """The name of an activation, however it was stored."""
    if isinstance(value, Mapping):
        config = value.get("config")
        value = config if isinstance(config, str) else value.get("class_name", "")
    return "linear" if value is None else str(value)


def _norm(layer: KerasLayer, faults: list[str]) -> KerasNorm | None:
    epsilon = float(layer.config.get("epsilon", EPSILON))
    weights = list(layer.weights)
    scale, center = (layer.config.get(name, True) for name in ("scale", "center"))
    statistics = 2 if layer.kind == "BatchNormalization" else 0
    if len(weights) != scale + center + statistics:
        faults.append(f"{layer.name} without its weights")
        return None
    if not statistics and epsilon != EPSILON:
        faults.append(f"{layer.name} with epsilon={epsilon:g}")
    width = len(weights[0]) if weights else 0
    gamma = weights.pop(0) if scale else np.ones(width, np.float32)
    beta = weights.pop(0) if center else np.zeros(width, np.float32)
    mean, variance = weights if statistics else (None, None)
    return KerasNorm(gamma=gamma, beta=beta, mean=mean, variance=variance, epsilon=epsilon)


def _padding(layer: KerasLayer, faults: list[str]) -> tuple[int, int]:
    """Frames that a padding adds before and after, with one pixel around each."""
    padding = [tuple(pair) if isinstance(pair, list) else (pair, pair) for pair in layer.config.get("padding", [])]
    if len(padding) != 3 or padding[1:] != [(1, 1), (1, 1)] or padding[0] not in ((2, 0), (1, 1)):
        faults.append(f"{layer.name} with padding={layer.config.get('padding')}")
        return (0, 0)
    return padding[0]


def _readout(layer: KerasLayer, padded: tuple[int, int], faults: list[str]) -> tuple[Weights, Weights, bool, str]:
    """Kernel (time, h, w, in, out), bias, sight of the next frame, and activation of the last convolution."""
    config = layer.config
    if layer.kind == "TimeDistributed":
        config = layer.config["layer"]["config"]
    weights = layer.weights
    nothing = (np.zeros((1, 1, 1, 1, 1), np.float32), np.zeros(1, np.float32), False, "linear")
    if len(weights) not in (1, 2):
        faults.append(f"{layer.name} without its weights")
        return nothing
    kernel = weights[0] if weights[0].ndim == 5 else weights[0][None]
    bias = weights[1] if len(weights) == 2 else np.zeros(kernel.shape[-1], np.float32)
    times = kernel.shape[0]
    small = all(size in (1, 3) for size in kernel.shape[:3])
    plain = all(config.get(name, 1) in (1, [1, 1, 1], [1, 1]) for name in ("strides", "dilation_rate", "groups"))
    sound = (config.get("padding") == "same" and padded == (0, 0)) or kernel.shape[:3] == (1, 1, 1)
    causal = config.get("padding") == "valid" and padded == (2, 0) and kernel.shape[:3] == (3, 3, 3)
    around = config.get("padding") == "valid" and padded == (1, 1) and kernel.shape[:3] == (3, 3, 3)
    if not (small and plain and (sound or causal or around)):
        faults.append(f"{layer.name} with a kernel {kernel.shape[:3]} and padding {config.get('padding')!r}")
        return nothing
    return kernel, bias, times == 3 and not causal, _activation(config.get("activation"))


def _check_order(file: KerasFile, double: bool, recurrent: Sequence[KerasLayer], faults: list[str]) -> None:
    """Hold the layers to a chain, or to two of which the second begins with the states of the first."""
    names = [layer.name for layer in file.layers]
    half = len(recurrent) // 2 if double else len(recurrent)
    states = {decoder.name: encoder.name for encoder, decoder in zip(recurrent[:half], recurrent[half:], strict=False)}
    chains, read = 0, list[str]()
    for layer in file.layers:
        if layer.kind == "InputLayer":
            chains += 1
            continue
        if not layer.reads or layer.before not in names or layer.reads[0][1] != 0:
            faults.append(f"{layer.name}, which does not read one layer")
        if layer.name in states:
            encoder = states[layer.name]
            if layer.reads[1:] != ((encoder, 1), (encoder, 2)):
                faults.append(f"{layer.name}, which does not begin with hidden and cell state of {encoder}")
        elif len(layer.reads) > 1:
            faults.append(f"{layer.name}, which reads more than one tensor")
        read += [layer.before] if layer.before is not None else []
    faults += [f"{name}, which several layers read" for name in names if read.count(name) > 1]
    if not faults and len(set(names) - set(read)) != max(chains, 1):
        faults.append(f"layers that nothing reads: {', '.join(sorted(set(names) - set(read)))}")
    if chains > 2:
        faults.append(f"{chains} inputs")


def _with_bias(weights: Sequence[Weights]) -> Sequence[Weights]:
    """Kernel, recurrent kernel and bias; zeros where there is none."""
    return weights if len(weights) == 3 else (*weights, np.zeros(weights[0].shape[3], np.float32))


def _column(value: Any) -> tuple[float, ...]:
    """A number, or several, as Keras stores them."""
    if isinstance(value, Mapping):
        value = value.get("config", {}).get("value", value)
    return tuple(np.atleast_1d(np.asarray(value, np.float64)).ravel().tolist())


def _plan_of_weights(path: Path, options: Mapping[str, Any]) -> KerasPlan:
    model = options.get("model")
    if model not in ("stacked", "encoder-decoder"):
        raise ConfigError(
            "holds weights alone, and not the network that they are of",
            where=path,
            received=model,
            hint="name it: {model=stacked} or {model=encoder-decoder}",
        )
    groups = read_weights(path)

    def of(name: str) -> list[tuple[Weights, ...]]:
        numbered = [key for key in groups if key == name or key.removeprefix(f"{name}_").isdecimal()]
        return [groups[key] for key in sorted(numbered, key=lambda key: int(key.removeprefix(name).strip("_") or 0))]

    recurrent, batch = of("conv_lstm2d"), of("batch_normalization")
    readouts = [*of("conv3d"), *of("time_distributed"), *of("conv2d")]
    parts = 2 if model == "encoder-decoder" else 1
    known = len(recurrent) + len(batch) + len(readouts)
    if not recurrent or len(readouts) != 1 or known != len(groups) or len(recurrent) % parts:
        raise CheckpointError(
            f"does not hold the weights of a network here: {', '.join(groups)}",
            where=path,
            expected="conv_lstm2d, batch_normalization and conv3d",
        )
    if parts == 2 and len(recurrent) > 2:  # Keras numbers them by their distance from the output
        raise CheckpointError(
            "has several layers in encoder and decoder, and weights alone do not tell which are whose",
            where=path,
            hint="save the whole model: model.save('model.keras')",
        )
    between, after = len(recurrent) - parts, len(recurrent)
    if len(batch) not in (0, between, after) or any(len(weights) != 4 for weights in batch):
        raise CheckpointError(
            "has batch norms in places that weights alone do not tell",
            where=path,
            expected=f"none, {between} or {after}",
            received=len(batch),
            hint="save the whole model: model.save('model.keras')",
        )
    each = [KerasNorm(gamma=g, beta=b, mean=m, variance=v) for g, b, m, v in batch]
    norms: list[KerasNorm | None] = list(each)
    if len(batch) != after:
        waiting = iter(each)
        last = {len(recurrent) // parts - 1, len(recurrent) - 1}
        norms = [None if n in last else next(waiting, None) for n in range(len(recurrent))]
    kernel = readouts[0][0] if readouts[0][0].ndim == 5 else readouts[0][0][None]
    plan = KerasPlan(
        model=model,
        recurrent=[_with_bias(weights) for weights in recurrent],
        norms=norms,
        readout=kernel,
        bias=readouts[0][1] if len(readouts[0]) > 1 else np.zeros(kernel.shape[-1], np.float32),
        sees_next=options.get("temporal_padding", "same") == "same" and kernel.shape[0] == 3,
        gates=options.get("gate_activation", "sigmoid"),
        cell=options.get("cell_activation", "tanh"),
        output=options.get("output", "sigmoid"),
    )
    faults = misfits(plan)
    if faults:
        raise CheckpointError(
            f"does not hold the weights of {model} here: {'; '.join(faults)}", where=path, hint="nothing was written"
        )
    return plan
