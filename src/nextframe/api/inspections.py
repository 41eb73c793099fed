"""Inspections in a call: what is in a source, or in several side by side, before anything is trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from nextframe.config import RunConfig
from nextframe.training.presets import preset_config
from nextframe.words import Face, in_python

if TYPE_CHECKING:
    from nextframe.frames.source import One, Source
    from nextframe.inspection.result import Inspection
    from nextframe.inspection.side_by_side import SideBySide
    from nextframe.options import DataOptions


def inspect(
    source: Source, *, measure: bool = False, face: Face = in_python, **options: Unpack[DataOptions]
) -> Inspection:
    """Find out what is in a source, what is wrong with it, and what there is to beat.

    Args:
        source: what `open_source` takes.
        measure: measure the simple forecasts that a training would choose from, too, which takes up to ten seconds.
        face: how options are written in what is said to be wrong.
        **options: how it is read, and how a training would divide it.

    >>> inspect("squares:movies=2,frames=20,size=16").frames
    40
    """
    from nextframe.data.covariate_frames import held_in
    from nextframe.frames.listed import listed
    from nextframe.frames.source import name_of, open_source
    from nextframe.frames.together import as_options
    from nextframe.inspection.inspect import inspect_as
    from nextframe.training.recipe import choose_for

    source = listed(source)
    named, held = held_in(options)
    config = preset_config("stacked").replace(as_options({**named, "data": name_of(source)}))
    opened, choice = choose_for(lambda config: open_source(source, config.data), config, options, measure=measure)
    return inspect_as(
        opened,
        choice.config.data,
        held=held,
        output=choice.config.model.output,
        asked="normalisation" in options,
        recipe=choice.notes,
        face=face,
    )


def compare_sources(many: Sequence[One], *, face: Face = in_python, **options: Unpack[DataOptions]) -> SideBySide:
    """Several sources side by side, as a training on all of them would read them: how large, wet and fast each is, and
    what does not fit.

    Args:
        many: what `open_source` takes a list of.
        face: how options are written in what does not fit.
        **options: how they are read, what beside them, and how windows are cut.

    >>> len(compare_sources(["squares:movies=2,frames=20,size=16", "squares:movies=2,frames=20,size=24"]).sides)
    2
    """
    from nextframe.data.covariate_frames import held_in
    from nextframe.frames.listed import listed
    from nextframe.frames.source import open_source
    from nextframe.frames.together import as_options
    from nextframe.inspection.covariates import look_beside
    from nextframe.inspection.side_by_side import side_by_side

    named, held = held_in(options)
    config = RunConfig().replace(as_options(named)).data
    opened = open_source(listed(list(many)), config)
    return side_by_side(opened, config, beside=look_beside(opened, config, held, face))


inspect_path = inspect
"""Its name of version 0.1."""
