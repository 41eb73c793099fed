"""Verify forecasters on windows, or grade a forecast file: the same scores, in one shape, for whoever made the
forecast.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.progress import track

from nextframe.data.windows import Window
from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.files import write_text
from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray, FrameSequence, FrameSource
from nextframe.machine import describe_machine
from nextframe.verification.conventions import conventional_scores
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
    conventions: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    """Forecaster -> convention of published tables -> metric -> a value for all lead times; see `conventions`."""
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
            for metrics in scores.values():  # JSON has no infinity, which is what a perfect forecast's PSNR is
                if {"psnr", "mse"} <= metrics.keys():
                    pairs = zip(metrics["psnr"], metrics["mse"], strict=True)
                    metrics["psnr"] = [math.inf if error == 0 else psnr for psnr, error in pairs]
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

    All are scored on the same values: those that neither the truth nor any of the forecasts lacks.

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
        ConfigError: no forecaster, or two of one name.
        DataError: no window.
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
    if data_range is None:
        data_range = _data_range(windows)
    lead_times = windows[0].future
    totals: dict[str, Statistics] = {}
    starts = range(0, len(windows), batch_size)
    steps: Any = track(starts, description="verifying") if progress else starts
    for start in steps:
        batch = [windows[n].read() for n in range(start, min(start + batch_size, len(windows)))]
        past, truth = (np.stack(parts) for parts in zip(*batch, strict=True))
        forecasts = {forecaster.name: forecaster.predict(past, lead_times) for forecaster in forecasters}
        common = np.isfinite(truth)
        for name, forecast in forecasts.items():
            _check_shape(name, forecast, truth)
            common &= np.isfinite(forecast)
        truth = np.where(common, truth, np.nan)
        for name, forecast in forecasts.items():
            found = Statistics.of(forecast, truth, thresholds=thresholds, data_range=data_range)
            totals[name] = totals[name] + found if name in totals else found
    return _summarise(totals, windows[0].sequence, lead_times, data=data, command=command)


def grade(
    forecast: xr.Dataset | str | Path,
    observation: FrameSource,
    *,
    thresholds: Sequence[float] = (0.5,),
    data: str = "",
    command: str = "",
) -> Verification:
    """Grade a forecast file by what was observed, whoever made it.

    The dataset holds one variable for each of the observation's channels (of the same name, or the only ones there
    are), with dimensions lead time, then y and x. Valid times are read from its `valid_time` or `time`; a lead time
    that nothing was observed at has no scores. Where either side knows no times, the forecast is taken to be of the
    last frames of the observation.

    Raises:
        DataError: a file that cannot be read, no variable that fits, several forecasts in one file, or valid times none
            of which was observed.
        ShapeError: grids of different sizes.
    """
    if not isinstance(forecast, xr.Dataset):
        try:
            opened = xr.open_dataset(forecast)
        except (OSError, ValueError) as error:
            raise DataError("cannot be read as a forecast", where=forecast, received=error) from error
        with opened:
            return grade(opened, observation, thresholds=thresholds, data=data or observation.name, command=command)
    sequence = observation.sequences[0]
    where = str(forecast.encoding.get("source", "the forecast"))
    values = _values(forecast, sequence, where)
    truth = _observed(forecast, len(values), observation, where)
    known = _finite(truth)
    data_range = _range_of(float(known.min()), float(known.max()), sequence)
    found = Statistics.of(values[None], truth[None], thresholds=thresholds, data_range=data_range)
    name = str(forecast.attrs.get("forecaster", "forecast"))
    result = _summarise({name: found}, sequence, len(values), data=data or observation.name, command=command)
    lead_time, unit = _stated_lead_times(forecast, len(values))
    return replace(result, lead_time=lead_time, lead_time_unit=unit) if lead_time else result


def _check_shape(name: str, forecast: FloatArray, truth: FloatArray) -> None:
    if forecast.shape != truth.shape:
        raise ShapeError(
            "forecasts another shape than that of the truth", where=name, expected=truth.shape, received=forecast.shape
        )


def _values(forecast: xr.Dataset, sequence: FrameSequence, where: str) -> FloatArray:
    """The forecast's variables as (K, C, H, W), those that the observations have."""
    names = [str(name) for name in forecast.data_vars if forecast[name].ndim >= 3]
    chosen = list(sequence.variables) if set(sequence.variables) <= set(names) else names
    if len(chosen) != sequence.shape[1]:
        expected, received = ", ".join(sequence.variables), ", ".join(names) or "none"
        raise DataError(
            "holds other variables than the observations", where=where, expected=expected, received=received
        )
    channels = []
    for name in chosen:
        variable = forecast[name]
        leading = variable.dims[:-2]
        named = [dim for dim in leading if dim in ("lead_time", "step", "valid_time", "time")]
        along = max(named or leading, key=lambda dim: variable.sizes[dim])
        several = [f"{dim}: {variable.sizes[dim]}" for dim in leading if dim != along and variable.sizes[dim] > 1]
        if several:
            raise DataError(
                f"holds several forecasts along {', '.join(several)}", where=where, hint="select one and write it alone"
            )
        single = variable.isel({dim: 0 for dim in leading if dim != along})
        if single.shape[1:] != sequence.shape[2:]:
            raise ShapeError(
                "has another grid than the observations",
                where=where,
                expected=sequence.shape[2:],
                received=single.shape[1:],
            )
        channels.append(np.asarray(single, dtype=np.float32))
    return np.stack(channels, axis=1)


def _observed(forecast: xr.Dataset, count: int, observation: FrameSource, where: str) -> FloatArray:
    """What was observed at the forecast's lead times, (K, C, H, W); NaN where nothing was."""
    valid = _times(forecast, "valid_time", "time")
    first = observation.sequences[0]
    if valid is None or len(valid) != count or any(sequence.times is None for sequence in observation.sequences):
        if count > len(first):
            raise DataError(f"holds {count} lead times but the observations {len(first)} frames", where=where)
        return first.read(len(first) - count, len(first))
    index = {
        time: (sequence, n)
        for sequence in reversed(observation.sequences)
        for n, time in enumerate(np.asarray(sequence.times).astype("datetime64[ns]"))
    }
    truth = np.full((count, *first.shape[1:]), np.nan, np.float32)
    for lead, time in enumerate(valid):
        if time in index:
            sequence, n = index[time]
            truth[lead] = sequence.read(n, n + 1)[0]
    if not any(time in index for time in valid):
        raise DataError(
            f"is valid at {valid[0]}, which {observation.name} has no frame of, nor of any later time of it",
            where=where,
            expected=f"{min(index)} to {max(index)}",
            hint="give observations that cover the forecast",
        )
    return truth


def _times(forecast: xr.Dataset, *names: str) -> NDArray[np.datetime64] | None:
    """The first of these variables that holds times, as a vector."""
    for name in names:
        if name in forecast.variables and np.issubdtype(forecast[name].dtype, np.datetime64):
            return np.asarray(forecast[name].values.astype("datetime64[ns]").ravel())
    return None


def _stated_lead_times(forecast: xr.Dataset, count: int) -> tuple[list[float], str]:
    """The lead times that the forecast file itself states; an empty list where it states none."""
    for name in ("lead_time", "step"):
        if name in forecast.variables and np.issubdtype(forecast[name].dtype, np.timedelta64):
            return _in_words(np.atleast_1d(forecast[name].values))
    init, valid = _times(forecast, "init_time", "forecast_reference_time"), _times(forecast, "valid_time", "time")
    if init is not None and valid is not None and len(init) == 1 and len(valid) == count:
        return _in_words(valid - init[0])
    return [], ""


def _summarise(
    totals: Mapping[str, Statistics], sequence: FrameSequence, lead_times: int, *, data: str, command: str
) -> Verification:
    any_statistics = next(iter(totals.values()))
    lead_time, unit = _lead_times(sequence.time_step, lead_times)
    scores = {name: statistics.metrics() for name, statistics in totals.items()}
    data_range = any_statistics.data_range
    conventions = {
        name: conventional_scores(metrics, sequence.shape[1:], data_range) for name, metrics in scores.items()
    }
    return Verification(
        scores=scores,
        conventions={name: found for name, found in conventions.items() if found},
        lead_time=lead_time,
        lead_time_unit=unit,
        count=any_statistics.windows,
        command=command,
        data=data,
        units=sequence.units,
        thresholds=any_statistics.thresholds,
        data_range=data_range,
        versions=dict(_versions()),
        machine=describe_machine(),
    )


def _lead_times(step: np.timedelta64 | None, count: int) -> tuple[list[float], str]:
    """Lead times of frames that follow each other by one time step; counted in frames where none is known."""
    if step is None:
        return [float(n) for n in range(1, count + 1)], "frames"
    return _in_words(np.arange(1, count + 1) * step)


def _in_words(lead_times: NDArray[np.timedelta64]) -> tuple[list[float], str]:
    """Lead times in a unit that people read: minutes, or seconds where the first is shorter than one."""
    seconds = lead_times / np.timedelta64(1, "ns") * 1e-9
    size, unit = (60.0, "minutes") if seconds[0] >= 60 else (1.0, "seconds")
    return [round(float(value) / size, 6) for value in seconds], unit


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
