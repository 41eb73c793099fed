"""Verify forecasters on windows: the same scores, on the same values, for all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nextframe.data.windows import Window, differ, runs_of_one_size
from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray
from nextframe.progress import track
from nextframe.verification.additive import Additive, Settings, join
from nextframe.verification.metrics import measure
from nextframe.verification.protocol_data import applied
from nextframe.verification.result import Verification
from nextframe.verification.scales import SCALES
from nextframe.verification.summary import data_range_of, summarise

_VALUES = 4_000_000
"""Forecast values of one batch; more would only cost memory."""


def verify(
    forecasters: Sequence[Forecaster],
    windows: Sequence[Window],
    *,
    thresholds: Sequence[float] = (0.5,),
    scales: Sequence[int] = SCALES,
    batch_size: int = 16,
    data_range: float | None = None,
    protocol: str | None = None,
    data: str = "",
    command: str = "",
    judged: int = 1,
    video: bool = False,
    progress: bool = False,
) -> Verification:
    """Let every forecaster forecast every window, and score them against what came.

    All are scored on the same values: those that neither the truth nor any of the forecasts lacks. Windows of several
    sources are scored together, and those of each source by themselves.

    Args:
        forecasters: models and baselines alike.
        windows: all of one past and future length.
        thresholds: what counts as an event, in source units.
        scales: neighbourhoods of the fractions skill score, in pixels along each side.
        batch_size: windows forecast at once.
        data_range: for SSIM and PSNR; by default 1 for values in 0..1, 255 for bytes, else the range that occurs.
        protocol: published protocol to score by as well (`protocols`): "earthformer", "diffcast:meteonet".
        data: what the windows are from, for the record.
        command: how to make the scores again, for the record.
        judged: how many of the forecasters are in question, from the first on.
        video: whether the frames are pictures, of which PSNR and SSIM lead.
        progress: show a progress bar.

    Raises:
        ConfigError: no forecaster, or two of one name; no such protocol, or one of data in another unit.
        DataError: no window, a forecaster without one finite value, or no value that all have.
    """
    names = [forecaster.name for forecaster in forecasters]
    if not names:
        raise ConfigError("names no forecaster", where="forecasters", hint="give a model or a baseline")
    if len(set(names)) < len(names):
        raise ConfigError(
            "two have one name, and their scores would be mixed", where="forecasters", received=", ".join(names)
        )
    if not windows:
        raise DataError("holds no window to verify on", where=data or "verification")
    data_range = data_range_of(windows) if data_range is None else data_range
    settings = Settings(
        thresholds=tuple(thresholds),
        scales=tuple(scales),
        data_range=data_range,
        protocol=applied(protocol, windows[0].sequence, data_range),
        side=max(max(window.sequence.shape[2:]) for window in windows) if differ(windows) else None,
    )
    lead_times = windows[0].future
    batch_size = max(1, min(batch_size, _VALUES // (lead_times * math.prod(windows[0].sequence.shape[1:]))))
    sums: dict[str, list[list[Additive]]] = {name: [] for name in names}
    finite, compared = dict.fromkeys(names, False), False
    stretches = runs_of_one_size(windows, batch_size)
    for start, stop in track(stretches, "verifying") if progress else stretches:
        batch = [windows[n].read() for n in range(start, stop)]
        past, truth = (np.stack(parts) for parts in zip(*batch, strict=True))
        seen = [windows[n].seen for n in range(start, stop)]
        forecasts = {each.name: each.knowing(seen).distribution(past, lead_times) for each in forecasters}
        common = np.isfinite(truth)
        for name, (forecast, members) in forecasts.items():
            _check_shape(name, forecast, truth)
            there = np.isfinite(forecast) & np.isfinite(members).all(1)
            finite[name] |= bool(there.any())
            common &= there
        compared |= bool(common.any())
        truth = np.where(common, truth, np.nan)
        ensembles = any(members.shape[1] > 1 for _, members in forecasts.values())
        for name, (forecast, members) in forecasts.items():
            sums[name].append(measure(forecast, truth, settings, members=members if ensembles else None))
    for name, any_value in finite.items():
        if not any_value:
            hint = "leave it out, or look for what went wrong in its training"
            raise DataError("forecasts no finite value", where=name, hint=hint)
    if not compared:
        raise DataError("no value that every forecast and the truth have", where=data or "verification")
    parts = {name: [join(kind, axis=0) for kind in zip(*batches, strict=True)] for name, batches in sums.items()}
    how: dict[str, Any] = {"settings": settings, "command": command, "judged": judged, "video": video}
    together = summarise(parts, windows[0].sequence, lead_times, windows=windows, data=data, **how)
    return replace(together, by_source=dict(_by_source(parts, windows, how)))


def _by_source(
    parts: Mapping[str, Sequence[Additive]], windows: Sequence[Window], how: Mapping[str, Any]
) -> Iterator[tuple[str, Verification]]:
    """Scores of each of several sources by itself, of the sums that were measured for all of them."""
    origins = np.array([window.sequence.origin for window in windows])
    names = list(dict.fromkeys(origins.tolist()))
    for name in names if len(names) > 1 else ():
        places = np.flatnonzero(origins == name)
        own = {who: [part.of(places) for part in found] for who, found in parts.items()}
        some = [windows[n] for n in places.tolist()]
        yield name, summarise(own, some[0].sequence, some[0].future, windows=some, data=name, **how)


def _check_shape(name: str, forecast: FloatArray, truth: FloatArray) -> None:
    if forecast.shape != truth.shape:
        raise ShapeError(
            "forecasts another shape than that of the truth", where=name, expected=truth.shape, received=forecast.shape
        )
