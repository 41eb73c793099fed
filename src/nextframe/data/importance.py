"""Importance sampling: windows with much in them are drawn more often than empty ones, and count less each time.

Most windows of a rain radar are dry, and a training spends its time on them. After S. Ravuri et al. 2021 (DGMR,
doi 10.1038/s41586-021-03854-z), a window is drawn with a probability that grows with what is in it, and its loss is
weighed by the inverse, so that the expected loss is that of all windows alike. Validation and verification see all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nextframe.data.loading import SeededSampler
from nextframe.data.windows import Windows

_CHUNK = 16  # frames read at once
_ALWAYS = 0.9  # of the windows, ordered by content, those above this quantile are always drawn


def window_content(windows: Windows, scale: float) -> NDArray[np.float64]:
    """Content of each window, 0 for nothing: the mean of 1 - exp(-x / scale) over its valid values, negative x being 0.

    Every frame is read once.

    Args:
        windows: the windows.
        scale: where the content of a value levels off, in source units: positive.
    """
    frames: dict[int, dict[int, tuple[float, float]]] = {}  # sequence -> frame -> sum and number of valid values
    contents = np.empty(len(windows))
    for n, window in enumerate(windows):
        amounts = frames.setdefault(id(window.sequence), {})
        for start in range(window.start, window.stop):
            if start in amounts:
                continue
            stop = min(start + _CHUNK, window.stop)
            for frame, values in enumerate(window.sequence.read(start, stop), start):
                valid = np.isfinite(values)
                amount = -np.expm1(-np.maximum(values[valid], 0) / scale)
                amounts[frame] = float(amount.sum(dtype=np.float64)), float(valid.sum())
        sums, counts = zip(*(amounts[frame] for frame in range(window.start, window.stop)), strict=True)
        contents[n] = sum(sums) / max(sum(counts), 1)
    return contents


def draw_probabilities(content: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Probability of each window (N,): in proportion to its content, `least` or more, and 1 for the fullest tenth."""
    full = np.quantile(content, _ALWAYS)
    if full <= 0:  # all but a few are empty
        full = content.max()
    if full <= 0:
        return np.ones_like(content)
    probabilities: NDArray[np.float64] = np.clip(content / full, least, 1)
    return probabilities


def draw_weights(probabilities: NDArray[np.float64]) -> NDArray[np.float32]:
    """Weight of each window's loss when it is drawn (N,): the inverse of its probability, 1 in expectation."""
    weights: NDArray[np.float32] = (probabilities.mean() / probabilities).astype(np.float32)
    return weights


class ImportanceSampler(SeededSampler):
    """Draws windows by their probabilities, none twice in an epoch, as a pure function of seed and epoch.

    Systematic sampling (W. Madow 1949) of windows in random order: as many windows each epoch as the probabilities add
    up to, each with the probability asked for, up to the rounding of their number.

    Args:
        probabilities: (N,), each above 0 and at most 1.
        seed: seed of the draws.
        share: of one of several processes, as `SeededSampler` has it.
    """

    def __init__(self, probabilities: NDArray[np.float64], seed: int = 0, *, share: tuple[int, int] = (0, 1)) -> None:
        # Rounded down: with larger steps than 1 no window is met twice.
        super().__init__(max(1, int(probabilities.sum() + 1e-9)), seed, share=share)
        self.probabilities = probabilities

    def drawn(self) -> list[int]:
        draw = np.random.default_rng((self.seed, self.epoch))
        order = draw.permutation(len(self.probabilities))
        ends = np.cumsum(self.probabilities[order])
        points = (draw.random() + np.arange(self.length)) * ends[-1] / self.length
        chosen = order[np.minimum(np.searchsorted(ends, points, side="right"), len(order) - 1)]
        shuffled: list[int] = draw.permutation(chosen).tolist()
        return shuffled
