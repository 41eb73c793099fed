"""Contents of a run folder, for `nextframe inspect RUN`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nextframe.api import load_run
from nextframe.cli.face import on_command_line
from nextframe.errors import CheckpointError, ConfigError, NextframeError
from nextframe.forecasting.ensemble import EnsembleForecaster
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.forecasting.trained import CALIBRATION, TrainedForecaster
from nextframe.models.causality import check_causal
from nextframe.runs.folder import load_config, load_model, load_static, member_folders
from nextframe.runs.metrics import METRICS, read_metrics

COLUMNS = {
    "epoch": "epoch",
    "seconds": "seconds",
    "train_loss": "loss",
    "val_loss": "validation loss",
    "val_rollout_csi": "rollout CSI",
    "val_persistence_csi": "persistence CSI",
}
"""Columns of metrics.csv that are shown, and their titles."""


def describe_run(run: Path) -> RenderableType:
    """The model, whether it sees its answer, and its training, for rich's console; of a damaged file, why it cannot be
    read, beside what the others hold.

    Raises:
        CheckpointError: nothing that can be shown.
    """
    blocks: list[RenderableType] = [Text(str(run), style="bold")]
    try:
        blocks += _weights(run)
    except (CheckpointError, ConfigError) as error:
        if not (run / METRICS).is_file():
            raise
        blocks += [_sentence(error)]
    if (run / METRICS).is_file():
        try:
            blocks += [Text(), _training(run)]
        except CheckpointError as error:
            blocks += [_sentence(error)]
    return Group(*blocks)


def _weights(run: Path) -> list[RenderableType]:
    damage: list[RenderableType] = []
    try:
        forecaster = load_run(run)
    except CheckpointError as error:
        if error.where != run / CALIBRATION:
            raise
        damage, forecaster = [_sentence(error)], _load_uncalibrated(run)
    manifest = forecaster.manifest
    size = (12, 12) if manifest.own is None else (manifest.height, manifest.width)  # which may be all that it takes
    frame = (1, 6, manifest.channels + manifest.further_channels, *size)
    return [_model(forecaster), Text(check_causal(forecaster.networks[0], shape=frame).sentence), *damage]


def _load_uncalibrated(run: Path) -> TrainedForecaster:
    if folders := member_folders(run):
        return EnsembleForecaster(list(map(ModelForecaster.load, folders)), load_config(run / "config.yaml"))
    network, manifest = load_model(run)
    return ModelForecaster(network, manifest, static=load_static(run, manifest))


def _sentence(error: NextframeError) -> Text:
    return Text(error.render(on_command_line), style="red")


def _model(forecaster: TrainedForecaster) -> Table:
    manifest, model = forecaster.manifest, forecaster.config.model
    parameters = sum(p.numel() for network in forecaster.networks for p in network.parameters())
    channels = ", ".join(f"{name} ({unit})" for name, unit in zip(manifest.variables, manifest.units, strict=True))
    table = Table(show_header=False, box=None, pad_edge=False)
    filters = f", filters {', '.join(map(str, model.filters))}" if model.filters else ""
    table.add_row("model", f"{model.model}{filters}, {parameters:,} parameters")
    if model.patch > 1:
        table.add_row("patches", f"{model.patch} x {model.patch} pixels (space-to-depth)")
    if len(forecaster.networks) > 1:
        table.add_row("members", f"{len(forecaster.networks)}, each from a seed of its own")
    if model.quantiles > 1:
        table.add_row("output", f"{model.quantiles} quantiles of each value")
    table.add_row(
        "trained on", f"{forecaster.config.data.data}: {channels}, {manifest.height} x {manifest.width} pixels"
    )
    table.add_row("frames", f"{forecaster.config.data.past} seen, {forecaster.config.data.future} forecast")
    table.add_row("receptive field", _receptive_field(forecaster))
    table.add_row("normalisation", forecaster.normaliser.describe())
    table.add_row("event", f"{manifest.threshold:g} or more")
    table.add_row("weights", f"after epoch {manifest.epoch}, the best rollout on the validation part")
    known = forecaster.calibration
    table.add_row(
        "calibration",
        "none: write it with `nextframe calibrate RUN`" if known is None else f"on {known.windows} forecasts",
    )
    return table


def _receptive_field(forecaster: TrainedForecaster) -> str:
    data = forecaster.config.data
    reach = forecaster.networks[0].reach(data.past, data.future)
    if reach is None:
        return "not bounded by a known number of pixels"
    return f"up to {reach} pixels away, for the last of the frames forecast"


def _training(run: Path) -> Table:
    rows = read_metrics(run)
    shown = [name for name in COLUMNS if rows and name in rows[0]]
    table = Table(pad_edge=False, box=None)
    for name in shown:
        table.add_column(COLUMNS[name], justify="right")
    for row in rows:
        table.add_row(*(f"{row[name]:.4g}" for name in shown))
    return table
