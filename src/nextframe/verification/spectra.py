"""Radially averaged power spectra: how much structure a forecast has at each scale, and where it is blurred.

Axes: B batch, K lead time, C channel, H height, W width, F wavenumber.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nextframe.frames.sequence import FloatArray
from nextframe.verification.additive import Additive, Settings, Sums, hold_alike

FINE = 8
"""Wavelengths shorter than so many pixels are what the power ratio looks at: what a blurred forecast lacks first."""


@dataclass(frozen=True, kw_only=True)
class Spectra(Additive):
    """Sums of power spectra over frames and channels, (K, F)."""

    side: int
    """Length of the longer side in pixels: wavenumber f is f waves along it."""
    power: Sums
    """Of the forecasts, (K, F)."""
    truth_power: Sums
    """Of the truth, (K, F)."""

    @classmethod
    def each(cls, forecast: NDArray[Any], truth: NDArray[Any], settings: Settings) -> Self:
        """Spectra of every forecast of a batch apart; arguments and errors of `Additive.each`.

        The power of a wavenumber is the mean of |FFT|^2 / (H W) over the coefficients whose wavenumber rounds to it,
        with wavenumbers counted in waves along the longer side: on a frame that is not square, a wave along the shorter
        side counts by its length in pixels and not by its number of periods. On square frames that is pysteps' `rapsd`;
        on others `rapsd` counts periods along each side by themselves, and mixes waves of different lengths. A value
        that is missing on either side is the mean of the others of its frame on both.
        """
        hold_alike(forecast, truth)
        valid = np.isfinite(forecast) & np.isfinite(truth)
        side = settings.side or max(truth.shape[-2:])
        return cls(side=side, power=_rings(forecast, valid, side), truth_power=_rings(truth, valid, side))

    @property
    def wavelength(self) -> Sums:
        """Wavelength of each wavenumber in pixels, (F,); infinite for the first, the mean."""
        with np.errstate(divide="ignore"):
            return self.side / np.arange(self.power.shape[-1], dtype=np.float64)

    @property
    def fine(self) -> Sums:
        """Power of the forecasts at wavelengths shorter than `FINE` pixels, (..., K)."""
        fine: Sums = self.power[..., self.wavelength < FINE].sum(-1)
        return fine

    @property
    def fine_truth(self) -> Sums:
        """Power of the truth there, (..., K)."""
        fine: Sums = self.truth_power[..., self.wavelength < FINE].sum(-1)
        return fine

    def named(self, name: str, values: Sums) -> dict[str, Sums]:
        """Values of a metric by wavelength: "power_8px"."""
        return {f"{name}_{FINE}px": values}


def _rings(frames: FloatArray, valid: NDArray[np.bool_], side: int) -> Sums:
    """Radially averaged power of (B, K, C, H, W), summed over channels, (B, K, F)."""
    height, width = frames.shape[-2:]
    number = valid.sum((-2, -1), keepdims=True)
    values = np.where(valid, frames, 0).astype(np.float64)
    values = np.where(valid, values, values.sum((-2, -1), keepdims=True) / np.maximum(number, 1))
    power = np.abs(np.fft.fft2(values)) ** 2 / (height * width)
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
