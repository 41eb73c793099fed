"""Forecasters as nowcasting methods of pysteps: `get_method(name)` returns a function that is called as pysteps' own.

Axes: M member, T time of the past, K lead time, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nextframe.errors import ConfigError, ShapeError
from nextframe.forecasting.forecast import Forecaster
from nextframe.forecasting.load import load_run
from nextframe.forecasting.trained import TrainedForecaster
from nextframe.frames.radar.pictures import grid_from
from nextframe.frames.rain import convert_rain
from nextframe.frames.sequence import FrameSequence

_DRY_DB = 15.0
"""Decibels below the threshold that stand for no rain where metadata say nothing else, as pysteps' `dB_transform`."""


class Nowcast(Protocol):
    """A nowcasting method, as pysteps calls it."""

    def __call__(
        self,
        precip: ArrayLike,
        velocity: ArrayLike | None,
        timesteps: int | Sequence[float],
        n_ens_members: int | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Forecast the fields that follow; see `get_method`."""


def get_method(name: str | Path | Forecaster) -> Nowcast:
    """A nowcasting method of a trained run, called as those of `pysteps.nowcasts.get_method`.

    The function takes

    - `precip`: the last fields (T, H, W), oldest first, of which as many as the run starts from are used;
    - `velocity`: pysteps' motion field (2, H, W), or None; a network finds the motion in the fields, so that it is
      held to the shape of the fields and not used otherwise;
    - `timesteps`: the number of lead times, or a list of those wanted, in whole steps;
    - `n_ens_members`: the number of members, or None for the forecast alone;
    - `metadata`: pysteps' metadata of `precip`. Its `unit` and `transform` ("dB") are brought to what the run was
      trained on, and the forecast back to them. Without it, values are in the unit of the run;
    - `seed` of the choice of members where more are asked for than the run knows, which are then drawn with
      replacement; other options of pysteps' methods are taken and not used.

    It returns fields (K, H, W), or members (M, K, H, W); with metadata a pair of these and the metadata of the result.
    Members of it are what `pysteps.blending.steps.forecast(..., precip_nowcast=members,
    nowcasting_method="external_nowcast")` takes.

    Args:
        name: a run folder, the name of a shipped model, or a forecaster.

    Raises:
        CheckpointError, ConfigError: as `load_run`.

    >>> method = get_method("squares-stacked")
    >>> method(np.zeros((7, 16, 16)), None, 3).shape
    (3, 16, 16)
    """
    forecaster = name if isinstance(name, Forecaster) else load_run(name)

    def nowcast(
        precip: ArrayLike,
        velocity: ArrayLike | None,
        timesteps: int | Sequence[float],
        n_ens_members: int | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        seed: int | None = None,
        **options: Any,
    ) -> Any:
        fields = np.ma.filled(np.ma.asarray(precip, np.float64), np.nan)
        _hold_shapes(fields, velocity, forecaster)
        past = _past(fields, metadata, forecaster)
        wanted = _lead_times(timesteps)
        forecast = forecaster.forecast(past, wanted[-1], members=n_ens_members is not None)
        ahead = forecast.values[:, 0]
        if n_ens_members is not None:
            ahead = _chosen(forecast.require_members()[:, :, 0], int(n_ens_members), seed)
        ahead = ahead[..., [step - 1 for step in wanted], :, :]
        return ahead if metadata is None else _back(ahead, past, metadata)

    return nowcast


def _lead_times(timesteps: int | Sequence[float]) -> list[int]:
    """Lead times in steps, of their number or of a list of some, as pysteps' methods take it.

    Raises:
        ConfigError: no whole steps in ascending order; a network forecasts none between them.
    """
    given = np.asarray(timesteps, np.float64)
    steps = 1 + np.arange(int(given)) if given.ndim == 0 and given % 1 == 0 else given
    if steps.ndim != 1 or not steps.size or (steps % 1 != 0).any() or steps[0] < 1 or (np.diff(steps) <= 0).any():
        raise ConfigError(
            "are no lead times of the run",
            where="timesteps",
            expected="a number of steps, or a list of whole ones, ascending",
            received=timesteps,
        )
    return [int(step) for step in steps]


def _hold_shapes(fields: NDArray[Any], velocity: ArrayLike | None, forecaster: Forecaster) -> None:
    if fields.ndim != 3:
        raise ShapeError("are no fields", where="precip", expected="(time, height, width)", received=fields.shape)
    if velocity is not None and np.shape(velocity) != (2, *fields.shape[1:]):
        raise ShapeError(
            "is no motion of these fields",
            where="velocity",
            expected=(2, *fields.shape[1:]),
            received=np.shape(velocity),
        )
    if isinstance(forecaster, TrainedForecaster):
        least = forecaster.config.data.past
        if len(fields) < least:
            raise ShapeError(
                "are fewer fields than the run starts from", where="precip", expected=least, received=len(fields)
            )


def _past(fields: NDArray[Any], metadata: Mapping[str, Any] | None, forecaster: Forecaster) -> FrameSequence:
    """The last fields as a sequence in the unit that the run was trained on."""
    unit = ""
    names: tuple[str, ...] = ("rain",)
    if isinstance(forecaster, TrainedForecaster):
        fields = fields[-forecaster.config.data.past :]
        unit, names = forecaster.manifest.units[0], forecaster.manifest.variables
    if metadata is None:
        return FrameSequence(
            values=fields[:, None].astype(np.float32), name="precip", missing="mask",
            variables=names[:1], units=(unit or "1",),
        )  # fmt: skip
    given = str(metadata.get("unit") or "mm/h")
    minutes = metadata.get("accutime")
    placed = {"projection", "x1", "x2", "y1", "y2"} <= set(metadata) and metadata["projection"]
    past = FrameSequence(
        values=_linear(fields, metadata)[:, None].astype(np.float32),
        name="precip",
        missing="mask",
        time_step=None if not minutes else np.timedelta64(round(float(minutes) * 60), "s"),
        variables=names[:1],
        units=(given,),
        grid=grid_from(metadata, fields.shape[1:]) if placed else None,
    )
    if unit in ("mm/h", "dBZ") and unit != given:
        past = convert_rain(past, unit)  # type: ignore[arg-type]
    elif unit and unit != given:
        raise ConfigError(
            "cannot be brought to the unit that the run was trained on", where="precip", expected=unit, received=given
        )
    return past


def _linear(fields: NDArray[Any], metadata: Mapping[str, Any]) -> NDArray[Any]:
    """Fields without pysteps' transform."""
    transform = metadata.get("transform")
    if transform is None or (transform == "dB" and metadata.get("unit") == "dBZ"):
        return fields
    if transform != "dB":
        raise ConfigError("is not known", where="metadata: transform", expected="dB or None", received=transform)
    amounts: NDArray[Any] = 10 ** (fields / 10)
    low = metadata.get("threshold")
    return amounts if low is None else np.where(fields < low, 0, amounts)


def _chosen(members: NDArray[Any], number: int, seed: int | None) -> NDArray[Any]:
    """So many members: evenly spread over those that there are, which may be in order; all and some again, at random,
    where there are fewer.
    """
    if number < 1:
        raise ConfigError("asks for no member", where="n_ens_members", expected="at least 1", received=number)
    if number <= len(members):
        spread: NDArray[Any] = members[np.round(np.linspace(0, len(members) - 1, number)).astype(int)]
        return spread
    again = np.random.default_rng(seed).integers(len(members), size=number - len(members))
    return np.concatenate([members, members[again]])


def _back(
    forecast: NDArray[Any], past: FrameSequence, metadata: Mapping[str, Any]
) -> tuple[NDArray[Any], dict[str, Any]]:
    """A forecast in the unit and the transform of the fields that were given, and its metadata."""
    given = str(metadata.get("unit") or "mm/h")
    result = dict(metadata)
    if past.units[0] != given:
        flat = forecast.reshape(-1, 1, *forecast.shape[-2:])
        if given == "dBZ" or past.units[0] == "dBZ":
            rate = FrameSequence(values=flat, name="forecast", missing="mask", variables=("rain",), units=past.units)
            flat = convert_rain(rate, "dBZ" if given == "dBZ" else "mm/h").read(0, len(flat))
        if given == "mm":
            flat = flat * (float(metadata["accutime"]) / 60)
        forecast = flat.reshape(forecast.shape)
    if metadata.get("transform") == "dB" and given != "dBZ":
        low = float(metadata.get("threshold") or -10.0)
        dry = float(metadata.get("zerovalue") or low - _DRY_DB)
        with np.errstate(divide="ignore", invalid="ignore"):
            forecast = np.where(
                forecast < 10 ** (low / 10), np.where(np.isnan(forecast), np.nan, dry), 10 * np.log10(forecast)
            )
    return forecast, result
