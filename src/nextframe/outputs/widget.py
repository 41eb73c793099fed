"""The player of forecasts in a notebook, a widget of anywidget (extra `notebook`).

Axes: T time of the past, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from nextframe.errors import ConfigError
from nextframe.forecasting.baselines import make_baseline
from nextframe.forecasting.forecast import Forecast
from nextframe.frames.sequence import FloatArray
from nextframe.frames.source import Source, pasts_in
from nextframe.outputs.show import read_beside
from nextframe.plugins import library
from nextframe.report.player import described, encoded, of_example, script, style
from nextframe.verification.result import Verification

if TYPE_CHECKING:
    from anywidget import AnyWidget


def forecast_widget(
    forecast: Forecast,
    past: Source | None = None,
    truth: Source | None = None,
    beside: Sequence[Forecast | str] = (),
    threshold: float | None = None,
) -> AnyWidget:
    """A widget of one forecast; arguments and errors of `Forecast.widget`."""
    read = read_beside(forecast, past, truth)
    chance = None if threshold is None or forecast.members is None else forecast.probability(threshold)
    shown = described(
        forecast,
        past=read.past,
        truth=read.truth,
        beside=dict(_values(each, forecast, past) for each in beside),
        probability=chance,
        threshold=threshold,
    )
    return _player([shown])


def verification_widget(verification: Verification) -> AnyWidget:
    """A widget of the examples of a verification, one of which is chosen; errors of `Verification.widget`."""
    if not verification.examples:
        raise ConfigError(
            "hold no frames to look at",
            where="these scores",
            hint="verify again with {examples=3}, and keep the result",
        )
    return _player([of_example(example) for example in verification.examples])


def _values(each: Forecast | str, forecast: Forecast, past: Source | None) -> tuple[str, FloatArray]:
    """The name and the frames of another forecast, or of that of a baseline from the same past."""
    if isinstance(each, Forecast):
        return each.forecaster, each.values
    if past is None:
        raise ConfigError("needs the frames before the forecast", where=f"beside={each!r}", hint="give {past}, too")
    (start, *_) = pasts_in(past)
    return each, make_baseline(each).forecast(start, forecast.lead_times, members=False).values


def _player(descriptions: Sequence[Mapping[str, Any]]) -> AnyWidget:
    widget: AnyWidget = _kind()(forecasts=[encoded(each, _bytes) for each in descriptions])
    return widget


def _bytes(frames: FloatArray) -> memoryview:
    return memoryview(np.ascontiguousarray(frames, "<f4").tobytes())


@cache
def _kind() -> type[AnyWidget]:
    """The class of the widget, made when it is first needed.

    Raises:
        ConfigError: anywidget is not installed.
    """
    library("anywidget", extra="notebook", where="a widget")
    import traitlets
    from anywidget import AnyWidget

    class PlayerWidget(AnyWidget):
        """Forecasts in a player."""

        _esm = script("widget")
        _css = style()
        forecasts: traitlets.List[Any] = traitlets.List().tag(sync=True)

    return PlayerWidget
