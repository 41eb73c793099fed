"""`Forecast`, the frames to come, and `Forecaster`, anything that makes them.

Axes: B batch, T time of the past, K lead time, C channel, H height, W width. Values are in the units of the source and
NaN where nothing is known.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nextframe.config import frames_asked_for
from nextframe.errors import ConfigError, DataError, NextframeWarning, ShapeError
from nextframe.frames.grid import Grid
from nextframe.frames.sequence import FloatArray, FrameSequence, described
from nextframe.frames.source import Source, name_of, pasts_in
from nextframe.frames.steps import after
from nextframe.plugins import Late
from nextframe.words import count, is_calendar, minute

if TYPE_CHECKING:
    import xarray as xr
    from anywidget import AnyWidget
    from matplotlib.figure import Figure

# What shows a forecast stands above it, and is named, as in the rows of tables, and not imported.
_DATASET = Late("nextframe.outputs.netcdf:dataset_with")
_PLOT, _ANIMATE = Late("nextframe.outputs.show:plot"), Late("nextframe.outputs.show:animate")
_HTML = Late("nextframe.outputs.show:forecast_html")
_WIDGET = Late("nextframe.outputs.widget:forecast_widget")


class Animation(Protocol):
    """An animation that a notebook plays."""

    gif: bytes

    def _repr_html_(self) -> str: ...

    def save(self, path: str | Path) -> None:
        """Write it as a GIF."""


Begun = TypeVar("Begun")


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Forecast frames from one initial time, in source units.

    Raises:
        ShapeError: values that are not (lead time, channel, height, width).

    >>> members = np.array([0, 1, 2, 4], np.float32).reshape(4, 1, 1, 1, 1)
    >>> rain = Forecast(
    ...     values=members.mean(0),
    ...     forecaster="mine",
    ...     members=members,
    ...     init_time=np.datetime64("2019-03-01T06:00"),
    ...     time_step=np.timedelta64(5, "m"),
    ... )
    >>> rain.probability(2).item()
    0.5
    >>> rain.valid_time[0]
    np.datetime64('2019-03-01T06:05')
    """

    values: FloatArray
    """(K, C, H, W)."""
    forecaster: str
    """Name of what made it: "persistence", a run's name."""
    members: FloatArray | None = None
    """(M, K, C, H, W): equally likely forecasts, where the forecaster knows its uncertainty."""
    no_members: str = ""
    """Way to get members where it has none, if the forecaster knows."""
    init_time: np.datetime64 | None = None
    """Time of the last frame seen; None where the source knows no times."""
    time_step: np.timedelta64 | None = None
    """Time between lead times; None where the source knows none (lead time is then counted in frames)."""
    first: int = 1
    """Number of the first lead time: of the frames after the last one seen, `values` begin with this one."""
    variables: tuple[str, ...] = ("frame",)
    """Name of each channel."""
    units: tuple[str, ...] = ("1",)
    """Unit of each channel."""
    variable_attributes: tuple[Mapping[str, object], ...] = ()
    """Further attributes of each channel (long_name, standard_name), carried to the output; may be empty."""
    accumulation: tuple[np.timedelta64 | None, ...] = ()
    """Time over which each channel is summed up, as the source states it; may be empty."""
    grid: Grid | None = None
    """Coordinates of the pixels."""
    source: str = ""
    """Name of the sequence that the forecast starts from."""
    attributes: Mapping[str, object] = field(default_factory=dict)
    """Further attributes of the source, carried to the output."""

    def __post_init__(self) -> None:
        if self.values.ndim != 4:
            raise ShapeError(
                "a forecast has other axes",
                where=self.forecaster,
                expected="(lead time, channel, height, width)",
                received=self.values.shape,
            )

    def __repr__(self) -> str:
        frames, channels, height, width = self.values.shape
        when = (
            "" if self.valid_time is None else f", valid {minute(self.valid_time[0])} to {minute(self.valid_time[-1])}"
        )
        drawn = "" if self.members is None else f"; {len(self.members)} members"
        start = f", from {self.source}" if self.source else ""
        return (
            f"<Forecast by {self.forecaster}: {count(frames, 'frame')} of {channels} x {height} x {width} "
            f"({described(self.variables, self.units)}){when}{start}{drawn}>"
        )

    def _repr_html_(self) -> str:
        return str(_HTML(self))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """The frames (K, C, H, W): `np.asarray(forecast)`."""
        return np.array(self.values, dtype=dtype, copy=copy)

    def to_xarray(
        self,
        *,
        exceed: Sequence[float] = (),
        quantiles: Sequence[float] = (),
        coverage: float | None = None,
        members: bool = False,
    ) -> xr.Dataset:
        """A dataset by the CF conventions, as the NetCDF file has it: a variable for each channel over (lead_time, y,
        x), valid_time and init_time where times are known, and what else is asked for.

        Args:
            exceed: thresholds in source units, for probabilities of at least so much.
            quantiles: levels of quantiles, between 0 and 1.
            coverage: probability of the central interval whose bounds are wanted.
            members: whether the members are wanted.

        Raises:
            ConfigError: probabilities, an interval or members of a forecast that knows none.
        """
        dataset: xr.Dataset = _DATASET(self, exceed=exceed, quantiles=quantiles, coverage=coverage, members=members)
        return dataset

    def plot(self, *, past: Source | None = None, truth: Source | None = None) -> Figure:
        """A figure of matplotlib: rows for past, truth, forecast and error, a column for each lead time.

        Args:
            past: frames seen, an array (T, C, H, W) or whatever `open_source` takes.
            truth: frames that came, as many as there are lead times.

        Raises:
            ShapeError: a past or a truth that does not fit the forecast.
        """
        figure: Figure = _PLOT(self, past, truth)
        return figure

    def animate(self, *, past: Source | None = None, truth: Source | None = None) -> Animation:
        """An animation that a notebook plays, of the past, then of truth, forecast and error side by side; its `save`
        writes a GIF. Arguments and errors of `plot`.
        """
        animation: Animation = _ANIMATE(self, past, truth)
        return animation

    def widget(
        self,
        *,
        past: Source | None = None,
        truth: Source | None = None,
        beside: Sequence[Forecast | str] = (),
        threshold: float | None = None,
    ) -> AnyWidget:
        """The player for a notebook, as the report and the service's page have it: past, forecast, truth and error on
        one slider, values under the pointer, events by lead time. Needs the extra `notebook`.

        Args:
            past: frames seen, an array (T, C, H, W) or whatever `open_source` takes.
            truth: frames that came, as many as there are lead times.
            beside: other forecasts of the same frames, and names of baselines, which forecast from `past`.
            threshold: from which value on something is an event, in source units; where the forecast has members,
                its probability is shown.

        Raises:
            ConfigError: anywidget is not installed, a baseline that there is not, or one without a past.
            ShapeError: frames that do not fit the forecast.
        """
        widget: AnyWidget = _WIDGET(self, past, truth, beside, threshold)
        return widget

    def probability(self, threshold: float) -> FloatArray:
        """Probability of a value of at least `threshold`, in source units: the share of members, (K, C, H, W).

        Raises:
            ConfigError: a forecast without members.
        """
        members = self.require_members()
        share = (members >= threshold).mean(0, dtype=np.float32)
        return np.where(np.isfinite(members).all(0), share, np.float32(np.nan))

    def interval(self, coverage: float = 0.9) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bound of the central interval of so much probability, (K, C, H, W) each.

        Raises:
            ConfigError: a forecast without members, or a coverage that is no share or that its members do not reach.
        """
        if not 0 < coverage < 1:
            raise ConfigError("is no share", where="coverage", expected="between 0 and 1", received=coverage)
        members = self.require_members()
        widest = (len(members) - 1) / (len(members) + 1)
        if coverage > widest + 1e-9:
            raise ConfigError(
                f"{len(members)} members reach no further than an interval of {widest:.0%}",
                where="coverage",
                received=coverage,
            )
        return central_interval(members, coverage)

    def quantile(self, level: float) -> FloatArray:
        """The value that the truth stays below with probability `level`, (K, C, H, W).

        Raises:
            ConfigError: a forecast without members, or a level that is no share.
        """
        if not 0 < level < 1:
            raise ConfigError("is no share", where="quantiles", expected="between 0 and 1", received=level)
        members = self.require_members()
        return np.quantile(members, level, axis=0, method="weibull").astype(members.dtype)

    def at(self, lead: int) -> Forecast:
        """The forecast of the one lead time of this index, from 0."""
        members = None if self.members is None else self.members[:, lead : lead + 1]
        return replace(self, values=self.values[lead : lead + 1], members=members, first=self.first + lead)

    def require_members(self) -> FloatArray:
        """The members (M, K, C, H, W).

        Raises:
            ConfigError: a forecast without members.
        """
        if self.members is None or len(self.members) < 2:
            raise ConfigError(
                "knows no probabilities: it is a single forecast",
                where=self.forecaster,
                hint=self.no_members or "train with {members} or {quantiles}, or calibrate the run",
            )
        return self.members

    @property
    def lead_times(self) -> int:
        """Number of lead times K."""
        return int(self.values.shape[0])

    @property
    def lead_time(self) -> NDArray[np.timedelta64] | NDArray[np.int64]:
        """Lead time of each frame (K,): timedelta64 where the time step is known, else 1, 2, ... frames.

        Of calendar steps it is the time until each is valid: 31, 59, 90 days after the first of January.
        """
        numbers = np.arange(self.first, self.first + self.lead_times)
        if self.time_step is None:
            return numbers
        if self.init_time is None or not is_calendar(self.time_step):
            return numbers * self.time_step
        return (after(self.init_time, self.time_step, numbers) - self.init_time).astype("timedelta64[ns]")

    @property
    def valid_time(self) -> NDArray[np.datetime64] | None:
        """Time that each frame is valid at (K,), or None where the source knows no times."""
        if self.init_time is None or self.time_step is None:
            return None
        return after(self.init_time, self.time_step, np.arange(self.first, self.first + self.lead_times))


def central_interval(members: NDArray[Any], coverage: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lower and upper bound of the central interval of members (M, ...), (...) each.

    The quantiles are such that the m-th of M ordered members lies at m / (M + 1), as it does where truth and members
    are draws from one distribution. Few members reach no further than their extremes.
    """
    low, high = np.quantile(members, ((1 - coverage) / 2, (1 + coverage) / 2), axis=0, method="weibull")
    return low.astype(members.dtype), high.astype(members.dtype)


class Forecaster(ABC):
    """Anything that continues a sequence: a trained model, a baseline, an exported model, all alike."""

    seed: int | None = None
    """Seed of what it draws at random; None where it draws nothing. It goes into the attributes of its forecasts."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name in tables and reports."""

    @abstractmethod
    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """Continue a batch of pasts.

        Args:
            past: (B, T, C, H, W) in source units, NaN where missing.
            lead_times: number of frames to forecast, at least 1.

        Returns:
            (B, K, C, H, W) in source units.
        """

    def knowing(self, pasts: Sequence[FrameSequence]) -> Forecaster:
        """The same forecaster for a batch of these pasts, of which it may read what no array holds: their times."""
        return self

    def distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """The forecast of a batch of pasts, and equally likely forecasts that say how uncertain it is.

        Args:
            past: (B, T, C, H, W) in source units, NaN where missing.
            lead_times: number of frames to forecast, at least 1.

        Returns:
            The forecast (B, K, C, H, W), and its members (B, M, K, C, H, W): one, the forecast itself, where the
            forecaster does not know its uncertainty.
        """
        forecast = self.predict(past, lead_times)
        return forecast, forecast[:, None]

    def why_no_members(self, lead_times: int) -> str:
        """Advice where `distribution` has one member only; empty for the usual advice."""
        return ""

    def pasts_of(self, source: Source, *, axes: str = "") -> Sequence[FrameSequence]:
        """Frames that forecasts start from, a sequence for each forecast: all frames of each sequence of a source."""
        return pasts_in(source, axes=axes)

    def past_of(self, source: Source, *, axes: str = "") -> FrameSequence:
        """Frames that one forecast starts from.

        Warns:
            NextframeWarning: a source of several sequences, of which the first is taken.
        """
        return only_one(self.pasts_of(source, axes=axes), source)

    def forecast(self, past: Source, lead_times: int = 8, *, members: bool = True, axes: str = "") -> Forecast:
        """Forecast the frames that follow the last one of `past`.

        Args:
            past: a sequence, an array (T, H, W), (T, C, H, W) or (N, T, C, H, W) in source units, or whatever
                `open_source` takes; of several sequences the first is taken, with a warning (`forecast_all` takes all).
            lead_times: number of frames to forecast.
            members: whether the forecast is to know its uncertainty; without, it takes a fraction of the memory.
            axes: a letter for each axis of an array ("THWC"); by default told by the shape, or asked for.

        Raises:
            ConfigError: fewer than one lead time.
            ShapeError: frames that this forecaster cannot take, or an array whose shape does not tell its axes.
            DataError: not one value of the forecast is finite.
        """
        return self._forecast(self.past_of(past, axes=axes), lead_times, members=members)

    def forecast_all(
        self, source: Source, lead_times: int = 8, *, members: bool = True, axes: str = ""
    ) -> list[Forecast]:
        """A forecast from each sequence of a source; arguments and errors of `forecast`."""
        return [self.forecast(past, lead_times, members=members) for past in self.pasts_of(source, axes=axes)]

    def _forecast(self, past: FrameSequence, lead_times: int, *, members: bool) -> Forecast:
        lead_times = frames_asked_for(lead_times)
        forecaster = self.knowing([past])
        frames = past.read(0, len(past))
        if not np.isfinite(frames).any():
            raise DataError(
                "the frames to start from hold no valid value", where=past.name, hint="start from frames that do"
            )
        drawn: FloatArray | None = None
        if members:
            values, drawn = forecaster.distribution(frames[None], lead_times)
        else:
            values = forecaster.predict(frames[None], lead_times)
        return self.made_of(past, values, drawn, lead_times=lead_times, seen=frames)

    def made_of(
        self,
        past: FrameSequence,
        values: FloatArray,
        members: FloatArray | None,
        *,
        lead_times: int,
        seen: FloatArray | None = None,
    ) -> Forecast:
        """A forecast of what `distribution` returns: the times, units and grid of its past with it.

        Args:
            past: the frames that it starts from.
            values: (1, K, C, H, W) in source units.
            members: (1, M, K, C, H, W); None where they were not asked for.
            lead_times: number of frames.
            seen: the frames of `past`, where they have been read.

        Raises:
            DataError: not one value of the forecast is finite.
        """
        last = past.read(len(past) - 1, len(past)) if seen is None else seen
        _hold_to_values(values[0], last, where=f"{self.name}, from {past.name}")
        return Forecast(
            values=values[0],
            members=members[0] if members is not None and members.shape[1] > 1 else None,
            no_members=self.why_no_members(lead_times) if members is not None else "forecast with members=True",
            forecaster=self.name,
            init_time=None if past.times is None else past.times[-1],
            time_step=past.time_step,
            variables=past.variables,
            units=past.units,
            variable_attributes=past.variable_attributes,
            accumulation=past.accumulation,
            grid=past.grid,
            source=past.name,
            attributes=dict(past.attributes) if self.seed is None else {**past.attributes, "seed": self.seed},
        )


def only_one(starts: Sequence[Begun], source: Source) -> Begun:
    """The first of what one forecast may start from.

    Warns:
        NextframeWarning: there are several.

    Raises:
        DataError: there is none.
    """
    if not starts:
        raise DataError("is empty: there are no frames to forecast from", where="source", hint="give it some frames")
    if len(starts) > 1:
        warnings.warn(
            NextframeWarning(
                f"{name_of(source)} holds {len(starts)} sequences, and the first is forecast from; `forecast_all` "
                "forecasts from each"
            ),
            stacklevel=4,
        )
    return starts[0]


def _hold_to_values(values: FloatArray, past: FloatArray, *, where: str) -> None:
    """A forecast without a value is none, whatever would be written of it."""
    if np.isfinite(values).any():
        return
    if not np.isfinite(past[-1]).any():
        raise DataError(
            "cannot be forecast from: its last frame holds no value", where=where, hint="start from a frame that does"
        )
    raise DataError("forecasts no finite value", where=where, hint="train the model again, or look at its frames")
