"""Forecast the next frames of any image sequence with ConvLSTMs, and say how good the forecast is.

    model = nextframe.fit("radar.nc", model="stacked")
    forecast = model.forecast("radar.nc", lead_times=8)
    skill = nextframe.verify(model, "other-day.nc")

A name is imported when it is first asked for, so that `import nextframe` (and `nextframe --help`) load no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nextframe import verification
    from nextframe.api import export, fit, forecast, inspect, load_run, print_table, verify, windows
    from nextframe.errors import (
        CheckpointError,
        ConfigError,
        DataError,
        NextframeError,
        NextframeWarning,
        ShapeError,
        TrainingError,
    )
    from nextframe.forecasting.ensemble import EnsembleForecaster
    from nextframe.forecasting.extrapolation import Extrapolation
    from nextframe.forecasting.forecast import Forecast, Forecaster
    from nextframe.forecasting.model_forecaster import ModelForecaster
    from nextframe.forecasting.persistence import Persistence
    from nextframe.forecasting.pysteps_method import get_method
    from nextframe.frames.sequence import FrameSequence, FrameSource
    from nextframe.frames.source import open_source
    from nextframe.models.causality import check_causal
    from nextframe.models.convlstm import ConvLSTM2d
    from nextframe.models.encoder_decoder import EncoderDecoder
    from nextframe.models.rollout import rollout
    from nextframe.models.stacked import StackedConvLSTM
    from nextframe.outputs.writers import save_forecast

    __version__: str

_HOME = {
    "CheckpointError": "nextframe.errors",
    "ConfigError": "nextframe.errors",
    "ConvLSTM2d": "nextframe.models.convlstm",
    "DataError": "nextframe.errors",
    "EncoderDecoder": "nextframe.models.encoder_decoder",
    "EnsembleForecaster": "nextframe.forecasting.ensemble",
    "Extrapolation": "nextframe.forecasting.extrapolation",
    "Forecast": "nextframe.forecasting.forecast",
    "Forecaster": "nextframe.forecasting.forecast",
    "FrameSequence": "nextframe.frames.sequence",
    "FrameSource": "nextframe.frames.sequence",
    "ModelForecaster": "nextframe.forecasting.model_forecaster",
    "NextframeError": "nextframe.errors",
    "NextframeWarning": "nextframe.errors",
    "Persistence": "nextframe.forecasting.persistence",
    "ShapeError": "nextframe.errors",
    "StackedConvLSTM": "nextframe.models.stacked",
    "TrainingError": "nextframe.errors",
    "check_causal": "nextframe.models.causality",
    "export": "nextframe.api",
    "fit": "nextframe.api",
    "forecast": "nextframe.api",
    "get_method": "nextframe.forecasting.pysteps_method",
    "inspect": "nextframe.api",
    "load_run": "nextframe.api",
    "open_source": "nextframe.frames.source",
    "print_table": "nextframe.api",
    "rollout": "nextframe.models.rollout",
    "save_forecast": "nextframe.outputs.writers",
    "verify": "nextframe.api",
    "windows": "nextframe.api",
}

__all__ = [
    "CheckpointError",
    "ConfigError",
    "ConvLSTM2d",
    "DataError",
    "EncoderDecoder",
    "EnsembleForecaster",
    "Extrapolation",
    "Forecast",
    "Forecaster",
    "FrameSequence",
    "FrameSource",
    "ModelForecaster",
    "NextframeError",
    "NextframeWarning",
    "Persistence",
    "ShapeError",
    "StackedConvLSTM",
    "TrainingError",
    "__version__",
    "check_causal",
    "export",
    "fit",
    "forecast",
    "get_method",
    "inspect",
    "load_run",
    "open_source",
    "print_table",
    "rollout",
    "save_forecast",
    "verification",
    "verify",
    "windows",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("nextframe")
    elif name == "verification":  # the scores, as nextframe.verification.csi
        value = import_module("nextframe.verification")
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'nextframe' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
