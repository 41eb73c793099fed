"""Frames of covariates: opened, held to what a training had, and brought to the grid of the frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextframe.config import CLOCKS, COVARIATES, DataConfig, Reading
from nextframe.errors import DataError, ShapeError
from nextframe.frames.readers import coarsen, crop
from nextframe.frames.sequence import FrameSequence
from nextframe.frames.sequence import described as in_words
from nextframe.frames.source import Source, are_frames, is_array, name_of, open_source
from nextframe.frames.together import described, is_mapping
from nextframe.frames.units import same_unit

Times = NDArray[np.datetime64]
Given = Source | Sequence[Source] | None
"""Sources of covariates: a list, or one; None where none is named."""


def as_list(given: Given) -> list[Any]:
    """Sources of covariates as a list: none, one, or several.

    >>> as_list(None), as_list("model.nc"), as_list(("a.nc", "b.nc"))
    ([], ['model.nc'], ['a.nc', 'b.nc'])
    """
    if given is None:
        return []
    return list(given) if isinstance(given, (list, tuple)) and not are_frames(given) else [given]


def held_in(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options whose covariates may be in memory, with names in their place; and those in memory by their names.

    >>> options, held = held_in({"covariates": ["sat.nc", np.zeros((4, 8, 8))], "epochs": 3})
    >>> options, list(held)
    ({'covariates': ['sat.nc', 'array'], 'epochs': 3}, ['array'])
    """
    every = [one for option in COVARIATES for one in as_list(options.get(option))]
    taken = {*CLOCKS, *(str(one) for one in every if not _in_memory(one))}
    held: dict[str, Any] = {}
    changed = dict(options)
    for option in (option for option in COVARIATES if options.get(option) is not None):
        changed[option] = as_list(options[option])
        for place, one in enumerate(changed[option]):
            if _in_memory(one):
                stem = name_of(one)
                number = next(n for n in range(len(every) + 1) if _numbered(stem, n) not in taken)
                changed[option][place] = _numbered(stem, number)
                taken.add(changed[option][place])
                held[changed[option][place]] = one
    return changed, held


def names_of(given: Given) -> list[str] | None:
    """Names of the sources of covariates, for the record."""
    return None if given is None else list(map(name_of, as_list(given)))


def timed(held: Mapping[str, Any], frames: Sequence[FrameSequence]) -> dict[str, Source]:
    """Covariates in memory, by their names; an array of as many frames as there are beside it has the times of these.

    Raises:
        DataError: an array that no times can be told of.
    """
    return {name: _with_times(source, name, frames) for name, source in held.items()}


def timed_each(given: Given, frames: Sequence[FrameSequence]) -> list[Source] | None:
    """Sources of covariates, an array among them with times; errors of `timed`."""
    return None if given is None else [_with_times(source, name_of(source), frames) for source in as_list(given)]


def _with_times(source: Any, name: str, frames: Sequence[FrameSequence]) -> Source:
    if not is_array(source) and not are_frames(source):
        return source  # type: ignore[no-any-return]
    sequences = open_source(source, missing="mask").sequences
    one = len(sequences) == len(frames) == 1
    if not one or len(sequences[0]) != len(frames[0]) or frames[0].times is None:
        raise DataError(
            "is an array, which has no times by which covariates and frames are brought together",
            where=f"covariate {name}",
            expected="as many frames as the only sequence beside it, which has times",
            received=f"{sum(map(len, sequences))} beside {sum(map(len, frames))}",
            hint="give an xarray.DataArray with a time coordinate, or a FrameSequence with times",
        )
    return replace(sequences[0], name=name, times=frames[0].times, time_step=frames[0].time_step)


def _in_memory(source: Any) -> bool:
    named = described(source).source if is_mapping(source) else source
    return not isinstance(named, (str, Path))


def _numbered(stem: str, number: int) -> str:
    return stem if number == 0 else f"{stem}[{number}]"


def frames_of(source: Source, *, trained: tuple[Sequence[str], Sequence[str]] | None) -> tuple[FrameSequence, ...]:
    """Sequences of the source of a covariate.

    Args:
        source: what `open_source` takes.
        trained: variables and units that the training had; None where it is yet to begin.

    Raises:
        DataError: a source that cannot be read, without times, or of other variables or units.
    """
    opened = open_source(source, Reading(missing="mask"))
    where = f"covariate {name_of(source)}"
    first = opened.sequences[0]
    for sequence in opened.sequences:
        times_of(sequence, where)
    if trained is not None:
        variables, units = trained
        if len(first.units) != len(units) or not all(map(same_unit, first.units, units)):
            raise DataError(
                "is not what the training had",
                where=where,
                expected=in_words(variables, units),
                received=first.described(),
                hint="choose with {variable}, as SOURCE::variable=NAME, or bring it to that unit",
            )
    return opened.sequences


def times_of(sequence: FrameSequence, where: str = "") -> Times:
    """Times of frames.

    Raises:
        DataError: there are none.
    """
    if sequence.times is None:
        raise DataError(
            "has no times, by which covariates and frames are brought together",
            where=where or sequence.name,
            hint="times in file names are read with {time_format}",
        )
    return sequence.times.astype("datetime64[ns]")


def fitted_to(like: FrameSequence, field: FrameSequence, name: str, config: DataConfig) -> FrameSequence:
    """A covariate on the grid of the frames: as it is, cropped and coarsened as they were, or coarsened.

    Raises:
        ShapeError: a grid that cannot be brought to that of the frames.
        DataError: a covariate that lies elsewhere.
    """
    size, received, fitted = like.shape[2:], field.shape[2:], field
    factor = received[0] // size[0]
    if received != size:
        box = config.crop
        if box and box[0] + box[2] <= received[0] and box[1] + box[3] <= received[1]:
            fitted = coarsen(crop(field, box), config.coarsen)
        if fitted.shape[2:] != size and factor > 1 and received == (factor * size[0], factor * size[1]):
            fitted = coarsen(field, factor)
    if fitted.shape[2:] != size:
        raise ShapeError(
            "is of another grid than the frames",
            where=f"covariate {name}",
            expected=f"{size}, or a multiple of that",
            received=received,
            hint="bring it there with {crop} and {coarsen} of its own, as SOURCE::coarsen=2",
        )
    if fitted.grid is not None and like.grid is not None and not (fitted.grid.counted or like.grid.counted):
        like.grid.hold_in_place(fitted.grid, where=f"covariate {name}", than="the frames")
    return fitted
