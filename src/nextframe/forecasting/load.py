"""Trained models by the name of their run."""

from __future__ import annotations

from pathlib import Path

from nextframe.forecasting.ensemble import EnsembleForecaster
from nextframe.forecasting.model_forecaster import ModelForecaster
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.runs.folder import member_folders
from nextframe.runs.shipped import find_run


def load_run(run: str | Path) -> TrainedForecaster:
    """A trained model, or an ensemble, from its run folder, or one of those that come with the package.

    Args:
        run: a run folder; or the name of a shipped model, where the working directory holds no folder of that name.

    Raises:
        CheckpointError: no such folder or model, no weights in it, damaged files, or files of another version.

    >>> load_run("squares-stacked").config.data.past
    7
    """
    folder = find_run(run)
    return EnsembleForecaster.load(folder) if member_folders(folder) else ModelForecaster.load(folder)
