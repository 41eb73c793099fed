"""From additive statistics to scores with their intervals, spectra, reliability and rank histograms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

from nextframe.data.windows import Window
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.machine import describe_machine
from nextframe.verification.additive import Additive, Settings, threshold_name
from nextframe.verification.bootstrap import FEWEST_BLOCKS, count_events, draw_weights, independent_blocks, interval
from nextframe.verification.conventions import conventional_scores
from nextframe.verification.ensembles import Members, Probabilities
from nextframe.verification.metrics import scores_of
from nextframe.verification.protocol_scores import ProtocolScores
from nextframe.verification.protocol_sums import ProtocolSums
from nextframe.verification.result import Reliability, Verification
from nextframe.verification.skill import skill_over, verdicts
from nextframe.verification.spectra import Spectra
from nextframe.verification.statistics import Values, usual_range
from nextframe.words import evenly
from nextframe.words import lead_times as in_words

_PACKAGES = ("nextframe", "torch", "numpy", "scikit-image", "pysteps")

Parts = Sequence[Additive]
"""One forecaster's sums, as `metrics.measure` makes them, along a first axis, one entry for each forecast verified."""
Scores = dict[str, NDArray[np.float64]]


def summarise(
    parts: Mapping[str, Parts],
    sequence: FrameSequence,
    lead_times: int,
    *,
    settings: Settings,
    windows: Sequence[Window] = (),
    data: str,
    command: str,
    judged: int = 1,
    video: bool = False,
) -> Verification:
    """The scores of every forecaster.

    Args:
        parts: forecaster -> its statistics.
        sequence: what was observed: time step, units, frame size.
        lead_times: number of lead times K.
        settings: what they were computed by.
        windows: what was forecast, in the order of the statistics' first axis; intervals are drawn from them.
        data: what was verified on, for the record.
        command: how to make the scores again, for the record.
        judged: how many of the forecasters, from the first on, are in question; the others are what they are judged by.
        video: whether the frames are pictures, of which PSNR and SSIM lead.
    """
    totals = {name: [part.total() for part in found] for name, found in parts.items()}
    scores = {name: scores_of(found) for name, found in totals.items()}
    step = sequence.time_step if len(time_steps(windows)) < 2 else None
    lead_time, unit = in_words(None if step is None else np.arange(1, lead_times + 1) * step, lead_times)
    listed = {name: {metric: v.tolist() for metric, v in found.items()} for name, found in scores.items()}
    statistics = next(part for part in next(iter(totals.values())) if isinstance(part, Values))
    conventions = {
        name: conventional_scores(found, sequence.shape[1:], statistics.data_range) for name, found in listed.items()
    }
    blocks = independent_blocks(windows) if windows else 0.0
    samples: dict[str, Scores] = {}
    weights: NDArray[np.float64] | None = None
    if blocks >= FEWEST_BLOCKS:
        weights = draw_weights(windows)
        samples = {name: scores_of([part.weighed(weights) for part in found]) for name, found in parts.items()}
    first, *others = scores
    result = Verification(
        scores=listed,
        conventions={name: found for name, found in conventions.items() if found},
        lead_time=lead_time,
        lead_time_unit=unit,
        count=round(float(statistics.windows)),
        command=command,
        data=data,
        units=sequence.units,
        thresholds=settings.thresholds,
        blocks=round(blocks, 1),
        events=count_events(windows),
        video=video,
        intervals={name: _bounds(found) for name, found in samples.items()},
        skill=skill_over(first, others, scores, samples),
        spectra=_spectra(totals),
        reliability=dict(_reliability(totals)),
        ranks=dict(_ranks(totals)),
        data_range=statistics.data_range,
        protocol=_by_protocol(parts, totals, weights),
        versions=dict(_versions()),
        machine=describe_machine(),
    )
    names = list(scores)
    pairs = [(own, other) for n, own in enumerate(names[:judged]) for other in names[n + 1 :]]
    return replace(result, verdicts=verdicts(result, scores, samples, pairs))


def time_steps(windows: Sequence[Window]) -> list[np.timedelta64 | None]:
    """Time steps of what was forecast, each once: where there are several, a lead time is a number of frames."""
    return list(dict.fromkeys(window.sequence.time_step for window in windows))


def _bounds(samples: Scores) -> dict[str, list[list[float]]]:
    return {metric: np.stack(interval(values), -1).tolist() for metric, values in samples.items()}


def _by_protocol(
    parts: Mapping[str, Parts], totals: Mapping[str, Parts], weights: NDArray[np.float64] | None
) -> ProtocolScores | None:
    """Scores by a published protocol; None where none was asked for."""
    sums = {n: part for n, all_ in totals.items() for part in all_ if isinstance(part, ProtocolSums)}
    if not sums:
        return None
    applied = next(iter(sums.values())).applied
    intervals: dict[str, dict[str, list[float]]] = {}
    if weights is not None:
        each = {n: part for n, all_ in parts.items() for part in all_ if isinstance(part, ProtocolSums)}
        with np.errstate(invalid="ignore"):  # a PSNR without end, drawn not at all
            samples = {name: part.weighed(weights).scores() for name, part in each.items()}
        intervals = {
            name: {f"{applied.name}.{key}": [float(bound) for bound in interval(v)] for key, v in drawn.items()}
            for name, drawn in samples.items()
        }
    return ProtocolScores(
        name=applied.name,
        data=applied.data.title,
        unit=applied.data.unit,
        source=applied.protocol.source,
        scores={
            name: {f"{applied.name}.{key}": float(value) for key, value in part.scores().items()}
            for name, part in sums.items()
        },
        intervals=intervals,
        notes=applied.protocol.notes,
    )


def _spectra(totals: Mapping[str, Parts]) -> dict[str, list[list[float]]]:
    spectral = {n: part for n, parts in totals.items() for part in parts if isinstance(part, Spectra)}
    first = next(iter(spectral.values()))
    # The mean, at an infinite wavelength, is no structure.
    found = {"wavelength": [first.wavelength[1:].tolist()], "truth": first.truth_power[:, 1:].tolist()}
    return found | {name: part.power[:, 1:].tolist() for name, part in spectral.items()}


def _reliability(totals: Mapping[str, Parts]) -> Iterator[tuple[str, dict[str, Reliability]]]:
    for name, part in ((n, part) for n, parts in totals.items() for part in parts if isinstance(part, Probabilities)):
        if part.members < 2:
            continue
        said, probability, came = (table.sum(-1) for table in (part.said, part.probability, part.came))
        with np.errstate(invalid="ignore"):
            yield (
                name,
                {
                    threshold_name(threshold): Reliability(
                        probability=(probability[n] / said[n]).tolist(),
                        frequency=(came[n] / said[n]).tolist(),
                        count=said[n].tolist(),
                    )
                    for n, threshold in enumerate(part.thresholds)
                },
            )


def _ranks(totals: Mapping[str, Parts]) -> Iterator[tuple[str, list[float]]]:
    for name, part in ((n, part) for n, parts in totals.items() for part in parts if isinstance(part, Members)):
        if part.members > 1:
            counted = part.ranks.sum(-1)
            yield name, (counted / max(counted.sum(), 1)).tolist()


def data_range_of(windows: Sequence[Window]) -> float:
    """Judged from up to 64 windows, evenly spread."""
    some = [window.read() for window in evenly(windows, 64)]
    smallest = min(float(finite(part).min()) for pair in some for part in pair)
    largest = max(float(finite(part).max()) for pair in some for part in pair)
    return usual_range(smallest, largest, windows[0].sequence.values.dtype)


def finite(values: FloatArray) -> FloatArray:
    """The values that are there; a zero where there is none."""
    found = values[np.isfinite(values)]
    return found if found.size else np.zeros(1, np.float32)


def _versions() -> Iterator[tuple[str, str]]:
    for package in _PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue
