"""A score of two arrays or DataArrays: axes found, held alike, pooled or kept.

Axes: M member, B pooled, K kept, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nextframe.errors import ConfigError, DataError, ShapeError
from nextframe.frames.masked import unmasked
from nextframe.verification.additive import Settings
from nextframe.verification.ensembles import MEMBERS
from nextframe.verification.metrics import Metric
from nextframe.verification.statistics import usual_range

if TYPE_CHECKING:  # arrays of NumPy need no xarray
    import xarray as xr

Axis = int | str
Keep = Axis | Sequence[Axis]


@dataclass(frozen=True)
class _Pair:
    """A forecast and an observation as sums take them."""

    forecast: NDArray[Any]
    """(B, K, 1, H, W), or members (B, M, K, 1, H, W)."""
    observation: NDArray[Any]
    """(B, K, 1, H, W)."""
    kept: tuple[int, ...]
    """Lengths of the axes that are kept."""
    labels: Any
    """Template of the result, a DataArray over the kept axes; None for arrays."""


def score(
    row: Metric,
    forecast: Any,
    observation: Any,
    *,
    keep: Keep = (),
    member: Axis | None = None,
    threshold: float | None = None,
    scale: int = 1,
    data_range: float | None = None,
) -> Any:
    """One metric of two arrays.

    Args:
        row: the metric.
        forecast: (..., H, W), NaN where missing; with an axis of members more where the metric is one of members.
        observation: (..., H, W).
        keep: leading axes that the score is given for each entry of, by number in `observation`, or by name.
        member: axis of the members.
        threshold: what counts as an event.
        scale: side of a neighbourhood, or of a square, in pixels.
        data_range: distance between the smallest and the largest possible value.

    Raises:
        ShapeError: arrays of other shapes or axes.
        DataError: DataArrays at other coordinates.
        ConfigError: an axis that is not there, a threshold that is no number.
    """
    pair = _paired(forecast, observation, keep, member if row.over.of_members else None, members=row.over.of_members)
    if data_range is None:
        parts = [part[np.isfinite(part)] for part in (pair.forecast, pair.observation)]
        low, high = (float(f([f(part) for part in parts if part.size] or [0.0])) for f in (np.min, np.max))
        bytes_ = _plain(observation).dtype == np.uint8 and _plain(forecast).dtype == np.uint8
        data_range = usual_range(low, high, np.uint8 if bytes_ else np.float64)
    settings = Settings(
        thresholds=() if threshold is None else (threshold,),
        scales=(scale,),
        areas=(scale,),
        data_range=float(data_range),
    )
    sums = row.over.each(pair.forecast, pair.observation, settings).total()
    with np.errstate(divide="ignore", invalid="ignore"):
        found = row.of(sums)
    named = sums.named(row.name, found)  # without what frames are too small for
    values = next(iter(named.values())) if named else np.full(found.shape[-1], np.nan)
    if not pair.kept:
        return float(values[0])
    result = np.asarray(values).reshape(pair.kept)
    return result if pair.labels is None else pair.labels.copy(data=result).rename(row.name)


def _paired(forecast: Any, observation: Any, keep: Keep, member: Axis | None, *, members: bool) -> _Pair:
    said, was, names, labelled = _aligned(forecast, observation, member, members=members)
    if said.shape[1:] != was.shape:
        raise ShapeError(
            "the forecast has another shape than the observation",
            where="forecast",
            expected=(*(("members",) if members else ()), *was.shape),
            received=_plain(forecast).shape,
        )
    flat = was.ndim < 2
    if flat:
        said, was = said.reshape(len(said), 1, -1), was.reshape(1, -1)
    leading = was.ndim - 2
    axes = [_number(axis, names, leading, flat=flat) for axis in ([keep] if isinstance(keep, (int, str)) else keep)]
    if len(set(axes)) < len(axes):
        raise ConfigError("names an axis twice", where="keep", received=keep)
    pooled = [axis for axis in range(leading) if axis not in axes]
    kept = tuple(was.shape[axis] for axis in axes)
    frame, order = was.shape[-2:], [*pooled, *axes, leading, leading + 1]
    shape = (int(np.prod([was.shape[axis] for axis in pooled])), int(np.prod(kept)), 1, *frame)
    observed = was.transpose(order).reshape(shape)
    drawn = np.stack([part.transpose(order).reshape(shape) for part in said], axis=1)
    labels = None
    if labelled is not None and axes:
        places = {name: 0 for n, name in enumerate(names) if n not in axes}
        labels = labelled.isel(places, drop=True).transpose(*(names[axis] for axis in axes))
        labels = labels.drop_vars([name for name, part in labels.coords.items() if not set(part.dims) & set(names)])
        labels = labels.drop_attrs() if hasattr(labels, "drop_attrs") else labels
    return _Pair(drawn if members else drawn[:, 0], observed, kept, labels)


def _aligned(
    forecast: Any, observation: Any, member: Axis | None, *, members: bool
) -> tuple[NDArray[Any], NDArray[Any], list[str], xr.DataArray | None]:
    """Members (M, ..., H, W), one of a single forecast, the observation (..., H, W), and the names of its axes."""
    if not (_labelled(forecast) and _labelled(observation)):
        said, was = _plain(forecast), _plain(observation)
        names = [str(dim) for dim in observation.dims] if _labelled(observation) else []
        if not members or (said.shape == was.shape and member is None):
            return said[None], was, names, observation if names else None
        axis = forecast.dims.index(member) if isinstance(member, str) and _labelled(forecast) else member or 0
        if not isinstance(axis, int) or not -said.ndim <= axis < said.ndim:
            raise ConfigError("is no axis of the forecast", where="member", received=member)
        return np.moveaxis(said, axis, 0), was, names, observation if names else None
    import xarray as xr

    from nextframe.frames.formats.cf import spatial_axes

    along = [str(dim) for dim in forecast.dims if dim not in observation.dims]
    if members and member is None:
        member = next((dim for dim in along if dim in MEMBERS), along[0] if len(along) == 1 else None)
    single = forecast if members and member is not None else forecast.expand_dims("the only member")
    chosen = str(member) if members and member is not None else "the only member"
    if set(map(str, single.dims)) != {chosen, *map(str, observation.dims)}:
        raise ShapeError(
            "the forecast has other axes than the observation",
            where="forecast",
            expected=", ".join(map(str, observation.dims)),
            received=", ".join(map(str, forecast.dims)),
        )
    try:
        single, observed = xr.align(single, observation, join="exact", copy=False)
    except ValueError as error:
        first = str(error).splitlines()[0]
        raise DataError("lies at other coordinates than the observation", where="forecast", received=first) from error
    y, x = spatial_axes(observed) if observed.ndim >= 2 else (None, None)
    if y is not None and x is not None:
        observed = observed.transpose(..., y, x)
    names = [str(dim) for dim in observed.dims]
    return _plain(single.transpose(chosen, *names)), _plain(observed), names, observed


def _number(axis: Axis, names: Sequence[str], leading: int, *, flat: bool) -> int:
    """The number of a leading axis."""
    axes = ", ".join(names[:leading]) if names else f"{leading} before the last two"
    if isinstance(axis, str):
        if axis not in names[:leading]:
            raise ConfigError("is no leading axis of the observation", where="keep", expected=axes, received=axis)
        return names.index(axis)
    number = axis if axis >= 0 else axis + leading + (1 if flat else 2)
    if flat or not 0 <= number < leading:
        raise ConfigError("is no leading axis of the observation", where="keep", expected=axes, received=axis)
    return number


def _labelled(values: Any) -> bool:
    return hasattr(values, "dims") and hasattr(values, "coords")


def _plain(values: Any) -> NDArray[Any]:
    """Values as an array of numbers.

    Raises:
        DataError: they are none.
    """
    array = unmasked(values)
    if array.dtype.kind == "b":
        return array.astype(np.float64)
    if array.dtype.kind not in "iuf":
        raise DataError("holds no numbers", where="verification", received=array.dtype)
    return array
