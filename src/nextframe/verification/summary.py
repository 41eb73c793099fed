"""From additive statistics to scores with their intervals, spectra, reliability and rank histograms."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.data.windows import Window
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.machine import describe_machine
from nextframe.verification.additive import Additive
from nextframe.verification.bootstrap import FEWEST_BLOCKS, draw_weights, independent_blocks, interval
from nextframe.verification.conventions import conventional_scores
from nextframe.verification.ensembles import EnsembleStatistics
from nextframe.verification.metrics import perfect
from nextframe.verification.result import Reliability, Skill, Verification
from nextframe.verification.spectra import SpectralStatistics
from nextframe.verification.statistics import SCALES, Statistics
from nextframe.words import evenly
from nextframe.words import lead_times as in_words

_PACKAGES = ("nextframe", "torch", "numpy", "scikit-image", "pysteps")

Parts = Sequence[Additive]
"""One forecaster's statistics: of single forecasts, of spectra, and of ensembles where there are any; each along a
first axis, one entry for each forecast verified."""
Scores = dict[str, NDArray[np.float64]]


def measure(
    forecast: FloatArray,
    truth: FloatArray,
    *,
    members: FloatArray | None,
    thresholds: Sequence[float],
    data_range: float,
    scales: Sequence[int] = SCALES,
) -> list[Additive]:
    """All statistics of a batch of forecasts, each forecast apart.

    Args:
        forecast: (B, K, C, H, W) in source units, NaN where missing.
        truth: the same shape.
        members: (B, M, K, C, H, W); None where no forecaster is an ensemble, whose scores then say nothing more.
        thresholds: what counts as an event.
        data_range: distance between the smallest and the largest possible value.
        scales: neighbourhoods of the fractions skill score, in pixels along each side.
    """
    found: list[Additive] = [
        Statistics.each(forecast, truth, thresholds=thresholds, data_range=data_range, scales=scales),
        SpectralStatistics.each(forecast, truth),
    ]
    if members is not None:
        found.append(EnsembleStatistics.each(members, truth, thresholds=thresholds))
    return found


def summarise(
    parts: Mapping[str, Parts],
    sequence: FrameSequence,
    lead_times: int,
    *,
    windows: Sequence[Window] = (),
    data: str,
    command: str,
) -> Verification:
    """The scores of every forecaster.

    Args:
        parts: forecaster -> its statistics.
        sequence: what was observed: time step, units, frame size.
        lead_times: number of lead times K.
        windows: what was forecast, in the order of the statistics' first axis; intervals are drawn from them.
        data: what was verified on, for the record.
        command: how to make the scores again, for the record.
    """
    totals = {name: [part.total() for part in found] for name, found in parts.items()}
    scores = {name: _metrics(found) for name, found in totals.items()}
    step = sequence.time_step
    lead_time, unit = in_words(None if step is None else np.arange(1, lead_times + 1) * step, lead_times)
    listed = {name: {metric: v.tolist() for metric, v in found.items()} for name, found in scores.items()}
    statistics = next(part for part in next(iter(totals.values())) if isinstance(part, Statistics))
    conventions = {
        name: conventional_scores(found, sequence.shape[1:], statistics.data_range) for name, found in listed.items()
    }
    blocks = independent_blocks(windows) if windows else 0.0
    samples: dict[str, Scores] = {}
    if blocks >= FEWEST_BLOCKS:
        weights = draw_weights(windows)
        samples = {name: _metrics([part.weighed(weights) for part in found]) for name, found in parts.items()}
    return Verification(
        scores=listed,
        conventions={name: found for name, found in conventions.items() if found},
        lead_time=lead_time,
        lead_time_unit=unit,
        count=round(float(statistics.windows)),
        command=command,
        data=data,
        units=sequence.units,
        thresholds=statistics.thresholds,
        blocks=round(blocks, 1),
        intervals={name: _bounds(found) for name, found in samples.items()},
        skill=_skill(scores, samples),
        spectra=_spectra(totals),
        reliability=dict(_reliability(totals)),
        ranks=dict(_ranks(totals)),
        data_range=statistics.data_range,
        versions=dict(_versions()),
        machine=describe_machine(),
    )


def _metrics(parts: Parts) -> Scores:
    return {name: values for part in parts for name, values in part.metrics().items()}


def _bounds(samples: Scores) -> dict[str, list[list[float]]]:
    return {metric: np.stack(interval(values), -1).tolist() for metric, values in samples.items()}


def _skill(scores: Mapping[str, Scores], samples: Mapping[str, Scores]) -> dict[str, dict[str, Skill]]:
    """The first forecaster's skill over each of the others; both are drawn from the same forecasts, so that what they
    have in common, such as a day that is hard for all, does not blur the difference.
    """
    first, *others = scores
    found: dict[str, dict[str, Skill]] = {}
    for other in others:
        found[other] = {}
        for metric, own in scores[first].items():
            best = perfect(metric)
            if best is None or metric not in scores[other]:
                continue
            score = _skill_score(own, scores[other][metric], best)
            low = high = np.full(score.shape, np.nan)
            mean = [_mean(score), np.nan, np.nan]
            if samples:
                drawn = _skill_score(samples[first][metric], samples[other][metric], best)
                low, high = interval(drawn)
                mean[1:] = (float(bound) for bound in interval(_mean(drawn)))
            found[other][metric] = Skill(
                score=score.tolist(), low=low.tolist(), high=high.tolist(), mean=[float(v) for v in mean]
            )
    return found


def _skill_score(own: Any, other: Any, best: float) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        skill: NDArray[np.float64] = (own - other) / (best - other)
    return np.where(np.isfinite(skill), skill, np.nan)


def _mean(values: NDArray[np.float64]) -> Any:
    """Mean over lead times (..., K), of those that have a value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no lead time has one
        return np.nanmean(values, axis=-1)


def _spectra(totals: Mapping[str, Parts]) -> dict[str, list[list[float]]]:
    spectral = {n: part for n, parts in totals.items() for part in parts if isinstance(part, SpectralStatistics)}
    first = next(iter(spectral.values()))
    # The mean, at an infinite wavelength, is no structure.
    found = {"wavelength": [first.wavelength[1:].tolist()], "truth": first.truth_power[:, 1:].tolist()}
    return found | {name: part.power[:, 1:].tolist() for name, part in spectral.items()}


def _ensembles(totals: Mapping[str, Parts]) -> Iterator[tuple[str, EnsembleStatistics]]:
    for name, parts in totals.items():
        for part in parts:
            if isinstance(part, EnsembleStatistics) and part.members > 1:
                yield name, part


def _reliability(totals: Mapping[str, Parts]) -> Iterator[tuple[str, dict[str, Reliability]]]:
    for name, part in _ensembles(totals):
        said, probability, came = (table.sum(-1) for table in (part.said, part.probability, part.came))
        with np.errstate(invalid="ignore"):
            yield (
                name,
                {
                    f"{threshold:g}": Reliability(
                        probability=(probability[n] / said[n]).tolist(),
                        frequency=(came[n] / said[n]).tolist(),
                        count=said[n].tolist(),
                    )
                    for n, threshold in enumerate(part.thresholds)
                },
            )


def _ranks(totals: Mapping[str, Parts]) -> Iterator[tuple[str, list[float]]]:
    for name, part in _ensembles(totals):
        counted = part.ranks.sum(-1)
        yield name, (counted / max(counted.sum(), 1)).tolist()


def data_range_of(windows: Sequence[Window]) -> float:
    """Judged from up to 64 windows, evenly spread."""
    some = [window.read() for window in evenly(windows, 64)]
    smallest = min(float(finite(part).min()) for pair in some for part in pair)
    largest = max(float(finite(part).max()) for pair in some for part in pair)
    return range_of(smallest, largest, windows[0].sequence)


def finite(values: FloatArray) -> FloatArray:
    """The values that are there; a zero where there is none."""
    found = values[np.isfinite(values)]
    return found if found.size else np.zeros(1, np.float32)


def range_of(smallest: float, largest: float, sequence: FrameSequence) -> float:
    """The distance between the smallest and the largest possible value, judged from those that occur."""
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
