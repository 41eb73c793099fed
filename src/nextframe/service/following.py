"""Following as options say it: what they ask for is checked before a model is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nextframe.frames.source import Source
from nextframe.frames.steps import length_of_time
from nextframe.outputs.asked import Asked
from nextframe.outputs.writers import check_places
from nextframe.service.follow import Follower


def following(
    pattern: str,
    *,
    out: Path = Path("products"),
    formats: Sequence[str] = ("nc",),
    lead_times: int | None = None,
    covariates: Sequence[Source] | None = None,
    future_covariates: Sequence[Source] | None = None,
    keep: str | None = None,
    drift: str = "6h",
    thresholds: tuple[float, ...] = (),
    exceed: Sequence[float] = (),
    coverage: float | None = None,
    quantiles: Sequence[float] = (),
    members: bool = False,
    points: Path | None = None,
    areas: Path | None = None,
    **reading: Any,
) -> Callable[..., Follower]:
    """Maker of what follows a folder once it has its model, and `tell`: `Follower` with its other arguments.

    Args:
        pattern: files of frames that come.
        out: folder of the products.
        formats: suffixes of the products' formats.
        lead_times: number of frames to forecast.
        covariates: sources of the model's observed covariates.
        future_covariates: sources of those that are known for the future.
        keep: age from which products are removed, such as "7d".
        drift: time for which the model may be behind extrapolation before it is said, such as "6h".
        thresholds: of events in source units, by which forecasts are judged.
        exceed: thresholds of probabilities.
        coverage: probability of the central interval.
        quantiles: levels of quantiles.
        members: whether the members are written.
        points: table of places.
        areas: file of polygons.
        reading: how to read the frames.

    Raises:
        ConfigError: a format that there is not or that cannot hold what is asked for, or no length of time.
    """
    asked = Asked(exceed=exceed, quantiles=quantiles, coverage=coverage, members=members, points=points, areas=areas)
    check_places([out / f"product.{suffix.lstrip('.')}" for suffix in formats], asked)
    return partial(
        Follower,
        pattern=pattern,
        out=out,
        formats=formats,
        lead_times=lead_times,
        reading=reading,
        covariates=covariates,
        future_covariates=future_covariates,
        asked=asked,
        thresholds=thresholds,
        keep=None if keep is None else length_of_time(keep, where="keep"),
        drift=length_of_time(drift, where="drift"),
    )
