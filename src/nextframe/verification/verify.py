"""Verify forecasters on windows, or grade a forecast file: the same scores, in one shape, for whoever made the
forecast.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from rich.progress import track

from nextframe.data.windows import Window
from nextframe.errors import DataError, ShapeError
from nextframe.files import write_text
from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray, FrameSequence, FrameSource
from nextframe.machine import describe_machine
from nextframe.verification.statistics import Statistics

_PACKAGES = ("nextframe", "torch", "numpy", "scikit-image", "pysteps")


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Scores by forecaster, metric and lead time, and what they were made from."""

    scores: Mapping[str, Mapping[str, Sequence[float]]]
    """Forecaster -> metric -> a value for each lead time; NaN where a metric is not defined."""
    lead_time: Sequence[float]
    """Lead times, in `lead_time_unit`."""
    lead_time_unit: str = "frames"
    """"frames" where the data know no time step, else "minutes" or "seconds"."""
    count: int
    """Forecasts verified, by each forecaster."""
    command: str = ""
    """How these scores can be made again."""
    data: str = ""
    """What the forecasts were verified on."""
    units: Sequence[str] = ("1",)
    """Unit of each channel."""
    thresholds: Sequence[float] = (0.5,)
    """What counts as an event, in source units."""
    data_range: float = 1.0
    """Distance between the smallest and the largest possible value, for SSIM and PSNR."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of what computed them."""
    machine: str = ""
    """What they were computed on."""

    def to_json(self, path: str | Path) -> None:
        """Write `verification.json`, whole or not at all; a score that is not defined is null there."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        content["scores"] = {
            forecaster: {
                metric: [v if math.isfinite(v) else None for v in values] for metric, values in metrics.items()
            }
            for forecaster, metrics in self.scores.items()
        }
        write_text(path, json.dumps(content, indent=1) + "\n")

    @classmethod
    def from_json(cls, path: str | Path) -> Verification:
        """Read what `to_json` wrote.

        Raises:
            DataError: a file that is not there or holds something else.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            scores = {
                forecaster: {
                    metric: [math.nan if v is None else v for v in values] for metric, values in metrics.items()
                }
                for forecaster, metrics in content.pop("scores").items()
            }
            return cls(scores=scores, **content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError("cannot be read as scores", where=path, received=error) from error


def verify(
    forecasters: Sequence[Forecaster],
    windows: Sequence[Window],
    *,
    thresholds: Sequence[float] = (0.5,),
    batch_size: int = 16,
    data_range: float | None = None,
    data: str = "",
    command: str = "",
    progress: bool = False,
) -> Verification:
    """Let every forecaster forecast every window, and score them against what came.

    Args:
        forecasters: models and baselines alike.
        windows: all of one past and future length.
        thresholds: what counts as an event, in source units.
        batch_size: windows forecast at once.
        data_range: for SSIM and PSNR; by default 1 for values in 0..1, 255 for bytes, else the range that occurs.
        data: what the windows are from, for the record.
        command: how to make the scores again, for the record.
        progress: show a progress bar.

    Raises:
        DataError: no window.
    """
    if not windows:
        raise DataError("holds no window to verify on", where=data or "verification")
    if data_range is None:
        data_range = _data_range(windows)
    lead_times = windows[0].future
    totals: dict[str, Statistics] = {}
    starts = range(0, len(windows), batch_size)
    steps: Any = track(starts, description="verifying") if progress else starts
    for start in steps:
        batch = [windows[n].read() for n in range(start, min(start + batch_size, len(windows)))]
        past, truth = (np.stack(parts) for parts in zip(*batch, strict=True))
        for forecaster in forecasters:
            forecast = forecaster.predict(past, lead_times)
            found = Statistics.of(forecast, truth, thresholds=thresholds, data_range=data_range)
            name = forecaster.name
            totals[name] = totals[name] + found if name in totals else found
    return _summarise(totals, windows[0].sequence, lead_times, data=data, command=command)


def grade(
    forecast: xr.Dataset,
    observation: FrameSource,
    *,
    thresholds: Sequence[float] = (0.5,),
    data: str = "",
    command: str = "",
) -> Verification:
    """Grade a forecast file by what was observed, whoever made it.

    The dataset holds one variable for each of the observation's channels (of the same name, or the only ones there
    are), with dimensions lead time, then y and x. Valid times are read from its `valid_time` or `time`; where either
    side knows no times, the forecast is taken to be of the last frames of the observation.

    Raises:
        DataError: no variable that fits, or valid times that the observations do not have.
        ShapeError: grids of different sizes.
    """
    sequence = observation.sequences[0]
    where = forecast.encoding.get("source", "the forecast")
    names = [name for name in forecast.data_vars if forecast[name].ndim >= 3]
    chosen = list(sequence.variables) if set(sequence.variables) <= set(names) else names
    if len(chosen) != sequence.shape[1]:
        expected, received = ", ".join(sequence.variables), ", ".join(map(str, names)) or "none"
        raise DataError(
            "holds other variables than the observations", where=where, expected=expected, received=received
        )
    values = np.stack([np.asarray(forecast[name].squeeze(), dtype=np.float32) for name in chosen], axis=1)
    if values.ndim != 4 or values.shape[1:] != sequence.shape[1:]:
        raise ShapeError(
            "has another grid than the observations",
            where=where,
            expected=sequence.shape[1:],
            received=values.shape[1:],
        )
    frames = _matching_frames(forecast, len(values), sequence, str(where))
    truth = np.concatenate([sequence.read(n, n + 1) for n in frames])
    data_range = _range_of(float(_finite(truth).min()), float(_finite(truth).max()), sequence)
    found = Statistics.of(values[None], truth[None], thresholds=thresholds, data_range=data_range)
    name = str(forecast.attrs.get("forecaster", "forecast"))
    return _summarise({name: found}, sequence, len(values), data=data or observation.name, command=command)


def _matching_frames(forecast: xr.Dataset, count: int, sequence: FrameSequence, where: str) -> list[int]:
    """The observed frames that the forecast's lead times are valid at."""
    valid = next((forecast[name] for name in ("valid_time", "time") if name in forecast.variables), None)
    if valid is None or sequence.times is None or not np.issubdtype(valid.dtype, np.datetime64):
        if count > len(sequence):
            raise DataError(f"holds {count} lead times but the observations {len(sequence)} frames", where=where)
        return list(range(len(sequence) - count, len(sequence)))
    index = {time: n for n, time in enumerate(sequence.times.astype("datetime64[ns]"))}
    times = np.atleast_1d(valid.values).astype("datetime64[ns]")
    missing = [time for time in times if time not in index]
    if missing:
        raise DataError(
            f"is valid at {missing[0]}, which {sequence.name} has no frame of",
            where=where,
            expected=f"{sequence.times[0]} to {sequence.times[-1]}",
            hint="give observations that cover the forecast",
        )
    return [index[time] for time in times]


def _summarise(
    totals: Mapping[str, Statistics], sequence: FrameSequence, lead_times: int, *, data: str, command: str
) -> Verification:
    any_statistics = next(iter(totals.values()))
    lead_time, unit = _lead_times(sequence.time_step, lead_times)
    return Verification(
        scores={name: statistics.metrics() for name, statistics in totals.items()},
        lead_time=lead_time,
        lead_time_unit=unit,
        count=any_statistics.windows,
        command=command,
        data=data,
        units=sequence.units,
        thresholds=any_statistics.thresholds,
        data_range=any_statistics.data_range,
        versions=dict(_versions()),
        machine=describe_machine(),
    )


def _lead_times(step: np.timedelta64 | None, count: int) -> tuple[list[float], str]:
    """Lead times in a unit that people read: minutes, seconds for short steps, frames where no step is known."""
    if step is None:
        return [float(n) for n in range(1, count + 1)], "frames"
    seconds = float(step / np.timedelta64(1, "ns")) * 1e-9
    size, unit = (60.0, "minutes") if seconds >= 60 else (1.0, "seconds")
    return [round(n * seconds / size, 6) for n in range(1, count + 1)], unit


def _data_range(windows: Sequence[Window]) -> float:
    """Judged from up to 64 windows, evenly spread."""
    number = min(64, len(windows))
    some = [windows[n * len(windows) // number].read() for n in range(number)]
    smallest = min(float(_finite(part).min()) for pair in some for part in pair)
    largest = max(float(_finite(part).max()) for pair in some for part in pair)
    return _range_of(smallest, largest, windows[0].sequence)


def _finite(values: FloatArray) -> FloatArray:
    found = values[np.isfinite(values)]
    return found if found.size else np.zeros(1, np.float32)


def _range_of(smallest: float, largest: float, sequence: FrameSequence) -> float:
    if smallest >= 0 and largest <= 1:
        return 1.0
    if sequence.values.dtype == np.uint8:
        return 255.0
    return largest - smallest if largest > smallest else 1.0


def _versions() -> Iterator[tuple[str, str]]:
    for package in _PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue
