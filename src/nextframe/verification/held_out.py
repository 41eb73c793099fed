"""Held-out frames: what a run was not trained on, and is therefore verified on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nextframe.config import DataConfig
from nextframe.data.split import Span, split_as, whole_spans
from nextframe.data.windows import cut_windows, windows_with_past
from nextframe.errors import ConfigError, DataError
from nextframe.forecasting.adapt import adapt
from nextframe.frames.generated import GENERATED
from nextframe.frames.listed import listed
from nextframe.frames.readers import coarsen
from nextframe.frames.sequence import FrameSequence, FrameSource
from nextframe.frames.source import Source, are_several, name_of, open_as
from nextframe.frames.together import described, in_one_unit
from nextframe.runs.manifest import Manifest
from nextframe.runs.shipped import measured, shipped_name


def held_out(
    run: str | Path,
    config: DataConfig,
    data: Source | None = None,
    *,
    reading: Mapping[str, Any] | None = None,
    manifest: Manifest | None = None,
    option: str = "data",
    whole: bool = False,
) -> tuple[FrameSource, Sequence[Span]]:
    """Frames to verify a run on: other data where such are named, else what it has held out.

    Args:
        run: the run folder, or the name of a shipped model, whose card names held-out frames.
        config: the run's own data.
        data: other frames, of which all are taken.
        reading: how to read other frames where it differs from the run's own.
        manifest: of the model, to whose unit and pixels other data are brought; without, they are read as its own are.
        option: the option that names other frames, for the hints of errors.
        whole: take all of its own data, what it was trained on included.

    Raises:
        ConfigError: no test part and no other data; held-out frames that are not there; a reading without other data.
        DataError: frames that cannot be read.
    """
    reading, data = reading or {}, listed(data)
    if data is None and reading:
        raise ConfigError(
            "only for reading other data",
            where=", ".join(reading),
            hint=f"name it with {{{option}=SOURCE}}, or leave this out",
        )
    name = shipped_name(run)
    chosen = data if data is not None or name is None else measured(name).held_out
    own = config.data if chosen is None else name_of(chosen)
    if data is None and name is not None and own.partition(":")[0] not in GENERATED and not Path(own).exists():
        raise ConfigError(
            "the frames that it was measured on do not come with the package",
            where=name,
            expected=own,
            hint=f"name frames of your own with {{{option}=SOURCE}}",
        )
    if data is not None and manifest is not None:
        source = _as_the_model_sees(manifest, data, reading)
    else:
        source = open_as(replace(config, **reading), chosen)
    if chosen is not None or whole:
        return source, whole_spans(source)
    spans = split_as(source, config).test
    if not spans:
        raise ConfigError("the run held out no test part", where=run, hint=f"name frames with {{{option}=SOURCE}}")
    return replace(source, name=f"{source.name}, test part"), spans


def _as_the_model_sees(manifest: Manifest, data: Source, reading: Mapping[str, Any]) -> FrameSource:
    """Other frames, of each source for itself brought to the unit and the pixels of the training, with a note of what
    was done.
    """
    several = list(data) if isinstance(data, (list, tuple)) and are_several(data) else [data]
    each = [described(one) for one in several]
    names = [one.name or name_of(one.source) for one in each]
    for name in (name for name in names if names.count(name) > 1):
        raise ConfigError("is named twice", where="data", received=name, hint="give each its `name`")
    parts = []
    for one, name in zip(each, names, strict=True):
        adapted = adapt(manifest, one.source, {**reading, **one.options})
        origin = name if len(each) > 1 else ""
        sequences = (coarsen(sequence, adapted.factor) for sequence in adapted.sequences)
        parts.append(tuple(replace(s, notes=(*s.notes, *adapted.notes), origin=origin) for s in sequences))
    if len(parts) > 1:
        parts = in_one_unit(parts, names)
    return FrameSource(name=name_of(data), sequences=tuple(s for part in parts for s in part), several=len(parts) > 1)


def first_held_out(
    run: str | Path, config: DataConfig, *, reading: Mapping[str, Any] | None = None, option: str = "source"
) -> tuple[FrameSequence, int]:
    """A sequence that a run has held out, and the first frame of it that can be forecast from a whole past.

    Args:
        run: the run folder, or the name of a shipped model.
        config: the run's own data.
        reading: empty, since a run's own frames are read as they were for its training.
        option: the option that names other frames, for the hints of errors.

    Raises:
        ConfigError: what `held_out` raises.
        DataError: a test part without any value to start from.
    """
    source, spans = held_out(run, config, reading=reading, option=option)
    windows = cut_windows(spans, past=config.past, future=config.future, stride=config.stride)
    window = next((window for window in windows if windows_with_past([window])), None)
    if window is None:
        raise DataError("its test part holds no value to start a forecast from", where=source.name)
    return window.sequence, window.start + window.past


def training_part(config: DataConfig) -> Sequence[Span]:
    """Spans that a run was trained on."""
    return split_as(open_as(config), config).train
