"""`Inspection`: the result of looking at a source before training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from nextframe.frames.sequence import described
from nextframe.words import count, listing


@dataclass(frozen=True, kw_only=True)
class ChannelSummary:
    """One variable of the frames, in source units, missing values left out; None where all are missing."""

    name: str
    """Name of the variable."""
    unit: str
    """Its unit."""
    low: float | None
    """Smallest value."""
    high: float | None
    """Largest value."""
    mean: float | None
    """Mean."""
    deviation: float | None
    """Standard deviation."""
    quantiles: dict[str, float]
    """Values by the share that lies below them, from a sample."""
    dry: float | None
    """The value where nothing happens (no rain, black ground): the smallest one, or zero where more values are zero."""
    dry_share: float | None
    """Share of the values that equal `dry`, from a sample."""
    histogram: tuple[int, ...]
    """Number of sampled values in equal bins from `low` to `high`."""


@dataclass(frozen=True, kw_only=True)
class CovariateSummary:
    """One covariate, as a training would read it beside the frames."""

    name: str
    """Source, or the clock that it is."""
    known: bool
    """True where it is known for the future."""
    variables: tuple[str, ...]
    """Name of each of its channels."""
    units: tuple[str, ...]
    """Unit of each."""
    frames: int
    """Frames that it holds; 0 for a clock."""
    time_step: str | None
    """Time between them; None where there is none."""
    mean: tuple[float, ...]
    """Mean of each channel in the training part; empty for a clock."""
    deviation: tuple[float, ...]
    """Standard deviation of each."""

    @property
    def sentence(self) -> str:
        """Sentence that says what it is and when it is read."""
        when = "known for the future, read at each lead time" if self.known else "read up to the last frame seen"
        if not self.frames:
            return f"{self.name}: {when}"
        held = f"{described(self.variables, self.units)}, {count(self.frames, 'frame')}"
        step = "" if self.time_step is None else f" every {self.time_step}"
        levels = ", ".join(f"{m:.4g} ± {d:.4g}" for m, d in zip(self.mean, self.deviation, strict=True))
        return f"{self.name}: {held}{step}; {f'{levels} in the training part; ' if levels else ''}{when}"


@dataclass(frozen=True, kw_only=True)
class PartSummary:
    """One part of the split."""

    sequences: int
    """Sequences, or stretches of one, that it holds."""
    frames: int
    """Frames that it holds."""
    windows: int
    """Windows of past and future frames that can be cut from it."""
    windows_lost: int
    """Windows of consecutive frames that a gap in time runs through; they are not cut."""
    short_frames: int
    """Frames between gaps in stretches too short for one window."""
    event_share: float | None
    """Share of its values at or above the threshold, from a sample; None where nothing could be read."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """Result of looking at a source; `text.render` shows it on the terminal, `to_dict` makes JSON of it."""

    name: str
    """Name of the source, as the user gave it."""
    sequences: int
    """Number of sequences."""
    frames: int
    """Number of frames of all sequences."""
    frames_looked_at: int
    """Number of frames that were read; all, or runs spread evenly over the source."""
    lengths: tuple[int, int]
    """Frames of the shortest and of the longest sequence."""
    height: int
    """Height of the frames."""
    width: int
    """Width of the frames."""
    dtype: str
    """Type of the values in the source."""
    time_step: str | None
    """Time between frames; None where the source knows none."""
    time_span: tuple[str, str] | None
    """First and last time; None where the source knows none."""
    channels: tuple[ChannelSummary, ...]
    """The variables."""
    missing_share: float
    """Share of the values that are NaN or infinite."""
    constant_frames: int
    """Frames whose values are all the same, of those looked at."""
    duplicate_frames: int
    """Frames that equal the one before them, of those looked at, constant and empty ones left out."""
    gaps: int
    """Gaps in time; no window is cut across one."""
    empty_frames: int
    """Frames without a single value, of those looked at."""
    lost: str
    """Frames that no window can use, in a sentence: gaps and where they are, short stretches, empty frames."""
    damage: str
    """Damage that could not be read and was left out, where that was asked for, in a sentence."""
    notes: tuple[str, ...]
    """Assumptions that were made in reading it, a sentence each."""
    overlap: dict[str, float]
    """Share of the frames of the validation and of the test part whose content is also in an earlier part."""
    normalisation: str
    """The normalisation that would be chosen."""
    normalisation_reason: str
    """Why."""
    normalised_histogram: tuple[int, ...]
    """The sampled values as the model would see them, in equal bins."""
    threshold: float | None
    """Threshold of an event, in source units; None where there is nothing to learn."""
    past: int
    """Frames of a window that are seen."""
    future: int
    """Frames of a window that are to be forecast."""
    parts: dict[str, PartSummary]
    """Training, validation and test part."""
    persistence: dict[str, list[float | None]]
    """Scores of repeating the last frame on the test part, by lead time; empty where they cannot be had."""
    persistence_windows: int
    """Windows that these scores were taken from."""
    problems: tuple[str, ...]
    """Faults, each in a sentence that says what to do."""
    covariates: tuple[CovariateSummary, ...] = ()
    """What would be read beside the frames."""
    foresight: str = ""
    """Sentence on what of it a forecast would read beyond the last frame seen, found out by trying."""
    recipe: tuple[str, ...] = ()
    """Choices that a training would make for these frames, a sentence each."""

    def __repr__(self) -> str:
        units = ["" if channel.unit == "1" else f" ({channel.unit})" for channel in self.channels]
        named = [f"{channel.name}{unit}" for channel, unit in zip(self.channels, units, strict=True)]
        return (
            f"<Inspection of {self.name}: {count(self.frames, 'frame')} of {len(self.channels)} x {self.height} x "
            f"{self.width} ({listing(named)}), {count(len(self.problems), 'problem')}>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)
