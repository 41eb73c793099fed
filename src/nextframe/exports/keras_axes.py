"""Order of axes between the layers of a Keras network, which each layer says for itself (`data_format`, `axis`).

Nothing holds neighbours to the same order: a Conv3D with channels first takes the frames of a ConvLSTM2D with channels
first for its channels, and a norm over the last axis its columns. Such a network has no counterpart here.

Axes after the batch: T time, H height, W width, C channel.
"""

from __future__ import annotations

from collections.abc import Sequence

from nextframe.exports.keras_files import KerasLayer

_READ = {
    ("ConvLSTM2D", "channels_last"): "THWC",
    ("ConvLSTM2D", "channels_first"): "TCHW",
    ("TimeDistributed", "channels_last"): "THWC",
    ("TimeDistributed", "channels_first"): "TCHW",
    ("Conv3D", "channels_last"): "THWC",
    ("Conv3D", "channels_first"): "CTHW",
    ("ZeroPadding3D", "channels_last"): "THWC",
    ("ZeroPadding3D", "channels_first"): "CTHW",
}
"""Order of axes that a layer reads, by its class and data format; others read any."""


def order_of(layers: Sequence[KerasLayer]) -> str:
    """The order of the movies that a network reads, as its first ConvLSTM2D says."""
    return next((order for layer in layers if layer.kind == "ConvLSTM2D" and (order := _read_by(layer))), "THWC")


def check_axes(layers: Sequence[KerasLayer], faults: list[str]) -> None:
    """Name the layers that read axes in another order than the layer before leaves them in."""
    start, after = order_of(layers), dict[str, str]()
    for layer in layers:
        order = start if layer.before is None else after.get(layer.before, start)
        wanted = _read_by(layer)
        if wanted is not None and wanted != order:
            faults.append(f"{layer.name}, which reads axes {' '.join(order)} as {' '.join(wanted)}")
            order = wanted
        if layer.kind in ("BatchNormalization", "LayerNormalization"):
            axis = layer.config.get("axis", -1)
            if _axis_named(axis, order) != "C":
                faults.append(f"{layer.name} over axis {axis} of {' '.join(order)}")
        if layer.kind == "Permute":
            order = "".join(_axis_named(axis, order) for axis in layer.config.get("dims", ()))
        after[layer.name] = order


def _read_by(layer: KerasLayer) -> str | None:
    config = layer.config
    if layer.kind == "TimeDistributed":
        config = config.get("layer", {}).get("config", {})
    return _READ.get((layer.kind, config.get("data_format") or "channels_last"))


def _axis_named(axis: object, order: str) -> str:
    """The axis of a number that counts the batch, or counts from the end; empty where there is no such."""
    if isinstance(axis, list) and len(axis) == 1:
        (axis,) = axis
    if not isinstance(axis, int) or not (-len(order) <= axis < 0 or 0 < axis <= len(order)):
        return ""
    return order[axis if axis < 0 else axis - 1]
