"""Covariates as a training would read them: what they are, where they lack, and whether they tell the answer."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from nextframe.config import DataConfig
from nextframe.data.covariate_frames import timed
from nextframe.data.covariates import Covariate, Covariates, named_in
from nextframe.data.foresight import answers, read_ahead
from nextframe.data.split import split_as, whole_spans
from nextframe.data.windows import Windows
from nextframe.errors import DataError, NextframeError
from nextframe.frames.sequence import FrameSource
from nextframe.frames.source import Source
from nextframe.inspection.result import CovariateSummary
from nextframe.words import Face, duration


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Covariates that are read beside the frames."""

    rows: tuple[CovariateSummary, ...] = ()
    """The covariates."""
    foresight: str = ""
    """Sentence on what a forecast would read beyond the last frame seen."""
    problems: tuple[str, ...] = ()
    """Faults, each in a sentence."""


def look_beside(source: FrameSource, config: DataConfig, held: Mapping[str, Source], face: Face) -> Beside:
    """Look at the covariates that a configuration names.

    Args:
        source: the frames.
        config: how they are read, and what beside them.
        held: covariates that are in memory, by their names.
        face: how options are written in what is said to be wrong.

    Raises:
        DataError: a covariate that cannot be opened, or has no times.
    """
    covariates = named_in(config, timed(held, source.sequences))
    if covariates is None:
        return Beside()
    spans = training = whole_spans(source)
    with suppress(DataError):  # which is told of the frames themselves
        training = split_as(source, config).train
    windows = Windows(spans, past=config.past, future=config.future)
    foresight, problems = "", list[str]()
    try:
        problems += [f"{sentence}." for sentence in covariates.absent(spans)]
        covariates = covariates.normalised(training)
        if windows:
            foresight = read_ahead(covariates, windows[0]).reading
            problems += answers(covariates, windows)
    except NextframeError as error:
        problems.append(f"{error.render(face)}.")
    rows = tuple(_summary(row, covariates) for row in covariates.rows)
    return Beside(rows=rows, foresight=foresight, problems=tuple(problems))


def _summary(row: Covariate, covariates: Covariates) -> CovariateSummary:
    sequences = covariates.sources.get(row.name, ())
    step = sequences[0].time_step if sequences else None
    return CovariateSummary(
        name=row.name,
        known=row.known,
        variables=row.variables,
        units=row.units,
        frames=sum(map(len, sequences)),
        time_step=None if step is None else duration(step),
        mean=row.offset,
        deviation=row.scale,
    )
