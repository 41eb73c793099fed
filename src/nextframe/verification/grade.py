"""Grade a forecast file by what was observed, whoever made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from nextframe.errors import DataError, ShapeError
from nextframe.frames.formats.cf import spatial_axes
from nextframe.frames.formats.opening import open_dataset
from nextframe.frames.grid import counted
from nextframe.frames.sequence import FloatArray, FrameSequence, FrameSource
from nextframe.frames.steps import nearest
from nextframe.frames.units import same_unit
from nextframe.verification.additive import Settings
from nextframe.verification.ensembles import MEMBERS
from nextframe.verification.forecast_times import LEADS, stated_lead_times, valid_times
from nextframe.verification.metrics import measure
from nextframe.verification.protocol_data import applied
from nextframe.verification.result import Verification
from nextframe.verification.scales import SCALES
from nextframe.verification.statistics import usual_range
from nextframe.verification.summary import finite, summarise

_METRES = {"m": 1.0, "metre": 1.0, "meter": 1.0, "metres": 1.0, "meters": 1.0, "km": 1000.0, "kilometre": 1000.0}


def grade(
    forecast: xr.Dataset | str | Path,
    observation: FrameSource,
    *,
    thresholds: Sequence[float] = (0.5,),
    scales: Sequence[int] = SCALES,
    protocol: str | None = None,
    data: str = "",
    command: str = "",
    video: bool = False,
) -> Verification:
    """Grade a forecast file by what was observed, whoever made it.

    The dataset holds one variable for each of the observation's channels (of the same name, or the only ones there
    are), with dimensions lead time, then y and x, and an axis of members (`member`, `realization`, `number`,
    `ens_number`) where it is an ensemble. Valid times are read from its `valid_time`, else made of its initial time
    (`init_time`, `forecast_reference_time`, or a `time` of one value) and lead times (`lead_time`, `step`), else read
    from its `time`; a lead time that nothing was observed at (to a tenth of a step) has no scores. Where either side
    knows no times, the forecast is taken to be of the last frames of the observation.

    Raises:
        DataError: a file that cannot be read, no variable that fits, several forecasts in one file, another place,
            times that do not say when it is valid, valid times none of which was observed, or no value that both sides
            have.
        ShapeError: grids of different sizes.
    """
    if not isinstance(forecast, xr.Dataset):
        try:
            opened = open_dataset(Path(forecast))
        except DataError as error:
            raise DataError(
                "cannot be read as a forecast", where=forecast, received=error.received or error.what, hint=error.hint
            ) from error
        with opened:
            name = data or observation.name
            return grade(
                opened,
                observation,
                thresholds=thresholds,
                scales=scales,
                protocol=protocol,
                data=name,
                command=command,
                video=video,
            )
    sequence = observation.sequences[0]
    where = str(forecast.encoding.get("source", "the forecast"))
    values, members = _values(forecast, sequence, where)
    truth = _observed(forecast, len(values), observation, where)
    if not (np.isfinite(values) & np.isfinite(truth)).any():
        empty = next(
            (name for name, part in ((where, values), (observation.name, truth)) if np.isnan(part).all()), None
        )
        what = "holds no value: all are missing" if empty else "has no value where the observations have one"
        raise DataError(what, where=empty or where)
    known = finite(truth)
    data_range = usual_range(float(known.min()), float(known.max()), sequence.values.dtype)
    settings = Settings(
        thresholds=tuple(thresholds),
        scales=tuple(scales),
        data_range=data_range,
        protocol=applied(protocol, sequence, data_range),
    )
    parts = measure(values[None], truth[None], settings, members=None if members is None else members[None])
    name = str(forecast.attrs.get("forecaster", "forecast"))
    result = summarise(
        {name: parts},
        sequence,
        len(values),
        settings=settings,
        data=data or observation.name,
        command=command,
        video=video,
    )
    lead_time, unit = stated_lead_times(forecast, len(values))
    if not lead_time or result.lead_time_unit == "months":  # of which the observations know the calendar
        return result
    return replace(result, lead_time=lead_time, lead_time_unit=unit)


def _values(forecast: xr.Dataset, sequence: FrameSequence, where: str) -> tuple[FloatArray, FloatArray | None]:
    """The forecast's variables as (K, C, H, W), those that the observations have, and members (M, K, C, H, W)."""
    aside = {name for v in forecast.data_vars.values() for name in str(v.attrs.get("ancillary_variables", "")).split()}
    fields = [str(name) for name in forecast.data_vars if _is_field(forecast[name]) and name not in aside]
    # Of two dimensions is a forecast of one lead time, but only where nothing has three.
    names = [name for name in fields if forecast[name].ndim >= 3] or fields
    chosen = list(sequence.variables) if set(sequence.variables) <= set(names) else names
    if len(chosen) != sequence.shape[1]:
        expected, received = ", ".join(sequence.variables), ", ".join(names) or "none"
        raise DataError(
            "holds other variables than the observations", where=where, expected=expected, received=received
        )
    for name, unit in zip(chosen, sequence.units, strict=True):
        stated = forecast[name].attrs.get("units")
        if stated is not None and not same_unit(str(stated), unit):
            raise DataError(
                f"{name} has another unit than the observations",
                where=where,
                expected=unit,
                received=stated,
                hint="bring the observations to it, for rain with {rain_unit}",
            )
    channels = [_channel(forecast[name], sequence, where) for name in chosen]
    apart = [f"{name}_member" for name in chosen]
    if all(name in forecast for name in apart):
        members = np.stack([_channel(forecast[name], sequence, where) for name in apart], axis=2)
        return np.stack([channel[0] for channel in channels], axis=1), members
    values = np.stack(channels, axis=2)
    return (values[0], None) if len(values) == 1 else (values.mean(0), values)


def _is_field(variable: xr.DataArray) -> bool:
    """True for values over two axes at least; bounds of times are none."""
    return variable.ndim >= 2 and variable.dtype.kind in "fiub"


def _channel(variable: xr.DataArray, sequence: FrameSequence, where: str) -> FloatArray:
    """One variable as (M, K, H, W), with one member where it has no axis of members."""
    y, x = _spatial(variable, sequence)
    leading = [str(dim) for dim in variable.dims if dim not in (y, x)]
    member = next((dim for dim in leading if dim in MEMBERS), None)
    named = [dim for dim in leading if dim in (*LEADS, "valid_time", "time")]
    steps = named or [dim for dim in leading if dim != member]
    along = max(steps, key=lambda dim: variable.sizes[dim], default=None)
    others = [dim for dim in leading if dim not in (along, member)]
    several = [f"{dim}: {variable.sizes[dim]}" for dim in others if variable.sizes[dim] > 1]
    if several:
        raise DataError(
            f"holds several forecasts along {', '.join(several)}", where=where, hint="select one and write it alone"
        )
    single = variable.isel(dict.fromkeys(others, 0))
    absent = [axis for axis, known in (("lead_time", along), ("member", member)) if known is None]
    single = single.expand_dims(absent).transpose(member or "member", along or "lead_time", y, x)
    if single.shape[2:] != sequence.shape[2:]:
        raise ShapeError(
            "has another grid than the observations",
            where=where,
            expected=sequence.shape[2:],
            received=single.shape[2:],
        )
    values = np.asarray(single, dtype=np.float32)
    if sequence.grid is not None:  # rows may run from north to south in one file and from south to north in another
        for axis, own, about in (
            (-2, sequence.grid.y, sequence.grid.y_attributes),
            (-1, sequence.grid.x, sequence.grid.x_attributes),
        ):
            name = single.dims[axis]
            if name not in variable.coords or variable.coords[name].dtype.kind not in "iuf":
                continue
            theirs = variable.coords[name]
            backwards = len(own) > 1 and np.sign(theirs[-1] - theirs[0]) == np.sign(own[0] - own[-1])
            turned = theirs[::-1] if backwards else theirs
            same = np.array_equal(turned, own)
            if not same and (counted(theirs) or counted(own)):
                continue
            values = np.flip(values, axis) if backwards else values
            if not same:
                _hold_in_place(turned, own, str(about.get("units", "")), where)
    return values


def _spatial(variable: xr.DataArray, sequence: FrameSequence) -> tuple[str, str]:
    """The y and the x axis of a forecast: those that the observations name so, else by CF, else the last two."""
    grid = sequence.grid
    if grid is not None and {grid.y_name, grid.x_name} <= set(variable.dims):
        return grid.y_name, grid.x_name
    y, x = spatial_axes(variable)
    if y is None or x is None:
        y, x = (str(dim) for dim in variable.dims[-2:])
    return y, x


def _hold_in_place(theirs: xr.DataArray, own: NDArray[np.float64], unit: str, where: str) -> None:
    """Compare a forecast's coordinates with those of the observations.

    Raises:
        DataError: they are further apart than half a pixel.
    """
    factor = _METRES.get(str(theirs.attrs.get("units", "")).lower(), 0), _METRES.get(unit.lower(), 0)
    scale = factor[0] / factor[1] if all(factor) else 1.0
    there = np.asarray(theirs, np.float64) * scale
    if len(own) > 1 and np.abs(there - own).max() > 0.5 * np.abs(np.diff(own)).mean():
        raise DataError(
            f"lies elsewhere along {theirs.name} than the observations",
            where=where,
            expected=f"{own[0]:g} to {own[-1]:g}",
            received=f"{there[0]:g} to {there[-1]:g}",
            hint="bring both to one grid",
        )


def _observed(forecast: xr.Dataset, count: int, observation: FrameSource, where: str) -> FloatArray:
    """Observations at the forecast's lead times, (K, C, H, W); NaN where nothing was."""
    timed = all(sequence.times is not None for sequence in observation.sequences)
    valid = valid_times(forecast, count, where) if timed else None
    first = observation.sequences[0]
    if valid is None:
        if count > len(first):
            raise DataError(f"holds {count} lead times but the observations {len(first)} frames", where=where)
        return first.read(len(first) - count, len(first))
    series = [(part, np.asarray(part.times).astype("datetime64[ns]")) for part in observation.sequences]
    truth = np.full((count, *first.shape[1:]), np.nan, np.float32)
    met = False
    for lead, time in enumerate(valid):
        for sequence, times in series:
            n = nearest(times, time, sequence.time_step)
            if n is not None:
                truth[lead], met = sequence.read(n, n + 1)[0], True
                break
    if not met:
        earliest, latest = min(times[0] for _, times in series), max(times[-1] for _, times in series)
        raise DataError(
            f"is valid at {valid[0]}, which {observation.name} has no frame of, nor of any later time of it",
            where=where,
            expected=f"{earliest} to {latest}",
            hint="give observations that cover the forecast",
        )
    return truth
