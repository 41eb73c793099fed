"""One verification: the windows, the thresholds, the baselines, what is to be noted, and examples to look at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nextframe.config import DataConfig
from nextframe.data.coverage import coverage
from nextframe.data.provenance import provenance, reading_in_words
from nextframe.data.split import Span, whole_spans
from nextframe.data.windows import Window, Windows, cut_windows, windows_with_past
from nextframe.errors import ConfigError, DataError
from nextframe.forecasting.baselines import make_baselines
from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.formats.opening import open_dataset
from nextframe.frames.sequence import FrameSource
from nextframe.verification.additive import Threshold, threshold_name
from nextframe.verification.example import Example
from nextframe.verification.grade import grade
from nextframe.verification.leave_out import Chosen
from nextframe.verification.protocols import named
from nextframe.verification.result import Verification
from nextframe.verification.scales import SCALES
from nextframe.verification.summary import time_steps
from nextframe.verification.thresholds import Thresholds, chosen_thresholds, shows_pictures
from nextframe.verification.verify import verify
from nextframe.words import duration, evenly, joined


def evaluate(
    forecasters: Sequence[Forecaster],
    frames: Chosen,
    data: str,
    *,
    past: int,
    lead_times: int,
    baselines: Sequence[str] = (),
    training: Sequence[Span] = (),
    thresholds: Thresholds | None = None,
    usual: float | None = None,
    scales: Sequence[int] = SCALES,
    protocol: str | None = None,
    stride: int | None = None,
    limit: int | None = None,
    examples: int = 0,
    judged: int | None = None,
    about: Mapping[str, str] | None = None,
    command: str = "",
    progress: bool = False,
) -> Verification:
    """Verify forecasters on all windows of some frames, beside baselines.

    Args:
        forecasters: those in question, the first of which is judged.
        frames: true frames.
        data: their name, for the record.
        past: frames that each forecast starts from.
        lead_times: frames to forecast.
        baselines: names of baselines to verify beside them.
        training: frames that baselines with a memory (climatology) may know.
        thresholds: what counts as an event, in source units; by default `usual`, or chosen from the frames; of several
            variables channel by channel, and of a video nothing.
        usual: what counts as an event in frames of one channel where nobody says.
        scales: neighbourhoods of the fractions skill score, in pixels along each side.
        protocol: published protocol to score by as well: "earthformer", "diffcast:meteonet".
        stride: frames between the starts of two windows; by default that of the protocol, else 1.
        limit: verify at most so many windows, evenly spread.
        examples: windows to keep with everyone's forecast, evenly spread.
        judged: how many of the forecasters are in question, from the first on; by default all of them.
        about: what else is to be known of the data, by what it is.
        command: how to make the scores again, for the record.
        progress: show a progress bar.

    Raises:
        ConfigError: a limit or a number of examples out of range, an unknown baseline, two forecasters of one name.
        DataError: no window, or none that starts from a frame with a value.
    """
    check_numbers(limit=limit, examples=examples)
    published = None if protocol is None else named(protocol)
    if stride is None:
        stride = 1 if published is None else published.data.stride or 1
    spans = frames.spans
    if frames.left_out and not Windows(spans, past=past, future=lead_times, stride=stride):
        raise DataError(
            f"holds no window of {past} + {lead_times} frames that {joined(list(frames.left_out))} was not trained on",
            where=data,
            hint="name other frames, or verify on them all the same with {seen=True}",
        )
    windows: Sequence[Window] = cut_windows(spans, past=past, future=lead_times, stride=stride)
    if limit is not None and limit < len(windows):
        windows = evenly(windows, limit)
    chosen, windows = len(windows), windows_with_past(windows)
    if chosen and not windows:
        raise DataError(f"none of its {chosen} windows starts from a frame with a value: all is missing", where=data)
    pictures = shows_pictures(spans)
    everyone = [*forecasters, *make_baselines(baselines, training)]
    levels = chosen_thresholds(thresholds, spans, pictures=pictures, usual=usual)
    verification = verify(
        everyone,
        windows,
        thresholds=levels,
        video=pictures,
        scales=scales,
        protocol=protocol,
        data=data,
        command=command,
        judged=max(len(forecasters), 1) if judged is None else judged,
        progress=progress,
    )
    damage = spans[0].sequence.damage
    notes = [*frames.notes, coverage(spans, past=past, future=lead_times, stride=stride).sentence]
    if len(windows) < chosen:
        notes.append(f"{chosen - len(windows)} of {chosen} windows start from frames without a value")
    assumed = dict.fromkeys(note for span in spans for note in span.sequence.notes)
    notes += [_several_steps(windows), damage.sentence if damage is not None else "", *assumed]
    notes += _unreached(verification)
    if published is not None and verification.protocol is not None:
        said = published.differences(past, lead_times, stride, spans[0].sequence.shape[2:])
        verification = replace(verification, protocol=replace(verification.protocol, notes=said))
    verification = replace(
        verification,
        left_out=frames.left_out,
        seen=frames.seen,
        notes=tuple(filter(None, notes)),
        provenance={**provenance(spans), **(about or {})},
    )
    return replace(
        verification,
        examples=[_example(everyone, window, levels) for window in evenly(windows, examples)],
    )


def evaluate_file(
    forecast: str | Path,
    observation: FrameSource,
    config: DataConfig,
    *,
    thresholds: Thresholds | None = None,
    scales: Sequence[int] = SCALES,
    protocol: str | None = None,
    command: str = "",
) -> Verification:
    """Grade a forecast file, whoever made it, by observations.

    Args:
        forecast: NetCDF or Zarr; see `grade` for what is looked for in it.
        observation: true frames.
        config: how they were read, for the record.
        thresholds: what counts as an event, in source units; chosen from the observations by default.
        scales: neighbourhoods of the fractions skill score, in pixels along each side.
        protocol: published protocol to score by as well.
        command: how to make the scores again, for the record.

    Raises:
        DataError: a forecast that cannot be read, or that the observations do not cover.
        ShapeError: grids of different sizes.
    """
    spans = whole_spans(observation)
    pictures = shows_pictures(spans)
    with open_dataset(Path(forecast)) as dataset:
        verification = grade(
            dataset,
            observation,
            thresholds=chosen_thresholds(thresholds, spans, pictures=pictures),
            video=pictures,
            scales=scales,
            protocol=protocol,
            data=observation.name,
            command=command,
        )
    about = {**provenance(spans), **reading_in_words(config)}
    return replace(verification, notes=(*observation.notes, *_unreached(verification)), provenance=about)


def _several_steps(windows: Sequence[Window]) -> str:
    """A sentence on sources whose frames are not equally far apart in time; empty where all are."""
    steps = time_steps(windows)
    if len(steps) < 2:
        return ""
    apart = joined(["unknown" if step is None else duration(step) for step in steps], "and")
    return f"lead times are in frames, for time steps differ: {apart}"


def check_numbers(*, limit: int | None = None, examples: int = 0) -> None:
    """Hold the size of a verification to what makes sense, before any work.

    Raises:
        ConfigError: a limit of no window, or a negative number of examples.
    """
    if limit is not None and limit < 1:
        raise ConfigError("is too small", where="limit", expected="at least 1", received=limit)
    if examples < 0:
        raise ConfigError("is negative", where="examples", expected="0 or more", received=examples)


def _unreached(verification: Verification) -> Iterator[str]:
    """Thresholds that no observed value reaches, each in a sentence."""
    scores = next(iter(verification.scores.values()))
    for threshold in verification.thresholds:
        if not any(map(math.isfinite, scores[f"pod_{threshold_name(threshold)}"])):
            yield f"no observed value reaches the threshold {threshold:g}: choose a lower one, its scores say nothing"


def _example(forecasters: Sequence[Forecaster], window: Window, thresholds: Sequence[float]) -> Example:
    past, truth = window.read()
    sequence = window.sequence[window.start : window.start + window.past]
    forecasts = [forecaster.forecast(sequence, window.future) for forecaster in forecasters]
    first = [threshold for threshold in thresholds if not isinstance(threshold, Threshold) or threshold.channel == 0]
    threshold = float(first[0]) if first else None
    return Example(
        past=past,
        truth=truth,
        forecasts=[replace(forecast, members=None) for forecast in forecasts],  # which take much more than all the rest
        threshold=threshold,
        probability=None if threshold is None or forecasts[0].members is None else forecasts[0].probability(threshold),
    )
