"""Several sources side by side: size, step, unit, how wet, how large, how fast, and what does not fit.

Axes: T time, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nextframe.config import DataConfig
from nextframe.data.motion import motion_field
from nextframe.data.split import whole_spans
from nextframe.data.statistics import measure_spans
from nextframe.data.windows import Windows
from nextframe.frames.geography import Geography
from nextframe.frames.sequence import FrameSequence, FrameSource
from nextframe.inspection.covariates import Beside
from nextframe.words import seconds

_FRAMES = 64
"""Frames of each source that are measured."""
_PAIRS = 4
"""Pairs of frames whose motion is looked for."""
_FAST = 3.0
"""Factor by which the speed of one source may differ from that of the others, in pixels a frame."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of several sources."""

    name: str
    """Its name."""
    sequences: int
    """Number of its sequences."""
    frames: int
    """Number of its frames."""
    windows: int
    """Number of windows of the configuration's length."""
    height: int
    """Pixels from north to south."""
    width: int
    """Pixels from west to east."""
    pixel: float | None
    """Side of a pixel in km; None where the source does not say."""
    step: float | None
    """Seconds between frames; None where the source does not say."""
    unit: str
    """Unit of its values, after they were brought to one."""
    wet: float
    """Share of the values above zero (for reflectivities, above the lowest)."""
    missing: float
    """Share of the values that are missing."""
    quantiles: tuple[float, float, float]
    """Median of the wet values, their 0.99 quantile, and the largest."""
    speed: float | None
    """Median speed in pixels a frame, where there is something that moves."""
    weight: float
    """Share of its windows that a training draws, beside those of others."""

    @property
    def speed_kmh(self) -> float | None:
        """Speed in km/h, where pixel and step are known."""
        if self.speed is None or self.pixel is None or not self.step:
            return None
        return self.speed * self.pixel / self.step * 3600


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """Several sources, and what of them does not fit."""

    sides: tuple[Side, ...]
    """The sources, in their order."""
    misfits: tuple[str, ...]
    """What does not fit, a sentence each."""
    notes: tuple[str, ...] = ()
    """Assumptions that were made in reading them."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        sides = [{**asdict(side), "speed_kmh": side.speed_kmh} for side in self.sides]
        return {"sources": sides, "misfits": list(self.misfits), "notes": list(self.notes)}


def side_by_side(
    source: FrameSource, config: DataConfig, *, cut: int | None = None, beside: Beside | None = None
) -> SideBySide:
    """Look at sources that were opened together; a sample of each one's frames is read.

    Args:
        source: what `open_source` has made of a list.
        config: how windows are cut.
        cut: side of the squares that a training cuts out.
        beside: what is read beside the frames.
    """
    beside = beside or Beside()
    sides = []
    for origin in source.origins:
        own = FrameSource(name=origin, sequences=tuple(s for s in source.sequences if s.origin == origin), several=True)
        sides.append(_side(own, config))
    about = (*(row.sentence for row in beside.rows), *filter(None, [beside.foresight]))
    misfits = (*_misfits(sides, config, cut), *beside.problems)
    return SideBySide(sides=tuple(sides), misfits=misfits, notes=(*source.notes, *about))


def _side(source: FrameSource, config: DataConfig) -> Side:
    first, spans = source.sequences[0], whole_spans(source)
    statistics = measure_spans(spans, frames=_FRAMES)
    values = statistics.values
    dry = float(values.min()) if values.size and first.units[0].lower() == "dbz" else 0.0
    wet = values[values > dry]
    pixel = None if first.grid is None else Geography(first.grid).kilometres
    quantiles = (0.0, 0.0) if not wet.size else tuple(float(q) for q in np.quantile(wet, (0.5, 0.99)))
    return Side(
        name=source.name,
        sequences=len(source.sequences),
        frames=sum(map(len, source.sequences)),
        windows=len(Windows(spans, past=config.past, future=config.future, stride=config.stride)),
        height=first.shape[2],
        width=first.shape[3],
        pixel=None if pixel is None else float(np.sqrt(pixel[0] * pixel[1])),
        step=None if first.time_step is None else seconds(first.time_step),
        unit=first.units[0],
        wet=wet.size / max(values.size, 1),
        missing=statistics.missing,
        quantiles=(quantiles[0], quantiles[1], float(wet.max()) if wet.size else 0.0),
        speed=_speed(source.sequences),
        weight=first.weight,
    )


def _speed(sequences: Sequence[FrameSequence]) -> float | None:
    """Median speed of what is there, in pixels a frame, over some pairs of frames."""
    longest = max(sequences, key=len)
    speeds = []
    for n in np.unique(np.linspace(0, len(longest) - 2, _PAIRS).astype(int)) if len(longest) > 1 else ():
        frames = longest.read(int(n), int(n) + 2)
        motion = motion_field(frames)
        there = np.nan_to_num(frames[1, 0]) > np.nan_to_num(frames[1, 0]).min()
        if motion is not None and there.any():
            speeds.append(float(np.median(np.hypot(*motion)[there])))
    return float(np.median(speeds)) if speeds else None


def _misfits(sides: Sequence[Side], config: DataConfig, cut: int | None) -> Iterable[str]:
    pixels = {f"{side.pixel:.2g} km" if side.pixel is not None else "an unknown size" for side in sides}
    if len(pixels) > 1:
        yield f"pixels differ ({', '.join(sorted(pixels))}): what is one size in one source is another elsewhere; " + (
            "{resolution} brings them to one"
        )
    steps = {_minutes(side.step) for side in sides}
    if len(steps) > 1:
        yield f"time steps differ ({', '.join(sorted(steps))}): {{time_step}} brings them to one"
    for side in sides:
        if side.windows == 0:
            yield f"{side.name} holds no window of {config.past} + {config.future} frames without a gap"
        if cut is not None and min(side.height, side.width) < cut:
            yield f"{side.name} has frames of {side.height} x {side.width}, smaller than cuts of {{train_crop={cut}}}"
        if side.wet < 0.001:
            yield f"{side.name} is all but dry ({side.wet:.2%} of its values)"
    speeds = [side.speed for side in sides if side.speed]
    usual = float(np.median(speeds)) if speeds else 0.0
    for side in sides:
        if side.speed and usual and not 1 / _FAST < side.speed / usual < _FAST:
            yield (
                f"{side.name} moves by {side.speed:.2g} pixels a frame, the sources' median is {usual:.2g}: "
                "its pixels or its step are others"
            )


def _minutes(step: float | None) -> str:
    return "unknown" if step is None else f"{step / 60:g} min"
