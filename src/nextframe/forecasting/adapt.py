"""Frames of another source as a model was trained to see them, and its forecast back on their own grid.

The reading options of a run are of its own frames. Of others, what their metadata tell is held against what the
training's told: a cut is inherited by the same grid alone; the unit is brought to the training's; pixels are averaged
to the size that they had there, and the forecast interpolated back; frames are picked at the training's step, and
missing ones filled in along the motion. What was done is said, and what cannot be done is warned of.

Axes: M member, K lead time, C channel, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from warnings import warn

import numpy as np

from nextframe.data.limits import Limits
from nextframe.errors import NextframeWarning
from nextframe.forecasting.forecast import Forecast
from nextframe.forecasting.random_fields import in_order, ranks
from nextframe.forecasting.start import Start, on_the_step, start_at
from nextframe.frames.convert import BRIGHTEST, BYTES, coarsen_whole, convert_units, full_scale, refine, scaled
from nextframe.frames.footprint import pixel_of
from nextframe.frames.readers import crop
from nextframe.frames.sequence import FloatArray, FrameSequence
from nextframe.frames.source import Source, name_of, open_as
from nextframe.runs.manifest import Manifest
from nextframe.words import count, duration, seconds

_NEAR = 0.1
"""Share by which pixels may differ from those of the training."""
_LOOKED_AT = 4
"""Sequences, spread over a source, whose values tell their range, about."""


@dataclass(frozen=True, eq=False)
class Adapted:
    """Sequences of a source in the unit of a training, on their own grid."""

    sequences: tuple[FrameSequence, ...]
    """All their frames."""
    factor: int = 1
    """Pixels, along both axes, whose mean is a pixel of the training."""
    share: float = 1.0
    """What their own values were multiplied by to be in the range of the training's pictures."""
    step: float | None = None
    """Seconds between two frames of the training."""
    notes: tuple[str, ...] = ()
    """Changes that were made, a sentence each."""

    def prepared(self, sequence: FrameSequence, first: int, *, past: int, lead_times: int) -> Prepared:
        """Frames that a forecast of frame `first` of a sequence, and of those after it, starts from; errors of
        `start_at`.
        """
        start = start_at(sequence, first, past=past, lead_times=lead_times, step=self.step)
        frames, filled = on_the_step(coarsen_whole(start.past, self.factor), start.places)
        frames = frames[-past:] if filled else frames  # one before them may have been there to fill the first from
        notes = [*self.notes]
        if self.factor > 1:
            notes.append(f"{sequence.name}: the forecast is interpolated back to its own grid")
        if filled:
            text = "was missing, and was" if filled == 1 else "were missing, and were"
            notes.append(f"{sequence.name}: {count(filled, 'frame')} {text} filled in along the motion")
        own, step = sequence.time_step, start.past.time_step
        if own is not None and step is not None and seconds(step) > 1.5 * seconds(own):
            notes.append(f"{sequence.name}: of its frames those are seen that are {duration(step)} apart")
        own_range = start.in_range(1 / self.share)
        return Prepared(frames=frames, start=own_range, factor=self.factor, share=self.share, notes=tuple(notes))


@dataclass(frozen=True, eq=False)
class Prepared:
    """Frames as a model sees them, and the way back to those that they were made of."""

    frames: FrameSequence
    """Frames that the model reads."""
    start: Start
    """The same frames on their own grid, and those that came."""
    factor: int = 1
    """Pixels of their own grid, along both axes, whose mean the model reads."""
    share: float = 1.0
    """What their own values were multiplied by to be in the range of the training's pictures."""
    notes: tuple[str, ...] = ()
    """Changes that were made on the way, a sentence each."""
    whole: bool = False
    """True where they are all that was given, however many."""

    @classmethod
    def plain(cls, past: FrameSequence, *, share: float = 1.0, notes: tuple[str, ...] = ()) -> Prepared:
        """Frames that are seen as they are, but for the range of pictures."""
        start = Start(past=past, truth=None, places=tuple(range(1 - len(past), 1)))
        return cls(frames=start.in_range(share).past, start=start, share=share, notes=notes, whole=True)

    def back(self, forecast: Forecast, limits: Limits | None, *, quantiles: bool = False) -> Forecast:
        """A forecast on the grid and in the range that the frames had: interpolated, within limits, missing where no
        frame had a value; with what was changed as its `comment`.

        Args:
            forecast: a forecast from these frames.
            limits: limits of the values.
            quantiles: whether the members of each pixel are quantiles in some order. These are interpolated, and their
                order is that of the interpolated members: a mean of two pixels' members would be too sure.
        """
        if self.notes:
            said = [str(forecast.attributes.get("comment", "")), *self.notes]
            forecast = replace(forecast, attributes={**forecast.attributes, "comment": "; ".join(filter(None, said))})
        if self.factor > 1:
            forecast = self._finer(forecast, limits, quantiles=quantiles)
        if self.share == 1:
            return forecast
        share, members = np.float32(self.share), forecast.members
        members = None if members is None else members / share
        return replace(forecast, values=forecast.values / share, members=members)

    def _finer(self, forecast: Forecast, limits: Limits | None, *, quantiles: bool) -> Forecast:
        """A forecast interpolated to the pixels that the frames had."""
        past = self.start.past
        there = np.isfinite(past.read(0, len(past))).any(axis=0)
        size = (past.shape[2], past.shape[3])

        def finer(values: FloatArray) -> FloatArray:
            fine = refine(values, self.factor, size)
            fine = fine if limits is None else limits.hold(fine)
            return np.where(there, fine, np.float32(np.nan))

        members = forecast.members
        if members is not None:
            fine = np.empty((*members.shape[:-2], *size), np.float32)
            for k in range(members.shape[1]):  # lead time by lead time, since members take room
                fine[:, k] = finer(members[:, k])
                if quantiles:
                    fine[:, k] = in_order(finer(np.sort(members[:, k], axis=0)), ranks(fine[:, k]))
            members = fine
        return replace(forecast, values=finer(forecast.values), members=members, grid=past.grid)


def adapt(manifest: Manifest, source: Source, given: Mapping[str, Any]) -> Adapted:
    """Open a source for a model that was trained on another one, or on the same.

    Args:
        manifest: of the model.
        source: what `open_source` takes.
        given: options of how to read it; they go before what is inherited and what metadata tell.

    Warns:
        NextframeWarning: pixels that cannot be brought to the size of the training's.

    Raises:
        DataError, ConfigError, ShapeError: as `open_source`.
    """
    data = manifest.config.data
    data.but(given)  # tells options that there are none of
    usual: dict[str, Any] = {"crop": (), "coarsen": 1, "resolution": "", "rain_unit": "as-read", "part": "all"}
    opened = open_as(replace(data, **{**usual, **given}), source)
    notes: list[str] = []
    sequences = opened.sequences
    if "crop" not in given and data.crop:
        if _same_grid(manifest, sequences[0], name_of(source)):
            sequences = tuple(crop(sequence, data.crop) for sequence in sequences)
        else:
            notes.append(f"{opened.name}: the whole of its grid is taken; the run's cut is of another grid")
    if "rain_unit" not in given:
        sequences, said = _in_units(sequences, manifest.units, opened.name)
        notes += said
    sequences, share, said = in_range(sequences, manifest, opened.name)
    notes += said
    factor = 1
    if not {"coarsen", "resolution"} & given.keys():
        factor, said = _factor(manifest, sequences[0], opened.name)
        notes += said
    return Adapted(sequences=sequences, factor=factor, share=share, step=manifest.time_step, notes=tuple(notes))


def _same_grid(manifest: Manifest, sequence: FrameSequence, name: str) -> bool:
    """True where frames lie as those of the training did before they were cut."""
    data = manifest.config.data
    if manifest.footprint is None:  # of an earlier version, which kept nothing that would tell
        return name == data.data
    return manifest.footprint.holds(sequence, data.crop, data.coarsen)


def _in_units(
    sequences: tuple[FrameSequence, ...], units: tuple[str, ...], name: str
) -> tuple[tuple[FrameSequence, ...], list[str]]:
    """Sequences in the units of the training, where they can be brought there."""
    given = sequences[0].units
    notes = [
        f"{name}: declares no unit, and is taken to be in {wanted}, the unit of the training"
        for own, wanted in zip(given, units, strict=False)
        if own == "1" != wanted
    ]
    converted = [convert_units(sequence, units) for sequence in sequences]
    if any(sequence is None for sequence in converted):  # whoever forecasts says that they do not fit
        return sequences, notes
    changed = tuple(sequence for sequence in converted if sequence is not None)
    if changed[0].units != given:
        notes.append(f"{name}: brought from {', '.join(given)} to {', '.join(changed[0].units)}, as in the training")
        notes += [note for note in changed[0].notes if note not in sequences[0].notes]
    return changed, notes


def in_range(
    sequences: tuple[FrameSequence, ...], manifest: Manifest, name: str
) -> tuple[tuple[FrameSequence, ...], float, list[str]]:
    """Pictures in the range of the training's: bytes, two bytes and shares of the brightest are the same brightness.

    Returns:
        The sequences, what their values were multiplied by, and what was done in words.
    """
    trained = next((scale for scale in BRIGHTEST if set(manifest.tops) == {scale}), None)
    if trained is None or set(manifest.units) != {"1"}:
        return sequences, 1.0, []
    if trained == BYTES and all(sequence.values.dtype == np.uint8 for sequence in sequences):
        return sequences, 1.0, []
    looked_at = sequences[:: max(len(sequences) // _LOOKED_AT, 1)]
    own = max((scale for scale in map(full_scale, looked_at) if scale is not None), default=trained)
    if own == trained:
        return sequences, 1.0, []
    note = f"{name}: brought from values up to {own:g} to values up to {trained:g}, as in the training"
    return tuple(scaled(sequence, trained / own) for sequence in sequences), trained / own, [note]


def _factor(manifest: Manifest, sequence: FrameSequence, name: str) -> tuple[int, list[str]]:
    """Pixels, along both axes, whose mean is as large as a pixel of the training."""
    inherited = manifest.config.data.coarsen
    trained = None if manifest.footprint is None else manifest.footprint.pixel
    own = pixel_of(sequence)
    if trained is None or own is None:
        if inherited == 1 and trained is not None:
            taken = f"they are taken for the training's, of {_length(trained)}"
            return 1, [f"{name}: nothing tells the size of its pixels; {taken}"]
        if inherited == 1:
            return 1, []
        whose = "its pixels" if own is None else "the training's pixels"
        return inherited, [
            f"{name}: nothing tells the size of {whose}; blocks of {inherited} x {inherited} are averaged, as in the "
            "training"
        ]
    factor = max(1, round(trained / own))
    if abs(factor * own / trained - 1) > _NEAR:
        warn(
            f"{name}: its pixels of {_length(own)} cannot be brought to those of the training, {_length(trained)}: "
            "what it forecasts from looks larger or smaller than the model learned it",
            NextframeWarning,
            stacklevel=4,
        )
    if factor == 1:
        return 1, []
    return factor, [f"{name}: its pixels of {_length(own)} are averaged to {_length(factor * own)}, as in the training"]


def _length(metres: float) -> str:
    return f"{metres / 1000:.3g} km" if metres >= 1000 else f"{metres:.3g} m"
