"""Radially averaged power spectra: how much structure a forecast has at each scale, and where it is blurred.

Axes: B batch, K lead time, C channel, H height, W width, F wavenumber.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nextframe.frames.sequence import FloatArray
from nextframe.verification.additive import Additive, Sums

FINE = 8
"""Wavelengths shorter than so many pixels are what the power ratio looks at: what a blurred forecast lacks first."""


@dataclass(frozen=True, kw_only=True)
class SpectralStatistics(Additive):
    """Sums of power spectra over frames and channels, (K, F)."""

    side: int
    """Length of the longer side in pixels: wavenumber f is f waves along it."""
    power: Sums
    """Of the forecasts, (K, F)."""
    truth_power: Sums
    """Of the truth, (K, F)."""

    @classmethod
    def each(cls, forecast: FloatArray, truth: FloatArray) -> Self:
        """Spectra of every forecast of a batch apart, along a first axis B.

        The power of a wavenumber is the mean of |FFT|^2 / (H W) over the ring of that radius, as pysteps' `rapsd` has
        it. A value that is missing on either side is the mean of the others of its frame on both.

        Args:
            forecast: (B, K, C, H, W) in source units, NaN where missing.
            truth: the same shape.
        """
        valid = np.isfinite(forecast) & np.isfinite(truth)
        return cls(side=max(truth.shape[-2:]), power=_rings(forecast, valid), truth_power=_rings(truth, valid))

    @property
    def wavelength(self) -> Sums:
        """Wavelength of each wavenumber in pixels, (F,); infinite for the first, the mean."""
        with np.errstate(divide="ignore"):
            return self.side / np.arange(self.power.shape[-1], dtype=np.float64)

    def metrics(self) -> dict[str, Sums]:
        """The power ratio, (..., K); NaN where the truth has no power at the fine scales."""
        fine = self.wavelength < FINE
        with np.errstate(divide="ignore", invalid="ignore"):
            truth = self.truth_power[..., fine].sum(-1)
            return {f"power_{FINE}px": np.where(truth > 0, self.power[..., fine].sum(-1) / truth, np.nan)}


def _rings(frames: FloatArray, valid: NDArray[np.bool_]) -> Sums:
    """Radially averaged power of (B, K, C, H, W), summed over channels, (B, K, F)."""
    height, width = frames.shape[-2:]
    number = valid.sum((-2, -1), keepdims=True)
    values = np.where(valid, frames, 0).astype(np.float64)
    values = np.where(valid, values, values.sum((-2, -1), keepdims=True) / np.maximum(number, 1))
    power = np.abs(np.fft.fft2(values)) ** 2 / (height * width)
    side = max(height, width)
    # A wave along the shorter side is as long as one along the longer side that has more periods.
    down, right = (np.fft.fftfreq(n, 1 / side) for n in (height, width))
    ring = np.round(np.hypot(down[:, None], right)).astype(int)
    rings = side // 2 + 1
    inside = ring < rings
    flat = power[..., inside].reshape(-1, int(inside.sum()))
    index = ring[inside]
    sums = np.stack([np.bincount(index, row, rings) for row in flat])
    means = sums / np.maximum(np.bincount(index, minlength=rings), 1)
    total: Sums = means.reshape(*frames.shape[:3], rings).sum(2)
    return total
