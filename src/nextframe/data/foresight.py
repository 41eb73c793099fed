"""Leak check of covariates without a network: what a forecast would read of them beyond the last frame seen, and
whether that is the answer itself.

Axes: T time of the past, K lead time, N values, C channel, V channels of covariates, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextframe.data.covariates import Covariate, Covariates
from nextframe.data.windows import Window
from nextframe.words import count, evenly, joined

_WINDOWS = 32
"""Windows that are looked at."""
_PIXELS = 4096
"""Values of a frame that are compared."""
_SAME = 0.999
"""Correlation from which on a covariate is the frame itself."""


@dataclass(frozen=True)
class Foresight:
    """Covariates whose values after the last frame seen reach a forecast, or what it is made from."""

    known: tuple[str, ...]
    """Covariates that are known for the future."""
    read: tuple[str, ...]
    """Covariates whose values after the last frame seen change the forecast."""
    observed: tuple[str, ...]
    """Covariates that are observed."""

    @property
    def leaks(self) -> tuple[str, ...]:
        """Observed covariates whose future the forecast depends on; none in a sound model."""
        return tuple(name for name in self.read if name in self.observed)

    @property
    def sentence(self) -> str:
        """Sentence that says what it means for the user."""
        if self.leaks:
            return (
                f"The forecast depends on the future of {joined(list(self.leaks))}, which is not known when it is "
                "made: its scores are not those of a forecast."
            )
        told = []
        if self.observed:
            told.append(f"on no value of {joined(list(self.observed))} after the last frame seen")
        if self.read:
            told.append(f"on {joined(list(self.read))} at the lead times, known for the future")
        unread = [name for name in self.known if name not in self.read]
        if unread:
            told.append(f"not on {joined(unread)}, where it was tried")
        return f"The forecast depends {', '.join(told)} (found by perturbation)."

    @property
    def reading(self) -> str:
        """Sentence on what a forecast would be made from, where there is no network yet."""
        if self.leaks:
            return (
                f"a forecast would read {joined(list(self.leaks))} after the last frame seen, which is not known when "
                "it is made"
            )
        told = [f"no value of {joined(list(self.observed))} after the last frame seen"] if self.observed else []
        told += [f"{joined(list(self.known))} at the lead times, known for the future"] if self.known else []
        return f"a forecast would read {', and '.join(told)} (found by perturbation)"


def read_ahead(covariates: Covariates, window: Window) -> Foresight:
    """Find out which covariates are read beyond the last frame seen, by noise in the place of their later values.

    Args:
        covariates: with frames to read from.
        window: frames to try it on.
    """
    reference = covariates.read(window.seen, window.future)
    tried = {row.name: covariates.read(window.seen, window.future, noise=row.name) for row in covariates.rows}
    return Foresight(
        known=tuple(row.name for row in covariates.rows if row.known),
        read=tuple(name for name, noisy in tried.items() if not np.array_equal(reference, noisy)),
        observed=tuple(row.name for row in covariates.rows if not row.known),
    )


def answers(covariates: Covariates, windows: Sequence[Window]) -> Iterator[str]:
    """Sentences on covariates that hold the frames to be forecast: a numerical forecast that is the observation, or one
    that is observed and whose times are too early.

    Args:
        covariates: with frames to read from.
        windows: some windows of the frames.
    """
    if not windows:
        return
    size = windows[0].sequence.shape[1:]
    chosen = [window for window in evenly(windows, _WINDOWS) if window.sequence.shape[1:] == size]
    movies = [window.read() for window in chosen]
    beside = [covariates.read(window.seen, window.future) for window in chosen]
    for row, first in _with_places(covariates):
        for lead in range(1, chosen[0].future + 1):
            step = chosen[0].past - 1 + (lead - 1 if row.known else 0)
            truth = np.stack([_some(future[lead - 1]) for _, future in movies])
            last = np.stack([_some(past[-1]) for past, _ in movies])
            values, there = (
                np.stack([_some(planes[step, start : start + len(row.variables)]) for planes in beside])
                for start in (first, first + len(row.variables))
            )
            likeness = _likeness(np.where(there > 0, values, np.nan), truth)
            if likeness > _SAME and 1 - likeness < 0.5 * (1 - _likeness(last, truth)):
                yield _sentence(row, lead, likeness)
                break


def _sentence(row: Covariate, lead: int, likeness: float) -> str:
    if row.known:
        return (
            f"covariate {row.name} is at each time the frame that is to be forecast (correlation {likeness:.3f}): "
            "scores with it say nothing, for no forecast has it; name one that is out when the forecast is made."
        )
    return (
        f"covariate {row.name} is, when it is read, what the frames are {count(lead, 'frame')} later (correlation "
        f"{likeness:.3f}): its times are too early, or it is no observation."
    )


def _with_places(covariates: Covariates) -> Iterator[tuple[Covariate, int]]:
    """Covariates that have a source, and the first of the channels of each."""
    place = 0
    for row in covariates.rows:
        if row.needs_source:
            yield row, place
        place += row.channels


def _some(frame: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values of a frame (C, N), evenly spread."""
    flat = frame.reshape(len(frame), -1)
    return flat[:, :: max(1, flat.shape[1] // _PIXELS)]


def _likeness(own: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """The largest correlation between a channel of the one, over all frames, and a channel of the other."""
    correlations = [0.0]
    for channel in np.moveaxis(own, 1, 0):
        for other in np.moveaxis(truth, 1, 0):
            both = np.isfinite(channel) & np.isfinite(other)
            if both.sum() > 2 and np.ptp(channel[both]) > 0 and np.ptp(other[both]) > 0:
                correlations.append(float(np.corrcoef(channel[both], other[both])[0, 1]))
    return max(correlations)
