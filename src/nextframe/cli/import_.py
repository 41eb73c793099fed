"""`nextframe import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from nextframe.config import CellActivation, GateActivation, OutputActivation, TemporalPadding


def import_(
    file: Path,
    /,
    *,
    out: Path,
    data: str | None = None,
    past: int | None = None,
    future: int | None = None,
    model: Literal["stacked", "encoder-decoder"] | None = None,
    temporal_padding: Annotated[TemporalPadding | None, Parameter(show_default=False)] = None,
    gate_activation: Annotated[GateActivation | None, Parameter(show_default=False)] = None,
    cell_activation: Annotated[CellActivation | None, Parameter(show_default=False)] = None,
    output: Annotated[OutputActivation | None, Parameter(show_default=False)] = None,
) -> None:
    """Make a run folder of a model of Keras.

    ConvLSTM2D layers with BatchNormalization and a Conv3D, and encoder-decoders of them, as the tutorial and the Keras
    example build them. What has no counterpart here is named, layer by layer, and then nothing is written.

    Args:
        file: A `.keras` file, or a `.weights.h5` one with --model.
        out: Run folder to make.
        data: Source that the run is for, which `verify` and `train` take by default.
        past: Frames that a forecast starts from.
        future: Frames to forecast.
        model: Architecture, of weights alone.
        temporal_padding: Padding of the last convolution, of weights alone: Keras' "same" by default.
        gate_activation: Activation of the gates, of weights alone.
        cell_activation: Activation of the cell, of weights alone.
        output: Activation of the output, of weights alone.
    """
    from nextframe.exports.keras_import import import_keras

    options: dict[str, Any] = {
        "data": data,
        "past": past,
        "future": future,
        "model": model,
        "temporal_padding": temporal_padding,
        "gate_activation": gate_activation,
        "cell_activation": cell_activation,
        "output": output,
    }
    given = {name: value for name, value in options.items() if value is not None}
    run = import_keras(file, out, tell=print, **given)
    print(f"wrote {run}")
