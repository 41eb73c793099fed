"""Climatology: what there usually is at each pixel, whatever the weather now."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Self

import numpy as np

from nextframe.data.split import Span
from nextframe.errors import ConfigError
from nextframe.forecasting.forecast import Forecaster
from nextframe.frames.sequence import FloatArray
from nextframe.words import evenly

_FRAMES = 200
_MEMBERS = 19


class Climatology(Forecaster):
    """The training part's mean at each pixel, for every lead time, and its quantiles for members.

    It knows neither season nor time of day: what is asked of a forecast is to beat the frames that were trained on.

    Args:
        mean: (C, H, W) in source units, NaN where nothing was ever seen.
        quantiles: (M, C, H, W), equally likely values of each pixel.
    """

    def __init__(self, mean: FloatArray, quantiles: FloatArray) -> None:
        self.mean, self.quantiles = mean, quantiles

    @classmethod
    def fit(cls, training: Sequence[Span]) -> Self:
        """Take it from the training part, from at most 200 frames, evenly spread.

        Raises:
            ConfigError: no training part.
        """
        frames = [(span.sequence, n) for span in training for n in range(span.start, span.stop)]
        if not frames:
            raise ConfigError(
                "needs a training part to take the mean of",
                where="baseline 'climatology'",
                hint="verify a run, whose training part it then is, or leave it out",
            )
        values = np.stack([sequence.read(n, n + 1)[0] for sequence, n in evenly(frames, _FRAMES)])
        levels = np.arange(1, _MEMBERS + 1) / (_MEMBERS + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # pixels without any value
            mean = np.asarray(np.nanmean(values, axis=0, dtype=np.float64), np.float32)
            quantiles = np.asarray(np.nanquantile(values, levels, axis=0, method="weibull"), np.float32)
        return cls(mean, quantiles)

    @property
    def name(self) -> str:
        return "climatology"

    def predict(self, past: FloatArray, lead_times: int) -> FloatArray:
        """The mean, (B, K, C, H, W).

        Raises:
            ConfigError: frames that are not on the grid of the training part.
        """
        if past.shape[2:] != self.mean.shape:
            raise ConfigError(
                "cannot be taken from a training part on another grid",
                where="baseline 'climatology'",
                expected=f"frames of (channel, height, width) {self.mean.shape}",
                received=past.shape[2:],
                hint="leave it out of {baselines}, or bring the frames to that grid",
            )
        return np.broadcast_to(self.mean, (len(past), lead_times, *self.mean.shape)).copy()

    def distribution(self, past: FloatArray, lead_times: int) -> tuple[FloatArray, FloatArray]:
        """The mean, and quantiles of each pixel."""
        shape = (len(past), len(self.quantiles), lead_times, *self.mean.shape)
        return self.predict(past, lead_times), np.broadcast_to(self.quantiles[:, None], shape)
