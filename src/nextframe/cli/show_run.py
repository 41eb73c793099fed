"""Contents of a run folder, for `nextframe inspect RUN`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nextframe.api import load_run
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.models.causality import check_causal
from nextframe.runs.metrics import read_metrics

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
    """The model, whether it sees its answer, and its training, for rich's console.

    Raises:
        CheckpointError: no weights yet, damaged files, or files of another version.
    """
    forecaster = load_run(run)
    frame = (1, 6, forecaster.card.channels + len(forecaster.config.data.static), 12, 12)
    leak = check_causal(forecaster.networks[0], shape=frame).sentence
    blocks: list[RenderableType] = [Text(str(run), style="bold"), _model(forecaster), Text(leak)]
    if (run / "metrics.csv").is_file():
        blocks += [Text(), _training(run)]
    return Group(*blocks)


def _model(forecaster: TrainedForecaster) -> Table:
    card, model = forecaster.card, forecaster.config.model
    parameters = sum(p.numel() for network in forecaster.networks for p in network.parameters())
    channels = ", ".join(f"{name} ({unit})" for name, unit in zip(card.variables, card.units, strict=True))
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("model", f"{model.model}, filters {', '.join(map(str, model.filters))}, {parameters:,} parameters")
    if model.patch > 1:
        table.add_row("patches", f"{model.patch} x {model.patch} pixels (space-to-depth)")
    if len(forecaster.networks) > 1:
        table.add_row("members", f"{len(forecaster.networks)}, each from a seed of its own")
    if model.quantiles > 1:
        table.add_row("output", f"{model.quantiles} quantiles of each value")
    table.add_row("trained on", f"{forecaster.config.data.data}: {channels}, {card.height} x {card.width} pixels")
    table.add_row("frames", f"{forecaster.config.data.past} seen, {forecaster.config.data.future} forecast")
    table.add_row("receptive field", _receptive_field(forecaster))
    table.add_row("normalisation", forecaster.normaliser.describe())
    table.add_row("event", f"{card.threshold:g} or more")
    table.add_row("weights", f"after epoch {card.epoch}, the best rollout on the validation part")
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
